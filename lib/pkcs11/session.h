/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SESSION_H
#define TOKMUX_SESSION_H

#include <stdatomic.h>
#include <stdint.h>
#include "log.h"
#include "p11.h"
#include "lease.h"

/* What can be going on in a session; each lasts from its Init to its end. */
enum operation {
	OPERATION_ENCRYPT,
	OPERATION_DECRYPT,
	OPERATION_DIGEST,
	OPERATION_SIGN,
	OPERATION_SIGN_RECOVER,
	OPERATION_VERIFY,
	OPERATION_VERIFY_RECOVER,
	OPERATION_VERIFY_SIGNATURE,
	OPERATION_FIND,
	OPERATION_MESSAGE_ENCRYPT,
	OPERATION_MESSAGE_DECRYPT,
	OPERATION_MESSAGE_SIGN,
	OPERATION_MESSAGE_VERIFY,
	OPERATIONS
};

/* Instead of a login that operations need; no seat's current one. */
#define SESSION_NEEDS_SEVERAL	(~0ul)
#define SESSION_NEEDS_OWN	(~0ul - 1) /* none, while nobody is logged in */

struct session {
	/* 0 once it is closed, though calls may still be in it */
	atomic_ulong handle;
	atomic_uint references;
	unsigned int index;
	unsigned int serial;		/* of the handle that it had last */

	struct seat *seat;
	struct made made;		/* in the backend's session */
	CK_FLAGS flags;			/* what the caller asked for */
	uint32_t arbiter_id;
	unsigned int ejects;		/* of the seat when it was opened */
	CK_NOTIFY notify;
	void *application;

	/* What is going on, as far as answers tell: a bit for each. */
	atomic_uint active;
	atomic_uint restored;		/* of these only one or two go on */
	struct reason operating;	/* lease = operation: while any is */
	struct reason open;		/* lease = session */
	/* The login that each operation's key needs; 0: none. */
	atomic_ulong needs_login[OPERATIONS];
	atomic_ulong needs;		/* the one that all of them need; 0: none */
	atomic_ulong keys[OPERATIONS];	/* with which each was begun */
	/* The type of a mechanism whose parameters name no key: the last one, or 0. */
	atomic_ulong names_no_key;

	/* the seat's list; under the slot's lock */
	struct session *next;
	struct session **at;		/* what points here */
	struct session *next_free;
};

/* for opening.c */
struct session *session_alloc(CK_SESSION_HANDLE *handle);
void session_free(struct session *session);
CK_RV session_open_backend(struct session *session, CK_SESSION_HANDLE *handle);

CK_RV session_renew(struct session *session);
void session_need_no_login(struct session *session);
void session_forked(void);

/* Has an eject closed it, or is the token gone? @seat: its own */
EACH_CALL bool session_ejected(const struct session *session,
			       const struct seat *seat)
{
	return atomic_load_explicit(&seat->ejects,
				    memory_order_relaxed) != session->ejects;
}

static inline CK_SESSION_HANDLE
session_backend_handle(const struct session *session)
{
	return atomic_load(&session->made.session);
}

static inline bool session_writes(const struct session *session)
{
	return session->flags & CKF_RW_SESSION;
}

/* ---- finding a session, inline: every call does ------------------------------- */

/*
 * A handle is a serial number and an index: 15 + 16 bits. So it is positive in an int,
 * which some programs keep it in. Sessions stay where they are in memory for good, so
 * that a reference can be tried on one that is just going: take it first, then look
 * whether the handle is still the right one.
 */
#define SESSION_SERIAL_BITS	15
#define SESSION_INDEX_BITS	16
#define SESSION_CHUNK		256
#define SESSION_CHUNKS		((1ul << SESSION_INDEX_BITS) / SESSION_CHUNK)

/* Set in @references once closed: the last reference to go destroys it. */
#define SESSION_DYING		(1u << 31)

extern _Atomic(struct session *) session_chunks[]
	__attribute__((visibility("hidden")));

CK_RV session_missing(void);
void session_last_out(struct session *session, struct lease *lease);

/* With the slot's lock, of a session that is open there. */
static inline void session_hold(struct session *session)
{
	atomic_fetch_add(&session->references, 1);
}

/* @lease: that the thread has on the slot, or couldn't get */
EACH_CALL void session_put_several(struct session *session,
				   unsigned int several,
				   struct lease *lease)
{
	if (atomic_fetch_sub(&session->references, several) ==
	    SESSION_DYING + several)
		session_last_out(session, lease);
}

EACH_CALL void session_put_with(struct session *session,
				struct lease *lease)
{
	session_put_several(session, 1, lease);
}

/* By a thread without a lease: one is taken if this closes the session. */
EACH_CALL void session_put(struct session *session)
{
	session_put_with(session, NULL);
}

void session_cancelled(void *session);

EACH_CALL struct session *session_find(CK_SESSION_HANDLE handle)
{
	size_t index = handle & ((1ul << SESSION_INDEX_BITS) - 1);
	struct session *found;

	found = atomic_load_explicit(&session_chunks[index / SESSION_CHUNK],
				     memory_order_acquire);
	if (!found || !handle)
		return NULL;
	found += index % SESSION_CHUNK;
	atomic_fetch_add(&found->references, 1);
	if (atomic_load(&found->handle) == handle)
		return found;
	session_put(found);
	return NULL;
}

/**
 * session_get() - find a session and keep it from being destroyed
 * @handle: ours
 * @session: out: the session, for session_put(); or NULL
 *
 * Return: CKR_OK, CKR_SESSION_HANDLE_INVALID, or CKR_CRYPTOKI_NOT_INITIALIZED
 * where no caller has initialized the module.
 */
static inline CK_RV session_get(CK_SESSION_HANDLE handle,
				struct session **session)
{
	*session = session_find(handle);
	return *session ? CKR_OK : session_missing();
}

/* Is it another caller's than @caller's? NOBODY: that isn't known. */
static inline bool session_is_anothers(const struct session *session,
				       unsigned int caller)
{
	return session->seat->caller != caller && caller != NOBODY;
}

/* The same for the functions that refuse another caller's. */
static inline CK_RV session_get_own(CK_SESSION_HANDLE handle,
				    unsigned int caller,
				    struct session **session)
{
	CK_RV rv = session_get(handle, session);

	if (rv != CKR_OK || !session_is_anothers(*session, caller))
		return rv;
	session_put(*session);
	return CKR_SESSION_HANDLE_INVALID;
}

#endif /* TOKMUX_SESSION_H */
