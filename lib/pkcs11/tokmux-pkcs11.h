/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tokmux-pkcs11: what tokmux-pkcs11.so offers beside PKCS#11
 *
 * A program that is several callers in one, a plug-in host for instance, asks
 * for a function list for each. All others need nothing of this: every shared
 * object that calls C_GetFunctionList is a caller of its own already.
 */
#ifndef TOKMUX_PKCS11_H
#define TOKMUX_PKCS11_H

/* Any PKCS#11 header will do: the one that the program has included already. */
#ifndef CKR_OK
#include <p11-kit/pkcs11.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * tokmux_pkcs11_new_caller() - be one more caller
 * @list: out: its function list, good until tokmux_pkcs11_free_caller()
 *
 * Return: CKR_OK, CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY if there are too many
 * callers in this process already.
 */
CK_RV tokmux_pkcs11_new_caller(CK_FUNCTION_LIST_PTR_PTR list);

/**
 * tokmux_pkcs11_free_caller() - that caller is done
 * @list: from tokmux_pkcs11_new_caller(); not used any more
 *
 * Finalizes it as often as it was initialized. No thread may be using it.
 *
 * Return: CKR_OK, CKR_ARGUMENTS_BAD for any other list.
 */
CK_RV tokmux_pkcs11_free_caller(CK_FUNCTION_LIST_PTR list);

/**
 * tokmux_pkcs11_caller_interface() - a caller's lists of 3.0 and 3.2
 * @list: its list of 2.40, from tokmux_pkcs11_new_caller() or another way
 * @name: "PKCS 11", or NULL for the default
 * @version: 2.40, 3.0 or 3.2, or NULL for the newest
 * @interface: out: a CK_INTERFACE_PTR, good as long as @list. (2.40's headers
 *	have no such type, and others' have different names for its struct.)
 * @flags: 0
 *
 * As C_GetInterface, which 2.40's list doesn't have.
 *
 * Return: CKR_OK, CKR_ARGUMENTS_BAD for any other list, or an interface that
 * there isn't.
 */
CK_RV tokmux_pkcs11_caller_interface(CK_FUNCTION_LIST_PTR list,
				     const CK_UTF8CHAR *name,
				     const CK_VERSION *version,
				     void *interface, CK_FLAGS flags);

/**
 * tokmux_pkcs11_token_name() - the arbiter's name for the token in a slot
 * @slot: a slot of this module, which is initialized
 * @name: out: the name, as tokmux(8) and libtokmux(3) take it
 * @size: of @name; 64 bytes are always enough
 *
 * Return: CKR_OK; CKR_BUFFER_TOO_SMALL, CKR_ARGUMENTS_BAD,
 * CKR_SLOT_ID_INVALID, CKR_CRYPTOKI_NOT_INITIALIZED, or why there is no token.
 */
CK_RV tokmux_pkcs11_token_name(CK_SLOT_ID slot, char *name, CK_ULONG size);

#ifdef __cplusplus
}
#endif

#endif /* TOKMUX_PKCS11_H */
