/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz target "card" and the maker of its seeds agree on.
 */
#ifndef STREAM_H
#define STREAM_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../../lib/card/bytes.h"
#include "../../lib/card/card.h"

/* The byte before a packet. */
#define STREAM_MATCH		0x80
#define STREAM_LENGTH		0x7f
#define STREAM_EPIPE		0xfe
#define STREAM_EIO		0xfd
#define STREAM_EOVERFLOW	0xfc
#define STREAM_ETIMEDOUT	0xfb

/* Commands of all cases and sizes, by number. */
static inline int stream_command(struct tokmux_card *card, uint8_t which)
{
	static const struct {
		uint8_t ins, p1, p2;
		size_t nc, ne;
		bool extended;
	} commands[8] = {
		{ 0xa4, 4, 0, 7, 256, false },
		{ 0x10, 0, 0, 0, 0, false },
		{ 0x12, 0, 80, 0, 80, false },
		{ 0x10, 0, 1, 200, 256, false },
		{ 0x10, 0, 2, 700, 65536, true },
		{ 0x12, 16, 0, 0, 65536, true },
		{ 0x20, 0, 0, 6, 0, false },
		{ 0x10, 0, 3, 3000, 0, true },
	};
	const uint8_t aid[7] = { 0xf0, 'T', 'O', 'K', 'M', 'U', 'X' };
	uint8_t *apdu = calloc(1, 4000), *answer = malloc(TOKMUX_ANSWER_SIZE);
	size_t nc = commands[which & 7].nc, ne = commands[which & 7].ne, len = 4;
	bool extended = commands[which & 7].extended;
	int ret;

	apdu[0] = which & 16 ? 0x80 : 0x00;
	apdu[1] = commands[which & 7].ins;
	apdu[2] = commands[which & 7].p1;
	apdu[3] = commands[which & 7].p2;
	if (extended)
		apdu[len++] = 0;
	if (nc) {
		if (extended)
			apdu[len++] = (uint8_t)(nc >> 8);
		apdu[len++] = (uint8_t)nc;
		if (nc == 7)
			memcpy(apdu + len, aid, 7);
		len += nc;
	}
	if (ne) {
		if (extended)
			apdu[len++] = 0;
		apdu[len++] = (uint8_t)ne;
	}
	ret = tokmux_card_transmit(card, apdu, len, answer,
				   which & 32 ? 100 : TOKMUX_ANSWER_SIZE,
				   which & 8 ? TOKMUX_CARD_CHAIN : 0, 2000);
	if (ret == 0 || ret == 1 || ret > TOKMUX_ANSWER_SIZE)
		abort();
	free(apdu);
	free(answer);
	return ret;
}

#endif /* STREAM_H */
