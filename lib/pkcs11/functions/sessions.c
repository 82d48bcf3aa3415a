// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * sessions: the functions about a session, and about the state of its operations
 *
 * The others of this chapter are rows of functions.def.
 */
#include "mine.h"
#include "objects_seen.h"
#include "opening.h"
#include "operation.h"

CK_RV own_C_CloseSession(unsigned int caller, CK_SESSION_HANDLE handle)
{
	struct session *session;
	struct log_call log;
	CK_RV rv;

	log_call_begin(&log, "C_CloseSession");
	rv = session_get_own(handle, caller, &session);
	if (rv == CKR_OK) {
		caller = session->seat->caller;
		rv = session_close(session);
	}
	return log_call_end(&log, caller, handle, rv);
}

/* The state of the caller's session; the backend's may be logged in otherwise. */
static CK_STATE session_state(const struct call *call)
{
	bool writes = session_writes(call->session);

	switch (seat_login(call->seat)) {
	case LOGIN_SO:
		return CKS_RW_SO_FUNCTIONS;
	case LOGIN_USER:
		return writes ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
	case LOGIN_NONE:
		break;
	}
	return writes ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = CALL(&call, C_GetSessionInfo, info);
	if (rv == CKR_OK) {
		info->slotID = call.seat->slot->id;
		info->flags = call.session->flags;
		info->state = session_state(&call);
	}
	return call_end(&call, rv);
}

/*
 * May this caller restore a state with these keys? A state without keys may hold an
 * operation with a key of another caller's login.
 */
static CK_RV check_state(struct call *call, CK_OBJECT_HANDLE encryption_key,
			 CK_OBJECT_HANDLE authentication_key)
{
	CK_RV rv = CKR_OK;

	if (encryption_key)
		rv = call_check_key_now(call, encryption_key,
					CKR_KEY_HANDLE_INVALID);
	if (rv == CKR_OK && authentication_key)
		rv = call_check_key_now(call, authentication_key,
					CKR_KEY_HANDLE_INVALID);
	if (rv == CKR_OK && !encryption_key && !authentication_key &&
	    !call_is_user(call) && slot_logins(call->seat->slot))
		rv = CKR_SAVED_STATE_INVALID;
	return rv;
}

/* Return: false if there is no such key; none at all is fine. */
static bool to_backends(struct call *call, CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_HANDLE given = *key;

	*key = call_handle(call, given);
	return *key || !given;
}

/*
 * Operations of the session that have lost their login or lease are ended first, as
 * they would be taken for those that the state restores.
 */
CK_RV C_SetOperationState(CK_SESSION_HANDLE session, unsigned char *state,
			  CK_ULONG length, CK_OBJECT_HANDLE encryption_key,
			  CK_OBJECT_HANDLE authentication_key)
{
	unsigned long login;
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	if (!to_backends(&call, &encryption_key) ||
	    !to_backends(&call, &authentication_key))
		return call_end(&call, CKR_KEY_HANDLE_INVALID);
	login = atomic_load(&call.seat->login_id);
	rv = CHECKS(check_state(&call, encryption_key, authentication_key),
		    call_operation_ready(&call));
	if (rv == CKR_OK)
		rv = CALL(&call, C_SetOperationState, state, length,
			  encryption_key, authentication_key);
	if (rv == CKR_OK)
		call_operation_restored(&call, encryption_key,
					authentication_key, login);
	return call_end(&call, rv);
}

/* A backend of 2.40 doesn't have it: see call_cancel(). */
CK_RV own_C_SessionCancel(unsigned int caller, CK_SESSION_HANDLE session,
			 CK_FLAGS flags)
{
	struct call call;
	CK_RV rv = call_begin_as(&call, session, "C_SessionCancel");

	if (rv != CKR_OK)
		return rv;
	if (session_is_anothers(call.session, caller))
		return call_end(&call, CKR_SESSION_HANDLE_INVALID);
	return call_end(&call, call_cancel(&call, flags));
}

/*
 * No session here is asynchronous, so a backend should have no result. If it has
 * one, the objects in it become this caller's.
 */
CK_RV C_AsyncComplete(CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
		      CK_ASYNC_DATA *result)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = result ? CALL(&call, C_AsyncComplete, function, result) :
		      CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK && result->hObject)
		rv = call_created(&call, &result->hObject);
	if (rv == CKR_OK && result->hAdditionalObject)
		rv = call_created(&call, &result->hAdditionalObject);
	return call_end(&call, rv);
}

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE session)
{
	return CKR_FUNCTION_NOT_PARALLEL;
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE session)
{
	return CKR_FUNCTION_NOT_PARALLEL;
}
