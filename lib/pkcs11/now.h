/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * now: the time since some moment in the past, which no change of the clock
 * disturbs
 */
#ifndef TOKMUX_NOW_H
#define TOKMUX_NOW_H

#include <stdint.h>
#include <time.h>

static inline int64_t now_ns_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t now_ns(void)
{
	return now_ns_of(CLOCK_MONOTONIC);
}

static inline int64_t now_ms(void)
{
	return now_ns() / 1000000;
}

/* Only as exact as the kernel's tick, but cheaper to read. */
static inline int64_t now_coarse_ms(void)
{
	return now_ns_of(CLOCK_MONOTONIC_COARSE) / 1000000;
}

#endif /* TOKMUX_NOW_H */
