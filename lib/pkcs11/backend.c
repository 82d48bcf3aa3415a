// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * backend: a PKCS#11 module underneath
 *
 * Loaded and initialized once however many callers there are, finalized when
 * the last one leaves (R10). One that cannot lock is serialized by us.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "log.h"
#include "sigpipe.h"

/* With the line that names the module, or its path if it was found. */
static void complain(const struct config_backend *config, const char *reason)
{
	if (config->file)
		log_error("%s:%u: backend %s: %s", config->file, config->line,
			  config->name, reason);
	else
		log_error("%s: backend %s: %s", config->module, config->name,
			  reason);
}

/* A list is as long as its version says: none of it is read beyond that. */
static void keep_functions(struct backend *backend, const void *list)
{
	CK_VERSION version;
	size_t size = sizeof(CK_FUNCTION_LIST);

	memcpy(&version, list, sizeof(version));
	if (version.major > 3 || (version.major == 3 && version.minor >= 2))
		size = sizeof(CK_FUNCTION_LIST_3_2);
	else if (version.major == 3)
		size = sizeof(CK_FUNCTION_LIST_3_0);
	memcpy(&backend->functions, list, size);
}

static bool newer(const CK_VERSION *one, const CK_VERSION *other)
{
	return one->major != other->major ? one->major > other->major :
					    one->minor > other->minor;
}

/* No backend has as many, unless it returns nonsense. */
#define MANY_INTERFACES	1024

/*
 * What C_GetInterfaceList answers. A buffer is offered at once, as OpenSC's
 * pkcs11-spy crashes when it is asked for the number alone.
 *
 * Return: to be freed; NULL if the backend has no interfaces.
 */
static CK_INTERFACE *list_interfaces(struct backend *backend, CK_ULONG *count)
{
	CK_C_GetInterfaceList get_list;
	CK_INTERFACE *interfaces = NULL;
	CK_ULONG room;
	CK_RV rv;

	get_list = (CK_C_GetInterfaceList)dlsym(backend->object,
						"C_GetInterfaceList");
	if (!get_list)
		return NULL;
	*count = 8;
	do {
		room = *count;
		free(interfaces);
		interfaces = calloc(room, sizeof(*interfaces));
		if (!interfaces)
			return NULL;
		rv = get_list(interfaces, count);
	} while (rv == CKR_BUFFER_TOO_SMALL && *count > room &&
		 *count <= MANY_INTERFACES);
	if (rv == CKR_OK && *count <= room)
		return interfaces;
	free(interfaces);
	return NULL;
}

/*
 * 3.x offers its versions as interfaces of one name; the newest is taken.
 *
 * Return: its function list, NULL if it has no interfaces.
 */
static const void *newest_interface(struct backend *backend)
{
	const void *newest = NULL;
	CK_INTERFACE *interfaces;
	CK_ULONG count = 0;
	CK_ULONG i;

	interfaces = list_interfaces(backend, &count);
	for (i = 0; interfaces && i < count; i++) {
		if (strcmp((char *)interfaces[i].pInterfaceName, "PKCS 11") ||
		    !interfaces[i].pFunctionList)
			continue;
		if (!newest || newer(interfaces[i].pFunctionList, newest))
			newest = interfaces[i].pFunctionList;
	}
	free(interfaces);
	return newest;
}

static CK_RV find_functions(struct backend *backend)
{
	CK_C_GetFunctionList get_list;
	CK_FUNCTION_LIST *list = NULL;
	const void *newest;

	newest = newest_interface(backend);
	if (!newest) {
		get_list = (CK_C_GetFunctionList)dlsym(backend->object,
						       "C_GetFunctionList");
		if (!get_list) {
			complain(backend->config,
				 "no PKCS#11 module: it has no C_GetFunctionList");
			return CKR_GENERAL_ERROR;
		}
		if (get_list(&list) != CKR_OK || !list) {
			complain(backend->config, "C_GetFunctionList failed");
			return CKR_GENERAL_ERROR;
		}
		newest = list;
	}
	keep_functions(backend, newest);
	/* 1.x are laid out otherwise. */
	if (backend->functions.version.major < 2 || !backend->functions.C_Initialize) {
		complain(backend->config,
			 "its function list is older than PKCS#11 2.0");
		return CKR_GENERAL_ERROR;
	}
	return CKR_OK;
}

