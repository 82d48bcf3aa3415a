// SPDX-License-Identifier: GPL-2.0-only
/*
 * A card in readers of every level, well-behaved ones and others. The real
 * thing, QEMU's reader and ours on the kernel's USB, is in usb.c.
 */
#include "apdus.h"
#include "local_reader.h"
#include "kselftest_harness.h"

FIXTURE(card)
{
	struct local_reader *l;
	struct tokmux_card *card;
	uint8_t answer[TOKMUX_ANSWER_SIZE];
};

FIXTURE_VARIANT(card)
{
	enum reader_level level;
};

FIXTURE_VARIANT_ADD(card, t0)
{
	.level = READER_T0,
};

FIXTURE_VARIANT_ADD(card, t1)
{
	.level = READER_T1,
};

FIXTURE_VARIANT_ADD(card, short_apdu)
{
	.level = READER_SHORT,
};

FIXTURE_VARIANT_ADD(card, extended_apdu)
{
	.level = READER_EXTENDED,
};

FIXTURE_SETUP(card)
{
	self->l = local_reader(variant->level);
	self->card = card_alloc(0);
	ASSERT_NE(NULL, self->card);
	ASSERT_EQ(0, card_connect(self->card, &self->l->transport));
	ASSERT_LT(0, tokmux_card_power_on(self->card));
}

FIXTURE_TEARDOWN(card)
{
	tokmux_card_free(self->card);
	local_reader_free(self->l);
}

/* Each command in a block of its own, so that nobody reads beyond its end. */
static int send_within(struct tokmux_card *card, const uint8_t *apdu, size_t len,
		       uint8_t *answer, unsigned int flags, int timeout_ms)
{
	uint8_t *copy = malloc(len);
	int ret;

	memcpy(copy, apdu, len);
	ret = tokmux_card_transmit(card, copy, len, answer, TOKMUX_ANSWER_SIZE,
				   flags, timeout_ms);
	free(copy);
	return ret;
}

#define SEND(apdu) send_within(self->card, apdu, sizeof(apdu), self->answer, 0, 1000)
/* The status word of an answer of @len bytes. */
#define SW(len) ({							\
	int _len = (int)(len);						\
	_len < 2 ? 0 : self->answer[_len - 2] << 8 | self->answer[_len - 1]; \
})

static size_t put_echo(uint8_t *apdu, size_t nc, size_t ne, bool extended)
{
	size_t i, len = 4;

	memcpy(apdu, (const uint8_t[]){ 0x80, 0x10, 0x12, 0x34 }, 4);
	if (extended) {
		apdu[len++] = 0;
		apdu[len++] = (uint8_t)(nc >> 8);
	}
	apdu[len++] = (uint8_t)nc;
	for (i = 0; i < nc; i++)
		apdu[len++] = (uint8_t)(i * 7);
	if (!ne)
		return len;
	if (extended)
		apdu[len++] = (uint8_t)(ne >> 8);
	apdu[len++] = (uint8_t)ne;
	return len;
}

TEST_F(card, power)
{
	const uint8_t *atr;
	uint8_t bytes[TOKMUX_ATR_SIZE];
	size_t len;

	atr = reader_atr(variant->level, &len);
	EXPECT_EQ((int)len, tokmux_card_atr(self->card, bytes));
	EXPECT_EQ(0, memcmp(atr, bytes, len));
	EXPECT_EQ(TOKMUX_CARD_ACTIVE, tokmux_card_status(self->card));
	EXPECT_EQ(0, tokmux_card_power_off(self->card));
	EXPECT_EQ(TOKMUX_CARD_INACTIVE, tokmux_card_status(self->card));
	EXPECT_EQ(-ECONNRESET, tokmux_card_atr(self->card, bytes));
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	EXPECT_EQ((int)len, tokmux_card_power_on(self->card));
	EXPECT_TRUE(self->l->reader.parameters_set);
}

TEST_F(card, pin_is_forgotten)
{
	EXPECT_EQ(0x6985, SW(SEND(get_secret)));
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0x6982, SW(SEND(get_secret)));
	EXPECT_EQ(0x9000, SW(SEND(verify_pin)));
	ASSERT_EQ(34, SEND(get_secret));
	EXPECT_EQ(0x9000, SW(34));
	EXPECT_EQ(0, memcmp(card_secret, self->answer, 32));
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_EQ(0x6985, SW(SEND(get_secret)));
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0x6982, SW(SEND(get_secret)));
}

/*
 * Another holder's card, of which ATR and protocol are known. Of blocks the other holder
 * has sent an odd number.
 */
