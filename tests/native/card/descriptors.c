// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each reader that people have, by its descriptor: powered on, negotiated and spoken
 * to at its level, within its limits, with a card for each of its protocols.
 */
#include "apdus.h"
#include "local_reader.h"
#include "kselftest_harness.h"

static const struct known {
	uint16_t vendor, product;
	uint32_t features, max_message, max_ifsd, protocols;
	uint8_t voltages, max_slot;
	uint32_t clock_khz, max_data_rate;
} known[] = {
#define READER(...)	{ __VA_ARGS__ },
#include "descriptors.def"
};

#define KNOWN	(sizeof(known) / sizeof(known[0]))

/* Both at a speed that 52 of 238 readers can't have. */
static const uint8_t atr_t0[] = { 0x3b, 0x16, 0x96, 't', 'o', 'k', 'm', 'u', 'x' };
static const uint8_t atr_t1[] = {
	0x3b, 0x96, 0x96, 0x81, 0x31, 0x40, 0x4d, 't', 'o', 'k', 'm', 'u', 'x', 0xad,
};

/* The applet gives P1 P2 bytes; it echoes data. */
static const uint8_t get_most[] = { 0x80, 0x12, 0x01, 0x00, 0x00 };

static struct local_reader *reader_of(const struct known *k, unsigned int protocol)
{
	static const enum reader_level levels[] = {
		READER_T0, READER_SHORT, READER_EXTENDED,
	};
	unsigned int level = k->features >> 16 & 7;
	struct local_reader *l;

	l = local_reader(level == 1 && protocol ? READER_T1 : levels[level / 2]);
	l->card.atr = protocol ? atr_t1 : atr_t0;
	l->card.atr_len = protocol ? sizeof(atr_t1) : sizeof(atr_t0);
	l->reader.strict = true;
	l->reader.features = k->features;
	/* As those mean it that announce 263. */
	l->reader.max_message = k->max_message == 263 && level < 4 ? 271 :
				k->max_message;
	l->transport.desc = (struct ccid_descriptor){
		.max_slot = k->max_slot, .voltages = k->voltages,
		.protocols = k->protocols, .clock_khz = k->clock_khz,
		.max_data_rate = k->max_data_rate, .max_ifsd = k->max_ifsd,
		.features = k->features, .max_message = k->max_message,
	};
	return l;
}

/* Some say that a message has no room for the longest short command. */
static bool takes_255(const struct local_reader *l)
{
	switch (l->reader.level) {
	case READER_T0:
		return l->reader.max_message >= 10 + 5 + 255;
	case READER_SHORT:
		return l->reader.max_message >= 10 + 5 + 255 + 1;
	default:
		/* These go in blocks, or in parts. */
		return true;
	}
}

/* Which step failed, or NULL. */
static const char *speak(struct local_reader *l, unsigned int protocol)
{
	static uint8_t answer[TOKMUX_ANSWER_SIZE];
	struct tokmux_card *card = card_alloc(0);
	const char *failed = NULL;
	uint8_t echo[5 + 255 + 1] = { 0x80, 0x10, 0, 0, 255 };
	int i, ret;

	if (card_connect(card, &l->transport))
		failed = "connect";
	else if (tokmux_card_power_on(card) < 0)
		failed = "power on";
	else if (tokmux_card_protocol(card) != (int)protocol)
		failed = "protocol";
	else if (tokmux_card_transmit(card, select_applet, sizeof(select_applet),
				      answer, sizeof(answer), 0, 1000) < 2)
		failed = "select";
	else if (tokmux_card_transmit(card, get_most, sizeof(get_most), answer,
				      sizeof(answer), 0, 1000) != 258)
		failed = "256 bytes to read";
	for (i = 0; i < 255; i++)
		echo[5 + i] = (uint8_t)i;
	if (!failed) {
		ret = tokmux_card_transmit(card, echo, sizeof(echo), answer,
					   sizeof(answer), 0, 1000);
		if (!takes_255(l) ? ret != -EMSGSIZE :
				    ret != 257 || memcmp(answer, echo + 5, 255))
			failed = "255 bytes to write";
	}
	tokmux_card_free(card);
	return failed;
}

/* Bits a second of Fi 512 and this Di: 0x96 and its slower kin. */
static bool too_fast(const struct known *k, uint8_t fi_di)
{
	static const uint8_t d[16] = { 0, 1, 2, 4, 8, 16, 32, 64, 12, 20 };

	return fi_di != 0x11 &&
	       (uint64_t)k->clock_khz * 1000 * d[fi_di & 15] / 512 >
	       k->max_data_rate;
}

TEST(each_descriptor)
{
	unsigned int spoken[8] = {}, levels = 0, character = 0, protocol;
	struct local_reader *l;
	const char *failed;
	size_t i;

	for (i = 0; i < KNOWN; i++) {
		const struct known *k = &known[i];
		unsigned int level = k->features >> 16 & 7;

		if (!level) {
			character++;
			continue;
		}
		levels++;
		for (protocol = 0; protocol < 2; protocol++) {
			if (!(k->protocols & 1U << protocol))
				continue;
			l = reader_of(k, protocol);
			failed = speak(l, protocol);
			EXPECT_EQ(NULL, failed) {
				TH_LOG("%04x:%04x %08x T=%u: %s", k->vendor,
				       k->product, k->features, protocol, failed);
			}
			EXPECT_FALSE(too_fast(k, l->reader.fi_di));
			spoken[level]++;
			local_reader_free(l);
		}
	}
	TH_LOG("%zu descriptors, %u of the character level; spoken to: %u",
	       KNOWN, character, levels);
	TH_LOG("TPDU %u, short %u, extended %u times", spoken[1], spoken[2],
	       spoken[4]);
	EXPECT_EQ(KNOWN, levels + character);
}

TEST_HARNESS_MAIN
