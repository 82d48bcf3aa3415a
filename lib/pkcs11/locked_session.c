// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * locked_session: a session or seat whose login may change: with a lease, then the
 * slot's turn, then its lock
 */
#include "locked_session.h"
#include "now.h"
#include "token.h"
#include "users.h"

/* ---- logins and PINs ---------------------------------------------------------- */

static void give_all(struct locked_session *locked)
{
	if (locked->turn)
		turn_give(&locked->slot->turn);
	lease_give(locked->seat, &locked->lease);
	session_put(locked->session);
	cancel_on(locked->cancel);
}

CK_RV unlock_session(struct locked_session *locked, CK_RV rv)
{
	unsigned int caller = locked->seat->caller;

	token_hear(locked->seat, rv);
	give_all(locked);
	return log_call_end(&locked->log, caller, locked->given, rv);
}

/* The thread was cancelled while it waited for the lease or the turn. */
static void cancelled(void *of)
{
	struct locked_session *locked = of;

	lease_give(locked->seat, &locked->lease);
	session_put(locked->session);
}

/* Is a security officer logged in, and not this caller? */
static bool is_anothers(const struct slot *slot, enum login login)
{
	return atomic_load(&slot->login) == LOGIN_SO && !login_waits(slot) &&
	       login != LOGIN_SO;
}

static CK_RV take_for(struct locked_session *locked, enum lock_how how,
		      enum login login)
{
	if (how == LOCK_AS_SO || (how == LOCK_PIN && login == LOGIN_SO))
		return lease_take_exclusive(locked->seat, &locked->lease);
	return lease_take(locked->seat, &locked->lease);
}

/**
 * lock_session() - a session, for a function that changes a login or a PIN
 * @locked: out: for unlock_session()
 * @handle: ours
 * @caller: that calls, whose session it has to be; NOBODY where that isn't known
 * @how: which lease, and what it takes
 * @function: of PKCS#11, for the log
 *
 * One that is refused has been logged already.
 */
