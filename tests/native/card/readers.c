// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readers as people have them: what their descriptors say and what they do
 * differ. Each test names the device or the rule.
 */
#include <poll.h>
#include "apdus.h"
#include "local_reader.h"
#include "../../../lib/card/ccid_quirks.h"
#include "../../../lib/card/speed.h"
#include "../../../lib/card/bytes.h"
#include "kselftest_harness.h"

/* ---- a reader that is a function ------------------------------------------ */

struct fake;
typedef void (*handler)(struct fake *f, const uint8_t *m, size_t len);

struct fake {
	struct ccid_transport transport;
	handler handle;
	struct {
		uint8_t bytes[600];
		size_t len;
		int64_t due;
	} queue[256];
	unsigned int first, last;
	/* What it remembers. */
	unsigned int status_ms;
	bool have_parameters;
	uint8_t parameters[7], pps[4];
	unsigned int pps_seen, on, off, chained;
	/* SetParameters with another Fi/Di is refused. 0: none is. */
	uint8_t only;
	const uint8_t *atr;
	size_t atr_len;
	uint8_t error, icc;
};

static void reply(struct fake *f, const uint8_t *m, uint8_t type, uint8_t status,
		  uint8_t error, uint8_t specific, const void *data, size_t len,
		  int after_ms)
{
	uint8_t *b = f->queue[f->last % 256].bytes;

	b[0] = type;
	put_le32(b + 1, (uint32_t)len);
	b[5] = m[5];
	b[6] = m[6];
	b[7] = (uint8_t)(status << 6 | f->icc);
	b[8] = error;
	b[9] = specific;
	if (len)
		memcpy(b + 10, data, len);
	f->queue[f->last % 256].len = len + 10;
	f->queue[f->last % 256].due = deadline_after(after_ms);
	f->last++;
}

static int fake_out(struct ccid_transport *t, const uint8_t *data, size_t len,
		    int timeout_ms)
{
	struct fake *f = (struct fake *)t;

	f->handle(f, data, len);
	return 0;
}

static int fake_in(struct ccid_transport *t, uint8_t *data, size_t size,
		   int timeout_ms)
{
	struct fake *f = (struct fake *)t;
	int64_t now = deadline_after(0), wait;
	unsigned int i = f->first % 256;
	size_t n;

	wait = f->first == f->last ? timeout_ms : f->queue[i].due - now;
	if (wait > timeout_ms)
		wait = timeout_ms;
	if (wait > 0)
		poll(NULL, 0, (int)wait);
	if (f->first == f->last || f->queue[i].due > deadline_after(0))
		return -ETIMEDOUT;
	n = f->queue[i].len < size ? f->queue[i].len : size;
	memcpy(data, f->queue[i].bytes, n);
	f->queue[i].len -= n;
	memmove(f->queue[i].bytes, f->queue[i].bytes + n, f->queue[i].len);
	if (!f->queue[i].len)
		f->first++;
	return (int)n;
}

static int fake_abort(struct ccid_transport *t, uint8_t slot, uint8_t seq)
{
	return -EPIPE;		/* as a reader does that has no such request */
}

static void fake_close(struct ccid_transport *t)
{
}

static const struct ccid_transport_ops fake_ops = {
	.bulk_out = fake_out, .bulk_in = fake_in, .abort = fake_abort,
	.close = fake_close,
};

static const uint8_t atr_t0[] = { 0x3b, 0x02, 0x14, 0x50 };

