// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * module: everything there is while any caller has it initialized (R10)
 *
 * The configuration, the backends, the arbiter and the slots. Started with the
 * first caller, stopped with the last, after the last call is out. A forked
 * child lets go of the parent's without touching it and starts afresh.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "lease.h"
#include "log.h"
#include "login.h"
#include "module.h"
#include "now.h"
#include "seat.h"
#include "slots.h"
#include "token.h"
#include "turn.h"
#include "users.h"

struct module {
	struct config *config;
	const struct arbiter_ops *arbiter;
	struct backend **backends;
	size_t backend_count;

	struct slots slots;
};

/*
 * @module comes and goes under @lock; its users (users.c) keep it from going. After
 * the last caller has left, the last call that returns stops the module. That may
 * take long, so another caller may come before.
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t gone;
	struct module *module;
	int loaded;			/* modules, also those that never start */

	bool exiting;			/* backends are gone already */

	/* In a forked child, else NULL. Its slots are looked at, no more. */
	struct module *parents;
} state = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.gone = PTHREAD_COND_INITIALIZER,
};

/* ---- slots ------------------------------------------------------------------ */

/* With the slots' lock. */
static struct slot *slot_of(struct module *module, struct backend *backend,
			    CK_SLOT_ID backend_id)
{
	return slots_get(&module->slots, backend, backend_id,
			 backend->config == module->config->backends);
}

/* No backend has as many, unless it returns nonsense. */
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
 * A backend that fails, or that hasn't answered another thread yet, is logged and
 * left out: the other backends' slots are listed all the same.
 */
