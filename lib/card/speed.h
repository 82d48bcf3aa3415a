/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast a card and a reader can talk (ISO/IEC 7816-3, 8.3: Fi and Di).
 */
#ifndef TOKMUX_LIB_CARD_SPEED_H
#define TOKMUX_LIB_CARD_SPEED_H

#include <stddef.h>
#include <stdint.h>

/* What each card begins with: 372 clock cycles a bit. */
#define SPEED_DEFAULT	0x11
#define SPEEDS_MAX	4

/*
 * The speeds to be tried, as TA1 writes them, the fastest first and
 * SPEED_DEFAULT last: none faster than @ta1, which is the card's, nor than the
 * reader, which has a clock and bits a second. Returns their number, 1 at least.
 */
size_t speed_list(uint8_t ta1, uint32_t clock_khz, uint32_t max_data_rate,
		  uint8_t speeds[static SPEEDS_MAX]);

#endif /* TOKMUX_LIB_CARD_SPEED_H */
