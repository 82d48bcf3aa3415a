// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * opening: sessions are opened and closed (R11, R13)
 *
 * A session is opened in the backend first and is found by its handle then. It is
 * closed the other way round, and with a caller's last session ends its login.
 */
#include <limits.h>

#include "locked_session.h"
#include "opening.h"
#include "token.h"
#include "users.h"

/* ---- open -------------------------------------------------------------------- */

/* With the slot's lock: from here on other threads find it. */
static CK_RV publish(struct session *session, CK_SESSION_HANDLE handle,
		     const struct opening *opening)
{
	struct seat *seat = session->seat;

	if (atomic_load(opening->generation) != opening->born)
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (seat->abandoned)
		return CKR_DEVICE_REMOVED;
	if (!session_writes(session) &&
	    (seat_login(seat) == LOGIN_SO || seat->coming == LOGIN_SO))
		return CKR_SESSION_READ_WRITE_SO_EXISTS;

	session->ejects = atomic_load(&seat->ejects);
	session->next = seat->sessions;
	session->at = &seat->sessions;
	if (session->next)
		session->next->at = &session->next;
	seat->sessions = session;
	seat->open++;
	seat->read_only += !session_writes(session);
	/* Of its own: it may be closed before its opener returns. */
	seat->references++;
	users_hold();
	if (seat->one_login)
		login_share(seat);
	atomic_store(&session->handle, handle);
	return CKR_OK;
}

/* A session on its way, and what it has so far. */
struct attempt {
	struct seat *seat;
	struct session *session;
	bool counted;			/* at the arbiter */
	struct lease lease;
};

static __attribute__((noinline, cold)) void give_up(void *of)
{
	struct attempt *attempt = of;
	struct session *session = attempt->session;
	struct seat *seat = attempt->seat;

	lease_give(seat, &attempt->lease);
	if (attempt->counted)
		seat->slot->arbiter->session_close(seat->party,
						   session->arbiter_id);
	atomic_fetch_sub(&session->references, 1);
	session_free(session);
	seat_put(seat);
}

static void prepare(struct session *session, const struct opening *opening)
{
	session->flags = opening->flags;
	session->application = opening->application;
	session->notify = opening->notify;
	session->made = (struct made){ 0 };
	atomic_store_explicit(&session->active, 0, memory_order_relaxed);
	atomic_store_explicit(&session->restored, 0, memory_order_relaxed);
	session->operating.on = false;
	session->open.on = false;
	/* Few were left in the middle of an operation. */
	if (atomic_load(&session->needs))
		session_need_no_login(session);
}

/* In the backend. Return: what give_up() has to follow, if not CKR_OK. */
static CK_RV open_there(struct attempt *attempt)
{
	struct seat *seat = attempt->seat;
	struct session *session = attempt->session;
	const struct slot *slot = seat->slot;
	CK_SESSION_HANDLE handle = 0;
	CK_RV rv;

	rv = arbiter_rv(slot->arbiter->session_open(seat->party,
						    slot->backend->config->session_wait_ms,
						    &session->arbiter_id));
	if (rv != CKR_OK)
		return rv;
	attempt->counted = true;
	rv = lease_take(seat, &attempt->lease);
	if (rv == CKR_OK)
		rv = token_check(seat, &attempt->lease);
	if (rv == CKR_OK)
		rv = session_open_backend(session, &handle);
	if (rv == CKR_OK)
		atomic_store(&session->made.session, handle);
	return rv;
}

static CK_RV open_once(const struct opening *opening, CK_SESSION_HANDLE *handle)
{
	struct slot *slot = opening->slot;
	struct attempt attempt;
	CK_SESSION_HANDLE fresh;
	CK_RV rv;

	rv = seat_get(slot, opening->caller, &attempt.seat);
	if (rv != CKR_OK)
		return rv;
	attempt.session = session_alloc(&fresh);
	if (!attempt.session) {
		seat_put(attempt.seat);
		return CKR_HOST_MEMORY;
	}
	attempt.session->seat = attempt.seat;
	attempt.counted = false;
	attempt.lease = (struct lease){ 0 };
	prepare(attempt.session, opening);
	rv = CANCEL_UNDOES(give_up, &attempt, open_there(&attempt));
	if (rv != CKR_OK)
		goto err;

	pthread_mutex_lock(&slot->lock);
	rv = publish(attempt.session, fresh, opening);
	if (rv == CKR_OK) {
		*handle = fresh;
		if (attempt.seat->lease == LEASE_SESSION)
			lease_keep(attempt.seat, &attempt.lease,
				   &attempt.session->open);
	}
	pthread_mutex_unlock(&slot->lock);
	if (rv == CKR_OK) {
		lease_give(attempt.seat, &attempt.lease);
		seat_put(attempt.seat);
		return CKR_OK;
	}
	CANCEL_UNDOES(give_up, &attempt,
		      BACKEND(slot->backend, C_CloseSession,
			      session_backend_handle(attempt.session)));
err:
	token_hear(attempt.seat, rv);
	give_up(&attempt);
	return rv;
}

