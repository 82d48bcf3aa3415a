// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The header of CCID's messages, what an answer's error means, and notices
 * (CCID 1.1, 6.1 to 6.3).
 */
#include <errno.h>
#include <string.h>
#include "bytes.h"
#include "ccid_message.h"

void ccid_header_put(uint8_t header[static CCID_HEADER_SIZE],
		     const struct ccid_message *message)
{
	header[0] = message->type;
	put_le32(header + 1, message->length);
	header[5] = message->slot;
	header[6] = message->seq;
	memcpy(header + 7, message->specific, 3);
}

int ccid_header_get(const uint8_t *bytes, size_t len,
		    struct ccid_message *message)
{
	struct ccid_message m;

	if (len < CCID_HEADER_SIZE)
		return -EPROTO;
	m = (struct ccid_message){
		.type = bytes[0],
		.length = get_le32(bytes + 1),
		.slot = bytes[5],
		.seq = bytes[6],
		.specific = { bytes[7], bytes[8], bytes[9] },
	};
	if (m.length > CCID_DATA_MAX)
		return -EPROTO;
	*message = m;
	return 0;
}

int ccid_error(const struct ccid_message *answer)
{
	if (ccid_icc_status(answer) == CCID_ICC_ABSENT)
		return -ENOMEDIUM;
	/* The card is mute or garbled, or the reader refuses. */
	return -EIO;
}

int ccid_notice(const uint8_t *bytes, size_t len, unsigned int slot,
		bool *present)
{
	unsigned int bits;

	if (!len)
		return 0;
	switch (bytes[0]) {
	case CCID_NOTIFY_SLOT_CHANGE:
		/* Two bits a slot: a card is present; that has changed. */
		if (len <= 1 + slot / 4)
			return -EPROTO;
		bits = bytes[1 + slot / 4] >> (slot % 4 * 2);
		*present = bits & 1;
		return bits >> 1 & 1;
	default:
		/* A hardware error, or the reader's own: keys of a PIN pad, say. */
		return 0;
	}
}
