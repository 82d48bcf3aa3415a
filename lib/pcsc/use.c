// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How a connection uses its slot (R1, R4, R19).
 */
#include "error.h"
#include "lease.h"
#include "use.h"
#include "wake.h"

/* ---- what a program is told -------------------------------------------------- */

LONG connection_event(struct connection *connection)
{
	struct slot *slot = connection->slot;

	if (slot->reader->gone)
		return SCARD_E_READER_UNAVAILABLE;
	if (connection->removals != slot->removals)
		return SCARD_W_REMOVED_CARD;
	if (connection->resets == slot->resets ||
	    connection->share == SCARD_SHARE_DIRECT)
		return SCARD_S_SUCCESS;
	grace_begin(slot, connection);
	return SCARD_W_RESET_CARD;
}

void connection_is_told(struct connection *connection)
{
	connection->resets = connection->slot->resets;
	connection->removals = connection->slot->removals;
}

/* ---- the turn ---------------------------------------------------------------- */

void turn_begin(struct connection *connection)
{
	lock();
	if (!connection->has_turn)
		turn_take(connection->slot);
	unlock();
}

/* Under the lock. */
static void pass_unless_kept(struct connection *connection)
{
	struct reader *reader = connection->slot->reader;

	if (connection->has_turn)
		return;
	turn_pass(connection->slot);
	/* There is a lease to give back, now or in a moment. */
	if (reader->held && (reader->wanted_ms || !reader_connections(reader) ||
			     reader_is_empty(reader)))
		wake_keeper();
}

void turn_end(struct connection *connection)
{
	struct slot *slot = connection->slot;
	struct reader *reader = slot->reader;
	bool keeps;

	lock();
	reader->used_ms = now_ms();
	reader->only_seen = false;
	keeps = connection->has_turn;
	unlock();
	lease_leave(slot, keeps);
	lock();
	pass_unless_kept(connection);
	unlock();
}

/* ---- the turn and the lease -------------------------------------------------- */

LONG use_begin(struct connection *connection)
{
	struct slot *slot = connection->slot;
	LONG rv;
	int ret;

	lock();
	rv = connection_event(connection);
	if (!rv && !connection->has_turn)
		turn_take(slot);
	unlock();
	if (rv)
		return rv;
	ret = lease_take(slot, -1);
	if (!ret && connection->share != SCARD_SHARE_DIRECT)
		ret = lease_power(slot, connection->protocols);
	lock();
	/* What came of it is known to the slot, too. */
	rv = connection_event(connection);
	if (!rv)
		rv = error_of_access(ret);
	if (!rv)
		grace_end(slot, connection);
	unlock();
	if (rv)
		turn_end(connection);
	return rv;
}

void look_if_stale(struct connection *connection)
{
	struct slot *slot = connection->slot;
	bool look;

	lock();
	look = slot->reader->held && !slot->reader->gone &&
	       !slot_is_fresh(slot) &&
	       (connection->has_turn || turn_try(slot));
	unlock();
	if (!look)
		return;
	lease_look(slot);
	lock();
	/* To look is no use of the card: it neither lingers nor stays logged in for it. */
	pass_unless_kept(connection);
	unlock();
}