TEST_F(card, is_adopted)
{
	struct tokmux_card *last = self->card;
	uint8_t atr[TOKMUX_ATR_SIZE];
	size_t len;

	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0x9000, SW(SEND(verify_pin)));
	EXPECT_EQ(34, SEND(get_secret));
	len = (size_t)tokmux_card_atr(last, atr);
	self->card = card_alloc(0);
	card_reader_disconnect(last->reader);
	ASSERT_EQ(0, card_connect(self->card, &self->l->transport));
	EXPECT_EQ(-ECONNRESET, SEND(get_secret));
	EXPECT_GT(0, card_adopt(self->card, atr, 1, last->protocol));
	EXPECT_EQ(-ECONNRESET, SEND(get_secret));
	ASSERT_EQ(0, card_adopt(self->card, atr, len, last->protocol));
	EXPECT_EQ((int)last->protocol, tokmux_card_protocol(self->card));
	EXPECT_EQ(34, SEND(get_secret));
	EXPECT_EQ(0x9000, SW(34));
	card_destroy(last);
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_EQ(0x6985, SW(SEND(get_secret)));
}

/* No part of a PIN or an answer stays in the library's memory. */
TEST_F(card, nothing_is_kept)
{
	struct ccid_reader *ccid = &self->card->reader->ccid;
	const char *pin = CARD_PIN;

	SEND(select_applet);
	EXPECT_EQ(0x9000, SW(SEND(verify_pin)));
	EXPECT_EQ(34, SEND(get_secret));
	EXPECT_EQ(NULL, memmem(ccid->out, ccid->max_data + 10, pin, 3));
	EXPECT_EQ(NULL, memmem(ccid->in, ccid->max_data + 10, card_secret, 3));
	EXPECT_EQ(NULL, memmem(self->card->answer, APDU_ANSWER_MAX, card_secret,
			       3));
}

/* Nor of what a card has sent beyond what it was asked for. */
TEST_F(card, nothing_that_is_cut_off_is_kept)
{
	const uint8_t apdu[] = { 0x80, 0x12, 0, 50, 50 };

	if (variant->level != READER_T0)
		SKIP(return, "it is T=0 that cuts");
	SEND(select_applet);
	self->l->reader.faults.more = 1;
	EXPECT_EQ(52, SEND(apdu));
	EXPECT_EQ(0, self->l->reader.faults.more);
	EXPECT_EQ(NULL, memmem(self->card->answer, APDU_ANSWER_MAX, "much", 4));
}

TEST_F(card, every_short_length)
{
	uint8_t apdu[APDU_SHORT_MAX], count[] = { 0x80, 0x12, 0, 0, 0 };
	size_t nc, len;
	int i;

	SEND(select_applet);
	for (nc = 1; nc < 256; nc++) {
		len = put_echo(apdu, nc, nc, false);
		ASSERT_EQ((int)nc + 2, send_within(self->card, apdu, len,
						   self->answer, 0, 1000));
		ASSERT_EQ(0x9000, SW(nc + 2));
		ASSERT_EQ(0, memcmp(apdu + 5, self->answer, nc));
	}
	for (i = 1; i <= 256; i++) {
		count[2] = (uint8_t)(i >> 8);
		count[3] = (uint8_t)i;
		count[4] = (uint8_t)i;
		ASSERT_EQ(i + 2, SEND(count));
		ASSERT_EQ(0x9000, SW(i + 2));
		ASSERT_EQ((uint8_t)(i - 1), self->answer[i - 1]);
	}
}

/* Where the reader takes them; else by chaining, where it is asked for. */
TEST_F(card, extended)
{
	static const size_t sizes[] = { 256, 257, 1000, 3055, 3056, 9000, 60000 };
	uint8_t *apdu = malloc(70000);
	bool native = variant->level == READER_T1 ||
		      variant->level == READER_EXTENDED;
	unsigned int flags = native ? 0 : TOKMUX_CARD_CHAIN;
	size_t i, len;

	SEND(select_applet);
	for (i = 0; i < 7; i++) {
		len = put_echo(apdu, sizes[i], 0xffff, true);
		if (!native) {
			EXPECT_EQ(-EMSGSIZE, send_within(self->card, apdu, len,
							 self->answer, 0, 1000));
		}
		ASSERT_EQ((int)sizes[i] + 2,
			  send_within(self->card, apdu, len, self->answer, flags,
				      5000));
		ASSERT_EQ(0x9000, SW(sizes[i] + 2));
		ASSERT_EQ(0, memcmp(apdu + 7, self->answer, sizes[i]));
	}
	free(apdu);
}

/* A long answer to a command that is short needs no chaining. */
TEST_F(card, extended_answer)
{
	const uint8_t count[] = { 0x80, 0x12, 0x13, 0x88, 0x00, 0x00, 0x00 };

	SEND(select_applet);
	ASSERT_EQ(5002, SEND(count));
	EXPECT_EQ(0x9000, SW(5002));
	EXPECT_EQ((uint8_t)4999, self->answer[4999]);
}

/* 6Cxx is T=0's; elsewhere it is the caller's. */
TEST_F(card, wrong_length)
{
	const uint8_t apdu[] = { 0x80, 0x16, 0x00, 0x10, 0x00 };
	int len;

	SEND(select_applet);
	len = SEND(apdu);
	EXPECT_EQ(variant->level == READER_T0 ? 18 : 2, len);
	EXPECT_EQ(variant->level == READER_T0 ? 0x9000 : 0x6c10, SW(len));
}

