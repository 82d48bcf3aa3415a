// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * keys: the functions that make several keys at once
 *
 * The others of this chapter are rows of functions.def.
 */
#include "mechanism.h"
#include "objects_seen.h"

/* The caller gets both keys or none. */
CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
			CK_ATTRIBUTE *public, CK_ULONG public_count,
			CK_ATTRIBUTE *private, CK_ULONG private_count,
			CK_OBJECT_HANDLE *public_key,
			CK_OBJECT_HANDLE *private_key)
{
	CK_OBJECT_HANDLE made;
	bool token, is_public;
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	if (!public_key || !private_key)
		return call_end(&call, CKR_ARGUMENTS_BAD);
	rv = CHECKS(call_check_mechanism(&call, mechanism),
		    call_check_template(&call, public, public_count));
	if (rv != CKR_OK)
		return call_end(&call, rv);
	token = call.token;
	is_public = call.public;
	rv = call_check_template(&call, private, private_count);
	if (rv != CKR_OK)
		return call_end(&call, rv);
	call.token |= token;
	call.public &= is_public;
	rv = CALL(&call, C_GenerateKeyPair, mechanism, public, public_count,
		  private, private_count, public_key, private_key);
	if (rv == CKR_USER_NOT_LOGGED_IN)
		call_asked_object(&call);
	if (rv != CKR_OK)
		return call_end(&call, rv);

	made = *private_key;
	rv = call_created(&call, private_key);
	if (rv != CKR_OK) {
		CALL(&call, C_DestroyObject, *public_key);
		return call_end(&call, rv);
	}
	rv = call_created(&call, public_key);
	if (rv != CKR_OK) {
		CALL(&call, C_DestroyObject, made);
		known_forget(&call.seat->known, made);
	}
	return call_end(&call, rv);
}

/* Some mechanisms return keys in their parameters: besides the one key, or instead. */
CK_RV C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		  CK_OBJECT_HANDLE with, CK_ATTRIBUTE *template, CK_ULONG count,
		  CK_OBJECT_HANDLE *key)
{
	struct returned returned;
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = call_check_mechanism(&call, mechanism);
	if (rv == CKR_OK)
		rv = call_check_returned(&call, mechanism, &returned);
	if (rv == CKR_OK && !key && !returned.set)
		rv = CKR_ARGUMENTS_BAD;
	if (rv != CKR_OK)
		return call_end(&call, rv);
	with = call_handle(&call, with);
	rv = CHECKS(call_check_key_now(&call, with, CKR_KEY_HANDLE_INVALID),
		    call_check_template(&call, template, count));
	if (rv != CKR_OK)
		return call_end(&call, rv);
	rv = CALL(&call, C_DeriveKey, mechanism, with, template, count, key);
	if (rv == CKR_USER_NOT_LOGGED_IN)
		call_asked_key(&call, with);
	if (rv != CKR_OK)
		return call_end(&call, rv);

	rv = call_created_returned(&call, &returned);
	if (returned.set)
		return call_end(&call, rv);
	if (rv != CKR_OK) {
		CALL(&call, C_DestroyObject, *key);
		return call_end(&call, rv);
	}
	rv = call_created(&call, key);
	if (rv != CKR_OK)
		call_destroy_returned(&call, &returned);
	return call_end(&call, rv);
}
