/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readers whose descriptors are known to be wrong.
 */
#ifndef TOKMUX_LIB_CARD_CCID_QUIRKS_H
#define TOKMUX_LIB_CARD_CCID_QUIRKS_H

#include "ccid_descriptor.h"

/* Puts right in @desc what the device of these numbers says wrongly. */
void ccid_quirks_apply(uint16_t vendor, uint16_t product, uint16_t release,
		       struct ccid_descriptor *desc);

#endif /* TOKMUX_LIB_CARD_CCID_QUIRKS_H */
