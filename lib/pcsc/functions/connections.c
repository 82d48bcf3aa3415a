// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PC/SC's functions for connections: SCardConnect(), SCardReconnect(),
 * SCardDisconnect().
 *
 * A process with connections that aren't exclusive has a session of the kernel's, by which
 * other processes know of them. A holder on a token without sessions has it exclusively.
 */
#include <errno.h>
#include "../delegate.h"
#include "../error.h"
#include "../keeper.h"
#include "../lease.h"
#include "../policy.h"
#include "../readers.h"
#include "connections.h"

#define ANY_PROTOCOL	(SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

static LONG check_wishes(DWORD share, DWORD protocols)
{
	if (share != SCARD_SHARE_SHARED && share != SCARD_SHARE_EXCLUSIVE &&
	    share != SCARD_SHARE_DIRECT)
		return SCARD_E_INVALID_VALUE;
	if (share != SCARD_SHARE_DIRECT &&
	    !(protocols & (ANY_PROTOCOL | SCARD_PROTOCOL_RAW |
			   SCARD_PROTOCOL_ANY_OLD)))
		return SCARD_E_PROTO_MISMATCH;
	return SCARD_S_SUCCESS;
}

/* What a card is to be reset for. */
static unsigned int flags_of(DWORD protocols)
{
	/* A program that says this takes what there is. */
	if (protocols & (SCARD_PROTOCOL_RAW | SCARD_PROTOCOL_ANY_OLD))
		return 0;
	return (protocols & SCARD_PROTOCOL_T0 ? TOKMUX_CARD_T0 : 0) |
	       (protocols & SCARD_PROTOCOL_T1 ? TOKMUX_CARD_T1 : 0);
}

/* Which of @protocols it is. With the turn. */
static LONG choose_protocol(struct connection *connection, DWORD protocols,
			    DWORD *chosen)
{
	struct slot *slot = connection->slot;
	DWORD protocol;
	bool alone;
	int ret;

	lock();
	protocol = slot->protocol;
	alone = slot->connections == 1;
	unlock();
	connection->protocols = flags_of(protocols);
	/* Beside others it is for a card that has none of them. */
	if (protocols == SCARD_PROTOCOL_RAW) {
		*chosen = SCARD_PROTOCOL_RAW;
		return SCARD_S_SUCCESS;
	}
	if (connection->share == SCARD_SHARE_DIRECT) {
		*chosen = SCARD_PROTOCOL_UNDEFINED;
		return SCARD_S_SUCCESS;
	}
	if (protocols & (protocol | SCARD_PROTOCOL_ANY_OLD)) {
		*chosen = protocol;
		return SCARD_S_SUCCESS;
	}
	if (protocols & SCARD_PROTOCOL_RAW) {
		*chosen = SCARD_PROTOCOL_RAW;
		return SCARD_S_SUCCESS;
	}
	/* Another one takes a reset, which is nobody else's business here. */
	if (!alone)
		return SCARD_E_PROTO_MISMATCH;
	ret = lease_reset(slot, connection->protocols);
	lock();
	*chosen = slot->protocol;
	unlock();
	return error_of_access(ret);
}

/* ---- sharing among processes; with the turn ----------------------------------- */

/* How many of the token's sessions are this process'. */
static unsigned int own_sessions(struct reader *reader)
{
	unsigned int own;

	lock();
	own = reader_sessions(reader);
	unlock();
	return own;
}

/* Does another process have the reader for itself? */
static bool is_exclusive_elsewhere(struct reader *reader)
{
	struct lease_others others;

	return !lease_others(reader, &others) && others.held &&
	       others.sessions <= own_sessions(reader);
}

static int count_sharer(struct connection *connection)
{
	int ret = connection->shares ? 0 : lease_share(connection->slot->reader);

	connection->shares |= !ret;
	return ret;
}

static void uncount_sharer(struct connection *connection)
{
	if (connection->shares)
		lease_unshare(connection->slot->reader);
	connection->shares = false;
}

/* Waits for the lease as long as it takes, unless another process keeps it. */
static LONG share_lease(struct slot *slot)
{
	int ret = lease_take(slot, 0);

	if (ret != -EAGAIN)
		return error_of_access(ret);
	do {
		bool exclusive = is_exclusive_elsewhere(slot->reader);

		ret = lease_take(slot, exclusive ? EXCLUSIVE_SURE_MS : -1);
	} while (ret == -ETIMEDOUT && !is_exclusive_elsewhere(slot->reader));
	return ret == -ETIMEDOUT ? SCARD_E_SHARING_VIOLATION :
				   error_of_access(ret);
}

