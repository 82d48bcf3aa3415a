// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * module: everything there is while any caller has it initialized (R10)
 *
 * The configuration, the backends, the arbiter and the slots. Started with the
 * first caller, stopped with the last, after the last call is out. A forked
 * child lets go of the parent's without touching it and starts afresh.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "log.h"
#include "module.h"

struct module {
	struct config *config;
	const struct arbiter_ops *arbiter;
	struct backend **backends;
	size_t backend_count;

	pthread_mutex_t slots_lock;
	struct slot **slots;		/* by id; only ever grows */
	size_t slot_count;
};

/* @module comes and goes under @lock; @users keep it from going. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct module *module;
	unsigned long users;
	bool open;			/* to new users */

	bool forked;
	struct module *parents;		/* not ours to touch */
} state = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
};

/* ---- slots ------------------------------------------------------------------ */

/* Called with the slots' lock held. */
static struct slot *slot_of(struct module *module, struct backend *backend,
			    CK_SLOT_ID backend_id)
{
	struct slot **slots;
	struct slot *slot;
	size_t i;

	for (i = 0; i < module->slot_count; i++) {
		slot = module->slots[i];
		if (slot->backend == backend && slot->backend_id == backend_id)
			return slot;
	}
	slots = realloc(module->slots, (i + 1) * sizeof(*slots));
	if (!slots)
		return NULL;
	module->slots = slots;
	slot = slot_new(i, backend, backend_id, module->arbiter);
	if (!slot)
		return NULL;
	module->slots[module->slot_count++] = slot;
	return slot;
}

/* What no backend has, unless it returns nonsense. */
#define MANY_SLOTS	65536
#define MANY_TRIES	16

/* The caller frees *@list, also on failure. */
static CK_RV backend_slots(struct backend *backend, bool present,
			   CK_SLOT_ID **list, CK_ULONG *count)
{
	int tries = MANY_TRIES;
	CK_ULONG room;
	CK_RV rv;

	*list = NULL;
	do {
		rv = BACKEND(backend, C_GetSlotList, present, NULL, count);
		if (rv != CKR_OK)
			return rv;
		room = *count;
		if (room > MANY_SLOTS || !tries--)
			return CKR_GENERAL_ERROR;
		free(*list);
		*list = calloc(room + 1, sizeof(**list));
		if (!*list)
			return CKR_HOST_MEMORY;
		rv = BACKEND(backend, C_GetSlotList, present, *list, count);
	} while (rv == CKR_BUFFER_TOO_SMALL);
	return rv == CKR_OK && *count > room ? CKR_GENERAL_ERROR : rv;
}

/**
 * module_find_slots() - the slots of all backends, under our ids
 * @present: only those with a token
 * @list: out: room for *@count ids, or NULL
 * @count: in: the room; out: how many there are
 *
 * A backend that can't say is logged and left out: it doesn't take the others
 * with it.
 */
