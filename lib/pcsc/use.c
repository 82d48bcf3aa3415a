// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How a connection uses its reader (R1, R4, R19).
 */
#include "error.h"
#include "lease.h"
#include "use.h"
#include "wake.h"

/* ---- what a program is told -------------------------------------------------- */

LONG connection_event(struct connection *connection)
{
	struct reader *reader = connection->reader;

	if (reader->gone)
		return SCARD_E_READER_UNAVAILABLE;
	if (connection->removals != reader->slot.removals)
		return SCARD_W_REMOVED_CARD;
	if (connection->resets == reader->slot.resets ||
	    connection->share == SCARD_SHARE_DIRECT)
		return SCARD_S_SUCCESS;
	grace_begin(reader, connection);
	return SCARD_W_RESET_CARD;
}

void connection_is_told(struct connection *connection)
{
	connection->resets = connection->reader->slot.resets;
	connection->removals = connection->reader->slot.removals;
}

/* ---- the turn ---------------------------------------------------------------- */

void turn_begin(struct connection *connection)
{
	lock();
	if (!connection->has_turn)
		turn_take(connection->reader);
	unlock();
}

/* Under the lock. */
static void pass_unless_kept(struct connection *connection)
{
	struct reader *reader = connection->reader;

	if (connection->has_turn)
		return;
	turn_pass(reader);
	/* There is a lease to give back, now or in a moment. */
	if (reader->held && (reader->wanted_ms || !reader->connections ||
			     reader->slot.content == SLOT_EMPTY))
		wake_keeper();
}

void turn_end(struct connection *connection)
{
	struct reader *reader = connection->reader;
	bool keeps;

	lock();
	reader->used_ms = now_ms();
	reader->only_seen = false;
	keeps = connection->has_turn;
	unlock();
	lease_leave(reader, keeps);
	lock();
	pass_unless_kept(connection);
	unlock();
}

/* ---- the turn and the lease -------------------------------------------------- */

LONG use_begin(struct connection *connection)
{
	struct reader *reader = connection->reader;
	LONG rv;
	int ret;

	lock();
	rv = connection_event(connection);
	if (!rv && !connection->has_turn)
		turn_take(reader);
	unlock();
	if (rv)
		return rv;
	ret = lease_take(reader, -1);
	if (!ret && connection->share != SCARD_SHARE_DIRECT)
		ret = lease_power(reader, connection->protocols);
	lock();
	/* What came of it is known to the slot, too. */
	rv = connection_event(connection);
	if (!rv)
		rv = error_of_access(ret);
	if (!rv)
		grace_end(reader, connection);
	unlock();
	if (rv)
		turn_end(connection);
	return rv;
}

void look_if_stale(struct connection *connection)
{
	struct reader *reader = connection->reader;
	bool look;

	lock();
	look = reader->held && !reader->gone && !slot_is_fresh(reader) &&
	       (connection->has_turn || turn_try(reader));
	unlock();
	if (!look)
		return;
	lease_look(reader);
	lock();
	/* To look is no use of the card: it neither lingers nor stays logged in for it. */
	pass_unless_kept(connection);
	unlock();
}
