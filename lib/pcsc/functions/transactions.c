// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PC/SC's functions for transactions, which may be in each other.
 */
#include "../context.h"
#include "../delegate.h"
#include "../error.h"
#include "../lease.h"

LONG SCardBeginTransaction(SCARDHANDLE handle)
{
	struct connection *connection;
	struct context *context;
	LONG rv;

	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	if (connection->other) {
		rv = delegate()->BeginTransaction(connection->other);
		goto out;
	}
	rv = use_begin(connection);
	if (!rv) {
		lock();
		connection->has_turn = true;
		connection->depth++;
		unlock();
	}
out:
	context_leave(context);
	return rv;
}

/* What is to become of the card. With the turn. */
static LONG dispose(struct connection *connection, DWORD disposition)
{
	struct slot *slot = connection->slot;
	LONG rv;

	lock();
	rv = connection_event(connection);
	unlock();
	if (rv || !slot->reader->held || (disposition != SCARD_RESET_CARD &&
					  disposition != SCARD_UNPOWER_CARD))
		return rv;
	/* Its own program, too, is told of it at the next call. */
	return error_of_access(lease_reset(slot, connection->protocols |
					   (disposition == SCARD_RESET_CARD ?
					    TOKMUX_CARD_WARM : 0)));
}

LONG SCardEndTransaction(SCARDHANDLE handle, DWORD disposition)
{
	struct connection *connection;
	struct context *context;
	LONG rv;

	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	if (connection->other) {
		rv = delegate()->EndTransaction(connection->other, disposition);
	} else if (disposition > SCARD_EJECT_CARD) {
		rv = SCARD_E_INVALID_VALUE;
	} else if (!connection->depth) {
		rv = SCARD_E_NOT_TRANSACTED;
	} else {
		rv = dispose(connection, disposition);
		lock();
		connection->depth--;
		connection->has_turn = connection->depth ||
			connection->share == SCARD_SHARE_EXCLUSIVE;
		unlock();
		turn_end(connection);
	}
	context_leave(context);
	return rv;
}