/* All but XfrBlock. */
static bool common(struct fake *f, const uint8_t *m, size_t len)
{
	switch (m[0]) {
	case 0x65:
		reply(f, m, 0x81, 0, 0, 0, NULL, 0, (int)f->status_ms);
		return true;
	case 0x62:
		f->icc = 0;
		f->on++;
		reply(f, m, 0x80, 0, 0, 0, f->atr, f->atr_len, 0);
		return true;
	case 0x63:
		f->icc = 1;
		f->off++;
		reply(f, m, 0x81, 0, 0, 0, NULL, 0, 0);
		return true;
	case 0x61:
		f->have_parameters = true;
		memcpy(f->parameters, m + 10, len - 10 < 7 ? len - 10 : 7);
		reply(f, m, 0x82, 0, 0, m[7], m + 10, len - 10, 0);
		return true;
	case 0x6f:
		if (len == 14 && m[10] == 0xff) {
			f->pps_seen++;
			memcpy(f->pps, m + 10, 4);
			reply(f, m, 0x80, 0, 0, 0, m + 10, 4, 0);
			return true;
		}
		return false;
	default:
		reply(f, m, 0x81, 1, 0, 0, NULL, 0, 0);
		return true;
	}
}

static struct fake *fake_new(handler handle, uint32_t features,
			     uint32_t max_message)
{
	struct fake *f = calloc(1, sizeof(*f));

	f->handle = handle;
	f->transport.ops = &fake_ops;
	f->transport.in_packet = 64;
	f->transport.desc = (struct ccid_descriptor){
		.voltages = 7, .protocols = 3, .clock_khz = 4000,
		.max_data_rate = 344086, .max_ifsd = 254,
		.features = features, .max_message = max_message,
	};
	f->atr = atr_t0;
	f->atr_len = sizeof(atr_t0);
	f->icc = 1;
	return f;
}

static void any(struct fake *f, const uint8_t *m, size_t len)
{
	if (!common(f, m, len))
		reply(f, m, 0x80, 0, 0, 0, "\x90\x00", 2, 0);
}

/* ---- finding the way back ------------------------------------------------- */

TEST(abort_that_was_left_half_way)
{
	struct local_reader *l = local_reader(READER_T0);
	struct tokmux_card *card = card_alloc(0);
	int i, ret;

	/* Its last holder had sent the class request only. */
	reader_abort(&l->reader, 0, 0x33);
	for (i = 0; i < 3; i++) {
		ret = card_connect(card, &l->transport);
		ASSERT_EQ(0, ret);
		ret = tokmux_card_power_on(card);
		EXPECT_LT(0, ret);
		card_reader_disconnect(card->reader);
	}
	tokmux_card_free(card);
	local_reader_free(l);
}

/* ACS ACR122U: a second for each question, while no card is near. */
TEST(slow_slot_status)
{
	struct fake *f = fake_new(any, 0x00020040, 271);
	struct tokmux_card *card = card_alloc(0);

	f->status_ms = 1050;
	EXPECT_EQ(0, card_connect(card, &f->transport));
	tokmux_card_free(card);
	free(f);
}

static uint8_t answer[TOKMUX_ANSWER_SIZE];
static int send(struct tokmux_card *card, const void *apdu, size_t len,
		unsigned int flags, int ms)
{
	return tokmux_card_transmit(card, apdu, len, answer, sizeof(answer),
				    flags, ms);
}

/* ---- what is longer, or in parts ------------------------------------------ */

/* Cherry KC 1000 SC 1.00: 128 bytes, the rest by bChainParameter. */
static void chains(struct fake *f, const uint8_t *m, size_t len)
{
	uint8_t data[202] = { 1, 2, 3 };

	if (common(f, m, len))
		return;
	data[200] = 0x90;
	if (m[8] == 0x10) {
		f->chained++;
		reply(f, m, 0x80, 0, 0, 2, data + 128, 74, 0);
	} else {
		reply(f, m, 0x80, 0, 0, 1, data, 128, 0);
	}
}

TEST(short_level_answers_in_parts)
{
	struct fake *f = fake_new(chains, 0x000207b8, 271);
	struct tokmux_card *card = card_alloc(0);

	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_EQ(202, send(card, "\x80\x12\x00\xc8\xc8", 5, 0, 1000));
	EXPECT_EQ(1, f->chained);
	tokmux_card_free(card);
	free(f);
}


