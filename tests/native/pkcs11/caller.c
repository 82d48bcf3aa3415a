// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A plug-in that uses PKCS#11 without knowing of anybody else in its process.
 * Built under several names: each is a shared object of its own.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <pkcs11/cryptoki.h>
#include <stddef.h>

CK_FUNCTION_LIST *plugin_list(const char *module);
void plugin_seal(void);
CK_RV plugin_begin(const char *module);

extern char _end[] __attribute__((visibility("hidden")));

/* What it does at its end, as a library that cleans up behind itself. */
void (*plugin_at_end)(void);

__attribute__((destructor)) static void at_end(void)
{
	if (plugin_at_end)
		plugin_at_end();
}

CK_FUNCTION_LIST *plugin_list(const char *module)
{
	void *object = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	CK_FUNCTION_LIST *list = NULL;
	CK_C_GetFunctionList get;

	if (!object)
		return NULL;
	get = (CK_C_GetFunctionList)dlsym(object, "C_GetFunctionList");
	if (!get || get(&list) != CKR_OK)
		list = NULL;
	return list;
}

/* Makes all of its data read-only, as hardened ones do once they are set up. */
void plugin_seal(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t)&plugin_at_end & ~(page - 1);
	uintptr_t to = ((uintptr_t)_end + page - 1) & ~(page - 1);

	if (mprotect((void *)from, to - from, PROT_READ))
		abort();
}

static CK_FUNCTION_LIST *own;

static void finalize_own(void)
{
	/* What follows a call must be there when it returns. */
	if (own->C_Finalize(NULL) != CKR_OK)
		abort();
}

/* Initializes, and finalizes when the process exits, or before if it is unloaded. */
CK_RV plugin_begin(const char *module)
{
	CK_RV rv;

	own = plugin_list(module);
	rv = own ? own->C_Initialize(NULL) : CKR_HOST_MEMORY;
	if (rv == CKR_OK && atexit(finalize_own))
		abort();
	return rv;
}