TEST_F(card, no_room_for_the_answer)
{
	uint8_t answer[8];

	SEND(select_applet);
	EXPECT_EQ(-EOVERFLOW,
		  tokmux_card_transmit(self->card, (uint8_t[]){ 0x80, 0x12, 0, 7, 7 },
				       5, answer, sizeof(answer), 0, 1000));
	EXPECT_EQ(8, tokmux_card_transmit(self->card,
					  (uint8_t[]){ 0x80, 0x12, 0, 6, 6 },
					  5, answer, sizeof(answer), 0, 1000));
}

TEST_F(card, bad_arguments)
{
	const uint8_t bad[] = { 0x00, 0xa4, 0x04, 0x00, 0x07, 0xf0 };
	unsigned int sent = self->l->sent;
	size_t len;

	for (len = 0; len < 4; len++)
		EXPECT_EQ(-EINVAL, send_within(self->card, bad, len, self->answer,
					       0, 1000));
	EXPECT_EQ(-EINVAL, SEND(bad));
	EXPECT_EQ(-EINVAL, send_within(self->card, select_applet,
				       sizeof(select_applet), self->answer, 8,
				       1000));
	EXPECT_EQ(sent, self->l->sent);
	/* Without effect. */
	EXPECT_LE(2, SEND(select_applet));
}

TEST_F(card, out_and_in)
{
	reader_notice(&self->l->reader, (uint8_t[2]){});
	EXPECT_EQ(-EAGAIN, tokmux_card_wait(self->card, 0));
	EXPECT_EQ(-ETIMEDOUT, tokmux_card_wait(self->card, 10));
	reader_insert(&self->l->reader, false);
	EXPECT_EQ(-ENOMEDIUM, SEND(select_applet));
	EXPECT_EQ(-ENOMEDIUM, tokmux_card_power_on(self->card));
	EXPECT_EQ(TOKMUX_CARD_ABSENT, tokmux_card_status(self->card));
	EXPECT_EQ(0, tokmux_card_power_off(self->card));
	reader_insert(&self->l->reader, true);
	EXPECT_EQ(TOKMUX_CARD_INACTIVE, tokmux_card_status(self->card));
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
	/* Exchanged behind our back: it must not go on as if it were the same. */
	reader_insert(&self->l->reader, false);
	reader_insert(&self->l->reader, true);
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
}

/* A reader that gives cards power by itself: any card in it has some. */
TEST_F(card, exchanged_and_powered_by_the_reader)
{
	tokmux_card_free(self->card);
	self->l->reader.features |= READER_ACTIVATES;
	self->l->transport.desc.features |= CCID_AUTO_ACTIVATION;
	self->l->reader.changed = false;
	self->card = card_alloc(0);
	ASSERT_EQ(0, card_connect(self->card, &self->l->transport));
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	/* What it begins with, late. */
	self->l->reader.changed = true;
	EXPECT_LE(2, SEND(select_applet));
	/* Another one, or the same. */
	reader_insert(&self->l->reader, false);
	reader_insert(&self->l->reader, true);
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	EXPECT_EQ(TOKMUX_CARD_ACTIVE, tokmux_card_status(self->card));
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
	/* Who waits for it is told, too. */
	EXPECT_EQ(-ETIMEDOUT, tokmux_card_wait(self->card, 5));
	EXPECT_LE(2, SEND(select_applet));
	self->l->exchange = true;
	EXPECT_EQ(TOKMUX_CARD_ACTIVE, tokmux_card_wait(self->card, 1000));
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
}

/* Without a question to the reader, and without waiting. */
TEST_F(card, hears_of_cards)
{
	struct ccid_transport_ops deaf = *self->l->transport.ops;
	struct tokmux_card *card = card_alloc(0);
	unsigned int sent = self->l->sent;

	EXPECT_EQ(-ENOLCK, tokmux_card_heard(card));
	EXPECT_EQ(-ENOLCK, tokmux_card_fd(card));
	card_destroy(card);
	/* What the reader begins with is known. */
	EXPECT_EQ(0, tokmux_card_heard(self->card));
	EXPECT_EQ(0, tokmux_card_heard(self->card));
	reader_insert(&self->l->reader, false);
	EXPECT_EQ(1, tokmux_card_heard(self->card));
	EXPECT_EQ(0, tokmux_card_heard(self->card));
	EXPECT_EQ(sent, self->l->sent);
	EXPECT_EQ(TOKMUX_CARD_ABSENT, tokmux_card_status(self->card));
	reader_insert(&self->l->reader, true);
	EXPECT_EQ(1, tokmux_card_heard(self->card));
	EXPECT_EQ(TOKMUX_CARD_INACTIVE, tokmux_card_status(self->card));
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	/* While a command goes on. */
	reader_insert(&self->l->reader, false);
	EXPECT_EQ(-ENOMEDIUM, SEND(select_applet));
	EXPECT_EQ(0, tokmux_card_heard(self->card));
	/* The notice of a card that goes may get lost. */
	reader_insert(&self->l->reader, true);
	EXPECT_EQ(1, tokmux_card_heard(self->card));
	EXPECT_EQ(TOKMUX_CARD_INACTIVE, tokmux_card_status(self->card));
	reader_insert(&self->l->reader, false);
	reader_insert(&self->l->reader, true);
	EXPECT_EQ(1, tokmux_card_heard(self->card));

	deaf.interrupt_in = NULL;
	self->l->transport.ops = &deaf;
	EXPECT_EQ(-EOPNOTSUPP, tokmux_card_heard(self->card));
	self->l->transport.ops = &local_ops;
	self->l->gone = true;
	EXPECT_EQ(-ENODEV, tokmux_card_heard(self->card));
}