/* Is another process connected, to any slot? Or a negative errno. */
static int are_others_connected(struct reader *reader)
{
	struct lease_others others;
	int ret = lease_others(reader, &others);

	return ret ? ret : others.sessions > own_sessions(reader);
}

/* Gets the lease if no other process is connected. */
static LONG own_lease(struct slot *slot)
{
	int ret;

	ret = are_others_connected(slot->reader);
	if (!ret)
		ret = lease_take(slot, EXCLUSIVE_SURE_MS);
	/* One may have come meanwhile. Who comes later is refused. */
	if (!ret)
		ret = are_others_connected(slot->reader);
	return ret > 0 || ret == -ETIMEDOUT ? SCARD_E_SHARING_VIOLATION :
					      error_of_access(ret);
}

/* Under the lock: are there others to this slot in this process? */
static bool may_share(const struct connection *connection, DWORD share)
{
	const struct slot *slot = connection->slot;

	if (slot->exclusive && slot->exclusive != connection)
		return false;
	return share != SCARD_SHARE_EXCLUSIVE || slot->connections == 1;
}

/* Sharing as it is wished, with the lease where there is to be one. */
static LONG share_as(struct connection *connection, DWORD share)
{
	struct slot *slot = connection->slot;
	bool shared;
	LONG rv;
	int ret;

	ret = lease_open(slot->reader);
	if (ret)
		return error_of_access(ret);
	if (share == SCARD_SHARE_EXCLUSIVE) {
		/* An exclusive connection needs no session. */
		shared = connection->shares;
		uncount_sharer(connection);
		rv = own_lease(slot);
		if (rv && shared)
			count_sharer(connection);
	} else {
		rv = error_of_access(count_sharer(connection));
		if (!rv && share == SCARD_SHARE_SHARED)
			rv = share_lease(slot);
	}
	if (rv)
		return rv;
	lock();
	connection->share = share;
	if (share == SCARD_SHARE_EXCLUSIVE)
		slot->exclusive = connection;
	else if (slot->exclusive == connection)
		slot->exclusive = NULL;
	connection->has_turn = share == SCARD_SHARE_EXCLUSIVE ||
			       connection->depth;
	unlock();
	return SCARD_S_SUCCESS;
}

/* ---- connect ------------------------------------------------------------------ */

/* Finds the slot, and counts the connection to it. */
static LONG find_slot(struct connection *connection, const char *name,
		      DWORD share)
{
	LONG rv = SCARD_S_SUCCESS;
	struct slot *slot;

	lock();
	readers_refresh();
	slot = readers_find(name);
	connection->slot = slot;
	if (!slot) {
		rv = SCARD_E_UNKNOWN_READER;
	} else if (keeper_start()) {
		rv = SCARD_E_NO_MEMORY;
	} else {
		slot->connections++;
		if (!may_share(connection, share)) {
			slot->connections--;
			rv = SCARD_E_SHARING_VIOLATION;
		}
	}
	unlock();
	return rv;
}

/* With the turn. */
static LONG connect_card(struct connection *connection, DWORD share,
			 DWORD protocols, DWORD *protocol)
{
	LONG rv;

	rv = share_as(connection, share);
	if (!rv && share != SCARD_SHARE_DIRECT)
		rv = error_of_access(lease_power(connection->slot,
						 flags_of(protocols)));
	if (!rv)
		rv = choose_protocol(connection, protocols, protocol);
	lock();
	connection_is_told(connection);
	unlock();
	return rv;
}

static void forget(struct connection *connection)
{
	struct slot *slot = connection->slot;

	uncount_sharer(connection);
	lock();
	if (slot->exclusive == connection)
		slot->exclusive = NULL;
	grace_end(slot, connection);
	slot->connections--;
	connection->has_turn = false;
	unlock();
	turn_end(connection);
}

static LONG connect_ours(struct connection *connection, const char *name,
			 DWORD share, DWORD protocols, DWORD *protocol)
{
	LONG rv = find_slot(connection, name, share);

	if (rv)
		return rv;
	turn_begin(connection);
	rv = connect_card(connection, share, protocols, protocol);
	if (rv)
		forget(connection);
	else
		turn_end(connection);
	return rv;
}