/* ---- across processes ------------------------------------------------------- */

static int64_t nothing_to_look_at(void *arg)
{
	return INT64_MAX;
}

/* Before C_Initialize it isn't known yet what the slots of some are. */
static bool may_read_tokens(const struct backend *backend,
			    enum arbiter_mode mode)
{
	return atomic_load(&backend->shares) ||
	       (backend->config->lease == LEASE_BY_SLOT &&
		mode == ARBITER_SHARED);
}

/**
 * backend_lease_take() - keep apart what reads all tokens from what rewrites one
 * @backend: loaded
 * @mode: ARBITER_SHARED for C_Initialize; ARBITER_EXCLUSIVE for what writes to a
 *	token what C_Initialize reads, logins for example
 * @lease: out: for backend_lease_give(), whether or not there is one
 *
 * A backend in software reads its tokens in C_Initialize, before it is known which
 * they are, and so before their leases can be asked for. One that is just being written
 * to isn't there for the whole life of the process: seen with SoftHSM2. Where
 * leases are exclusive anyhow, there is a device behind it that keeps its own
 * state.
 *
 * In vain is no reason to fail: it goes on as if there were no kernel. It is the
 * last lease that a thread asks for.
 */
void backend_lease_take(const struct backend *backend, enum arbiter_mode mode,
			struct backend_lease *lease)
{
	static const struct arbiter_wait wait = { .look = nothing_to_look_at };
	const struct config_backend *config = backend->config;
	char name[sizeof(lease->token->name)];
	unsigned int news;

	*lease = (struct backend_lease){ .mode = mode };
	if (backend->arbiter != &arbiter_kernel ||
	    !may_read_tokens(backend, mode))
		return;
	snprintf(name, sizeof(name), "p11_backend:%s", config->name);
	if (arbiter_token_open(name, UNCLEAN_MARK, config->hold_ms,
			       &lease->token))
		return;
	if (backend->arbiter->party_open(lease->token, &lease->party))
		goto err_token;
	if (backend->arbiter->acquire(lease->party, mode, config->wait_ms,
				      &wait, &news))
		goto err_party;
	return;

err_party:
	log_error("backend %s: another process keeps it from reading its tokens undisturbed",
		  config->name);
	backend->arbiter->party_close(lease->party);
err_token:
	arbiter_token_put(lease->token);
	lease->party = NULL;
}

void backend_lease_give(const struct backend *backend,
			struct backend_lease *lease)
{
	if (!lease->party)
		return;
	backend->arbiter->release(lease->party, lease->mode);
	backend->arbiter->party_close(lease->party);
	arbiter_token_put(lease->token);
}

/* ---- waiting for others ----------------------------------------------------- */

/*
 * Names the calls that have been inside for most of the wait. If there is none,
 * another process is to blame.
 */
void backend_name_hung(const struct backend *backend)
{
	site_name_hung(backend->config->name, backend->config->wait_ms / 2);
}

/* How long to wait for a turn: as for a lease, but at least as long as a call takes. */
int backend_wait_ms(const struct config_backend *config)
{
	return config->wait_ms > BACKEND_TURN_MS ? config->wait_ms :
						   BACKEND_TURN_MS;
}

/**
 * backend_turn() - take a turn, for turn_give()
 * @backend: that is called while a thread has the turn
 * @turn: the backend's or a slot's
 *
 * Return: CKR_FUNCTION_FAILED if another thread kept it for all of the wait.
 */
CK_RV backend_turn(const struct backend *backend, struct turn *turn)
{
	if (turn_take(turn, 0))
		return CKR_OK;
	site_watch(backend->config->name);
	if (turn_take(turn, backend_wait_ms(backend->config)))
		return CKR_OK;
	backend_name_hung(backend);
	return CKR_FUNCTION_FAILED;
}

/* For BACKEND(): what goes around a call of those backends that need it. */
CK_RV backend_guard(struct backend *backend)
{
	CK_RV rv = CKR_OK;

	if (backend->serialize)
		rv = backend_turn(backend, &backend->serial);
	if (rv == CKR_OK && backend->config->remote)
		sigpipe_hold();
	return rv;
}

