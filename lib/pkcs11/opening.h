/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_OPENING_H
#define TOKMUX_OPENING_H

#include "session.h"

/* What a caller asks for. */
struct opening {
	struct slot *slot;
	unsigned int caller;		/* its number */
	const atomic_ulong *generation;	/* changes when the caller leaves */
	unsigned long born;		/* before it was seen to be initialized */
	CK_FLAGS flags;
	void *application;		/* for @notify */
	CK_NOTIFY notify;		/* may be NULL */
};

CK_RV session_open(const struct opening *opening, CK_SESSION_HANDLE *handle);
CK_RV session_close(struct session *session);
void session_close_all(struct slot *slot, unsigned int caller, bool leave);

#endif /* TOKMUX_OPENING_H */
