/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A card that is a program, for tests: one applet with a PIN, and a log of
 * everything that happens to it, in order. The same card is behind QEMU's
 * reader (vscard.c), in a USB reader of ours (usbip.c), and in one that is only
 * a function call away (tests/native/card). It may have a second applet (piv.h).
 *
 * AID F0 54 4F 4B 4D 55 58, PIN "314159", three tries. Class 00 or 80:
 *
 *	A4 04 00	SELECT by AID; all else is 6985 until then
 *	20 00 00	VERIFY; without data: is it verified, or how many tries
 *	CA 01 00	GET DATA: 32 bytes that need the PIN, else 6982
 *	10 P1 P2	ECHO: the data; P1 and P2 are the caller's tag
 *	12 P1 P2	COUNT: P1P2 bytes 00 01 02 …
 *	14 P1 P2	SLOW: takes P1P2 ms
 *	16 P1 P2	LENGTH: P2 bytes, and 6Cxx for any other Le
 *	C0 00 00	GET RESPONSE
 *
 * Each takes command chaining. Without power it forgets all but its tries.
 */
#ifndef CARD_H
#define CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CARD_PIN	"314159"
#define CARD_ANSWER	65538

struct card;

/* A command that has come whole, and what it is answered beside the status word. */
struct card_command {
	uint8_t cla, ins, p1, p2;
	const uint8_t *data;
	size_t nc, ne;
	uint8_t *out;		/* CARD_ANSWER */
	size_t len;
};

struct card_applet {
	const uint8_t *aid;
	size_t aid_len;
	/* Also its SELECT. Returns the status word. */
	unsigned int (*run)(struct card *card, struct card_command *c);
};

struct card {
	FILE *log;		/* NULL for none */
	const uint8_t *atr;
	size_t atr_len;

	const struct card_applet *other;	/* NULL for none */

	bool powered, verified;
	bool fresh;		/* verified, and no signature made since */
	const struct card_applet *selected;
	unsigned int tries;
	uint8_t chained[65536], pending[65536];
	size_t chained_len, pending_len, pending_at;
	uint8_t chained_ins;
	unsigned int delay_ms;	/* of the last command */
};

extern const uint8_t card_aid[7];
extern const uint8_t card_secret[32];

void card_init(struct card *card, FILE *log, const uint8_t *atr, size_t len);
void card_power_on(struct card *card);
void card_power_off(struct card *card);
/* The command VERIFY, of an applet whose PIN these bytes are. */
unsigned int card_verify(struct card *card, const struct card_command *c,
			 const void *pin, size_t len);
/* An APDU; @answer has room for CARD_ANSWER. Returns the answer's length. */
size_t card_apdu(struct card *card, const uint8_t *apdu, size_t len,
		 uint8_t *answer);
/* A TPDU of T=0: what a command with data answers has to be fetched. */
size_t card_tpdu(struct card *card, const uint8_t *tpdu, size_t len,
		 uint8_t *answer);

#endif /* CARD_H */
