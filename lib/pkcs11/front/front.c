// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * front: tokmux-pkcs11.so, which is loaded and unloaded (R9)
 *
 * The functions that are found by name; each leads to the core. A function list's
 * functions are the core's own, and stay callable when this is gone.
 */
#include "core.h"
#include "tokmux-pkcs11.h"

#define F(version, function, first, more, ...)				\
CK_RV function(P_##first P_##more)					\
{									\
	return tokmux_pkcs11_core.function(A_##first A_##more);		\
}
/*
 * A program that calls C_Initialize by its name has no list that says who it is. The
 * object that the call returns to does.
 */
#define OWN(version, function, first, more, action)			\
CK_RV function(P_##first P_##more)					\
{									\
	const void *address = __builtin_return_address(0);		\
									\
	return tokmux_pkcs11_core.function(address, A_##first A_##more); \
}
#include "functions/functions.def"

CK_RV tokmux_pkcs11_new_caller(CK_FUNCTION_LIST_PTR_PTR list)
{
	return tokmux_pkcs11_core.new_caller(list);
}

CK_RV tokmux_pkcs11_free_caller(CK_FUNCTION_LIST_PTR list)
{
	return tokmux_pkcs11_core.free_caller(list);
}

CK_RV tokmux_pkcs11_caller_interface(CK_FUNCTION_LIST_PTR list,
				     const CK_UTF8CHAR *name,
				     const CK_VERSION *version,
				     void *interface, CK_FLAGS flags)
{
	return tokmux_pkcs11_core.caller_interface(list, name, version,
						   interface, flags);
}

CK_RV tokmux_pkcs11_token_name(CK_SLOT_ID slot, char *name, CK_ULONG size)
{
	return tokmux_pkcs11_core.token_name(slot, name, size);
}

__attribute__((constructor)) static void opened(void)
{
	tokmux_pkcs11_core.opened();
}

/* Also when the process exits, which the core knows. */
__attribute__((destructor)) static void closed(void)
{
	tokmux_pkcs11_core.closed();
}