CK_RV module_find_slots(bool present, CK_SLOT_ID *list, CK_ULONG *count)
{
	struct module *module = state.module;
	CK_ULONG room = list ? *count : 0;
	CK_ULONG total = 0;
	CK_RV rv = CKR_OK;
	size_t i;

	for (i = 0; i < module->backend_count && rv == CKR_OK; i++) {
		struct backend *backend = module->backends[i];
		CK_SLOT_ID *ids = NULL;
		CK_ULONG n, j;

		rv = backend_turn(backend, &backend->listing);
		if (rv == CKR_OK) {
			rv = CANCEL_UNDOES(turn_cancelled, &backend->listing,
					   backend_slots(backend, present, &ids,
							 &n));
			turn_give(&backend->listing);
		}
		if (rv != CKR_OK && rv != CKR_HOST_MEMORY) {
			log_error("backend %s: C_GetSlotList failed: 0x%lx",
				  backend->config->name, rv);
			n = 0;
			rv = CKR_OK;
		}
		pthread_mutex_lock(&module->slots.lock);
		for (j = 0; rv == CKR_OK && j < n; j++) {
			struct slot *slot = slot_of(module, backend, ids[j]);

			if (!slot)
				rv = CKR_HOST_MEMORY;
			else if (total++ < room)
				list[total - 1] = slot->id;
		}
		pthread_mutex_unlock(&module->slots.lock);
		free(ids);
	}
	if (rv != CKR_OK)
		return rv;
	*count = total;
	return list && total > room ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

struct slot *module_slot(CK_SLOT_ID id)
{
	struct module *module = state.module;
	struct slot *slot;

	pthread_mutex_lock(&module->slots.lock);
	slot = slots_by_id(&module->slots, id);
	pthread_mutex_unlock(&module->slots.lock);
	return slot;
}

/* Return: the one after @slot, the first for NULL; NULL after the last. */
struct slot *module_next_slot(const struct slot *slot)
{
	struct module *module = state.module;
	struct slot *next;

	pthread_mutex_lock(&module->slots.lock);
	next = slots_next(&module->slots, slot);
	pthread_mutex_unlock(&module->slots.lock);
	return next;
}

/* Return: NULL after the last. */
struct backend *module_backend(size_t number)
{
	struct module *module = state.module;

	return number < module->backend_count ? module->backends[number] : NULL;
}

/* Return: a backend's slot as one of ours; NULL if there is no memory for it. */
struct slot *module_slot_of(struct backend *backend, CK_SLOT_ID backend_id)
{
	struct module *module = state.module;
	struct slot *slot;

	pthread_mutex_lock(&module->slots.lock);
	slot = slot_of(module, backend, backend_id);
	pthread_mutex_unlock(&module->slots.lock);
	return slot;
}

/* ---- a backend whose other end is gone ------------------------------------------ */

static bool answers(struct slot *slot)
{
	CK_SLOT_INFO info;

	return BACKEND(slot->backend, C_GetSlotInfo, slot->backend_id, &info) == CKR_OK;
}

/* No other thread is in the backend. */
static CK_RV once_more(struct backend *backend)
{
	struct site *site = site_of_thread();
	CK_RV rv;

	site_enter(site, backend->name, "C_Initialize");
	rv = backend_begin_anew(backend);
	site_leave(site);
	return rv;
}

/* With backend->anew. */
static CK_RV begin_anew(struct backend *backend)
{
	struct slot *slot = NULL;
	CK_RV rv = CKR_DEVICE_REMOVED;

	/* A thread that is still inside would be in what C_Finalize frees. */
	if (quiesce_begin()) {
		log_error("backend %s: its other end is gone, it is begun anew",
			  backend->name);
		rv = once_more(backend);
		while ((slot = module_next_slot(slot)))
			if (slot->backend == backend)
				token_begins_anew(slot);
	}
	quiesce_end();
	return rv;
}

static bool may_be_gone(CK_RV rv)
{
	return rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_REMOVED ||
	       rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED ||
	       rv == CKR_SLOT_ID_INVALID || rv == CKR_TOKEN_NOT_PRESENT ||
	       rv == CKR_CRYPTOKI_NOT_INITIALIZED;
}

/**
 * module_recover() - a remote backend is begun anew if its other end is gone
 * @slot: where a call failed
 * @rv: with that
 *
 * The thread has no lease and no lock. All that callers had with the backend's tokens is
 * gone, as with a token that was taken out (R15).
 *
 * Return: CKR_OK if the backend answers by now, and the call may be tried again; else
 * what the caller is to be told.
 */
CK_RV module_recover(struct slot *slot, CK_RV rv)
{
	struct backend *backend = slot->backend;
	int cancel;

	if (!backend->config->remote || !may_be_gone(rv))
		return rv;
	cancel = cancel_off();
	if (backend_turn(backend, &backend->anew) != CKR_OK) {
		cancel_on(cancel);
		return rv;
	}
	/* Another thread may have begun it anew meanwhile. */
	if (answers(slot) || (begin_anew(backend) == CKR_OK && answers(slot)))
		rv = CKR_OK;
	else
		rv = CKR_DEVICE_REMOVED;
	turn_give(&backend->anew);
	cancel_on(cancel);
	return rv;
}

/* ---- start and stop ----------------------------------------------------------- */

static struct module *new_module(void)
{
	struct module *module = calloc(1, sizeof(*module));

	if (!module)
		return NULL;
	slots_init(&module->slots);
	pthread_mutex_lock(&state.lock);
	state.loaded++;
	crash_watch();
	pthread_mutex_unlock(&state.lock);
	return module;
}

static void module_free(struct module *module)
{
	struct site *site = site_of_thread();
	struct slot *slot;
	size_t i;

	for (slot = slots_next(&module->slots, NULL); slot;
	     slot = slots_next(&module->slots, slot))
		slot_leave(slot);
	slots_destroy(&module->slots);
	for (i = 0; i < module->backend_count; i++) {
		site_enter(site, module->backends[i]->config->name,
			   "C_Finalize");
		if (!quiesce_passes(site))
			backend_abandon(module->backends[i]);
		backend_free(module->backends[i]);
		site_leave(site);
	}
	if (module->arbiter && module->arbiter->stop)
		module->arbiter->stop();
	free(module->backends);
	site_names_go();
	config_free(module->config);
	free(module);
	pthread_mutex_lock(&state.lock);
	if (!--state.loaded)
		crash_unwatch();
	pthread_mutex_unlock(&state.lock);
}

/*
 * When the process exits a backend's destructors may come before handlers that
 * were there earlier, or other libraries' destructors, in which callers finalize:
 * they do so without it from here on. Registered before it is loaded, this comes
 * right after them.
 */
static void abandon_backends(void)
{
	pthread_mutex_lock(&state.lock);
	state.exiting = true;
	pthread_mutex_unlock(&state.lock);
	quiesce_abandon();
}

/* A backend has come into the process since watch_calls_at_exit() was told of one. */
static atomic_bool new_backend;

/* Before the backend is loaded. */
static void watch_exit(const struct config_backend *config)
{
	static atomic_bool watched;
	void *object = dlopen(config->module, RTLD_NOW | RTLD_NOLOAD);

	if (object)
		dlclose(object);
	else
		atomic_store(&new_backend, true);
	if (!object || !atomic_load(&watched))
		atomic_store(&watched, !atexit(abandon_backends));
}

/*
 * A process that exits without C_Finalize has not crashed: its callers are logged out
 * (R2). A handler that comes later finds no login, and could not have used it: it is
 * older than the backend, so the backend is gone by then.
 */
static void exit_begins(void)
{
	struct slot *slot = NULL;
	int64_t until_ms;

	if (!quiesce_for_good() || lease_is_inside() || users_get() != CKR_OK)
		return;
	until_ms = now_ms() + QUIESCE_PATIENCE_MS;
	while ((slot = module_next_slot(slot)))
		login_exit(slot, until_ms);
	users_put();
}

/*
 * Registered after a backend has started, this comes before the destructors of the
 * backend and of the libraries that it has brought.
 */
static void watch_calls_at_exit(bool is_new)
{
	static bool watched;

	if (is_new || !watched)
		watched = !atexit(exit_begins);
}

/* Return: CKR_OK, also without a backend that need not be there. */
static CK_RV load_one(struct module *module, const struct config_backend *config)
{
	struct site *site = site_of_thread();
	struct backend *backend = NULL;
	CK_RV rv = CKR_FUNCTION_FAILED;

	watch_exit(config);
	site_enter(site, config->name, "C_GetFunctionList");
	if (quiesce_passes(site))
		rv = backend_load(config, &backend);
	site_leave(site);
	if (rv == CKR_OK) {
		module->backends[module->backend_count++] = backend;
		return CKR_OK;
	}
	/* A backend that is configured has to work; one that was found need not. */
	return config->file || rv == CKR_HOST_MEMORY ? rv : CKR_OK;
}

static CK_RV load_backends(struct module *module)
{
	const struct config_backend *config;
	size_t count = 0;
	CK_RV rv = CKR_OK;

	for (config = module->config->backends; config; config = config->next)
		count++;
	module->backends = calloc(count + 1, sizeof(*module->backends));
	if (!module->backends)
		return CKR_HOST_MEMORY;
	for (config = module->config->backends; config && rv == CKR_OK;
	     config = config->next)
		rv = load_one(module, config);
	return rv;
}

#define PARENTS_TRIES		5
#define PARENTS_PAUSE_MS	5

/* Has the slot a token that stays there, and is ready for use? */
static bool is_lasting(const struct slot *slot)
{
	return !slot->removable && slot->token_flags & CKF_TOKEN_INITIALIZED;
}

static bool listed(const CK_SLOT_ID *ids, CK_ULONG n, CK_SLOT_ID id)
{
	while (n--)
		if (ids[n] == id)
			return true;
	return false;
}

/* Return: false if the backend lacks a token that the parent process has found. */
static bool has_parents_tokens(struct backend *backend)
{
	struct slots *parents = &state.parents->slots;
	struct slot *slot = NULL;
	CK_SLOT_ID *ids;
	bool has = true;
	CK_ULONG n;

	/* A thread of the parent may have had the lock at the fork: then nothing is known. */
	if (pthread_mutex_trylock(&parents->lock))
		return true;
	if (backend_slots(backend, true, &ids, &n) == CKR_OK)
		while (has && (slot = slots_next(parents, slot)))
			has = strcmp(slot->backend->name, backend->name) ||
			      !is_lasting(slot) || listed(ids, n, slot->backend_id);
	free(ids);
	pthread_mutex_unlock(&parents->lock);
	return has;
}

/*
 * SoftHSM2 looks for its tokens when it is initialized, and it doesn't find one whose file
 * another process is writing: each login does that, and the file is unlocked while it is
 * still empty. A program that starts asks for the list of slots. A forked child goes on with
 * the slot that the parent has found, and OpenSSL's engine waits for ever for a session
 * if there is no such slot. So the backend begins once more.
 */
static CK_RV find_parents_tokens(struct backend *backend)
{
	const struct timespec pause = { .tv_nsec = PARENTS_PAUSE_MS * 1000000 };
	int tries = PARENTS_TRIES;
	CK_RV rv = CKR_OK;

	/* A backend that other code has initialized is left as it is. */
	while (rv == CKR_OK && backend->finalize && tries-- &&
	       !has_parents_tokens(backend)) {
		log_info("backend %s: a token of the parent process is missing, it is begun anew",
			 backend->name);
		nanosleep(&pause, NULL);
		rv = once_more(backend);
	}
	return rv;
}

static CK_RV initialize_one(struct backend *backend, CK_FLAGS flags)
{
	struct site *site = site_of_thread();
	CK_RV rv = CKR_FUNCTION_FAILED;

	site_enter(site, backend->name, "C_Initialize");
	if (quiesce_passes(site))
		rv = backend_initialize(backend, flags, state.parents);
	site_leave(site);
	if (rv == CKR_OK && state.parents && !backend->config->remote)
		rv = find_parents_tokens(backend);
	return rv;
}

static CK_RV initialize_backends(struct module *module, CK_FLAGS flags)
{
	bool is_new = atomic_exchange(&new_backend, false);
	size_t i = 0;
	CK_RV rv;

	while (i < module->backend_count) {
		struct backend *backend = module->backends[i];

		backend->arbiter = module->arbiter;
		rv = initialize_one(backend, flags);
		if (rv == CKR_OK) {
			watch_calls_at_exit(is_new);
			i++;
			continue;
		}
		/* As in load_one(). */
		if (backend->config->file || rv == CKR_HOST_MEMORY) {
			if (is_new)
				atomic_store(&new_backend, true);
			return rv;
		}
		backend_free(backend);
		memmove(&module->backends[i], &module->backends[i + 1],
			(--module->backend_count - i) *
				sizeof(*module->backends));
	}
	return CKR_OK;
}

/* How long to wait for a start or a stop: as long as for any backend's turn. */
static atomic_int patience_ms = BACKEND_WAIT_MS;

int module_patience_ms(void)
{
	return atomic_load(&patience_ms);
}

static void be_patient(const struct config *config)
{
	const struct config_backend *backend = config->backends;
	int ms = 0;

	for (; backend; backend = backend->next)
		if (backend_wait_ms(backend) > ms)
			ms = backend_wait_ms(backend);
	if (ms)
		atomic_store(&patience_ms, ms);
}

/* With the state's lock. Return: false if the module isn't gone in time. */
static bool wait_gone(void)
{
	int64_t until_ms = now_ms() + module_patience_ms();

	site_watch(NULL);
	while (state.module && !users_open())
		if (!turn_wait(&state.gone, &state.lock, until_ms))
			break;
	return !state.module;
}

/*
 * A call that hangs may have kept the module from stopping when the last caller
 * left. Then the module goes on as it was.
 */
static CK_RV resume(bool *resumed)
{
	CK_RV rv = CKR_OK;

	pthread_mutex_lock(&state.lock);
	if (state.exiting) {
		pthread_mutex_unlock(&state.lock);
		return CKR_FUNCTION_FAILED;
	}
	/* One that is just being stopped has no users. */
	*resumed = users_resume();
	if (!*resumed && !wait_gone())
		rv = CKR_FUNCTION_FAILED;
	pthread_mutex_unlock(&state.lock);
	if (rv != CKR_OK)
		module_name_hung();
	return rv;
}

/**
 * module_load() - the first half of a start, in which no thread waits for another
 * @loaded: out: for module_start() or module_unload()
 */
CK_RV module_load(struct module **loaded)
{
	struct module *module = new_module();
	CK_RV rv;

	if (!module)
		return CKR_HOST_MEMORY;
	rv = config_load(&module->config);
	if (rv == CKR_OK) {
		be_patient(module->config);
		rv = load_backends(module);
	}
	if (rv == CKR_OK)
		*loaded = module;
	else
		module_free(module);
	return rv;
}

/* Another thread's module was first, or this one isn't wanted any more. */
void module_unload(void *module)
{
	if (module)
		module_free(module);
}

/* The last user is gone: no other comes, and no other module starts meanwhile. */
static void last_out(void)
{
	module_free(state.module);
	pthread_mutex_lock(&state.lock);
	state.module = NULL;
	pthread_cond_broadcast(&state.gone);
	pthread_mutex_unlock(&state.lock);
}

/* The second half: the arbiter and the backends' C_Initialize. It takes @module. */
CK_RV module_start(struct module *module, CK_FLAGS flags)
{
	CK_ULONG count;
	bool resumed;
	CK_RV rv;

	rv = resume(&resumed);
	if (rv != CKR_OK || resumed) {
		module_free(module);
		return rv;
	}
	rv = arbiter_choose(module->config->arbiter, &module->arbiter);
	if (rv == CKR_OK)
		rv = initialize_backends(module, flags);
	if (rv != CKR_OK) {
		module_free(module);
		return rv;
	}

	pthread_mutex_lock(&state.lock);
	state.module = module;
	users_begin(last_out);
	pthread_mutex_unlock(&state.lock);

	/* So that ids are known to callers that never ask for the list. */
	module_find_slots(false, NULL, &count);
	return CKR_OK;
}

/*
 * Waits until every call has returned, every session is closed and all is
 * finalized, but not for ever: the last call to return does the rest.
 */
void module_stop(void)
{
	bool gone;

	users_end();
	pthread_mutex_lock(&state.lock);
	gone = wait_gone();
	pthread_mutex_unlock(&state.lock);
	if (gone)
		return;
	log_error("calls that have not returned keep the backends from being finalized");
	module_name_hung();
}

void module_name_hung(void)
{
	site_name_hung(NULL, module_patience_ms() / 2);
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
	CK_RV rv = users_get();

	if (rv != CKR_OK)
		return rv;
	users_put();
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
		state.parents = state.module;
	}
	pthread_mutex_init(&state.lock, NULL);
	pthread_cond_init(&state.gone, NULL);
	state.module = NULL;
	state.loaded = 0;
	users_forked();
}
