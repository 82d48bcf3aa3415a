/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A CCID reader that is a program, for tests of what QEMU's reader is not: of
 * any level and with T=1, and one that misbehaves when told to. It knows
 * nothing of how its packets travel: reader_out() takes what a computer sends,
 * reader_in() gives what it would read.
 */
#ifndef READER_H
#define READER_H

#include "card.h"

#define READER_PACKET	64

/* Among its features: it gives a card power as it comes. */
#define READER_ACTIVATES	0x00000004
/* It chooses protocol and speed; it asks the card for those that it is told. */
#define READER_NEGOTIATES	0x00000040
#define READER_PPS		0x00000080

/* The bits that say what it exchanges with a card: APDUs, TPDUs, characters. */
#define READER_LEVEL		0x00070000

enum reader_level {
	READER_T0,		/* TPDUs, T=0 */
	READER_T1,		/* TPDUs, T=1 */
	READER_SHORT,
	READER_EXTENDED,
};

/* How often it shall do what it must not, or what only few do. */
struct reader_faults {
	unsigned int stale;		/* an answer with an old number first */
	unsigned int mute;		/* no answer at all */
	unsigned int zlp;		/* a zero-length packet after whole ones */
	unsigned int wrong_type;
	unsigned int wrong_slot;
	unsigned int cut;		/* the answer ends before its length */
	unsigned int huge;		/* a length of 4 GB */
	unsigned int too_long;		/* more than it says it can */
	unsigned int garbage;		/* a packet that is no message, first */
	unsigned int extension;		/* time extensions */
	unsigned int bad_chain;
	unsigned int more;		/* T=0: 8 bytes beyond those asked for */
	/* T=1, by the card */
	unsigned int bad_lrc, card_mute, wtx, ifs, abort, bad_seq;
};

struct reader_message {
	uint8_t *bytes;
	size_t len, at;
	bool zlp;
	int64_t not_before;
	struct reader_message *next;
};

struct reader {
	enum reader_level level;
	uint32_t features;
	size_t max_message;
	struct card *card;
	bool present, pps_done, parameters_set;
	uint8_t bwi;			/* the longest that a block was given */
	bool strict;			/* it wants parameters before a command */
	uint8_t fi_di;			/* of the parameters, 0x11 before */
	uint8_t pps_fi_di;		/* of the card, 0x11 before */
	struct reader_faults faults;
	int64_t (*now)(void);		/* ms; NULL: nothing takes time */
	bool no_abort;			/* it has no such command */
	/* Its PIN pad, bPINSupport, and what is typed there; NULL: nothing, "": cancel */
	uint8_t pin_support;
	const char *typed;
	uint8_t secure[300];		/* the last order to its pad */
	size_t secure_len;
	unsigned int out_of_step;	/* how often its block has a wrong number */
	unsigned int warm;		/* resets of a card that had power */

	uint8_t out[CARD_ANSWER + 10];
	size_t out_len;
	struct reader_message *first;
	bool changed;			/* to be told by the interrupt endpoint */
	bool abort_asked;
	uint8_t abort_seq;
	/* Its second slot: all but the way to the computer is apart. NULL: it has one. */
	struct reader *second;

	/* The extended level's chains. */
	uint8_t apdu[CARD_ANSWER], answer[CARD_ANSWER];
	size_t apdu_len, answer_len, answer_at;

	/* The card's side of T=1. */
	uint8_t ns, nr, ifsd, ifsc;
	uint8_t wanted_ifsc;		/* what the fault "ifs" asks for */
	uint8_t last[260];
	size_t last_len;
	bool t1_sending;
};

void reader_init(struct reader *r, enum reader_level level, struct card *card);
void reader_destroy(struct reader *r);
/* An ATR that goes with the level. */
const uint8_t *reader_atr(enum reader_level level, size_t *len);
/* The 54 bytes of its class descriptor. */
void reader_descriptor(const struct reader *r, uint8_t desc[static 54]);
void reader_insert(struct reader *r, bool present);
/* A packet from the computer. */
void reader_out(struct reader *r, const uint8_t *packet, size_t len);
/*
 * A packet to the computer: its length, 0 for a zero-length one, -1 if there is
 * none, and then *@not_before is when there will be one, or -1.
 */
int reader_in(struct reader *r, uint8_t packet[static READER_PACKET],
	      int64_t *not_before);
/* A notice, for both slots; 0 if there is none. */
size_t reader_notice(struct reader *r, uint8_t notice[static 2]);
/* The class request ABORT. */
void reader_abort(struct reader *r, uint8_t slot, uint8_t seq);

#endif /* READER_H */