/* SCR3310 (04e6:511f): says 263, and takes and sends 271. */
static void reads_256(struct fake *f, const uint8_t *m, size_t len)
{
	uint8_t data[258] = {};

	if (common(f, m, len))
		return;
	data[256] = 0x90;
	if (len == 15)
		reply(f, m, 0x80, 0, 0, 0, data, 258, 0);
	else
		reply(f, m, 0x80, 0, 0, 0, data + 256, 2, 0);
}

TEST(message_of_263)
{
	struct fake *f = fake_new(reads_256, 0x000100ba, 263);
	struct tokmux_card *card = card_alloc(0);
	uint8_t write[260] = { 0x00, 0xd6, 0, 0, 255 };

	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_EQ(2, send(card, write, sizeof(write), 0, 1000));
	EXPECT_EQ(258, send(card, "\x00\xb0\x00\x00\x00", 5, 0, 1000));
	tokmux_card_free(card);
	free(f);
}

/* Identiv uTrust FIDO2, authenton#1: TPDU, automatic IFSD, 254, says 64. */
static void blocks_of_254(struct fake *f, const uint8_t *m, size_t len)
{
	uint8_t b[106] = { 0, 0, 102 };
	size_t i;

	if (common(f, m, len))
		return;
	b[103] = 0x90;
	for (i = 0; i < 105; i++)
		b[105] ^= b[i];
	reply(f, m, 0x80, 0, 0, 0, b, sizeof(b), 0);
}

TEST(message_of_64)
{
	static const uint8_t t1[] = { 0x3b, 0x80, 0x81, 0x11, 0xfe, 0xee };
	struct fake *f = fake_new(blocks_of_254, 0x00010622, 64);
	struct tokmux_card *card = card_alloc(0);

	f->atr = t1;
	f->atr_len = sizeof(t1);
	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_EQ(102, send(card, "\x00\xb0\x00\x00\x64", 5, 0, 1000));
	tokmux_card_free(card);
	free(f);
}

/* ---- speed and parameters --------------------------------------------------- */

/* cyberJack go and one: neither sets parameters by itself. */
static void wants_parameters(struct fake *f, const uint8_t *m, size_t len)
{
	if (common(f, m, len))
		return;
	/* T=0 is what it begins with; the card has T=1. */
	if (f->have_parameters)
		reply(f, m, 0x80, 0, 0, 0, "\x90\x00", 2, 0);
	else
		reply(f, m, 0x80, 1, 0xf6, 0, NULL, 0, 0);
}

TEST(parameters_at_apdu_level)
{
	static const uint8_t t1[] = { 0x3b, 0x80, 0x81, 0x11, 0xfe, 0xee };
	struct fake *f = fake_new(wants_parameters, 0x000404b0, 1014);
	struct tokmux_card *card = card_alloc(0);

	f->atr = t1;
	f->atr_len = sizeof(t1);
	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_TRUE(f->have_parameters);
	EXPECT_EQ(2, send(card, "\x00\xa4\x04\x00", 4, 0, 1000));
	tokmux_card_free(card);
	free(f);
}

/* A refused SetParameters names the byte by its offset. */
static void slow_only(struct fake *f, const uint8_t *m, size_t len)
{
	if (m[0] == 0x61 && m[10] != 0x11)
		reply(f, m, 0x82, 1, 10, 0, NULL, 0, 0);
	else if (!common(f, m, len))
		reply(f, m, 0x80, 0, 0, 0, "\x90\x00", 2, 0);
}

TEST(speed_that_the_reader_refuses)
{
	static const uint8_t fast[] = { 0x3b, 0x12, 0x18, 0x14, 0x50 };
	struct fake *f = fake_new(slow_only, 0x00010030, 271);
	struct tokmux_card *card = card_alloc(0);

	f->atr = fast;
	f->atr_len = sizeof(fast);
	ASSERT_EQ(0, card_connect(card, &f->transport));
	EXPECT_LT(0, tokmux_card_power_on(card));
	/* A second time it is no different. */
	EXPECT_LT(0, tokmux_card_power_on(card));
	tokmux_card_free(card);
	free(f);
}

