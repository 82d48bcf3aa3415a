/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The card of a token, held: what tokmux atr and tokmux apdu have in common.
 */
#ifndef TOKMUX_TOOL_CARD_H
#define TOKMUX_TOOL_CARD_H

#include <tokmux-card.h>
#include "tool.h"

struct held_card {
	const char *what;
	struct tokmux_caller *caller;
	struct tokmux_card *card;
};

/* What the user chose: which card, and how long to wait for the lease. */
struct card_options {
	unsigned long slot;
	int timeout_ms;
};

#define CARD_SLOT	512
#define CARD_SHORT	"nw:"
#define CARD_LONG						\
	{ "nonblock",	no_argument,		NULL, 'n' },	\
	{ "wait",	required_argument,	NULL, 'w' },	\
	{ "timeout",	required_argument,	NULL, 'w' },	\
	{ "slot",	required_argument,	NULL, CARD_SLOT }
#define CARD_HELP						\
	"  -n, --nonblock        fail instead of waiting for the token\n"	\
	"  -w, --wait SECONDS    fail if that takes longer\n"		\
	"      --slot N          which card of the reader, from 0\n"
#define CARD_OPTIONS	{ .timeout_ms = -1 }

/* false if it is none of them; *@status says what is wrong with its argument. */
bool card_option(struct card_options *options, int option, const char *arg,
		 int *status);

/*
 * Each says what is wrong and returns the exit status. card_find() opens the
 * token, and sends nothing; card_hold() gets the lease, and the card powered.
 */
int card_find(const char *what, const struct card_options *options,
	      struct held_card *held);
int card_hold(const struct held_card *held, const struct card_options *options);
/* What libtokmux's error means of a card that is held. */
int card_failed(const struct held_card *held, int err);
/*
 * The card is left without power: it knows no PIN any more, nor what was
 * selected, which would be of no use to the next holder.
 */
void card_let_go(struct held_card *held);

/* Digits and a '\0'; @hex has room for 2 * @len + 1. */
void card_hex(char *hex, const uint8_t *bytes, size_t len);

#endif /* TOKMUX_TOOL_CARD_H */
