// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Readers whose descriptors are known to be wrong. libccid has the same facts in
 * its code, by which most of these readers have been used.
 */
#include "ccid_quirks.h"

/* For all releases of a firmware. */
#define ANY	0xffff

static const struct quirk {
	uint16_t vendor, product;
	uint16_t release;		/* bcdDevice */
	uint32_t clear, set;		/* of dwFeatures */
} quirks[] = {
	/* They say short APDUs, and take and send extended ones in parts. */
	{ 0x046a, 0x00a1, 0x0100, CCID_LEVEL, CCID_LEVEL_EXTENDED }, /* KC 1000 SC */
	{ 0x046a, 0x00a7, ANY, CCID_LEVEL, CCID_LEVEL_EXTENDED }, /* Cherry xx44 */
	{ 0x076b, 0x3031, ANY, CCID_LEVEL, CCID_LEVEL_EXTENDED }, /* OMNIKEY 3x21 */
	{ 0x076b, 0x3a21, ANY, CCID_LEVEL, CCID_LEVEL_EXTENDED }, /* HID generic */
	{ 0x076b, 0x6632, ANY, CCID_LEVEL, CCID_LEVEL_EXTENDED }, /* OMNIKEY 6121 */
	{ 0x0bf8, 0x1024, ANY, CCID_LEVEL, CCID_LEVEL_EXTENDED }, /* Fujitsu D323 */
	{ 0x2f7c, 0x6007, ANY, CCID_LEVEL, CCID_LEVEL_EXTENDED }, /* PN7362AU */
	/* It says extended APDUs, and takes short ones. */
	{ 0x0d46, 0x3010, ANY, CCID_LEVEL, CCID_LEVEL_SHORT }, /* KOBIL TriB@nk */
	/* They fail when the card is asked for longer blocks. */
	{ 0x0529, 0x0620, 0x0012, 0, CCID_AUTO_IFSD }, /* SafeNet eToken 5110 SC */
	{ 0x0529, 0x0620, 0x0013, 0, CCID_AUTO_IFSD },
};

void ccid_quirks_apply(uint16_t vendor, uint16_t product, uint16_t release,
		       struct ccid_descriptor *desc)
{
	const struct quirk *q;

	for (q = quirks; q < quirks + sizeof(quirks) / sizeof(quirks[0]); q++)
		if (q->vendor == vendor && q->product == product &&
		    (q->release == ANY || q->release == release))
			desc->features = (desc->features & ~q->clear) | q->set;
}
