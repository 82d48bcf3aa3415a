// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * digests: the functions that begin a digest, and that add a key to one
 *
 * The others of this chapter are rows of functions.def.
 */
#include "mechanism.h"
#include "objects_seen.h"
#include "operation.h"

CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	if (!mechanism)
		return call_end(&call,
				call_cancel_one(&call, OPERATION_DIGEST));
	rv = CHECKS(call_check_mechanism(&call, mechanism),
	     CHECKS(call_operation_ready(&call),
		    call_check_asked(&call, ASKS_DIGEST)));
	if (rv != CKR_OK)
		return call_end(&call, rv);
	rv = CALL(&call, C_DigestInit, mechanism);
	if (rv == CKR_OK)
		call_operation_started(&call, OPERATION_DIGEST, 0);
	else if (rv == CKR_USER_NOT_LOGGED_IN)
		call_asked(&call, ASKS_DIGEST);
	return call_end(&call, rv);
}

/* From here on the digest needs the login that the key needs. */
CK_RV C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	unsigned long login;
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	key = call_handle(&call, key);
	rv = CHECKS(call_operation(&call, OPERATION_DIGEST),
		    call_check_key(&call, key, CKR_KEY_HANDLE_INVALID, &login));
	if (rv == CKR_OK) {
		rv = CALL(&call, C_DigestKey, key);
		if (rv == CKR_USER_NOT_LOGGED_IN)
			call_asked_key(&call, key);
		if (!HARMLESS(rv))
			call_operation_ended(&call, OPERATION_DIGEST);
		else if (rv == CKR_OK && login)
			call_operation_started(&call, OPERATION_DIGEST, login);
	}
	return call_end(&call, rv);
}
