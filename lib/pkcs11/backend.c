// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * backend: a PKCS#11 module underneath
 *
 * Loaded and initialized once however many callers there are, finalized when
 * the last one leaves (R10). One that cannot lock is serialized by us.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "backend.h"
#include "log.h"

/* It is said where the module was named, or by its path if it was found. */
static void complain(const struct config_backend *config, const char *reason)
{
	if (config->file)
		log_error("%s:%u: backend %s: %s", config->file, config->line,
			  config->name, reason);
	else
		log_error("%s: backend %s: %s", config->module, config->name,
			  reason);
}

/**
 * backend_load() - bring a backend into the process
 * @config: what the configuration says of it
 * @backend: out: the backend, not initialized
 *
 * It stays in the process after backend_free(): too many modules leave threads
 * and destructors behind that crash once their text is gone.
 *
 * Return: CKR_OK; CKR_GENERAL_ERROR, logged, where it is no usable module;
 * CKR_HOST_MEMORY.
 */
CK_RV backend_load(const struct config_backend *config,
		   struct backend **backend)
{
	CK_C_GetFunctionList get_list;
	struct backend *loaded;
	CK_RV rv;

	loaded = calloc(1, sizeof(*loaded));
	if (!loaded)
		return CKR_HOST_MEMORY;
	loaded->config = config;
	pthread_mutex_init(&loaded->serial, NULL);

	rv = CKR_GENERAL_ERROR;
	loaded->object = dlopen(config->module,
				RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!loaded->object) {
		complain(config, dlerror());
		goto err;
	}
	/* Neither this very object nor a copy of it under another name. */
	if (dlsym(loaded->object, "tokmux_pkcs11_new_caller")) {
		complain(config, "this is tokmux itself, not a backend");
		goto err;
	}
	get_list = (CK_C_GetFunctionList)dlsym(loaded->object,
					       "C_GetFunctionList");
	if (!get_list) {
		complain(config, "no PKCS#11 module: it has no C_GetFunctionList");
		goto err;
	}
	if (get_list(&loaded->list) != CKR_OK || !loaded->list) {
		complain(config, "C_GetFunctionList failed");
		goto err;
	}
	/* 3.x lists begin as 2.x ones do; 1.x are laid out otherwise. */
	if (loaded->list->version.major < 2 || !loaded->list->C_Initialize) {
		complain(config, "its function list is older than PKCS#11 2.0");
		goto err;
	}
	*backend = loaded;
	return CKR_OK;

err:
	backend_free(loaded);
	return rv;
}

/**
 * backend_initialize() - the backend's one C_Initialize
 * @backend: loaded
 * @flags: CKF_LIBRARY_CANT_CREATE_OS_THREADS or 0
 * @forked: an ancestor of this process had it initialized
 *
 * A backend that was initialized by somebody beside us in this process is used
 * and left as it is. After fork some backends say that they still are: those
 * are finalized first, since what they hold is the parent's.
 */
CK_RV backend_initialize(struct backend *backend, CK_FLAGS flags, bool forked)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK | flags };
	CK_RV rv;

	rv = backend->list->C_Initialize(&args);
	if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && forked) {
		if (backend->list->C_Finalize)
			backend->list->C_Finalize(NULL);
		rv = backend->list->C_Initialize(&args);
	}
	if (rv == CKR_CANT_LOCK) {
		backend->serialize = true;
		rv = backend->list->C_Initialize(NULL);
	}
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

/* Finalizes it if it is ours to finalize. */
void backend_free(struct backend *backend)
{
	CK_RV rv;

	if (!backend)
		return;
	if (backend->finalize && backend->list->C_Finalize) {
		rv = backend->list->C_Finalize(NULL);
		if (rv != CKR_OK)
			log_error("backend %s: C_Finalize failed: 0x%lx",
				  backend->config->name, rv);
	}
	if (backend->object)
		dlclose(backend->object);
	pthread_mutex_destroy(&backend->serial);
	free(backend);
}
