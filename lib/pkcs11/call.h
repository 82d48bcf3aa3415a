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

CK_RV call_begin_as(struct call *call, CK_SESSION_HANDLE handle,
		    const char *function);
CK_RV call_end(struct call *call, CK_RV rv);
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

/* Is the caller logged in as the user? */
static inline bool call_is_user(const struct call *call)
{
	return seat_login(call->seat) == LOGIN_USER;
}

#endif /* TOKMUX_CALL_H */