CK_RV lock_session(struct locked_session *locked, CK_SESSION_HANDLE handle,
		   unsigned int caller, enum lock_how how, const char *function)
{
	enum login login;
	CK_RV rv;

	log_call_begin(&locked->log, function);
	rv = session_get_own(handle, caller, &locked->session);
	if (rv != CKR_OK)
		goto err;
	locked->seat = locked->session->seat;
	locked->slot = locked->seat->slot;
	locked->given = handle;
	caller = locked->seat->caller;

	rv = CKR_SESSION_HANDLE_INVALID;
	if (session_ejected(locked->session, locked->seat))
		goto err_session;
	rv = CKR_USER_NOT_LOGGED_IN;
	login = seat_login(locked->seat);
	if ((how == LOCK_AS_SO && login != LOGIN_SO) ||
	    (how == LOCK_LOGGED_IN && login == LOGIN_NONE))
		goto err_session;
	rv = CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	if (how == LOCK_PIN && is_anothers(locked->slot, login))
		goto err_session;
	/* What a security officer does is done alone, once the PIN was shown. */
	rv = CANCEL_UNDOES(cancelled, locked, take_for(locked, how, login));
	if (rv != CKR_OK && how != LOCK_LOGGED_IN)
		goto err_session;

	rv = CANCEL_UNDOES(cancelled, locked,
			   backend_turn(locked->slot->backend,
					&locked->slot->turn));
	locked->cancel = cancel_off();
	locked->turn = rv == CKR_OK;
	if (rv != CKR_OK && how != LOCK_LOGGED_IN)
		goto err_lease;
	locked->handle = session_backend_handle(locked->session);
	/* The session may have been closed or ejected while this thread waited. */
	if (atomic_load(&locked->session->handle) != handle ||
	    session_ejected(locked->session, locked->seat))
		return unlock_session(locked, CKR_SESSION_HANDLE_INVALID);
	/* And a security officer may have come. */
	if (how == LOCK_PIN &&
	    is_anothers(locked->slot, seat_login(locked->seat)))
		return unlock_session(locked,
				      CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
	return CKR_OK;

err_lease:
	cancel_on(locked->cancel);
	lease_give(locked->seat, &locked->lease);
err_session:
	session_put(locked->session);
err:
	return log_call_end(&locked->log, caller, handle, rv);
}

/*
 * Called before a PIN is shown. A caller that showed wrong PINs waits here, while it
 * has nothing that another thread could wait for.
 */
void lock_session_wait(CK_SESSION_HANDLE handle, unsigned int caller)
{
	struct session *session;
	int64_t until_ms;

	if (session_get_own(handle, caller, &session) != CKR_OK)
		return;
	until_ms = tries_due_ms(&session->seat->tries);
	session_put(session);
	tries_wait(until_ms);
}

/*
 * Another thread of the caller may have shown a wrong PIN meanwhile: then this one
 * waits again, but not for ever.
 */
CK_RV lock_session_for_pin(struct locked_session *locked,
			   CK_SESSION_HANDLE handle, unsigned int caller,
			   enum lock_how how, const char *function)
{
	int64_t begun_ms = now_ms();
	CK_RV rv;

	for (;;) {
		lock_session_wait(handle, caller);
		rv = lock_session(locked, handle, caller, how, function);
		if (rv != CKR_OK ||
		    tries_due_ms(&locked->seat->tries) <= now_ms())
			return rv;
		if (now_ms() - begun_ms >= locked->slot->backend->config->wait_ms)
			return unlock_session(locked, CKR_FUNCTION_FAILED);
		give_all(locked);
	}
}

/* ---- closing sessions --------------------------------------------------------- */

/* Where calls are shared, closing takes a lease only to log out. */
static bool wants_lease(const struct seat *seat)
{
	return !atomic_load(&seat->gone) &&
	       (seat->lease != LEASE_SHARED ||
		seat_login(seat) != LOGIN_NONE || login_waits(seat->slot));
}

/* Without one that comes in time the close goes on. */
static __attribute__((noinline)) void take_lease(struct locked_seat *locked)
{
	lease_take(locked->seat, &locked->lease);
	/* Until it is given back: it may be the last session of all. */
	if (lease_has(&locked->lease))
		users_hold();
}

static void lease_cancelled(void *of)
{
	struct locked_seat *locked = of;

	if (!lease_has(&locked->lease))
		return;
	lease_give(locked->seat, &locked->lease);
	users_put();
}

/**
 * lock_seat() - before sessions are closed
 * @locked: out: for unlock_seat()
 * @seat: of the caller whose sessions they are
 * @sessions: how many are closed at most
 *
 * The turn is taken if the login ends with the sessions, or if the backend is yet
 * to be told that another one has ended. If the call that has the turn hangs, the
 * close goes on without it in the end.
 */
void lock_seat(struct locked_seat *locked, struct seat *seat,
	       unsigned int sessions)
{
	struct slot *slot = seat->slot;
	bool wanted;

	*locked = (struct locked_seat){ .seat = seat };
	if (wants_lease(seat))
		take_lease(locked);
	pthread_mutex_lock(&slot->lock);
	wanted = (seat->open <= sessions && seat_login(seat) != LOGIN_NONE) ||
		 login_waits(slot);
	if (wanted && !atomic_load(&seat->gone)) {
		pthread_mutex_unlock(&slot->lock);
		locked->turn = CANCEL_UNDOES(lease_cancelled, locked,
					     backend_turn(slot->backend,
							  &slot->turn)) ==
			       CKR_OK;
		pthread_mutex_lock(&slot->lock);
	}
	/* Until leave_seat(): the seat may have had no other session. */
	seat->references += lease_has(&locked->lease);
}

/**
 * unlock_seat() - what was closed here ends in the backend
 * @locked: the slot's lock and turn are given back, the lease is not
 * @closed: one of the sessions, still referenced; NULL if there was none
 */
void unlock_seat(struct locked_seat *locked, const struct session *closed)
{
	struct seat *seat = locked->seat;
	int cancel;

	pthread_mutex_unlock(&seat->slot->lock);
	/* Most sessions are closed without a login ending. */
	if (!locked->turn && !locked->left.ended)
		return;
	cancel = cancel_off();
	if (closed)
		login_tell(seat, session_backend_handle(closed),
			   &locked->lease, locked->turn, &locked->left);
	if (locked->turn)
		turn_give(&seat->slot->turn);
	cancel_on(cancel);
}

/* The seat may be gone afterwards, and so may the module. */
void leave_seat(struct locked_seat *locked)
{
	if (!lease_has(&locked->lease))
		return;
	lease_give(locked->seat, &locked->lease);
	seat_put(locked->seat);
	users_put();
}
