/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Contexts (SCARDCONTEXT): a program's threads have one each, and connections in
 * them. One call at a time goes on in a context; the next one waits.
 */
#ifndef TOKMUX_PCSC_CONTEXT_H
#define TOKMUX_PCSC_CONTEXT_H

#include "use.h"

struct context {
	struct context *next;
	SCARDCONTEXT id;
	bool busy;			/* a call goes on */
	bool waiting, cancelled;	/* in SCardGetStatusChange() */
	struct connection *connections;
	/* pcsc-lite's context, or 0; what its list of readers was, and how often new. */
	SCARDCONTEXT other;
	uint32_t other_readers;
	uint16_t other_events;
};

/* These are without the lock. */

/* @other is pcsc-lite's context that goes with it, or 0. */
LONG context_new(SCARDCONTEXT other, SCARDCONTEXT *id);
bool context_exists(SCARDCONTEXT id);
/* Ends what SCardGetStatusChange() waits for in it. */
LONG context_cancel(SCARDCONTEXT id);

/* A call begins, when the one before it has ended; NULL if there is no such context. */
struct context *context_enter(SCARDCONTEXT id);
/* The same of the context that the connection is in. */
struct context *context_enter_connection(SCARDHANDLE id,
					 struct connection **connection);
void context_leave(struct context *context);

/* In a call. The connection has no reader yet; NULL if there is no memory. */
struct connection *context_add(struct context *context);
/* Frees it. */
void context_remove(struct context *context, struct connection *connection);
/*
 * The call ends, and with it the context, which has no connections any more.
 */
void context_free(struct context *context);

/* In the child of a fork: there are no contexts. Under the lock. */
void contexts_after_fork(void);

#endif /* TOKMUX_PCSC_CONTEXT_H */
