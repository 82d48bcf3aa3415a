// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ATR. T=15 is no protocol: its groups are skipped. TCK is not checked:
 * there are cards that get it wrong.
 */
#include <errno.h>
#include "atr.h"

/*
 * TAi, TBi, TCi of the groups behind a TD that names T=1: the first ones
 * count.
 */
static void t1_byte(struct atr *atr, unsigned int which, uint8_t byte,
		    unsigned int *seen)
{
	if (*seen & 1U << which)
		return;
	*seen |= 1U << which;
	switch (which) {
	case 0:
		/* 0 and 255 are reserved. */
		if (byte && byte != 255)
			atr->ifsc = byte;
		break;
	case 1:
		atr->waiting = byte;
		break;
	case 2:
		atr->crc = byte & 1;
		break;
	}
}

static void interface_byte(struct atr *atr, unsigned int group,
			   unsigned int which, uint8_t protocol, uint8_t byte,
			   unsigned int *seen)
{
	if (group == 1) {
		if (which == 0)
			atr->ta1 = byte;
		else if (which == 2)
			atr->tc1 = byte;
	} else if (group == 2) {
		if (which == 0) {
			atr->specific = true;
			atr->first = byte & 0x0f;
			atr->implicit = byte & 0x10;
		} else if (which == 2 && byte) {
			atr->wi = byte;
		}
	} else if (protocol == 1) {
		t1_byte(atr, which, byte, seen);
	}
}

int atr_parse(const uint8_t *bytes, size_t len, struct atr *atr)
{
	struct atr a = {
		.ta1 = 0x11,
		.wi = 10,
		.ifsc = 32,
		.waiting = 0x4d,
	};
	unsigned int group, which, seen = 0;
	uint8_t present, historical, protocol = 0;
	bool named = false;
	size_t at = 2;

	if (len < 2 || len > ATR_MAX || (bytes[0] != 0x3b && bytes[0] != 0x3f))
		return -EPROTO;
	a.inverse = bytes[0] == 0x3f;
	present = bytes[1] >> 4;
	historical = bytes[1] & 0x0f;
	for (group = 1; present; group++) {
		uint8_t here = present;

		present = 0;
		for (which = 0; which < 4; which++) {
			if (!(here & 1U << which))
				continue;
			if (at >= len)
				return -EPROTO;
			if (which < 3) {
				interface_byte(&a, group, which, protocol,
					       bytes[at++], &seen);
				continue;
			}
			protocol = bytes[at] & 0x0f;
			present = bytes[at++] >> 4;
			if (protocol == 15)
				continue;
			if (!named && !a.specific)
				a.first = protocol;
			named = true;
			a.protocols |= (uint16_t)(1U << protocol);
		}
	}
	if (len - at < historical)
		return -EPROTO;
	if (!a.protocols)
		a.protocols = 1U << a.first;
	*atr = a;
	return 0;
}
