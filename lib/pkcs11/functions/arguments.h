/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * arguments: what functions.def says of a function's arguments
 *
 * Each word there stands for some arguments, twice: P_word declares them as
 * parameters, A_word passes them on under the same names. A function's first word is
 * SESSION, SLOT or NOTHING. Its second word goes on with a comma, unless the first
 * is NOTHING.
 */
#ifndef TOKMUX_ARGUMENTS_H
#define TOKMUX_ARGUMENTS_H

#define P_NOTHING
#define A_NOTHING
#define P_SESSION	CK_SESSION_HANDLE session
#define A_SESSION	session
#define P_SLOT		CK_SLOT_ID slot
#define A_SLOT		slot

/* ---- after NOTHING ------------------------------------------------------- */

#define P_POINTER	void *pointer
#define A_POINTER	pointer
#define P_INFO		CK_INFO *info
#define A_INFO		info
#define P_LIST		CK_FUNCTION_LIST **list
#define A_LIST		list
#define P_SLOTS		CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *count
#define A_SLOTS		present, list, count
#define P_WAIT		CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved
#define A_WAIT		flags, slot, reserved
#define P_INTERFACES	CK_INTERFACE *interfaces, CK_ULONG *count
#define A_INTERFACES	interfaces, count
#define P_INTERFACE	CK_UTF8CHAR *name, CK_VERSION *version, \
			CK_INTERFACE **interface, CK_FLAGS flags
#define A_INTERFACE	name, version, interface, flags

/* ---- after SLOT ---------------------------------------------------------- */

#define P_SLOT_INFO	, CK_SLOT_INFO *info
#define A_SLOT_INFO	, info
#define P_TOKEN_INFO	, CK_TOKEN_INFO *info
#define A_TOKEN_INFO	, info
#define P_MECHANISMS	, CK_MECHANISM_TYPE *list, CK_ULONG *count
#define A_MECHANISMS	, list, count
#define P_MECHANISM_INFO , CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info
#define A_MECHANISM_INFO , type, info
#define P_TOKEN		, unsigned char *pin, CK_ULONG n, unsigned char *label
#define A_TOKEN		, pin, n, label
#define P_OPEN		, CK_FLAGS flags, void *application, \
			CK_NOTIFY notify, CK_SESSION_HANDLE *handle
#define A_OPEN		, flags, application, notify, handle

/* ---- after SESSION: data ------------------------------------------------- */

#define P_IN		, unsigned char *in, CK_ULONG n
#define A_IN		, in, n
#define P_OUT		, unsigned char *out, CK_ULONG *size
#define A_OUT		, out, size
#define P_IN_OUT	P_IN P_OUT
#define A_IN_OUT	A_IN A_OUT
#define P_IN_IN		P_IN, unsigned char *in2, CK_ULONG n2
#define A_IN_IN		A_IN, in2, n2

/* messages, with a parameter of the mechanism's, and associated data */
#define P_PARAM		, void *parameter, CK_ULONG pn
#define A_PARAM		, parameter, pn
#define P_PARAM_IN_OUT	P_PARAM P_IN_OUT
#define A_PARAM_IN_OUT	A_PARAM A_IN_OUT
#define P_PARAM_IN_IN	P_PARAM P_IN_IN
#define A_PARAM_IN_IN	A_PARAM A_IN_IN
#define P_ASSOCIATED	, unsigned char *aad, CK_ULONG aadn
#define A_ASSOCIATED	, aad, aadn
#define P_AEAD_BEGIN	P_PARAM P_ASSOCIATED
#define A_AEAD_BEGIN	A_PARAM A_ASSOCIATED
#define P_AEAD		P_PARAM P_ASSOCIATED P_IN_OUT
#define A_AEAD		A_PARAM A_ASSOCIATED A_IN_OUT
#define P_AEAD_NEXT	P_PARAM P_IN_OUT, CK_FLAGS flags
#define A_AEAD_NEXT	A_PARAM A_IN_OUT, flags

/* ---- after SESSION: objects and keys ------------------------------------- */

