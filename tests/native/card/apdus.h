/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands for the applet of tests/card. */
#ifndef APDUS_H
#define APDUS_H

#include <stdint.h>

#define UNUSED	__attribute__((unused))

UNUSED static const uint8_t select_applet[] = {
	0x00, 0xa4, 0x04, 0x00, 0x07, 0xf0, 0x54, 0x4f, 0x4b, 0x4d, 0x55, 0x58,
};
UNUSED static const uint8_t verify_pin[] = {
	0x00, 0x20, 0x00, 0x00, 0x06, '3', '1', '4', '1', '5', '9',
};
UNUSED static const uint8_t get_secret[] = { 0x00, 0xca, 0x01, 0x00, 0x00 };

#endif /* APDUS_H */
