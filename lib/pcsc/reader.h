/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reader: a token with a card reader behind it. It has slots, and programs see each of
 * them as a reader of its own. Here is what is known of a slot, and whose turn it is in
 * this process.
 *
 * The kernel lets one process at a time have the reader, with all its slots. In this
 * process one thread at a time has a slot's turn. What is marked with "use" belongs to
 * the thread that talks to the reader, with or without the lock. The other fields
 * are the lock's.
 */
#ifndef TOKMUX_PCSC_READER_H
#define TOKMUX_PCSC_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <tokmux.h>
#include <tokmux-card.h>
#include "facts.h"
#include "lock.h"
#include "winscard.h"

enum slot_content {
	SLOT_UNKNOWN,		/* nobody could look yet */
	SLOT_EMPTY,
	SLOT_CARD,
	SLOT_MUTE,		/* a card that doesn't answer */
};

struct slot {
	struct reader *reader;
	unsigned int number;	/* from 0 */
	char name[SCARD_READER_NAME_MAX];

	/* ---- the turn ---- */
	bool taken;
	uint64_t next_ticket, serving;
	pthread_cond_t passed;

	/* ---- use ---- */
	struct tokmux_card *card;
	bool used;		/* a program talks to it, or is in a transaction */
	struct tokmux_card_note said;	/* to others, in this lease */

	/* ---- as it was when it was looked at last ---- */
	enum slot_content content;
	int64_t seen_ms;	/* 0 for never */
	uint8_t atr[TOKMUX_ATR_SIZE];
	size_t atr_len;
	DWORD protocol;		/* SCARD_PROTOCOL_*; undefined without power */
	/* How often a card came or went, was reset, and was taken out. */
	uint16_t events;
	uint32_t resets, removals;
	/* Another process keeps it from all others. */
	bool kept;
	/* When it isn't so any more the reader tells, or the process that has it. */
	bool told;

	/* ---- notes of other processes ---- */
	bool noted;		/* there was one; then, as they count and as the slot does: */
	uint16_t note_changes, note_events;

	/* ---- its connections, and the one that is exclusive ---- */
	unsigned int connections;
	const void *exclusive;
	/* The lease is kept until then for a program that was told of a reset. */
	const void *grace_of;
	int64_t grace_ms;
};

struct reader {
	struct reader *next;
	struct facts facts;
	struct tokmux_token *token;
	/* Unplugged: no longer in the list, freed with its last connection. */
	bool gone;
	unsigned int nr_slots;
	struct slot *slots;

	/*
	 * Whoever talks to the reader has this, also within a slot's turn: threads talk to
	 * different slots, and the keeper listens to the reader while programs have the
	 * turns and do nothing with them.
	 */
	pthread_mutex_t use;

	/* ---- use ---- */
	bool held;		/* this process has the lease and the cards */
	bool idle;		/* held, but no slot is used */

	/* ---- the lease, as others see it ---- */
	struct tokmux_caller *caller;	/* stays, once it is there */
	int access;		/* 0, or the errno: this user may not open it */
	bool lost;		/* the kernel took the lease away */
	int64_t wanted_ms;	/* others wait for it since then; 0 */
	int64_t used_ms;	/* its last use */
	bool only_seen;		/* not used since it was taken for a look */

	/* ---- listening to the reader ---- */
	int listen_fd;		/* for poll(2), while it is listened to, or -1 */
	bool hear;		/* it may have something to tell */
	int64_t heard_ms;	/* when it was listened to last */

	/* What it says of itself. Once .slots isn't 0 it stays as it is. */
	struct tokmux_card_reader about;
	unsigned int sharers;	/* its connections that aren't exclusive */
	uint32_t session;	/* one for all of them, which the kernel counts; or 0 */
};

#define for_each_slot(slot, of)						\
	for ((slot) = (of)->slots; (slot) < (of)->slots + (of)->nr_slots; (slot)++)

/* Both under the lock. NULL if there is no memory. It owns @token then. */
struct reader *reader_new(struct tokmux_token *token, const struct facts *facts);
/* It is gone, or the process has no contexts any more; nobody uses it. */
void reader_free(struct reader *reader);

/* ---- under the lock ---- */

unsigned int reader_connections(const struct reader *reader);
/* How many of the token's sessions are this process'. */
static inline unsigned int reader_sessions(const struct reader *reader)
{
	return reader->session ? 1 : 0;
}
/* Is one of its connections exclusive? */
bool reader_is_exclusive(const struct reader *reader);
/* Is there no card in any slot? */
bool reader_is_empty(const struct reader *reader);
/* Has nobody a turn in it, or waits for one? */
bool reader_is_free(const struct reader *reader);
/* The turns in all slots, if they are to be had at once. */
bool reader_try(struct reader *reader);
void reader_pass(struct reader *reader);

/* ---- the turn; under the lock, which is given up while it is waited for ---- */

/* Waits, first come first served. */
void turn_take(struct slot *slot);
/* Doesn't wait, and doesn't overtake. */
bool turn_try(struct slot *slot);
void turn_pass(struct slot *slot);

/* ---- the grace of a connection that was told of a reset; under the lock ---- */

/* @of connects anew now, or has: the lease is kept for it, see policies.def. */
void grace_begin(struct slot *slot, const void *of);
/* @of uses its card again, or is gone. */
void grace_end(struct slot *slot, const void *of);

/* ---- the slot; under the lock ---- */

/* Sets what is in it, now. Without a card @atr_len and @protocol are 0. */
void slot_is(struct slot *slot, enum slot_content content,
	     const uint8_t *atr, size_t atr_len, DWORD protocol);
/* The card was reset, lost its power or was in other hands. */
void slot_was_reset(struct slot *slot);
/* The card was out, whatever is in there now. */
void slot_was_emptied(struct slot *slot);
/* Is what is known of it worth an answer? */
bool slot_is_fresh(const struct slot *slot);
/* What is known of it may not be so any more: soon it isn't fresh. */
void slot_expires(struct slot *slot);

#endif /* TOKMUX_PCSC_READER_H */