TEST(speed_that_is_next_best)
{
	/* ACR38U: 4 MHz, 129032 bit/s; a card of 0x96, 250000. */
	static const uint8_t fast[] = { 0x3b, 0x12, 0x96, 0x14, 0x50 };
	struct fake *f = fake_new(any, 0x00010030, 271);
	struct tokmux_card *card = card_alloc(0);

	f->transport.desc.max_data_rate = 129032;
	f->atr = fast;
	f->atr_len = sizeof(fast);
	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	/* libccid: 0x95, 125000 bit/s. */
	EXPECT_EQ(0x95, f->parameters[0]);
	tokmux_card_free(card);
	free(f);
}

TEST(pps_for_the_second_protocol)
{
	static const uint8_t both[] = { 0x3b, 0x96, 0x18, 0x80, 0xb1, 0xfe, 0x45,
					0x1f, 0x01, 1, 2, 3, 4, 5, 6, 0 };
	struct fake *f = fake_new(any, 0x00010430, 271);
	struct tokmux_card *card = card_alloc(0);

	/* A reader that has T=1 only, as Nitrokey's. */
	f->transport.desc.protocols = 2;
	f->atr = both;
	f->atr_len = sizeof(both);
	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_EQ(1, f->pps_seen);
	EXPECT_EQ(0, memcmp(f->pps, "\xff\x11\x18\xf6", 4));
	EXPECT_EQ(0x18, f->parameters[0]);
	EXPECT_EQ(0xfe, f->parameters[5]);
	tokmux_card_free(card);
	free(f);
}

/* At an APDU level the reader may know better than the computer. */
static void no_parameters(struct fake *f, const uint8_t *m, size_t len)
{
	if (m[0] == 0x61)
		reply(f, m, 0x82, 1, 10, 0, NULL, 0, 0);
	else
		any(f, m, len);
}

TEST(parameters_refused_at_apdu_level)
{
	struct fake *f = fake_new(no_parameters, 0x000404b0, 1014);
	struct tokmux_card *card = card_alloc(0);

	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_EQ(2, send(card, "\x00\xa4\x04\x00", 4, 0, 1000));
	tokmux_card_free(card);
	free(f);
}

/* A card that does not answer a PPS needs a reset before it hears anything. */
static void no_pps(struct fake *f, const uint8_t *m, size_t len)
{
	if (m[0] == 0x6f && m[10] == 0xff) {
		f->pps_seen++;
		reply(f, m, 0x80, 1, 0xfe, 0, NULL, 0, 0);
	} else {
		any(f, m, len);
	}
}

TEST(pps_that_is_not_answered)
{
	static const uint8_t fast[] = { 0x3b, 0x12, 0x95, 0x14, 0x50 };
	struct fake *f = fake_new(no_pps, 0x00010030, 271);
	struct tokmux_card *card = card_alloc(0);

	f->atr = fast;
	f->atr_len = sizeof(fast);
	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_EQ(f->pps_seen + 1, f->on);
	EXPECT_EQ(0x11, f->parameters[0]);
	tokmux_card_free(card);
	free(f);
}

TEST(speeds)
{
	uint8_t s[SPEEDS_MAX];

	/* 4 MHz and 250000 bit/s: 0x96 is just within. */
	EXPECT_EQ(4, speed_list(0x97, 4000, 250000, s));
	EXPECT_EQ(0, memcmp("\x96\x99\x95\x11", s, 4));
	EXPECT_EQ(1, speed_list(0x11, 4000, 250000, s));
	EXPECT_EQ(0x11, s[0]);
	/* Fi 512, Di 1. */
	EXPECT_EQ(2, speed_list(0x91, 4000, 250000, s));
	EXPECT_EQ(0, memcmp("\x91\x11", s, 2));
	/* Values that mean nothing, and a reader that is slow. */
	EXPECT_EQ(1, speed_list(0x7f, 4000, 250000, s));
	EXPECT_EQ(1, speed_list(0x9f, 4000, 250000, s));
	EXPECT_EQ(1, speed_list(0x96, 4000, 1000, s));
}