/* A transport that has not looked at what the reader says of its packets. */
TEST_F(card, notices_of_any_length)
{
	reader_notice(&self->l->reader, (uint8_t[2]){});
	self->l->transport.interrupt_packet = 0x7ff;
	EXPECT_EQ(-ETIMEDOUT, tokmux_card_wait(self->card, 10));
	EXPECT_LE(2, self->l->notice_size);
	EXPECT_GE(CCID_NOTICE_MAX, self->l->notice_size);
}

TEST_F(card, reader_gone)
{
	self->l->gone = true;
	EXPECT_EQ(-ENODEV, SEND(select_applet));
	EXPECT_EQ(-ENODEV, tokmux_card_power_on(self->card));
	EXPECT_EQ(-ENODEV, tokmux_card_status(self->card));
	EXPECT_EQ(-ENODEV, tokmux_card_wait(self->card, 100));
}

/* What a reader may do: the answer arrives in spite of it. */
TEST_F(card, harmless_faults)
{
	const uint8_t apdu[] = { 0x80, 0x12, 0, 50, 50 };
	struct reader_faults *f = &self->l->reader.faults;

	SEND(select_applet);
	f->stale = 1;
	EXPECT_EQ(52, SEND(apdu));
	f->extension = 5;
	EXPECT_EQ(52, SEND(apdu));
	f->zlp = 100;
	EXPECT_EQ(52, SEND(apdu));
	EXPECT_EQ(52, SEND(apdu));
	/* Whole packets, with a zero-length one after them, and without. */
	EXPECT_EQ(54, SEND(((uint8_t[]){ 0x80, 0x12, 0, 52, 52 })));
	EXPECT_EQ(54, SEND(((uint8_t[]){ 0x80, 0x12, 0, 52, 52 })));
	EXPECT_EQ(118, SEND(((uint8_t[]){ 0x80, 0x12, 0, 116, 116 })));
	f->zlp = 0;
	EXPECT_EQ(54, SEND(((uint8_t[]){ 0x80, 0x12, 0, 52, 52 })));
	EXPECT_EQ(52, SEND(apdu));
}

/* A time limit for the whole command, and one for the reader's silence. */
TEST_F(card, patience)
{
	const uint8_t slow[] = { 0x80, 0x14, 0x01, 0x90 };	/* 400 ms */

	self->l->reader.now = local_now;
	self->l->takes_time = true;
	SEND(select_applet);
	/* The reader asks for more time half-way. */
	EXPECT_EQ(2, tokmux_card_transmit(self->card, slow, sizeof(slow),
					  self->answer, sizeof(self->answer),
					  TOKMUX_CARD_PATIENT, 300));
	EXPECT_EQ(-ETIMEDOUT, tokmux_card_transmit(self->card, slow, sizeof(slow),
						   self->answer,
						   sizeof(self->answer), 0, 300));
	self->l->takes_time = false;
	self->l->reader.now = NULL;
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	SEND(select_applet);
	/* A reader that says nothing at all is given up. */
	self->l->reader.faults.mute = 1;
	EXPECT_EQ(-ETIMEDOUT, tokmux_card_transmit(self->card, slow, sizeof(slow),
						   self->answer,
						   sizeof(self->answer),
						   TOKMUX_CARD_PATIENT, 100));
}

#define EXPECT_FAULT(err, fault) do {					\
	ASSERT_LT(0, tokmux_card_power_on(self->card));			\
	ASSERT_LE(2, SEND(select_applet));				\
	self->l->reader.faults.fault = 1;				\
	EXPECT_EQ(err, SEND(apdu));					\
	EXPECT_EQ(0, self->l->reader.faults.fault);			\
	EXPECT_EQ(-ECONNRESET, SEND(apdu));				\
} while (0)

/* What no reader may do: an error, and it works again after power on. */
TEST_F(card, faults)
{
	const uint8_t apdu[] = { 0x80, 0x12, 0, 50, 50 };

	EXPECT_FAULT(-EPROTO, garbage);
	EXPECT_FAULT(-EPROTO, wrong_type);
	EXPECT_FAULT(-EPROTO, cut);
	EXPECT_FAULT(-EPROTO, huge);
	EXPECT_FAULT(-EPROTO, too_long);
	EXPECT_FAULT(-EPROTO, bad_chain);
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	SEND(select_applet);
	EXPECT_EQ(52, SEND(apdu));
}

