// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pins: the functions that change a PIN
 */
#include "locked_session.h"
#include "login.h"
#include "mine.h"

CK_RV own_C_InitPIN(unsigned int caller, CK_SESSION_HANDLE session,
		   unsigned char *pin, CK_ULONG length)
{
	struct locked_session locked;
	struct backend_lease lease;
	CK_RV rv;

	rv = lock_session(&locked, session, caller, LOCK_AS_SO, "C_InitPIN");
	if (rv != CKR_OK)
		return rv;
	if (seat_login(locked.seat) != LOGIN_SO)
		return unlock_session(&locked, CKR_USER_NOT_LOGGED_IN);
	backend_lease_take(locked.slot->backend, ARBITER_EXCLUSIVE, &lease);
	login_pin_changes(locked.seat);
	rv = BACKEND(locked.slot->backend, C_InitPIN, locked.handle, pin,
		     length);
	backend_lease_give(locked.slot->backend, &lease);
	login_pin_changed(locked.seat, rv, NULL, 0);
	return unlock_session(&locked, rv);
}

/*
 * The backend changes the PIN of the user or security officer that it is logged in
 * as, and the user's if it isn't logged in. So while a security officer is logged in,
 * no other caller gets here. If a login is over and the backend hasn't been told yet,
 * it is told first (login_settle()): else it would change the wrong PIN.
 */
CK_RV own_C_SetPIN(unsigned int caller, CK_SESSION_HANDLE session,
		  unsigned char *old_pin, CK_ULONG old_length,
		  unsigned char *new_pin, CK_ULONG new_length)
{
	struct locked_session locked;
	struct backend_lease lease;
	int64_t until_ms;
	CK_RV rv;

	rv = lock_session_for_pin(&locked, session, caller, LOCK_PIN,
				  "C_SetPIN");
	if (rv != CKR_OK)
		return rv;
	if (!session_writes(locked.session))
		return unlock_session(&locked, CKR_SESSION_READ_ONLY);
	rv = login_settle(locked.seat, locked.handle, &locked.lease);
	if (rv != CKR_OK)
		return unlock_session(&locked, rv);
	backend_lease_take(locked.slot->backend, ARBITER_EXCLUSIVE, &lease);
	login_pin_changes(locked.seat);
	rv = BACKEND(locked.slot->backend, C_SetPIN, locked.handle, old_pin,
		     old_length, new_pin, new_length);
	backend_lease_give(locked.slot->backend, &lease);
	lease_give(locked.seat, &locked.lease);
	until_ms = tries_count(&locked.seat->tries, locked.seat->record,
			       seat_login(locked.seat) == LOGIN_SO ?
			       TRIED_SO : TRIED_USER, rv);
	login_pin_changed(locked.seat, rv, new_pin, new_length);
	rv = unlock_session(&locked, rv);
	tries_wait(until_ms);
	return rv;
}