void backend_unguard(struct backend *backend)
{
	if (backend->config->remote)
		sigpipe_release();
	if (backend->serialize)
		turn_give(&backend->serial);
}

/* For BACKEND(). */
void backend_cancelled(void *backend)
{
	site_leave(site_of_thread());
	backend_leave(backend);
}

/* ---- in and out ------------------------------------------------------------- */

/* Is it among what the program, and each object that it loads, looks through first? */
static bool is_global(const char *symbol)
{
	void *all = dlopen(NULL, RTLD_LAZY | RTLD_NOLOAD);
	bool is = all && dlsym(all, symbol);

	if (all)
		dlclose(all);
	return is;
}

/* In a namespace of dlmopen(): there the object that was opened first is global. */
static bool is_apart(void)
{
	struct link_map *map = NULL;
	Lmid_t namespace = LM_ID_BASE;
	Dl_info info;

	/* glibc's handles are link maps. */
	return dladdr1((void *)is_global, &info, (void **)&map,
		       RTLD_DL_LINKMAP) && map &&
	       !dlinfo(map, RTLD_DI_LMID, &namespace) &&
	       namespace != LM_ID_BASE;
}

/*
 * A backend's functions have the names of ours, and its function list may be filled in
 * by these names. If PKCS#11 functions are global, they come first, and the list would
 * lead to them: to ours, where this module was linked, preloaded, or loaded with
 * RTLD_GLOBAL or into a namespace of its own. With RTLD_DEEPBIND the backend's own come
 * first. It also hides a program's malloc() from the backend, so it is used only then.
 * Sanitizers can't bear it.
 */
static int load_flags(void)
{
	int flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;

	if ((is_apart() || is_global("C_GetFunctionList")) &&
	    !is_global("__asan_init") && !is_global("__tsan_init"))
		flags |= RTLD_DEEPBIND;
	return flags;
}

/**
 * backend_load() - bring a backend into the process
 * @config: what the configuration says of it
 * @backend: out: the backend, not initialized
 *
 * It stays in the process after backend_free(): too many modules leave threads
 * and destructors behind that crash once their text is gone.
 *
 * All that needs the loader's lock is done here, by a thread that no other waits for: a
 * library's constructor has that lock, and may initialize, too.
 *
 * Return: CKR_OK; CKR_GENERAL_ERROR, logged, where it is no usable module;
 * CKR_HOST_MEMORY.
 */
CK_RV backend_load(const struct config_backend *config,
		   struct backend **backend)
{
	struct backend *loaded;
	CK_RV rv;

	loaded = calloc(1, sizeof(*loaded));
	if (!loaded)
		return CKR_HOST_MEMORY;
	loaded->name = config->name;
	loaded->config = config;
	atomic_store(&loaded->shares, config->lease == LEASE_SHARED);
	turn_init(&loaded->serial, true);
	turn_init(&loaded->listing, false);
	turn_init(&loaded->events, false);
	turn_init(&loaded->anew, false);
	loaded->guarded = config->remote;

	/* Before it may hang or crash. */
	log_info("backend %s: %s", config->name, config->module);
	rv = CKR_GENERAL_ERROR;
	loaded->object = dlopen(config->module, load_flags());
	if (!loaded->object) {
		complain(config, dlerror());
		goto err;
	}
	/* Neither this very module, nor its core, nor a copy of them under another name. */
	if (dlsym(loaded->object, "tokmux_pkcs11_new_caller") ||
	    dlsym(loaded->object, "tokmux_pkcs11_core")) {
		complain(config, "this is tokmux itself, not a backend");
		goto err;
	}
	rv = find_functions(loaded);
	if (rv != CKR_OK)
		goto err;
	/* Those of the library that the backend uses, if it uses any. */
	loaded->openssl.set_mark =
		(int (*)(void))dlsym(loaded->object, "ERR_set_mark");
	if (loaded->openssl.set_mark)
		loaded->openssl.pop_to_mark =
			(int (*)(void))dlsym(loaded->object, "ERR_pop_to_mark");
	*backend = loaded;
	return CKR_OK;

err:
	backend_free(loaded);
	return rv;
}

