// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: everything that only looks at bytes. The first byte says which.
 */
#include <stdlib.h>
#include <string.h>
#include "../../lib/apdu.h"
#include "../../lib/atr.h"
#include "../../lib/ccid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was said to be there is read, for the sanitizer to see. */
static void touch(const uint8_t *bytes, size_t len)
{
	static volatile uint8_t sum;

	while (len--)
		sum = sum ^ *bytes++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ccid_descriptor desc;
	struct ccid_message message;
	struct t1_block block;
	struct apdu apdu;
	struct atr atr;
	uint8_t which, header[CCID_HEADER_SIZE];

	if (!size)
		return 0;
	which = data[0];
	data++;
	size--;
	switch (which % 6) {
	case 0:
		if (!ccid_descriptor_parse(data, size, &desc) &&
		    desc.max_message < CCID_HEADER_SIZE)
			abort();
		break;
	case 1:
		if (ccid_header_get(data, size, &message))
			break;
		if (message.length > CCID_DATA_MAX || ccid_error(&message) >= 0)
			abort();
		ccid_header_put(header, &message);
		if (memcmp(header, data, sizeof(header)))
			abort();
		break;
	case 2:
		ccid_notice(data, size, which >> 3);
		break;
	case 3:
		if (!atr_parse(data, size, &atr) &&
		    (!atr.ifsc || atr.ifsc == 255 || atr.first > 15))
			abort();
		break;
	case 4:
		if (!apdu_parse(data, size, &apdu) && apdu.nc)
			touch(apdu.data, apdu.nc);
		break;
	case 5:
		if (!t1_parse(data, size, &block))
			touch(block.inf, block.len);
		break;
	}
	return 0;
}