TEST_F(card, no_answer)
{
	SEND(select_applet);
	self->l->reader.faults.mute = 1;
	EXPECT_EQ(-ETIMEDOUT, send_within(self->card, select_applet,
					  sizeof(select_applet), self->answer, 0,
					  20));
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
	/* Not even to the question whether it is there. */
	self->l->reader.faults.wrong_slot = 1;
	EXPECT_EQ(-ETIMEDOUT, send_within(self->card, select_applet,
					  sizeof(select_applet), self->answer, 0,
					  20));
	self->l->reader.faults.mute = 2;
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LT(0, self->l->aborts);
}

/* One that can't abort answers at once that it is busy, until it isn't. */
TEST_F(card, busy)
{
	const uint8_t slow[] = { 0x80, 0x14, 0x02, 0x58 };
	int64_t start;

	SEND(select_applet);
	self->l->reader.now = local_now;
	self->l->reader.no_abort = true;
	start = local_now();
	EXPECT_EQ(-ETIMEDOUT, send_within(self->card, slow, sizeof(slow),
					  self->answer, 0, 20));
	self->l->sent = 0;
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(600, local_now() - start);
	/* Without being asked all the time. */
	EXPECT_GT(40, self->l->sent);
	EXPECT_LE(2, SEND(select_applet));
}

TEST_F(card, bus_errors)
{
	static const int errors[] = { -EIO, -EPIPE, -EOVERFLOW };
	static const int told[] = { -EIO, -EIO, -EPROTO };
	size_t i;

	for (i = 0; i < 3; i++) {
		self->l->in_error = errors[i];
		EXPECT_EQ(told[i], SEND(select_applet));
		EXPECT_LT(0, tokmux_card_power_on(self->card));
		self->l->out_error = errors[i];
		EXPECT_EQ(told[i], SEND(select_applet));
		EXPECT_LT(0, tokmux_card_power_on(self->card));
		EXPECT_LE(2, SEND(select_applet));
	}
}

/* Killed at any byte of what it had sent, with its answers not read. */
TEST_F(card, left_in_the_middle)
{
	uint8_t rest[200] = { 0x6f, 0xff, 0, 0, 0, 0, 0x77 };
	uint8_t answer[READER_PACKET];
	int64_t not_before;
	size_t i;

	for (i = 1; i <= sizeof(rest); i += i < 12 ? 1 : 13) {
		/* A message cut off, its end goes missing with a full packet. */
		if (i > 64)
			reader_out(&self->l->reader, rest, 64);
		reader_out(&self->l->reader, rest, i > 64 ? 64 : i);
		self->card->reader->ccid.given_up++;
		ASSERT_LT(0, tokmux_card_power_on(self->card));
	}
	/* An answer of which only the beginning was read. */
	SEND(select_applet);
	local_out(&self->l->transport, (uint8_t[]){ 0x65, 0, 0, 0, 0, 0, 9, 0, 0, 0 },
		  10, 10);
	reader_in(&self->l->reader, answer, &not_before);
	self->l->reader.faults.garbage = 1;
	self->card->reader->ccid.given_up++;
	EXPECT_EQ(TOKMUX_CARD_ACTIVE, tokmux_card_status(self->card));
}

FIXTURE(t1)
{
	struct local_reader *l;
	struct tokmux_card *card;
	uint8_t answer[TOKMUX_ANSWER_SIZE];
	uint8_t echo[300];
	size_t len;
};

FIXTURE_SETUP(t1)
{
	self->l = local_reader(READER_T1);
	self->card = card_alloc(0);
	ASSERT_EQ(0, card_connect(self->card, &self->l->transport));
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	SEND(select_applet);
	/* Four blocks there, back in one. */
	self->len = put_echo(self->echo, 220, 220, false);
}

FIXTURE_TEARDOWN(t1)
{
	tokmux_card_free(self->card);
	local_reader_free(self->l);
}

#define ECHO() send_within(self->card, self->echo, self->len, self->answer, 0, 1000)

TEST_F(t1, negotiated)
{
	EXPECT_EQ(1, self->card->protocol);
	EXPECT_EQ(64, self->card->t1.ifsc);
	EXPECT_EQ(254, self->card->t1.ifsd);
	EXPECT_EQ(254, self->l->reader.ifsd);
	EXPECT_EQ(222, ECHO());
}

TEST_F(t1, asks_for_time)
{
	EXPECT_EQ(222, ECHO());
	EXPECT_EQ(0, self->l->reader.bwi);
	self->l->reader.faults.wtx = 3;
	EXPECT_EQ(222, ECHO());
	EXPECT_EQ(0x9000, SW(222));
	EXPECT_EQ(2, self->l->reader.bwi);
}

