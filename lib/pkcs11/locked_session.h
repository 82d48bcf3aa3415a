/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LOCKED_SESSION_H
#define TOKMUX_LOCKED_SESSION_H

#include "log.h"
#include "p11.h"
#include "login.h"
#include "session.h"

/*
 * A function that changes a login has a lease, then the slot's turn, then its lock.
 * They are taken here, so that no other file has to know that order.
 */

/* The session of a function that changes a login or a PIN: a lease and the turn. */
struct locked_session {
	struct session *session;
	struct seat *seat;
	struct slot *slot;
	CK_SESSION_HANDLE handle;	/* the backend's */
	CK_SESSION_HANDLE given;	/* as the caller gave it */
	struct lease lease;
	bool turn;			/* the slot's turn is ours */
	int cancel;			/* for cancel_on() */
	struct log_call log;
};

enum lock_how {
	LOCK_LEASE,		/* with the lease that the configuration says */
	LOCK_AS_SO,		/* with an exclusive one, for a security officer only */
	LOCK_PIN,		/* the same, or for any caller while there is none */
	LOCK_LOGGED_IN,		/* while logged in, even if lease and turn can't be had */
};

CK_RV lock_session(struct locked_session *locked, CK_SESSION_HANDLE handle,
		   unsigned int caller, enum lock_how how, const char *function);
CK_RV unlock_session(struct locked_session *locked, CK_RV rv);

/* The same before a PIN is shown, after what the caller's wrong ones have earned. */
CK_RV lock_session_for_pin(struct locked_session *locked,
			   CK_SESSION_HANDLE handle, unsigned int caller,
			   enum lock_how how, const char *function);
void lock_session_wait(CK_SESSION_HANDLE handle, unsigned int caller);

/*
 * The seat of sessions that are closed: with its slot's lock, and a lease and the
 * turn if the login ends with them. A close never fails for want of these.
 */
struct locked_seat {
	struct seat *seat;
	struct lease lease;
	bool turn;
	struct left left;		/* of the login, for unlock_seat() */
};

void lock_seat(struct locked_seat *locked, struct seat *seat,
	       unsigned int sessions);
void unlock_seat(struct locked_seat *locked, const struct session *closed);
void leave_seat(struct locked_seat *locked);

#endif /* TOKMUX_LOCKED_SESSION_H */