LONG SCardConnect(SCARDCONTEXT id, const char *name, DWORD share,
		  DWORD protocols, SCARDHANDLE *handle, DWORD *protocol)
{
	struct connection *connection;
	struct context *context;
	LONG rv;

	if (!handle || !protocol)
		return SCARD_E_INVALID_PARAMETER;
	*handle = 0;
	if (!name)
		return SCARD_E_UNKNOWN_READER;
	rv = check_wishes(share, protocols);
	if (rv)
		return rv;
	context = context_enter(id);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	connection = context_add(context);
	rv = connection ? connect_ours(connection, name, share, protocols,
				       protocol) : SCARD_E_NO_MEMORY;
	if (rv == SCARD_E_UNKNOWN_READER && context->other)
		rv = delegate()->Connect(context->other, name, share, protocols,
					 &connection->other, protocol);
	if (!rv)
		*handle = connection->id;
	else if (connection)
		context_remove(context, connection);
	context_leave(context);
	return rv;
}

/* ---- reconnect ----------------------------------------------------------------- */

/* With the turn. */
static LONG reconnect(struct connection *connection, DWORD share,
		      DWORD protocols, DWORD initialization, DWORD *protocol)
{
	struct slot *slot = connection->slot;
	bool allowed, gone;
	int ret = 0;
	LONG rv;

	lock();
	gone = slot->reader->gone;
	allowed = may_share(connection, share);
	unlock();
	if (gone)
		return SCARD_E_READER_UNAVAILABLE;
	if (!allowed)
		return SCARD_E_SHARING_VIOLATION;
	rv = share_as(connection, share);
	if (rv)
		return rv;
	if (initialization != SCARD_LEAVE_CARD) {
		ret = lease_take(slot, -1);
		if (!ret)
			ret = lease_reset(slot, flags_of(protocols) |
					  (initialization == SCARD_RESET_CARD ?
					   TOKMUX_CARD_WARM : 0));
	} else if (share != SCARD_SHARE_DIRECT) {
		ret = lease_power(slot, flags_of(protocols));
	}
	rv = error_of_access(ret);
	if (!rv)
		rv = choose_protocol(connection, protocols, protocol);
	if (rv)
		return rv;
	lock();
	connection_is_told(connection);
	grace_begin(slot, connection);
	unlock();
	return SCARD_S_SUCCESS;
}

LONG SCardReconnect(SCARDHANDLE handle, DWORD share, DWORD protocols,
		    DWORD initialization, DWORD *protocol)
{
	struct connection *connection;
	struct context *context;
	LONG rv;

	if (!protocol)
		return SCARD_E_INVALID_PARAMETER;
	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	rv = initialization > SCARD_UNPOWER_CARD ? SCARD_E_INVALID_VALUE :
						   check_wishes(share, protocols);
	if (!rv && connection->other) {
		rv = delegate()->Reconnect(connection->other, share, protocols,
					   initialization, protocol);
	} else if (!rv) {
		turn_begin(connection);
		rv = reconnect(connection, share, protocols, initialization,
			       protocol);
		turn_end(connection);
	}
	context_leave(context);
	return rv;
}

/* ---- disconnect ---------------------------------------------------------------- */

/*
 * Gets the lease for a disconnect that resets the card. If programs are isolated, a card
 * without a lease is reset for its next holder anyway.
 */
static bool take_for_reset(struct slot *slot)
{
	return lease_use_own(slot) || (!policy.isolate && !lease_take(slot, -1));
}

LONG disconnect(struct context *context, struct connection *connection,
		DWORD disposition)
{
	struct slot *slot = connection->slot;
	LONG rv;

	if (connection->other) {
		rv = delegate()->Disconnect(connection->other, disposition);
		if (!rv)
			context_remove(context, connection);
		return rv;
	}
	turn_begin(connection);
	if (disposition == SCARD_RESET_CARD && take_for_reset(slot))
		lease_reset(slot, connection->protocols | TOKMUX_CARD_WARM);
	else if (disposition == SCARD_UNPOWER_CARD && take_for_reset(slot))
		lease_unpower(slot);
	forget(connection);
	context_remove(context, connection);
	return SCARD_S_SUCCESS;
}

LONG SCardDisconnect(SCARDHANDLE handle, DWORD disposition)
{
	struct connection *connection;
	struct context *context;
	LONG rv = SCARD_E_INVALID_VALUE;

	context = context_enter_connection(handle, &connection);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	if (disposition <= SCARD_EJECT_CARD)
		rv = disconnect(context, connection, disposition);
	context_leave(context);
	return rv;
}
