// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A reader's class descriptor (CCID 1.1, 5.1).
 */
#include <errno.h>
#include "bytes.h"
#include "ccid_descriptor.h"
#include "ccid_message.h"

/* Readers from before the class had a number have a type of their vendor's. */
static bool is_ccid(const uint8_t *p)
{
	return p[1] == CCID_DESCRIPTOR_TYPE ||
	       (p[1] == CCID_DESCRIPTOR_VENDOR && p[0] == CCID_DESCRIPTOR_SIZE);
}

int ccid_descriptor_parse(const uint8_t *extra, size_t len,
			  struct ccid_descriptor *desc)
{
	const uint8_t *p = extra;

	/* Each descriptor begins with its length and its type. */
	while (len >= 2 && !is_ccid(p)) {
		if (p[0] < 2 || p[0] > len)
			return -EPROTO;
		len -= p[0];
		p += p[0];
	}
	if (!len)
		return -ENOENT;
	if (len < CCID_DESCRIPTOR_SIZE || p[0] < CCID_DESCRIPTOR_SIZE ||
	    p[0] > len)
		return -EPROTO;
	*desc = (struct ccid_descriptor){
		.max_slot = p[4],
		.voltages = p[5],
		.protocols = get_le32(p + 6),
		.clock_khz = get_le32(p + 10),
		.max_data_rate = get_le32(p + 23),
		.max_ifsd = get_le32(p + 28),
		.features = get_le32(p + 40),
		.max_message = get_le32(p + 44),
		.lcd_layout = (uint16_t)(p[50] | p[51] << 8),
		.pin_support = p[52],
	};
	/* A message must have room for an ATR. */
	if (desc->max_message < CCID_HEADER_SIZE + 33)
		return -EPROTO;
	return 0;
}
