// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How fast a card and a reader can talk (ISO/IEC 7816-3, 8.3: Fi and Di).
 */
#include "speed.h"

size_t speed_list(uint8_t ta1, uint32_t clock_khz, uint32_t max_data_rate,
		  uint8_t speeds[static SPEEDS_MAX])
{
	static const uint16_t f[16] = { 372, 372, 558, 744, 1116, 1488, 1860, 0,
					0, 512, 768, 1024, 1536, 2048, 0, 0 };
	/* By Di's number, and its numbers from the fastest to 2. */
	static const uint8_t d[16] = { 0, 1, 2, 4, 8, 16, 32, 64, 12, 20 };
	static const uint8_t order[] = { 7, 6, 9, 5, 8, 4, 3, 2 };
	uint16_t fi = f[ta1 >> 4];
	uint8_t di = d[ta1 & 15];
	size_t i, count = 0;

	/*
	 * The card keeps its Fi and takes any Di up to its own (7816-3, 9.2).
	 * Each speed that the reader refuses costs a reset, so not all are
	 * tried.
	 */
	for (i = 0; fi && i < sizeof(order) && count < SPEEDS_MAX - 1; i++)
		if (d[order[i]] <= di &&
		    (uint64_t)clock_khz * 1000 * d[order[i]] / fi <= max_data_rate)
			speeds[count++] = (uint8_t)((ta1 & 0xf0) | order[i]);
	/* A card with Di 1 has one speed, which may not be the default. */
	if (fi && di == 1 && ta1 != SPEED_DEFAULT &&
	    (uint64_t)clock_khz * 1000 / fi <= max_data_rate)
		speeds[count++] = ta1;
	speeds[count++] = SPEED_DEFAULT;
	return count;
}