/* ---- notices ------------------------------------------------------------------ */

static struct local_reader *going;
static int goes(struct ccid_transport *t, uint8_t *data, size_t size,
		int timeout_ms)
{
	/* After the status of tokmux_card_wait(), before its look for notices. */
	if (going && !timeout_ms) {
		reader_insert(&going->reader, false);
		going = NULL;
	}
	return local_ops.interrupt_in(t, data, size, timeout_ms);
}

TEST(wait_for_what_has_happened)
{
	struct local_reader *l = local_reader(READER_EXTENDED);
	struct ccid_transport_ops ops = local_ops;
	struct tokmux_card *card = card_alloc(0);

	ops.interrupt_in = goes;
	l->transport.ops = &ops;
	l->reader.features |= READER_ACTIVATES;
	l->transport.desc.features |= CCID_AUTO_ACTIVATION;
	ASSERT_EQ(0, card_connect(card, &l->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	going = l;
	EXPECT_EQ(TOKMUX_CARD_ABSENT, tokmux_card_wait(card, 500));
	tokmux_card_free(card);
	local_reader_free(l);
}

static int keys(struct ccid_transport *t, uint8_t *data, size_t size,
		int timeout_ms)
{
	static int n;

	if (timeout_ms && !n++) {
		data[0] = 0x40;
		data[1] = 0x02;
		return 2;
	}
	return local_ops.interrupt_in(t, data, size, timeout_ms);
}

TEST(wait_ignores_what_it_does_not_know)
{
	struct local_reader *l = local_reader(READER_EXTENDED);
	struct ccid_transport_ops ops = local_ops;
	struct tokmux_card *card = card_alloc(0);

	ops.interrupt_in = keys;
	l->transport.ops = &ops;
	l->reader.changed = false;
	ASSERT_EQ(0, card_connect(card, &l->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_EQ(-ETIMEDOUT, tokmux_card_wait(card, 50));
	tokmux_card_free(card);
	local_reader_free(l);
}

/* ---- odds and ends ------------------------------------------------------------- */

TEST(class_of_a_logical_channel)
{
	/* GlobalPlatform 11.1.4: 0x81 is channel 1, 0xc1 channel 5. */
	EXPECT_EQ(0x01, apdu_get_response_class(0x81));
	EXPECT_EQ(0x02, apdu_get_response_class(0x86));
	EXPECT_EQ(0x41, apdu_get_response_class(0xc1));
}

/* 61xx, then 6Cxx: T=1 or APDU level, where the reader doesn't see to it. */
static void corrects(struct fake *f, const uint8_t *m, size_t len)
{
	if (common(f, m, len))
		return;
	if (m[11] != 0xc0)
		reply(f, m, 0x80, 0, 0, 0, "\x61\x00", 2, 0);
	else if (m[14] != 4)
		reply(f, m, 0x80, 0, 0, 0, "\x6c\x04", 2, 0);
	else
		reply(f, m, 0x80, 0, 0, 0, "abcd\x90\x00", 6, 0);
}

TEST(chain_and_6c)
{
	struct fake *f = fake_new(corrects, 0x000204ba, 271);
	struct tokmux_card *card = card_alloc(0);

	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_EQ(6, send(card, "\x00\xca\x00\x65\x00", 5, TOKMUX_CARD_CHAIN,
			  1000));
	tokmux_card_free(card);
	free(f);
}

/* Dell's keyboard SK-3106, Gem e-Seal Pro. */
TEST(descriptor_of_type_ff)
{
	uint8_t d[54] = { 54, 0xff };
	struct ccid_descriptor desc;

	put_le32(d + 44, 271);
	EXPECT_EQ(0, ccid_descriptor_parse(d, sizeof(d), &desc));
}

/* ---- slots ------------------------------------------------------------------ */

static unsigned int slots_off;

static void counts_slots(struct fake *f, const uint8_t *m, size_t len)
{
	if (m[0] == 0x63)
		slots_off |= 1U << m[5];
	any(f, m, len);
}

/* A reader of two slots. The card in the first one is connected. */
FIXTURE(two)
{
	struct local_reader *l;
	struct tokmux_card *first, *second;
};

FIXTURE_SETUP(two)
{
	self->l = local_reader(READER_EXTENDED);
	local_reader_add_slot(self->l);
	self->first = card_alloc(0);
	self->second = card_alloc_in(self->first->reader, 1);
	ASSERT_EQ(0, card_connect(self->first, &self->l->transport));
}

FIXTURE_TEARDOWN(two)
{
	tokmux_card_free(self->second);
	tokmux_card_free(self->first);
	local_reader_free(self->l);
}

/* Two cards, one way to both: no answer is the other one's, and nothing is mixed up. */
TEST_F(two, cards)
{
	struct tokmux_card *first = self->first, *second = self->second, *third;

	third = card_alloc_in(first->reader, 2);
	EXPECT_EQ(-ENOLCK, tokmux_card_status(second));
	ASSERT_EQ(0, card_attach(second));
	EXPECT_EQ(-EINVAL, card_attach(third));
	ASSERT_LT(0, tokmux_card_power_on(first));
	EXPECT_EQ(TOKMUX_CARD_INACTIVE, tokmux_card_status(second));
	ASSERT_LT(0, tokmux_card_power_on(second));
	EXPECT_EQ(1, tokmux_card_protocol(first));
	EXPECT_EQ(0, tokmux_card_protocol(second));
	/* Each has selected for itself. */
	EXPECT_LE(2, send(first, select_applet, sizeof(select_applet), 0, 1000));
	EXPECT_NE(NULL, self->l->card.selected);
	EXPECT_EQ(NULL, self->l->second_card.selected);
	EXPECT_EQ(0, tokmux_card_power_off(first));
	EXPECT_LE(2, send(second, select_applet, sizeof(select_applet), 0, 1000));
	EXPECT_EQ(-ECONNRESET, send(first, select_applet, sizeof(select_applet), 0, 1000));
	tokmux_card_free(third);
}

/* An answer that nobody read is in the way of the other slot's as well. */
TEST_F(two, a_command_is_given_up)
{
	struct tokmux_card *first = self->first, *second = self->second;

	ASSERT_EQ(0, card_attach(second));
	ASSERT_LT(0, tokmux_card_power_on(first));
	ASSERT_LT(0, tokmux_card_power_on(second));
	/* What is left of a long answer. */
	self->l->in_error = -ETIMEDOUT;
	EXPECT_EQ(-ETIMEDOUT, send(first, "\x80\x12\x01\x00", 4, 0, 100));
	self->l->second.faults.garbage = 1;
	EXPECT_LE(2, send(second, select_applet, sizeof(select_applet), 0, 1000));
	EXPECT_LT(0, tokmux_card_power_on(first));
	EXPECT_LE(2, send(first, select_applet, sizeof(select_applet), 0, 1000));
}

/* There is one endpoint for the notices of all slots. */
TEST_F(two, notices)
{
	struct tokmux_card *first = self->first, *second = self->second;

	ASSERT_EQ(0, card_attach(second));
	EXPECT_EQ(0, tokmux_card_heard(first));
	EXPECT_EQ(0, tokmux_card_heard(second));
	reader_insert(&self->l->second, false);
	EXPECT_EQ(0, tokmux_card_heard(first));
	EXPECT_EQ(1, tokmux_card_heard(second));
	EXPECT_EQ(0, tokmux_card_heard(second));
	EXPECT_EQ(TOKMUX_CARD_ABSENT, tokmux_card_status(second));
	reader_insert(&self->l->reader, false);
	reader_insert(&self->l->second, true);
	EXPECT_EQ(1, tokmux_card_heard(second));
	EXPECT_EQ(1, tokmux_card_heard(first));
}

/* A mark of the kernel's is for the whole reader. */
TEST(other_slots_lose_power)
{
	struct fake *f = fake_new(counts_slots, 0x000404be, 271);
	struct tokmux_card *card = card_alloc(1);

	f->transport.desc.max_slot = 2;
	ASSERT_EQ(0, card_connect(card, &f->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	EXPECT_TRUE(card_has_others(card));
	slots_off = 0;
	EXPECT_EQ(0, card_other_slots_off(card));
	EXPECT_EQ(0x5, slots_off);
	/* Its own card is as it was. */
	EXPECT_EQ(2, send(card, "\x00\xa4\x04\x00", 4, 0, 1000));
	tokmux_card_free(card);
	free(f);
}

/* ---- errors ------------------------------------------------------------------- */

static void fails(struct fake *f, const uint8_t *m, size_t len)
{
	if (!common(f, m, len))
		reply(f, m, 0x80, 1, f->error, 0, NULL, 0, 0);
}

/* One meaning for all; the reader's own word beside it. */
TEST(errors_that_are_documented)
{
	static const uint8_t errors[] = { 0x00, 0x07, 0xe0, 0xf2, 0xf6, 0xfb, 0xfd,
					  0xfe, 0xff };
	struct fake *f = fake_new(fails, 0x000404be, 271);
	struct tokmux_card *card = card_alloc(0);
	size_t i;

	ASSERT_EQ(0, card_connect(card, &f->transport));
	EXPECT_EQ(-ENODATA, tokmux_card_reader_error(card));
	for (i = 0; i < sizeof(errors); i++) {
		ASSERT_LT(0, tokmux_card_power_on(card));
		f->error = errors[i];
		EXPECT_EQ(-EIO, send(card, "\x00\xa4\x04\x00", 4, 0, 1000));
		EXPECT_EQ(errors[i], tokmux_card_reader_error(card));
	}
	tokmux_card_free(card);
	free(f);
}

/* Documented: "the answer doesn't fit and is lost, the card goes on". */
TEST(overflow_means_one_thing)
{
	struct local_reader *l = local_reader(READER_T0);
	struct tokmux_card *card = card_alloc(0);

	ASSERT_EQ(0, card_connect(card, &l->transport));
	ASSERT_LT(0, tokmux_card_power_on(card));
	l->in_error = -EOVERFLOW;
	EXPECT_EQ(-EPROTO, send(card, "\x00\xa4\x04\x00", 4, 0, 1000));
	tokmux_card_free(card);
	local_reader_free(l);
}

/* ---- descriptors that are wrong ---------------------------------------------- */

TEST(quirks)
{
	struct ccid_descriptor desc = { .features = 0x000207b8 };

	/* OMNIKEY 6121, whatever its firmware. */
	ccid_quirks_apply(0x076b, 0x6632, 0x0203, &desc);
	EXPECT_EQ(0x000407b8, desc.features);
	/* Cherry KC 1000 SC: firmware 1.00 only. */
	desc.features = 0x000207b2;
	ccid_quirks_apply(0x046a, 0x00a1, 0x0101, &desc);
	EXPECT_EQ(0x000207b2, desc.features);
	ccid_quirks_apply(0x046a, 0x00a1, 0x0100, &desc);
	EXPECT_EQ(0x000407b2, desc.features);
	/* What is not known is not touched. */
	desc.features = 0x00010230;
	ccid_quirks_apply(0x08e6, 0x3437, 0x0200, &desc);
	EXPECT_EQ(0x00010230, desc.features);
	/* eToken 5110 SC of firmware 0.12. */
	ccid_quirks_apply(0x0529, 0x0620, 0x0012, &desc);
	EXPECT_EQ(0x00010630, desc.features);
}

TEST_HARNESS_MAIN
