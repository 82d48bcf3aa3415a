// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * logins: the functions that log in and out
 */
#include "call.h"
#include "locked_session.h"
#include "login.h"
#include "mine.h"
#include "module.h"

/* CKU_CONTEXT_SPECIFIC: the token wants the PIN again for one operation. */
static CK_RV login_again(unsigned int caller, CK_SESSION_HANDLE session,
			 const struct credentials *given, const char *function)
{
	int64_t until_ms = 0;
	struct call call;
	CK_RV rv;

	lock_session_wait(session, caller);
	rv = call_begin_as(&call, session, function);
	if (rv != CKR_OK)
		return rv;
	rv = CKR_USER_NOT_LOGGED_IN;
	if (session_is_anothers(call.session, caller)) {
		rv = CKR_SESSION_HANDLE_INVALID;
	} else if (call_is_user(&call)) {
		rv = login_backend(call.backend, call.handle,
				   CKU_CONTEXT_SPECIFIC, given);
		until_ms = tries_count(&call.seat->tries, call.seat->record,
				       TRIED_USER, rv);
	}
	rv = call_end(&call, rv);
	tries_wait(until_ms);
	return rv;
}

/* Logs in as the user or the security officer, after login_check(). */
static CK_RV login_first(unsigned int caller, CK_SESSION_HANDLE session,
			 enum login login, const struct credentials *given,
			 const char *function)
{
	struct locked_session locked;
	int64_t until_ms = 0;
	CK_RV rv;

	rv = lock_session_for_pin(&locked, session, caller, LOCK_LEASE,
				  function);
	if (rv != CKR_OK)
		return rv;
	if (login == LOGIN_SO && module_config()->so_alone &&
	    slot_has_sessions(locked.slot, locked.seat))
		rv = CKR_SESSION_EXISTS;
	if (rv == CKR_OK)
		rv = login_enter(locked.seat, locked.handle, &locked.lease,
				 login, given, &until_ms);
	rv = unlock_session(&locked, rv);
	tries_wait(until_ms);
	return rv;
}

/* A login that another caller's rules out is refused before it waits for a lease. */
static CK_RV login_as(unsigned int caller, CK_SESSION_HANDLE handle,
		      CK_USER_TYPE type, const struct credentials *given,
		      const char *function)
{
	enum login login = type == CKU_SO ? LOGIN_SO : LOGIN_USER;
	struct session *session;
	struct log_call log;
	CK_RV rv;

	if (type == CKU_CONTEXT_SPECIFIC)
		return login_again(caller, handle, given, function);
	log_call_begin(&log, function);
	rv = session_get_own(handle, caller, &session);
	if (rv != CKR_OK)
		return log_call_end(&log, caller, handle, rv);
	caller = session->seat->caller;
	rv = CKR_USER_TYPE_INVALID;
	if (type == CKU_SO || type == CKU_USER)
		rv = login_check(session->seat, login);
	session_put(session);
	if (rv != CKR_OK)
		return log_call_end(&log, caller, handle, rv);
	return login_first(caller, handle, login, given, function);
}

CK_RV own_C_Login(unsigned int caller, CK_SESSION_HANDLE session,
		 CK_USER_TYPE type, unsigned char *pin, CK_ULONG length)
{
	struct credentials given = { .pin = pin, .length = length };

	return login_as(caller, session, type, &given, "C_Login");
}

/* Without a name it is C_Login, also for the backend, which may be of 2.40. */
CK_RV own_C_LoginUser(unsigned int caller, CK_SESSION_HANDLE session,
		     CK_USER_TYPE type, unsigned char *pin, CK_ULONG length,
		     unsigned char *name, CK_ULONG name_length)
{
	struct credentials given = {
		.pin = pin,
		.length = length,
		.name = name,
		.name_length = name ? name_length : 0,
	};

	if (!name && name_length)
		return CKR_ARGUMENTS_BAD;
	return login_as(caller, session, type, &given, "C_LoginUser");
}

CK_RV own_C_Logout(unsigned int caller, CK_SESSION_HANDLE session)
{
	struct locked_session locked;
	CK_RV rv;

	rv = lock_session(&locked, session, caller, LOCK_LOGGED_IN, "C_Logout");
	if (rv != CKR_OK)
		return rv;
	rv = login_leave(locked.seat, locked.handle, &locked.lease,
			 locked.turn);
	return unlock_session(&locked, rv);
}
