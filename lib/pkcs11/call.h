/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_CALL_H
#define TOKMUX_CALL_H

#include "log.h"
#include "p11.h"
#include "session.h"

/*
 * One call of a backend: find the session, take the lease, call, give the lease
 * back, let go of the session. Between call_begin() and call_end() a thread asks
 * for no other lease.
 */
struct call {
	struct session *session;	/* NULL: the function is told a slot */
	struct seat *seat;
	struct backend *backend;
	CK_ULONG handle;		/* the backend's, of its session or slot */
	/* It has a shared turn and is not logged: @lease and @log are not filled in. */
	bool plain;
	struct lease lease;
	/* Of the object that is made or changed, for call_asked_object(). */
	bool token;			/* it is the token's */
	bool public;			/* it is public for sure */
	CK_SESSION_HANDLE given;	/* ours, as the caller gave it */
	struct log_call log;
};

/* Used in the function of PKCS#11 itself, as the log takes its name from there. */
#define call_begin(call, handle)	call_begin_as(call, handle, __func__)
#define call_begin_slot(call, id)	call_begin_slot_as(call, id, __func__)

CK_RV call_begin_logged(struct call *call, CK_SESSION_HANDLE handle,
			const char *function);
CK_RV call_missing(struct call *call);
CK_RV call_wait(struct call *call);
CK_RV call_ejected(struct call *call);
CK_RV call_end_slow(struct call *call, CK_RV rv);
CK_RV call_begin_slot_as(struct call *call, CK_SLOT_ID id,
			 const char *function);
CK_RV call_end_slot(struct call *call, CK_RV rv);
void call_cancelled(void *call);

/* The result of the first check that fails; the second isn't made then. */
#define CHECKS(first, second) ((first) ?: (second))

/* Calls the backend's function on its session or slot. */
#define CALL(call, function, ...)					\
	CALL_ON(call, (call)->handle, function, ##__VA_ARGS__)

/* The same for another session or slot of the backend. */
#define CALL_ON(call, handle, function, ...)				\
	CANCEL_UNDOES(call_cancelled, call,				\
		      BACKEND((call)->backend, function, handle, ##__VA_ARGS__))

/* The call has its lease. The session may have been ejected meanwhile. */
EACH_CALL CK_RV call_enter(struct call *call, const struct session *session,
			   const struct seat *seat)
{
	if (session_ejected(session, seat))
		return call_ejected(call);
	call->backend = seat->slot->backend;
	call->handle = atomic_load_explicit(&session->made.session,
					    memory_order_relaxed);
	return CKR_OK;
}

EACH_CALL CK_RV call_come(struct call *call, CK_SESSION_HANDLE handle,
			  bool plain)
{
	struct session *session = session_find(handle);
	struct seat *seat;

	call->given = handle;
	call->session = session;
	call->plain = plain;
	if (!session)
		return call_missing(call);
	seat = session->seat;
	call->seat = seat;
	if (!lease_share_turn(seat))
		return call_wait(call);
	if (!plain)
		call->lease = (struct lease){ .shared = true };
	return call_enter(call, session, seat);
}

/**
 * call_begin_as() - find a session and take a lease for a call of the backend
 * @call: out: valid until call_end()
 * @handle: the session's, as the caller gave it
 * @function: the function of PKCS#11 that is called, see call_begin()
 *
 * A call that is refused has been logged already, and has no call_end().
 *
 * Inline, as every call does it. Whatever most calls don't need is out of line, here and
 * in call_end(): else registers would be saved for it in each call.
 */
EACH_CALL CK_RV call_begin_as(struct call *call, CK_SESSION_HANDLE handle,
			      const char *function)
{
	if (log_wants(LOG_CALLS))
		return call_begin_logged(call, handle, function);
	return call_come(call, handle, true);
}

EACH_CALL CK_RV call_end(struct call *call, CK_RV rv)
{
	if (rv != CKR_OK || !call->plain)
		return call_end_slow(call, rv);
	arbiter_queue_unshare(call->seat->shares);
	session_put(call->session);
	return CKR_OK;
}

/* Is the caller logged in as the user? */
static inline bool call_is_user(const struct call *call)
{
	return seat_login(call->seat) == LOGIN_USER;
}

#endif /* TOKMUX_CALL_H */
