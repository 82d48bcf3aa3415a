/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SIPHASH_H
#define TOKMUX_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* As bytes lie in memory, on every machine. */
struct siphash_key {
	uint64_t word[2];
};

struct siphash {
	uint64_t word[2];
};

void siphash(const struct siphash_key *key, const unsigned char *text,
	     size_t length, struct siphash *hash);

#endif /* TOKMUX_SIPHASH_H */
