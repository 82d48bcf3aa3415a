/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SESSION_H
#define TOKMUX_SESSION_H

#include <stdatomic.h>
#include <stdint.h>
#include "p11.h"
#include "slot.h"

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

struct session {
	/* 0 once it is closed, though calls may still be in it */
	atomic_ulong handle;
	atomic_uint references;
	unsigned int index;

	struct seat *seat;
	atomic_ulong backend_handle;
	CK_FLAGS flags;			/* what the caller asked for */
	uint32_t arbiter_id;
	unsigned int ejects;		/* of the seat when it was opened */
	CK_NOTIFY notify;
	void *application;

	/* What is going on, as far as answers tell: a bit for each. */
	atomic_uint active;
	struct reason operating;	/* lease = operation: while any is */
	struct reason open;		/* lease = session */
	/* The login that each operation's key needs; 0: none. */
	atomic_ulong needs_login[OPERATIONS];

	struct session *next;		/* of the seat; under the slot's lock */
	struct session *next_free;
};

CK_RV session_open(struct slot *slot, const struct caller *caller,
		   const atomic_ulong *generation, unsigned long born,
		   CK_FLAGS flags, void *application, CK_NOTIFY notify,
		   CK_SESSION_HANDLE *handle);
CK_RV session_close(struct session *session);
void session_close_all(struct slot *slot, const struct caller *caller,
		       bool leave);

CK_RV session_get(CK_SESSION_HANDLE handle, struct session **session);
void session_put(struct session *session);

CK_RV session_renew(struct session *session);
void session_forked(void);

/* An eject closed it, or what was there is gone. */
static inline bool session_ejected(const struct session *session)
{
	return atomic_load_explicit(&session->seat->ejects,
				    memory_order_relaxed) != session->ejects;
}

static inline CK_SESSION_HANDLE
session_backend_handle(const struct session *session)
{
	return atomic_load(&session->backend_handle);
}

static inline bool session_writes(const struct session *session)
{
	return session->flags & CKF_RW_SESSION;
}

#endif /* TOKMUX_SESSION_H */