/*
 * Around C_Initialize and C_Finalize: what the program finds afterwards is what it was
 * before. A remote backend's SIGPIPE doesn't reach the program.
 *
 * Some backends, as SoftHSM2, share OpenSSL with the program, and leave what went wrong
 * on the way in OpenSSL's queue: an engine that isn't there, say. The program takes that
 * for a failure of its own. A forked child initializes in the middle of its work. So the
 * queue is afterwards what it was before.
 */
static void leave_no_trace(const struct backend *backend)
{
	if (backend->config->remote)
		sigpipe_hold();
	/* There is nothing to mark in an empty queue: then all of it goes. */
	if (backend->openssl.pop_to_mark)
		backend->openssl.set_mark();
}

static void remove_traces(const struct backend *backend)
{
	if (backend->openssl.pop_to_mark)
		backend->openssl.pop_to_mark();
	if (backend->config->remote)
		sigpipe_release();
}

/**
 * backend_initialize() - the backend's one C_Initialize
 * @backend: loaded
 * @flags: CKF_LIBRARY_CANT_CREATE_OS_THREADS or 0
 * @forked: an ancestor of this process had it initialized
 *
 * A backend that other code of this process has initialized already is used
 * and left as it is. After fork some backends say that they still are: those
 * are finalized first, since what they hold is the parent's.
 */
CK_RV backend_initialize(struct backend *backend, CK_FLAGS flags, bool forked)
{
	char *text = backend->config->init_args;
	/* PKCS#11 reserves the field, NSS's modules take text in it. */
	CK_C_INITIALIZE_ARGS args = {
		.flags = CKF_OS_LOCKING_OK | flags,
		.pReserved = text,
	};
	CK_C_INITIALIZE_ARGS unlocked = { .pReserved = text };
	struct backend_lease lease;
	CK_RV rv;

	backend->flags = flags;
	leave_no_trace(backend);
	backend_lease_take(backend, ARBITER_SHARED, &lease);
	rv = backend->functions.C_Initialize(&args);
	if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && forked) {
		if (backend->functions.C_Finalize)
			backend->functions.C_Finalize(NULL);
		rv = backend->functions.C_Initialize(&args);
	}
	if (rv == CKR_CANT_LOCK) {
		backend->serialize = true;
		backend->guarded = true;
		rv = backend->functions.C_Initialize(text ? &unlocked : NULL);
	}
	backend_lease_give(backend, &lease);
	remove_traces(backend);
	if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		log_info("backend %s is initialized by somebody else, it will not be finalized",
			 backend->config->name);
		return CKR_OK;
	}
	if (rv != CKR_OK) {
		log_error("backend %s: C_Initialize failed: 0x%lx",
			  backend->config->name, rv);
		return rv;
	}
	backend->finalize = true;
	return CKR_OK;
}

static CK_RV finalize(struct backend *backend)
{
	CK_RV rv;

	leave_no_trace(backend);
	rv = backend->functions.C_Finalize(NULL);
	remove_traces(backend);
	return rv;
}

/**
 * backend_begin_anew() - finalize a backend and initialize it once more
 * @backend: no other thread is in it
 *
 * Return: CKR_OK; CKR_DEVICE_REMOVED if it isn't ours to finalize; what C_Initialize
 * says.
 */
CK_RV backend_begin_anew(struct backend *backend)
{
	if (!backend->finalize || !backend->functions.C_Finalize)
		return CKR_DEVICE_REMOVED;
	finalize(backend);
	return backend_initialize(backend, backend->flags, false);
}

/* The process exits, and the backend may be destroyed already. */
void backend_abandon(struct backend *backend)
{
	backend->finalize = false;
}

/* Finalizes it if it is ours to finalize. */
void backend_free(struct backend *backend)
{
	CK_RV rv;

	if (!backend)
		return;
	if (backend->finalize && backend->functions.C_Finalize) {
		rv = finalize(backend);
		/* A remote one may have failed to begin anew. */
		if (rv != CKR_OK && !(backend->config->remote &&
				      rv == CKR_CRYPTOKI_NOT_INITIALIZED))
			log_error("backend %s: C_Finalize failed: 0x%lx",
				  backend->config->name, rv);
	}
	turn_destroy(&backend->serial);
	turn_destroy(&backend->listing);
	turn_destroy(&backend->events);
	turn_destroy(&backend->anew);
	free(backend);
}
