/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers in the byte order of USB: the least significant byte first.
 */
#ifndef TOKMUX_LIB_CARD_BYTES_H
#define TOKMUX_LIB_CARD_BYTES_H

#include <stdint.h>

static inline uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return get_le16(p) | (uint32_t)get_le16(p + 2) << 16;
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

#endif /* TOKMUX_LIB_CARD_BYTES_H */
