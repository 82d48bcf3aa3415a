// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * siphash: SipHash-2-4 with a result of 128 bits
 *
 * A keyed hash by Jean-Philippe Aumasson and Daniel J. Bernstein, written after
 * their paper "SipHash: a fast short-input PRF" and the variant of 128 bits in
 * their reference implementation. Without the key nobody learns anything of the
 * text from the hash, or finds two texts of one hash. The test r12_siphash has
 * the authors' vectors.
 *
 * The state is four words, which a compiler keeps in registers: no buffer has
 * the text in it that would have to be wiped.
 */
#include <endian.h>
#include <string.h>

#include "siphash.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void scramble(struct state *s, int rounds)
{
	while (rounds--) {
		s->v0 += s->v1;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v2 = rotate(s->v2, 32);
	}
}

static inline void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	scramble(s, 2);
	s->v0 ^= word;
}

static inline uint64_t squeeze(struct state *s)
{
	scramble(s, 4);
	return htole64(s->v0 ^ s->v1 ^ s->v2 ^ s->v3);
}

void siphash(const struct siphash_key *key, const unsigned char *text,
	     size_t length, struct siphash *hash)
{
	uint64_t k0 = le64toh(key->word[0]), k1 = le64toh(key->word[1]);
	/* "somepseudorandomlygeneratedbytes", and 0xee for 128 bits */
	struct state s = {
		.v0 = k0 ^ 0x736f6d6570736575,
		.v1 = k1 ^ 0x646f72616e646f6d ^ 0xee,
		.v2 = k0 ^ 0x6c7967656e657261,
		.v3 = k1 ^ 0x7465646279746573,
	};
	uint64_t word = (uint64_t)length << 56;
	size_t left;

	for (left = length; left >= sizeof(word); left -= sizeof(word)) {
		uint64_t whole;

		memcpy(&whole, text, sizeof(whole));
		absorb(&s, le64toh(whole));
		text += sizeof(whole);
	}
	while (left--)
		word |= (uint64_t)text[left] << 8 * left;
	absorb(&s, word);
	s.v2 ^= 0xee;
	hash->word[0] = squeeze(&s);
	s.v1 ^= 0xdd;
	hash->word[1] = squeeze(&s);
}