/**
 * session_open() - C_OpenSession
 * @opening: what the caller asks for
 * @handle: out: ours
 *
 * With a users_get() of the caller's own; the session has another.
 */
CK_RV session_open(const struct opening *opening, CK_SESSION_HANDLE *handle)
{
	CK_RV rv = open_once(opening, handle);

	/* That token is gone: once more, with the one that is there now. */
	return rv == CKR_DEVICE_REMOVED ? open_once(opening, handle) : rv;
}

/* ---- close ------------------------------------------------------------------------- */

/*
 * With the slot's lock: no other thread finds it from here on. The seat's last
 * session takes the login with it (R11: no other caller's session matters). The
 * table's reference is left to be put, and @left to be told.
 */
static CK_RV unpublish(struct session *session, struct left *left)
{
	CK_SESSION_HANDLE handle = atomic_exchange(&session->handle, 0);
	struct seat *seat = session->seat;

	if (!handle)
		return CKR_SESSION_HANDLE_INVALID;
	*session->at = session->next;
	if (session->next)
		session->next->at = session->at;
	seat->open--;
	seat->read_only -= !session_writes(session);
	if (!seat->open && !atomic_load(&seat->gone))
		login_end(seat, left);
	seat->slot->arbiter->session_close(seat->party, session->arbiter_id);
	atomic_fetch_or(&session->references, SESSION_DYING);
	return CKR_OK;
}

static void close_cancelled(void *locked)
{
	leave_seat(locked);
}

/* The caller's reference, from session_get(), is put. */
CK_RV session_close(struct session *session)
{
	struct locked_seat locked;
	CK_RV rv;

	CANCEL_UNDOES(session_cancelled, session,
		      (lock_seat(&locked, session->seat, 1), 0));
	rv = unpublish(session, &locked.left);
	unlock_seat(&locked, session);
	known_forget_made(&locked.seat->known, &session->made);
	/* One is the open session's own. */
	if (rv == CKR_OK)
		CANCEL_UNDOES(close_cancelled, &locked,
			      (session_put_several(session, 2, &locked.lease),
			       0));
	else
		CANCEL_UNDOES(close_cancelled, &locked,
			      (session_put_with(session, &locked.lease), 0));
	leave_seat(&locked);
	return rv;
}

/* With the slot's lock: all sessions of a seat, as a list to be put. */
static struct session *unpublish_all(struct seat *seat, struct left *left)
{
	struct session *closed = NULL;
	struct session *session;

	while ((session = seat->sessions)) {
		unpublish(session, left);
		session->next = closed;
		closed = session;
	}
	return closed;
}

/* Return: a seat of the caller's with sessions to close, or any; referenced. */
static struct seat *seat_of(struct slot *slot, unsigned int caller, bool any)
{
	struct seat *seat;

	pthread_mutex_lock(&slot->lock);
	for (seat = seat_first(slot, caller); seat; seat = seat->older)
		if (seat->sessions || (any && !seat->abandoned))
			break;
	if (seat)
		seat->references++;
	pthread_mutex_unlock(&slot->lock);
	return seat;
}

/**
 * session_close_all() - close a caller's sessions on a slot, and no other's
 * @slot: where
 * @caller: its number
 * @leave: the caller leaves the slot as well
 */
void session_close_all(struct slot *slot, unsigned int caller, bool leave)
{
	struct session *closed, *session;
	struct locked_seat locked;
	struct seat *seat;

	/* A seat for each token that was there while the caller had sessions. */
	while ((seat = seat_of(slot, caller, leave))) {
		lock_seat(&locked, seat, UINT_MAX);
		closed = unpublish_all(seat, &locked.left);
		if (leave && !seat->abandoned)
			seat_abandon(seat);
		unlock_seat(&locked, closed);
		while ((session = closed)) {
			closed = session->next;
			known_forget_made(&seat->known, &session->made);
			session_put_with(session, &locked.lease);
		}
		leave_seat(&locked);
		seat_put(seat);
	}
}