TEST_F(t1, asks_for_shorter_blocks)
{
	self->l->reader.faults.ifs = 1;
	EXPECT_EQ(222, ECHO());
	EXPECT_EQ(16, self->card->t1.ifsc);
	EXPECT_EQ(222, ECHO());
	EXPECT_EQ(0, memcmp(self->echo + 5, self->answer, 220));
}

/* No block is longer than the reader takes, whatever the card would. */
TEST_F(t1, asks_for_longer_blocks_than_the_reader_takes)
{
	tokmux_card_free(self->card);
	self->l->transport.desc.max_message = 10 + 60;
	self->l->reader.max_message = 10 + 60;
	self->card = card_alloc(0);
	ASSERT_EQ(0, card_connect(self->card, &self->l->transport));
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_EQ(56, self->card->t1.ifsc);
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(222, ECHO());
	self->l->reader.wanted_ifsc = 254;
	self->l->reader.faults.ifs = 1;
	EXPECT_EQ(222, ECHO());
	EXPECT_EQ(0, self->l->reader.faults.ifs);
	EXPECT_EQ(222, ECHO());
	EXPECT_EQ(56, self->card->t1.ifsc);
	/* Nor after both have begun anew, with what the ATR says. */
	self->l->reader.faults.abort = 1;
	EXPECT_EQ(-ECONNABORTED, ECHO());
	EXPECT_EQ(56, self->card->t1.ifsc);
}

/* Each block is repeated up to three times. */
TEST_F(t1, bad_blocks)
{
	unsigned int n;

	for (n = 1; n <= 3; n++) {
		self->l->reader.faults.bad_lrc = n;
		EXPECT_EQ(222, ECHO());
		self->l->reader.faults.card_mute = n;
		EXPECT_EQ(222, ECHO());
		EXPECT_EQ(0, memcmp(self->echo + 5, self->answer, 220));
	}
	/* Another's block, though it looks well: it is asked for again. */
	n = self->l->sent;
	EXPECT_EQ(222, ECHO());
	n = self->l->sent - n;
	self->l->sent = 0;
	self->l->reader.faults.bad_seq = 1;
	EXPECT_EQ(222, ECHO());
	EXPECT_EQ(n + 1, self->l->sent);
	EXPECT_EQ(0, memcmp(self->echo + 5, self->answer, 220));
}

/* Then both begin anew, and the command is not repeated. */
TEST_F(t1, resynchronizes)
{
	self->l->reader.faults.bad_lrc = 4;
	EXPECT_EQ(-EIO, ECHO());
	EXPECT_EQ(0, self->l->reader.ns);
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	SEND(select_applet);
	EXPECT_EQ(222, ECHO());
	self->l->reader.faults.card_mute = 100;
	EXPECT_EQ(-EPROTO, ECHO());
}

TEST_F(t1, card_aborts)
{
	self->l->reader.faults.abort = 1;
	EXPECT_EQ(-ECONNABORTED, ECHO());
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	SEND(select_applet);
	EXPECT_EQ(222, ECHO());
}

/* ---- resets of one's own ----------------------------------------------------- */

TEST_F(card, protocols_wished)
{
	const unsigned int its = self->l->reader.level == READER_T0 ?
				 TOKMUX_CARD_T0 : TOKMUX_CARD_T1;
	const unsigned int other = its ^ (TOKMUX_CARD_T0 | TOKMUX_CARD_T1);

	EXPECT_LT(0, tokmux_card_reset(self->card, its));
	EXPECT_EQ(its == TOKMUX_CARD_T1, tokmux_card_protocol(self->card));
	EXPECT_LE(2, SEND(select_applet));
	/* The card has only one. */
	EXPECT_EQ(-EOPNOTSUPP, tokmux_card_reset(self->card, other));
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	EXPECT_LT(0, tokmux_card_reset(self->card, other | its));
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(-EINVAL, tokmux_card_reset(self->card, 1U << 7));
	EXPECT_LE(2, SEND(select_applet));
}

TEST_F(card, warm_and_cold)
{
	self->l->reader.warm = 0;
	EXPECT_LT(0, tokmux_card_reset(self->card, 0));
	EXPECT_EQ(0, self->l->reader.warm);
	EXPECT_LT(0, tokmux_card_reset(self->card, TOKMUX_CARD_WARM));
	EXPECT_EQ(1, self->l->reader.warm);
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0, tokmux_card_power_off(self->card));
	EXPECT_LT(0, tokmux_card_reset(self->card, TOKMUX_CARD_WARM));
	EXPECT_EQ(1, self->l->reader.warm);
}

/* ---- the reader itself ---------------------------------------------------------- */

