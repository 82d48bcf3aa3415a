// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * locked_session: a session for a function that changes a login or a PIN: with
 * a lease, then the slot's turn
 */
#include "locked_session.h"
#include "login.h"

CK_RV unlock_session(struct locked_session *locked, CK_RV rv)
{
	unsigned int caller = locked->seat->caller;

	slot_hear(locked->seat, rv, false);
	if (locked->turn)
		turn_give(&locked->slot->turn);
	lease_give(locked->seat, &locked->lease);
	session_put(locked->session);
	return log_call_end(&locked->log, caller, locked->given, rv);
}

CK_RV lock_session_as(struct locked_session *locked, CK_SESSION_HANDLE handle,
		      enum lock_how how, const char *function)
{
	unsigned int caller = NOBODY;
	enum login login;
	CK_RV rv;

	log_call_begin(&locked->log, function);
	rv = session_get(handle, &locked->session);
	if (rv != CKR_OK)
		goto err;
	locked->seat = locked->session->seat;
	locked->slot = locked->seat->slot;
	locked->given = handle;
	caller = locked->seat->caller;

	rv = CKR_SESSION_HANDLE_INVALID;
	if (session_ejected(locked->session))
		goto err_session;
	rv = CKR_USER_NOT_LOGGED_IN;
	login = atomic_load(&locked->seat->login);
	if ((how == LOCK_AS_SO && login != LOGIN_SO) ||
	    (how == LOCK_LOGGED_IN && login == LOGIN_NONE))
		goto err_session;
	if (how == LOCK_EXCLUSIVE || how == LOCK_AS_SO)
		rv = lease_take_exclusive(locked->seat, &locked->lease);
	else
		rv = lease_take(locked->seat, &locked->lease);
	if (rv != CKR_OK && how != LOCK_LOGGED_IN)
		goto err_session;

	rv = backend_turn(locked->slot->backend, &locked->slot->turn);
	locked->turn = rv == CKR_OK;
	if (rv != CKR_OK && how != LOCK_LOGGED_IN)
		goto err_lease;
	locked->handle = atomic_load(&locked->session->backend_handle);
	/* Closed while we waited, or ejected. */
	if (atomic_load(&locked->session->handle) != handle ||
	    session_ejected(locked->session))
		return unlock_session(locked, CKR_SESSION_HANDLE_INVALID);
	return CKR_OK;

err_lease:
	lease_give(locked->seat, &locked->lease);
err_session:
	session_put(locked->session);
err:
	return log_call_end(&locked->log, caller, handle, rv);
}

/* Before a PIN is shown: wrong ones make their caller wait, without a lease. */
void lock_session_wait(CK_SESSION_HANDLE handle)
{
	struct session *session;

	if (session_get(handle, &session) != CKR_OK)
		return;
	login_wait_turn(session->seat);
	session_put(session);
}