CK_RV module_find_slots(bool present, CK_SLOT_ID *list, CK_ULONG *count)
{
	struct module *module = state.module;
	CK_ULONG room = list ? *count : 0;
	CK_ULONG total = 0;
	CK_RV rv = CKR_OK;
	size_t i;

	pthread_mutex_lock(&module->slots_lock);
	for (i = 0; i < module->backend_count && rv == CKR_OK; i++) {
		struct backend *backend = module->backends[i];
		CK_SLOT_ID *ids;
		CK_ULONG n, j;

		rv = backend_slots(backend, present, &ids, &n);
		if (rv != CKR_OK && rv != CKR_HOST_MEMORY) {
			log_error("backend %s: C_GetSlotList failed: 0x%lx",
				  backend->config->name, rv);
			n = 0;
			rv = CKR_OK;
		}
		for (j = 0; j < n && rv == CKR_OK; j++) {
			struct slot *slot = slot_of(module, backend, ids[j]);

			if (!slot)
				rv = CKR_HOST_MEMORY;
			else if (total++ < room)
				list[total - 1] = slot->id;
		}
		free(ids);
	}
	pthread_mutex_unlock(&module->slots_lock);
	if (rv != CKR_OK)
		return rv;
	*count = total;
	return list && total > room ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

struct slot *module_slot(CK_SLOT_ID id)
{
	struct module *module = state.module;
	struct slot *slot = NULL;

	pthread_mutex_lock(&module->slots_lock);
	if (id < module->slot_count)
		slot = module->slots[id];
	pthread_mutex_unlock(&module->slots_lock);
	return slot;
}

/* Return: the one after @slot, the first for NULL; NULL after the last. */
struct slot *module_next_slot(const struct slot *slot)
{
	return module_slot(slot ? slot->id + 1 : 0);
}

static bool take_event(struct module *module, unsigned int caller,
		       CK_SLOT_ID *id)
{
	unsigned char bit = (unsigned char)(1 << caller % 8);
	size_t i;

	for (i = 0; i < module->slot_count; i++) {
		struct slot *slot = module->slots[i];

		if (atomic_fetch_and(&slot->events[caller / 8],
				     (unsigned char)~bit) & bit) {
			*id = slot->id;
			return true;
		}
	}
	return false;
}

/* What everybody has there may be gone; slots are never taken away. */
static void look_after(struct slot *slot)
{
	CK_SLOT_INFO info;
	CK_RV rv;

	if (!atomic_load(&slot->suspect))
		return;
	rv = BACKEND(slot->backend, C_GetSlotInfo, slot->backend_id, &info);
	if (rv == CKR_OK && info.flags & CKF_TOKEN_PRESENT)
		return;
	pthread_mutex_lock(&slot->lock);
	slot_token_gone(slot);
	pthread_mutex_unlock(&slot->lock);
}

/**
 * module_slot_event() - has anything happened that this caller doesn't know?
 * @caller: its number
 * @id: out: our slot
 * @told: out: is there a backend that would ever say so?
 *
 * A backend tells an event once. Every caller is told it once.
 */
CK_RV module_slot_event(unsigned int caller, CK_SLOT_ID *id, bool *told)
{
	struct module *module = state.module;
	CK_SLOT_ID backend_id;
	CK_ULONG count;
	bool found, any = false;
	struct slot *slot;
	size_t i, j;
	CK_RV rv;

	*told = false;
	pthread_mutex_lock(&module->slots_lock);
	for (i = 0; i < module->backend_count; i++) {
		struct backend *backend = module->backends[i];

		/*
		 * A backend may look for new readers only when it is asked how
		 * many slots there are: OpenSC does.
		 */
		BACKEND(backend, C_GetSlotList, CK_FALSE, NULL, &count);
		rv = BACKEND(backend, C_WaitForSlotEvent, CKF_DONT_BLOCK,
			     &backend_id, NULL);
		*told |= rv != CKR_FUNCTION_NOT_SUPPORTED;
		if (rv != CKR_OK)
			continue;
		slot = slot_of(module, backend, backend_id);
		if (!slot)
			continue;
		for (j = 0; j < sizeof(slot->events); j++)
			atomic_store(&slot->events[j], 0xff);
		atomic_store(&slot->suspect, true);
		any = true;
	}
	found = take_event(module, caller, id);
	pthread_mutex_unlock(&module->slots_lock);
	for (slot = NULL; any && (slot = module_next_slot(slot));)
		look_after(slot);
	return found ? CKR_OK : CKR_NO_EVENT;
}

/* ---- start and stop ----------------------------------------------------------- */

static void module_free(struct module *module)
{
	struct site_before site;
	size_t i;

	for (i = 0; i < module->slot_count; i++)
		slot_free(module->slots[i]);
	free(module->slots);
	for (i = 0; i < module->backend_count; i++) {
		site = site_enter(module->backends[i]->config->name,
				  "C_Finalize");
		backend_free(module->backends[i]);
		site_leave(&site);
	}
	crash_unwatch();
	free(module->backends);
	config_free(module->config);
	pthread_mutex_destroy(&module->slots_lock);
	free(module);
}

static CK_RV load_backends(struct module *module, CK_FLAGS flags)
{
	const struct config_backend *config;
	struct site_before site;
	struct backend *backend;
	size_t count = 0;
	CK_RV rv;

	crash_watch();
	for (config = module->config->backends; config; config = config->next)
		count++;
	module->backends = calloc(count + 1, sizeof(*module->backends));
	if (!module->backends)
		return CKR_HOST_MEMORY;

	for (config = module->config->backends; config; config = config->next) {
		backend = NULL;
		site = site_enter(config->name, "C_Initialize");
		rv = backend_load(config, module->arbiter, &backend);
		if (rv == CKR_OK)
			rv = backend_initialize(backend, flags, state.forked);
		site_leave(&site);
		if (rv == CKR_OK) {
			module->backends[module->backend_count++] = backend;
			continue;
		}
		backend_free(backend);
		/* What was named has to work; what was found may not. */
		if (config->file || rv == CKR_HOST_MEMORY)
			return rv;
	}
	return CKR_OK;
}

CK_RV module_start(CK_FLAGS flags)
{
	struct module *module = calloc(1, sizeof(*module));
	CK_ULONG count;
	CK_RV rv;

	if (!module)
		return CKR_HOST_MEMORY;
	pthread_mutex_init(&module->slots_lock, NULL);
	rv = config_load(&module->config);
	if (rv != CKR_OK)
		goto err;
	log_set_level(module->config->log);
	rv = arbiter_choose(module->config->arbiter, &module->arbiter);
	if (rv != CKR_OK)
		goto err;
	rv = load_backends(module, flags);
	if (rv != CKR_OK)
		goto err;

	pthread_mutex_lock(&state.lock);
	state.module = module;
	state.users = 1;
	state.open = true;
	pthread_mutex_unlock(&state.lock);

	/* So that ids are known to callers that never ask for the list. */
	module_find_slots(false, NULL, &count);
	module_put();
	return CKR_OK;

err:
	module_free(module);
	return rv;
}

/* Waits until every call is out and every session is closed. */
void module_stop(void)
{
	struct module *module;

	pthread_mutex_lock(&state.lock);
	state.open = false;
	while (state.users)
		pthread_cond_wait(&state.idle, &state.lock);
	module = state.module;
	state.module = NULL;
	pthread_mutex_unlock(&state.lock);
	module_free(module);
}

CK_RV module_get(void)
{
	CK_RV rv = CKR_CRYPTOKI_NOT_INITIALIZED;

	pthread_mutex_lock(&state.lock);
	if (state.open) {
		state.users++;
		rv = CKR_OK;
	}
	pthread_mutex_unlock(&state.lock);
	return rv;
}

void module_put(void)
{
	pthread_mutex_lock(&state.lock);
	if (!--state.users)
		pthread_cond_broadcast(&state.idle);
	pthread_mutex_unlock(&state.lock);
}

/* While a caller is initialized: the configuration it started with. */
const struct config *module_config(void)
{
	return state.module->config;
}

static void pad(unsigned char *field, size_t size, const char *text)
{
	memset(field, ' ', size);
	memcpy(field, text, strlen(text));
}

/* What C_GetInfo says of us; @version is that of the caller's list. */
CK_RV module_info(const CK_VERSION *version, CK_INFO *info)
{
	CK_RV rv = module_get();

	if (rv != CKR_OK)
		return rv;
	module_put();
	if (!info)
		return CKR_ARGUMENTS_BAD;
	memset(info, 0, sizeof(*info));
	info->cryptokiVersion = *version;
	pad(info->manufacturerID, sizeof(info->manufacturerID), "tokmux");
	pad(info->libraryDescription, sizeof(info->libraryDescription),
	    "tokmux shared tokens");
	info->libraryVersion.major = 0;
	info->libraryVersion.minor = 1;
	return CKR_OK;
}

/*
 * In the child, which has one thread. The parent's locks may be in any state
 * and its backends' sessions are the parent's: everything is left as it is.
 */
void module_forked(void)
{
	site_forked();
	if (state.module) {
		state.module->arbiter->forked();
		state.forked = true;
		state.parents = state.module;
	}
	pthread_mutex_init(&state.lock, NULL);
	pthread_cond_init(&state.idle, NULL);
	state.module = NULL;
	state.users = 0;
	state.open = false;
}
