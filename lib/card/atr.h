/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ATR: how a card describes itself when it gets power (ISO/IEC 7816-3,
 * 8.2).
 */
#ifndef TOKMUX_ATR_H
#define TOKMUX_ATR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATR_MAX		33

struct atr {
	bool inverse;		/* convention */
	uint8_t ta1;		/* 0x11 where it isn't there */
	uint8_t tc1;		/* extra guard time */
	uint16_t protocols;	/* a bit for each T */
	uint8_t first;		/* the T in force if none is chosen */
	bool specific;		/* TA2: no T can be chosen */
	bool implicit;		/* TA2: the parameters are not TA1's */
	uint8_t wi;		/* T=0 */
	uint8_t ifsc;		/* T=1: the longest block that the card takes */
	uint8_t waiting;	/* T=1: BWI and CWI */
	bool crc;		/* T=1: not LRC */
};

/* -EPROTO if @bytes is cut short, or does not begin like an ATR. */
int atr_parse(const uint8_t *bytes, size_t len, struct atr *atr);

#endif /* TOKMUX_ATR_H */
