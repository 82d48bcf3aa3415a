/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct tokmux_card, inside, and the reader that it shares with cards in other slots:
 * for card.c, card_lease.c, and tests that put a reader of their own under a card.
 */
#ifndef TOKMUX_LIB_CARD_H
#define TOKMUX_LIB_CARD_H

#include "apdu.h"
#include "atr.h"
#include "ccid.h"
#include "../internal.h"
#include "tokmux-card.h"

/* Slots from this one on count as one: no reader has as many. */
#define CARD_SLOTS	16

struct card_reader {
	struct tokmux_card *cards;
	struct libusb_context *bus;

	/* The way to it, while @connected. */
	bool connected;
	struct ccid_reader ccid;

	/* A reader that is a token: card_lease.c. */
	struct tokmux_caller *caller;
	int lease_fd;		/* -1 for none */
	bool idle;		/* the lease is */
	unsigned int linger_ms;	/* how long it may be */
	uint64_t epoch;		/* of the lease */
	uint32_t granted;	/* what the kernel said with it, TOKMUX_GRANT_* */
	/*
	 * How often a card began, by its slot. A card that was not the last one has
	 * been used by another.
	 */
	unsigned int begun[CARD_SLOTS];
};

/* The part that a card has in its reader's lease. */
enum card_use {
	CARD_UNUSED,
	CARD_IDLE,		/* it is kept, if the lease is */
	CARD_USED,
};

struct tokmux_card {
	struct card_reader *reader;
	struct tokmux_card *next;	/* of the reader's */
	unsigned int slot;

	/* The slot, while the card is @connected. */
	bool connected;
	struct ccid ccid;

	/* Known since power on, while @powered. */
	bool powered;
	struct atr atr;
	uint8_t atr_bytes[ATR_MAX];
	size_t atr_len;
	unsigned int protocol;
	unsigned int wished;		/* protocols, a bit each */
	struct t1 t1;
	bool raw;			/* something has been sent past @t1 */
	uint64_t power_id;	/* of the last time that it got power; 0 if there is none */
	int64_t used_ms;	/* the last use since then, CLOCK_MONOTONIC */

	/* A card on a token: card_lease.c. */
	enum card_use use;
	uint64_t epoch;		/* as of the last end, 0 for never */
	unsigned int begun;	/* the reader's count as of the last begin */
	int share_ms;		/* see tokmux_card_share() */

	uint8_t *answer;	/* APDU_ANSWER_MAX */
};

/* NULL if there is no memory. The reader ends with its last card. */
struct card_reader *card_reader_alloc(void);
void card_reader_add(struct card_reader *reader, struct tokmux_card *card);
void card_reader_drop(struct card_reader *reader, struct tokmux_card *card);
/* The reader owns @transport then. It is closed on failure. */
int card_reader_connect(struct card_reader *reader, struct ccid_transport *transport);
int card_reader_connect_fd(struct card_reader *reader, int fd);
/* Its cards are not connected any more either. */
void card_reader_disconnect(struct card_reader *reader);

/* In a reader that it has for itself, and in one that is there. */
struct tokmux_card *card_alloc(unsigned int slot);
struct tokmux_card *card_alloc_in(struct card_reader *reader, unsigned int slot);
/* In a connected reader. Gets in step with it. */
int card_attach(struct tokmux_card *card);
void card_detach(struct tokmux_card *card);
/* The reader and the card. The reader is not connected on failure. */
int card_connect(struct tokmux_card *card, struct ccid_transport *transport);
int card_connect_fd(struct tokmux_card *card, int fd);
/*
 * Goes on with a card that another holder has powered, of which these are known. Both
 * sides of T=1 begin anew to count blocks.
 */
int card_adopt(struct tokmux_card *card, const uint8_t *atr, size_t atr_len,
	       unsigned int protocol);
/* Takes the power of the cards in the reader's other slots. */
int card_other_slots_off(struct tokmux_card *card);
/* Has the reader other slots? */
bool card_has_others(const struct tokmux_card *card);
/*
 * In a reader that gives cards power by itself: is it another card than the one that
 * was powered on? Such a one has to be reset.
 */
bool card_was_exchanged(struct tokmux_card *card);
/*
 * Hands out an answer of @len bytes, or returns an error, and wipes the reader's
 * messages.
 */
int card_take_answer(struct tokmux_card *card, const uint8_t *data, int len,
		     void *answer, size_t size);

/* A pipe of blocks, or of the TPDUs of T=0, to the card in the reader. */
struct card_pipe {
	struct pipe pipe;
	struct tokmux_card *card;
	int64_t deadline;
};

int card_send_block(const struct pipe *pipe, const uint8_t *out, size_t len,
		    unsigned int bwi, uint8_t *in, size_t size);

/* @card may be NULL. A lease must have been ended: card_lease.c does that. */
void card_destroy(struct tokmux_card *card);

#endif /* TOKMUX_LIB_CARD_H */