#define P_TEMPLATE	, CK_ATTRIBUTE *template, CK_ULONG count
#define A_TEMPLATE	, template, count
#define P_CREATE	P_TEMPLATE, CK_OBJECT_HANDLE *object
#define A_CREATE	A_TEMPLATE, object
#define P_COPY		, CK_OBJECT_HANDLE original P_CREATE
#define A_COPY		, original A_CREATE
#define P_OBJECT	, CK_OBJECT_HANDLE object
#define A_OBJECT	, object
#define P_SIZE		P_OBJECT, CK_ULONG *size
#define A_SIZE		A_OBJECT, size
#define P_ATTRIBUTES	P_OBJECT P_TEMPLATE
#define A_ATTRIBUTES	A_OBJECT A_TEMPLATE
#define P_FIND		, CK_OBJECT_HANDLE *list, CK_ULONG room, CK_ULONG *count
#define A_FIND		, list, room, count

#define P_MECHANISM	, CK_MECHANISM *mechanism
#define A_MECHANISM	, mechanism
#define P_KEY		P_MECHANISM, CK_OBJECT_HANDLE key
#define A_KEY		A_MECHANISM, key
#define P_KEY_IN	P_KEY P_IN
#define A_KEY_IN	A_KEY A_IN

/* a key that is made; @with: one that is used for it */
#define P_NEW		, CK_OBJECT_HANDLE *key
#define A_NEW		, key
#define P_GENERATE	P_MECHANISM P_TEMPLATE P_NEW
#define A_GENERATE	A_MECHANISM A_TEMPLATE A_NEW
#define P_PAIR		P_MECHANISM P_TEMPLATE, CK_ATTRIBUTE *template2, \
			CK_ULONG count2, CK_OBJECT_HANDLE *public, \
			CK_OBJECT_HANDLE *private
#define A_PAIR		A_MECHANISM A_TEMPLATE, template2, count2, public, private
#define P_WITH		P_MECHANISM, CK_OBJECT_HANDLE with
#define A_WITH		A_MECHANISM, with
#define P_WRAP		P_WITH, CK_OBJECT_HANDLE key P_OUT
#define A_WRAP		A_WITH, key A_OUT
#define P_WRAP_AEAD	P_WITH, CK_OBJECT_HANDLE key P_ASSOCIATED P_OUT
#define A_WRAP_AEAD	A_WITH, key A_ASSOCIATED A_OUT
#define P_UNWRAP	P_WITH P_IN P_TEMPLATE P_NEW
#define A_UNWRAP	A_WITH A_IN A_TEMPLATE A_NEW
#define P_UNWRAP_AEAD	P_WITH P_IN P_TEMPLATE P_ASSOCIATED P_NEW
#define A_UNWRAP_AEAD	A_WITH A_IN A_TEMPLATE A_ASSOCIATED A_NEW
#define P_DERIVE	P_WITH P_TEMPLATE P_NEW
#define A_DERIVE	A_WITH A_TEMPLATE A_NEW
#define P_ENCAPSULATE	P_WITH P_TEMPLATE P_OUT P_NEW
#define A_ENCAPSULATE	A_WITH A_TEMPLATE A_OUT A_NEW
#define P_DECAPSULATE	P_WITH P_TEMPLATE P_IN P_NEW
#define A_DECAPSULATE	A_WITH A_TEMPLATE A_IN A_NEW

/* ---- after SESSION: the session itself ----------------------------------- */

#define P_SESSION_INFO	, CK_SESSION_INFO *info
#define A_SESSION_INFO	, info
#define P_STATE		P_IN, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE key2
#define A_STATE		A_IN, key, key2
#define P_FLAGS		, CK_FLAGS flags
#define A_FLAGS		, flags
#define P_LOGIN		, CK_USER_TYPE type P_IN
#define A_LOGIN		, type A_IN
#define P_LOGIN_NAME	, CK_USER_TYPE type P_IN_IN
#define A_LOGIN_NAME	, type A_IN_IN
#define P_VALIDATION	, CK_SESSION_VALIDATION_FLAGS_TYPE type, CK_FLAGS *flags
#define A_VALIDATION	, type, flags
#define P_ASYNC		, CK_UTF8CHAR *name, CK_ASYNC_DATA *result
#define A_ASYNC		, name, result
#define P_ASYNC_ID	, CK_UTF8CHAR *name, CK_ULONG *id
#define A_ASYNC_ID	, name, id
#define P_ASYNC_JOIN	, CK_UTF8CHAR *name, CK_ULONG id P_IN
#define A_ASYNC_JOIN	, name, id A_IN

#endif /* TOKMUX_ARGUMENTS_H */