TEST_F(card, described)
{
	struct { struct tokmux_card_reader reader; uint8_t more[8]; } about;

	self->l->transport.desc.max_slot = 1;
	self->l->transport.desc.pin_support = 2;
	memset(&about, 0xff, sizeof(about));
	EXPECT_EQ(0, tokmux_card_describe(self->card, &about.reader, sizeof(about)));
	EXPECT_EQ(2, about.reader.slots);
	EXPECT_EQ(3, about.reader.protocols);
	EXPECT_EQ(self->l->reader.features, about.reader.features);
	EXPECT_EQ(self->l->reader.max_message, about.reader.max_message);
	EXPECT_EQ(2, about.reader.pin_support);
	/* Of a later version: nothing. */
	EXPECT_EQ(0, about.more[7]);
	/* Of an earlier one: no more than it has room for. */
	memset(&about, 0xff, sizeof(about));
	EXPECT_EQ(0, tokmux_card_describe(self->card, &about.reader, 4));
	EXPECT_EQ(2, about.reader.slots);
	EXPECT_EQ(UINT32_MAX, about.reader.protocols);
	card_reader_disconnect(self->card->reader);
	EXPECT_EQ(-ENOLCK, tokmux_card_describe(self->card, &about.reader, 4));
}

TEST_F(card, escape)
{
	uint8_t most[300] = { 1, 2, 3 };
	struct reader_faults *faults = &self->l->reader.faults;

	EXPECT_EQ(3, tokmux_card_escape(self->card, "abc", 3, self->answer,
					sizeof(self->answer), 1000));
	EXPECT_EQ(0, memcmp("abc", self->answer, 3));
	EXPECT_EQ(0, tokmux_card_escape(self->card, NULL, 0, self->answer, 0, 1000));
	EXPECT_EQ(-EOVERFLOW, tokmux_card_escape(self->card, "abc", 3, self->answer,
						 2, 1000));
	if (self->l->reader.max_message < sizeof(most) + 10)
		EXPECT_EQ(-EMSGSIZE, tokmux_card_escape(self->card, most, sizeof(most),
							self->answer, 300, 1000));
	/* The card is as it was, and may be without power. */
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0, tokmux_card_power_off(self->card));
	EXPECT_EQ(1, tokmux_card_escape(self->card, "a", 1, self->answer, 1, 1000));
	/* Readers that misbehave. */
	faults->wrong_type = 1;
	EXPECT_EQ(-EPROTO, tokmux_card_escape(self->card, "a", 1, self->answer, 1, 1000));
	EXPECT_EQ(1, tokmux_card_escape(self->card, "a", 1, self->answer, 1, 1000));
	faults->huge = 1;
	EXPECT_EQ(-EPROTO, tokmux_card_escape(self->card, "a", 1, self->answer, 1, 1000));
	EXPECT_EQ(1, tokmux_card_escape(self->card, "a", 1, self->answer, 1, 1000));
	faults->mute = 1;
	EXPECT_EQ(-ETIMEDOUT, tokmux_card_escape(self->card, "a", 1, self->answer, 1, 100));
	EXPECT_EQ(1, tokmux_card_escape(self->card, "a", 1, self->answer, 1, 1000));
	card_reader_disconnect(self->card->reader);
	EXPECT_EQ(-ENOLCK, tokmux_card_escape(self->card, "a", 1, self->answer, 1, 1000));
}

/* VERIFY with a PIN of ASCII digits, four to eight. */
static const uint8_t pad_verify[] = {
	TOKMUX_CARD_PIN_VERIFY, 30, 0x82, 0, 0, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0,
	0x00, 0x20, 0x00, 0x00, 0x00,
};
/* The card has no such command. */
static const uint8_t pad_modify[] = {
	TOKMUX_CARD_PIN_MODIFY, 30, 0x82, 0, 0, 0, 6, 8, 4, 1, 2, 2, 9, 4, 0, 1, 0, 0, 0,
	0x00, 0x24, 0x00, 0x00, 0x00,
};
#define PIN(order) \
	tokmux_card_secure(self->card, order, sizeof(order), self->answer, 2, 1000)

