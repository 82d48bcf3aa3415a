// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A PIN that the user enters at the reader. It doesn't leave the reader.
 */
#include <stdlib.h>
#include "card.h"
#include "deadline.h"

/* Has the reader a pad for the operation that @pin begins with? */
static bool can_do_pin(const struct tokmux_card *card, const uint8_t *pin)
{
	const struct ccid_descriptor *desc = ccid_desc(&card->ccid);

	switch (pin[0]) {
	case TOKMUX_CARD_PIN_VERIFY:
		return desc->pin_support & CCID_PIN_VERIFY;
	case TOKMUX_CARD_PIN_MODIFY:
		return desc->pin_support & CCID_PIN_MODIFY;
	default:
		return false;
	}
}

/* Where the card's command begins in an order to the pad (CCID 1.1, 6.1.11). */
static size_t pin_command(const uint8_t *pin, size_t len)
{
	if (pin[0] == TOKMUX_CARD_PIN_VERIFY)
		return 15;
	/* The second prompt has an index if there is any, the third if there are three. */
	return len > 11 ? 18U + (pin[11] > 0) + (pin[11] == 3) : 18;
}

/*
 * A pipe for T=1 whose first block is the reader's: it puts the PIN in, and is told
 * the block's prologue. The blocks that follow are ours.
 */
struct pin_pipe {
	struct card_pipe reader;
	uint8_t *order;
	size_t len, command;
	bool ordered;
};

#define T1_PROLOGUE	3
#define T1_IS_I(block)	(!((block)[1] & 0x80))
#define T1_HAS_MORE(block) ((block)[1] & 0x20)

static int pin_send(struct pin_pipe *p, const uint8_t *out, uint8_t *in,
		    size_t size)
{
	struct ccid *ccid = &p->reader.card->ccid;
	int ret;

	if (T1_HAS_MORE(out))
		return -EMSGSIZE;
	p->ordered = true;
	memcpy(p->order + p->command - T1_PROLOGUE, out, T1_PROLOGUE);
	ret = ccid_secure(ccid, p->order, p->len, p->reader.deadline);
	if (ret < 0)
		return ret;
	if ((size_t)ret > size)
		return -EPROTO;
	memcpy(in, ccid_data(ccid), (size_t)ret);
	return ret;
}

static int pin_pipe_send(const struct pipe *pipe, const uint8_t *out, size_t len,
			 unsigned int bwi, uint8_t *in, size_t size)
{
	struct pin_pipe *p = (struct pin_pipe *)pipe;

	if (!p->ordered)
		return pin_send(p, out, in, size);
	/* The card wants it again, and the PIN is the reader's. */
	if (T1_IS_I(out))
		return -EIO;
	return card_send_block(pipe, out, len, bwi, in, size);
}

/* By T=1, where the reader leaves that to the computer. */
static int secure_t1(struct tokmux_card *card, const uint8_t *pin, size_t len,
		     int64_t deadline)
{
	struct pin_pipe pipe = {
		.reader = {
			.pipe = { .send = pin_pipe_send },
			.card = card,
			.deadline = deadline,
		},
		.len = len,
		.command = pin_command(pin, len),
	};
	int ret;

	if (len <= pipe.command)
		return -EINVAL;
	pipe.order = malloc(len);
	if (!pipe.order)
		return -ENOMEM;
	memcpy(pipe.order, pin, len);
	ret = t1_send(&card->t1, &pipe.reader.pipe, pin + pipe.command,
		      len - pipe.command, card->answer, APDU_ANSWER_MAX);
	free(pipe.order);
	return ret;
}

/* What became of the PIN, where the reader says so; else nobody knows. */
static int pin_result(struct tokmux_card *card, int ret)
{
	if (ret == -EIO && card->ccid.error == CCID_ERROR_PIN_CANCELLED)
		return -ECANCELED;
	if (ret == -EIO && card->ccid.error == CCID_ERROR_PIN_TIMEOUT)
		return -ETIME;
	if (ret >= 0 && ret < 2)
		ret = -EPROTO;
	if (ret < 0 && ret != -EMSGSIZE && ret != -EINVAL && ret != -ENOMEM)
		card->powered = false;
	return ret;
}

int tokmux_card_secure(struct tokmux_card *card, const void *pin, size_t len,
		       void *answer, size_t size, int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);
	int saved = errno, ret;
	bool t1;

	if (!len)
		return -EINVAL;
	if (!card->connected)
		return -ENOLCK;
	t1 = card->protocol == 1 &&
	     ccid_level(&card->ccid) ==
	     CCID_LEVEL_TPDU;
	if (!card->powered || card_was_exchanged(card))
		ret = -ECONNRESET;
	else if (!can_do_pin(card, pin))
		ret = -EOPNOTSUPP;
	else if (t1)
		ret = pin_result(card, secure_t1(card, pin, len, deadline));
	else
		ret = pin_result(card, ccid_secure(&card->ccid, pin, len,
						   deadline));
	card->used_ms = deadline_now();
	ret = card_take_answer(card, t1 ? card->answer : ccid_data(&card->ccid), ret,
			  answer, size);
	errno = saved;
	return ret;
}
