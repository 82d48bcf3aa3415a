// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seeds for the fuzz target "card": what the readers of tests/card answer, of
 * each level and with each fault, as an input of that target.
 *
 * usage: seeds DIRECTORY
 */
#include <stdio.h>
#include "stream.h"
#include "../native/card/local_reader.h"

static FILE *seed;

static int recorded_in(struct ccid_transport *t, uint8_t *data, size_t size,
		       int timeout_ms)
{
	int n = local_in(t, data, size, timeout_ms);

	if (n >= 0 && n < STREAM_LENGTH) {
		fputc(n | STREAM_MATCH, seed);
		fwrite(data, 1, (size_t)n, seed);
	} else if (n >= 0) {
		fputc(STREAM_LENGTH | STREAM_MATCH, seed);
		fwrite(data, 1, (size_t)n, seed);
	}
	return n;
}

static void make(const char *dir, unsigned int level, unsigned int fault,
		 const uint8_t choice[static 4])
{
	struct ccid_transport_ops ops = local_ops;
	struct local_reader *l = local_reader(level);
	struct tokmux_card *card = card_alloc(0);
	uint8_t desc[54];
	char path[4096];
	int i;

	snprintf(path, sizeof(path), "%s/seed-%u-%02u-%02x", dir, level, fault,
		 choice[2]);
	seed = fopen(path, "w");
	if (!seed) {
		perror(path);
		exit(1);
	}
	ops.bulk_in = recorded_in;
	l->transport.ops = &ops;
	fwrite(choice, 1, 4, seed);
	reader_descriptor(&l->reader, desc);
	fwrite(desc, 1, sizeof(desc), seed);
	if (!card_connect(card, &l->transport)) {
		tokmux_card_power_on(card);
		/* They are all counters. */
		if (fault)
			((unsigned int *)&l->reader.faults)[fault - 1] = 1;
		for (i = 0; i < 3; i++)
			stream_command(card, choice[1 + i]);
		tokmux_card_status(card);
		tokmux_card_power_off(card);
	}
	tokmux_card_free(card);
	local_reader_free(l);
	fclose(seed);
}

int main(int argc, char **argv)
{
	static const uint8_t choices[][4] = {
		{ 2, 0x00, 0x12, 0x13 },
		{ 2, 0x00, 0x1c, 0x15 },
		{ 2, 0x00, 0x3b, 0x1f },
	};
	unsigned int level, fault, i;

	if (argc != 2)
		return 2;
	for (level = READER_T0; level <= READER_EXTENDED; level++)
		for (i = 0; i < 3; i++) {
			make(argv[1], level, 0, choices[i]);
			for (fault = 1; !i && fault <= sizeof(struct reader_faults) /
			     sizeof(unsigned int); fault++)
				make(argv[1], level, fault, choices[i]);
		}
	return 0;
}
