/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections (SCARDHANDLE), and how they use their slot: its turn in this process,
 * and the reader's lease among processes.
 *
 * Without the lock, unless it is said.
 */
#ifndef TOKMUX_PCSC_USE_H
#define TOKMUX_PCSC_USE_H

#include "reader.h"

struct connection {
	struct connection *next;
	SCARDHANDLE id;
	/* To a reader of pcscd's, by pcsc-lite's handle: then all else is unused. */
	SCARDHANDLE other;
	struct slot *slot;
	DWORD share;
	/* The protocols it can do with: of enum tokmux_card_reset_flags. */
	unsigned int protocols;
	/* What of the slot's counters this program has been told. */
	uint32_t resets, removals;
	/* Has the turn between calls: in a transaction, or exclusive. */
	bool has_turn;
	unsigned int depth;		/* transactions in each other */
	bool shares;			/* one of the reader's sharers */
};

/*
 * What a program has to be told before it goes on: SCARD_W_RESET_CARD,
 * SCARD_W_REMOVED_CARD, SCARD_E_READER_UNAVAILABLE. It is told at each call until
 * SCardReconnect(). Under the lock.
 */
LONG connection_event(struct connection *connection);
/* The program knows of all that has happened. Under the lock. */
void connection_is_told(struct connection *connection);

/* The turn alone, where the connection doesn't have it. */
void turn_begin(struct connection *connection);
/* And back, unless the connection keeps it. */
void turn_end(struct connection *connection);

/* The turn and the lease, and nothing to tell. turn_end() ends it. */
LONG use_begin(struct connection *connection);

/* Looks into the slot if that costs nobody anything and is worth it. */
void look_if_stale(struct connection *connection);

#endif /* TOKMUX_PCSC_USE_H */
