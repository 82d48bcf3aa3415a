// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A plug-in that uses PKCS#11 without knowing of anybody else in its process.
 * Built under several names: each is a shared object of its own.
 */
#include <dlfcn.h>
#include <pkcs11/cryptoki.h>
#include <stddef.h>

CK_FUNCTION_LIST *plugin_list(const char *module);

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