TEST_F(card, pin_pad)
{
	struct reader *r = &self->l->reader;
	const bool t1 = r->level == READER_T1;

	EXPECT_EQ(-EOPNOTSUPP, PIN(pad_verify));
	r->pin_support = 1;
	self->l->transport.desc.pin_support = 1;
	EXPECT_EQ(-EOPNOTSUPP, PIN(pad_modify));
	EXPECT_LE(2, SEND(select_applet));
	r->typed = CARD_PIN;
	EXPECT_EQ(0x9000, SW(PIN(pad_verify)));
	EXPECT_EQ(sizeof(pad_verify), r->secure_len);
	/* But for the block's prologue. */
	EXPECT_EQ(0, memcmp(pad_verify, r->secure, 12));
	EXPECT_EQ(0, memcmp(pad_verify + 15, r->secure + 15,
			    sizeof(pad_verify) - 15));
	EXPECT_EQ(t1 ? 5 : 0, r->secure[14]);
	EXPECT_EQ(0x9000, SW(SEND(get_secret)));
	r->typed = "271828";
	EXPECT_EQ(0x63c2, SW(PIN(pad_verify)));
	/* The reader tells of these, the card knows nothing of it. */
	r->typed = "";
	EXPECT_EQ(-ECANCELED, PIN(pad_verify));
	r->typed = NULL;
	EXPECT_EQ(-ETIME, PIN(pad_verify));
	EXPECT_LE(2, SEND(select_applet));
	r->typed = CARD_PIN;
	r->pin_support = 3;
	self->l->transport.desc.pin_support = 3;
	EXPECT_EQ(0x6d00, SW(PIN(pad_modify)));
	EXPECT_EQ(-EINVAL, tokmux_card_secure(self->card, pad_verify, 0,
					      self->answer, 2, 1000));
	if (t1)
		EXPECT_EQ(-EINVAL, tokmux_card_secure(self->card, pad_verify, 15,
						      self->answer, 2, 1000));
	EXPECT_EQ(-EOPNOTSUPP, tokmux_card_secure(self->card, "\x07", 1,
						  self->answer, 2, 1000));
	r->faults.mute = 1;
	EXPECT_EQ(-ETIMEDOUT, PIN(pad_verify));
	/* Nobody knows whether the card has seen the PIN. */
	EXPECT_EQ(-ECONNRESET, PIN(pad_verify));
	EXPECT_EQ(-ECONNRESET, SEND(get_secret));
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0x9000, SW(PIN(pad_verify)));
	r->present = false;
	card_power_off(r->card);
	EXPECT_EQ(-ENOMEDIUM, PIN(pad_verify));
	card_reader_disconnect(self->card->reader);
	EXPECT_EQ(-ENOLCK, PIN(pad_verify));
}

/* A card with T=1 asks for time and for a block again, also after the pad's block. */
TEST_F(card, pin_pad_blocks)
{
	struct reader *r = &self->l->reader;
	uint8_t order[15 + 200];

	if (r->level != READER_T1)
		SKIP(return, "the reader makes the blocks");
	r->pin_support = 3;
	self->l->transport.desc.pin_support = 3;
	r->typed = CARD_PIN;
	EXPECT_LE(2, SEND(select_applet));
	r->faults.wtx = 1;
	EXPECT_EQ(0x9000, SW(PIN(pad_verify)));
	EXPECT_EQ(0x9000, SW(SEND(get_secret)));
	r->faults.bad_lrc = 1;
	EXPECT_EQ(0x9000, SW(PIN(pad_verify)));
	r->faults.wtx = 2;
	r->faults.ifs = 1;
	EXPECT_EQ(0x6d00, SW(PIN(pad_modify)));
	EXPECT_EQ(0x9000, SW(SEND(get_secret)));
	/* The counts of blocks are as before where the card was not asked. */
	r->typed = "";
	EXPECT_EQ(-ECANCELED, PIN(pad_verify));
	EXPECT_EQ(0x9000, SW(SEND(get_secret)));
	/* The pad has the PIN, so there is no second block with it. */
	r->typed = CARD_PIN;
	r->out_of_step = 1;
	EXPECT_EQ(-EIO, PIN(pad_verify));
	EXPECT_EQ(-ECONNRESET, SEND(get_secret));
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
	/* One block is all that a pad makes. */
	memcpy(order, pad_verify, sizeof(pad_verify));
	memset(order + sizeof(pad_verify), 0xff,
	       sizeof(order) - sizeof(pad_verify));
	EXPECT_EQ(-EMSGSIZE, PIN(order));
	EXPECT_EQ(0x9000, SW(PIN(pad_verify)));
	EXPECT_EQ(0x9000, SW(SEND(get_secret)));
}

#define RAW(bytes) \
	send_within(self->card, bytes, sizeof(bytes), self->answer, \
		    TOKMUX_CARD_RAW, 1000)

TEST_F(card, raw)
{
	/* As the first block after those of the fixture. */
	static const uint8_t block[] = { 0x00, 0x00, 0x02, 0x00, 0xa4, 0xa6 };

	EXPECT_EQ(-EINVAL, send_within(self->card, select_applet,
				       sizeof(select_applet), self->answer,
				       TOKMUX_CARD_RAW | TOKMUX_CARD_CHAIN, 1000));
	EXPECT_EQ(-EINVAL, tokmux_card_transmit(self->card, select_applet, 0,
						self->answer, 2, TOKMUX_CARD_RAW,
						1000));
	if (variant->level != READER_T1) {
		/* What there is more is left for GET RESPONSE. */
		EXPECT_EQ(0x6100, SW(RAW(select_applet)) & 0xff00);
		EXPECT_EQ(0x6982, SW(SEND(get_secret)));
		return;
	}
	/* The card's answer is a block as well: 6700 in it. */
	EXPECT_EQ(6, RAW(block));
	EXPECT_EQ(2, self->answer[2]);
	EXPECT_EQ(0x67, self->answer[3]);
	/* The library's count of blocks begins anew, and the card knows. */
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0x6982, SW(SEND(get_secret)));
	EXPECT_LE(4, RAW(block));
	EXPECT_EQ(0x6982, SW(SEND(get_secret)));
}

TEST_HARNESS_MAIN
