/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct tokmux_card, inside: for card.c, card_lease.c, and tests that put a
 * reader of their own under a card.
 */
#ifndef TOKMUX_LIB_CARD_H
#define TOKMUX_LIB_CARD_H

#include "apdu.h"
#include "atr.h"
#include "ccid.h"
#include "../internal.h"
#include "tokmux-card.h"

struct tokmux_card {
	unsigned int slot;
	struct libusb_context *bus;

	/* The way to the reader, while @connected. */
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
	struct tokmux_caller *caller;
	int lease_fd;		/* -1 for none */
	bool idle;		/* it is kept, if the lease is */
	uint64_t epoch;		/* as of the last end, 0 for never */
	unsigned int begun;	/* the caller's count as of the last begin */
	int share_ms;		/* see tokmux_card_share() */

	uint8_t *answer;	/* APDU_ANSWER_MAX */
};

struct tokmux_card *card_alloc(unsigned int slot);
/* The card owns @transport then. It is closed on failure. */
int card_connect(struct tokmux_card *card, struct ccid_transport *transport);
int card_connect_fd(struct tokmux_card *card, int fd);
void card_disconnect(struct tokmux_card *card);
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
