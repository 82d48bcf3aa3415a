// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the whole of a card with a reader that is hostile from its
 * descriptor on. The input is 4 bytes that choose what is done, the 54 of the
 * class descriptor, then what comes in: a length, its bytes. Some lengths are
 * errors of the bus; a bit of it puts the right slot and number into an answer,
 * or nothing would ever be believed.
 */
#include "stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct hostile {
	struct ccid_transport transport;
	const uint8_t *input;
	size_t left;
	uint8_t slot, seq;
};

static int hostile_out(struct ccid_transport *t, const uint8_t *data,
		       size_t len, int timeout_ms)
{
	struct hostile *h = (struct hostile *)t;

	uint32_t most = t->desc.max_message;

	/* As readers mean it that announce 263. */
	if (most == 263)
		most = 271;
	/* What we send is well-formed, whatever the reader does. */
	if (len < CCID_HEADER_SIZE || len > most ||
	    get_le32(data + 1) != len - CCID_HEADER_SIZE)
		abort();
	h->slot = data[5];
	h->seq = data[6];
	return h->left ? 0 : -ENODEV;
}

static int hostile_in(struct ccid_transport *t, uint8_t *data, size_t size,
		      int timeout_ms)
{
	struct hostile *h = (struct hostile *)t;
	uint8_t control;
	size_t n;

	if (timeout_ms < 1)
		abort();
	if (!h->left)
		return -ENODEV;
	control = *h->input++;
	h->left--;
	switch (control) {
	case STREAM_EPIPE:
		return -EPIPE;
	case STREAM_EIO:
		return -EIO;
	case STREAM_EOVERFLOW:
		return -EOVERFLOW;
	case STREAM_ETIMEDOUT:
		return -ETIMEDOUT;
	}
	n = control & STREAM_LENGTH;
	/* All that is asked for, too. */
	if (n == STREAM_LENGTH)
		n = size;
	if (n > h->left)
		n = h->left;
	if (n > size)
		n = size;
	memcpy(data, h->input, n);
	h->input += n;
	h->left -= n;
	if (control & STREAM_MATCH && n >= CCID_HEADER_SIZE) {
		data[5] = h->slot;
		data[6] = h->seq;
	}
	return (int)n;
}

static int hostile_notice(struct ccid_transport *t, uint8_t *data, size_t size,
			  int timeout_ms)
{
	/* For what has come already there is no need to wait. */
	return hostile_in(t, data, size, timeout_ms ? timeout_ms : 1);
}

static int hostile_abort(struct ccid_transport *t, uint8_t slot, uint8_t seq)
{
	return 0;
}

static void hostile_close(struct ccid_transport *t)
{
}

static const struct ccid_transport_ops hostile_ops = {
	.bulk_out = hostile_out,
	.bulk_in = hostile_in,
	.interrupt_in = hostile_notice,
	.abort = hostile_abort,
	.close = hostile_close,
};

/* Into memory of its own size, so that nothing is written beyond it. */
static void ask_reader(struct tokmux_card *card)
{
	static const uint8_t verify[] = { TOKMUX_CARD_PIN_VERIFY, 30, 0x82, 0, 0, 8, 4,
					  2, 1, 9, 4, 0, 0, 0, 0, 0, 0x20, 0, 0, 0 };
	uint8_t *answer = malloc(16);
	int ret;

	ret = tokmux_card_secure(card, verify, sizeof(verify), answer, 2, 1000);
	if (ret > 2)
		abort();
	ret = tokmux_card_transmit(card, verify + 15, 5, answer, 16,
				   TOKMUX_CARD_RAW, 1000);
	if (ret > 16)
		abort();
	ret = tokmux_card_escape(card, "abc", 3, answer, 16, 1000);
	if (ret > 16)
		abort();
	if (tokmux_card_reset(card, TOKMUX_CARD_WARM | TOKMUX_CARD_T1) > 0 &&
	    tokmux_card_protocol(card) != 1)
		abort();
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t packets[] = { 8, 16, 64, 512 };
	struct hostile h = { .transport.ops = &hostile_ops };
	struct tokmux_card *card;
	unsigned int i;

	if (size < 4 + CCID_DESCRIPTOR_SIZE)
		return 0;
	h.transport.in_packet = packets[data[0] & 3];
	h.transport.interrupt_packet = 8;
	if (ccid_descriptor_parse(data + 4, CCID_DESCRIPTOR_SIZE,
				  &h.transport.desc))
		return 0;
	h.input = data + 4 + CCID_DESCRIPTOR_SIZE;
	h.left = size - 4 - CCID_DESCRIPTOR_SIZE;
	card = card_alloc(data[0] >> 7);
	if (!card_connect(card, &h.transport)) {
		tokmux_card_power_on(card);
		for (i = 0; i < 3; i++)
			stream_command(card, data[1 + i]);
		if (data[0] & 0x20)
			ask_reader(card);
		if (data[0] & 0x40)
			tokmux_card_wait(card, 0);
		tokmux_card_heard(card);
		tokmux_card_status(card);
		tokmux_card_power_off(card);
	}
	tokmux_card_free(card);
	return 0;
}
