// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R12: the hash that a PIN is kept as is SipHash-2-4, by its authors' vectors:
 * the key 00 01 … 0f, texts 00 01 02 … of every remainder by eight.
 * "openssl mac -macopt hexkey:00…0f -macopt size:16 SIPHASH" says the same.
 */
#include <stdbool.h>
#include <stdio.h>
#include "kselftest_harness.h"
#include "../../../lib/pkcs11/siphash.c"

static const struct {
	size_t length;
	const char *hash;
} vectors[] = {
	{ 0, "a3817f04ba25a8e66df67214c7550293" },
	{ 1, "da87c1d86b99af44347659119b22fc45" },
	{ 2, "8177228da4a45dc7fca38bdef60affe4" },
	{ 3, "9c70b60c5267a94e5f33b6b02985ed51" },
	{ 4, "f88164c12d9c8faf7d0f6e7c7bcd5579" },
	{ 5, "1368875980776f8854527a07690e9627" },
	{ 6, "14eeca338b208613485ea0308fd7a15e" },
	{ 7, "a1f1ebbed8dbc153c0b84aa61ff08239" },
	{ 8, "3b62a9ba6258f5610f83e264f31497b4" },
	{ 15, "5493e99933b0a8117e08ec0f97cfc3d9" },
	{ 16, "6ee2a4ca67b054bbfd3315bf85230577" },
	{ 63, "5150d1772f50834a503e069a973fbd7c" },
};

TEST(agrees_with_its_authors)
{
	unsigned char key[16], text[64], hash[16];
	char hex[2 * sizeof(hash) + 1];
	struct siphash_key words;
	struct siphash result;
	size_t i, j;

	for (i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)i;
	for (i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)i;
	memcpy(&words, key, sizeof(words));
	for (i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		siphash(&words, text, vectors[i].length, &result);
		memcpy(hash, &result, sizeof(hash));
		for (j = 0; j < sizeof(hash); j++)
			sprintf(hex + 2 * j, "%02x", hash[j]);
		EXPECT_STREQ(vectors[i].hash, hex);
	}
}

TEST_HARNESS_MAIN
