/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of this directory share: the clock, and how many times are
 * timed. Whatever else the machine does makes some of the times longer, so they
 * are timed in batches, and the median batch counts.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define BATCHES	21

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static inline int compare_ns(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static inline int64_t median_ns(int64_t *ns, size_t nr)
{
	qsort(ns, nr, sizeof(*ns), compare_ns);
	return ns[nr / 2];
}

#endif /* BENCH_H */
