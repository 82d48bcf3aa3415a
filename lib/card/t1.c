// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * APDUs by T=1 (ISO/IEC 7816-3, 11), for readers that take blocks. The EDC is
 * always LRC: no cards with CRC are known.
 */
#include <errno.h>
#include <string.h>
#include "apdu.h"

#define PCB_MORE	0x20	/* I */
#define PCB_I_SEQ	0x40
#define PCB_R		0x80
#define PCB_R_SEQ	0x10
#define PCB_S		0xc0
#define S_RESYNCH	0x00
#define S_IFS		0x01
#define S_ABORT		0x02
#define S_WTX		0x03
#define S_RESPONSE	0x20

/* How often a block is repeated before the card is asked to resynchronize. */
#define RETRIES		3

static uint8_t lrc(const uint8_t *bytes, size_t len)
{
	uint8_t x = 0;

	while (len--)
		x ^= *bytes++;
	return x;
}

int t1_parse(const uint8_t *bytes, size_t len, struct t1_block *block)
{
	struct t1_block b = {};
	uint8_t pcb;

	if (len < 4 || len > T1_BLOCK_MAX)
		return -EPROTO;
	if (lrc(bytes, len))
		return -EBADMSG;
	if (bytes[0] || bytes[2] != len - 4)
		return -EPROTO;
	pcb = bytes[1];
	b.inf = bytes + 3;
	b.len = bytes[2];
	if (!(pcb & 0x80)) {
		if (pcb & 0x1f)
			return -EPROTO;
		b.kind = T1_I;
		b.more = pcb & PCB_MORE;
		b.seq = !!(pcb & PCB_I_SEQ);
	} else if (!(pcb & 0x40)) {
		if (pcb & 0x20 || b.len || (pcb & 0x0f) > 2)
			return -EPROTO;
		b.kind = T1_R;
		b.seq = !!(pcb & PCB_R_SEQ);
		b.error = pcb & 0x0f;
	} else {
		b.kind = T1_S;
		b.control = pcb & 0x3f;
		switch (b.control & ~S_RESPONSE) {
		case S_RESYNCH:
		case S_ABORT:
			if (b.len)
				return -EPROTO;
			break;
		case S_IFS:
		case S_WTX:
			if (b.len != 1)
				return -EPROTO;
			break;
		default:
			return -EPROTO;
		}
	}
	*block = b;
	return 0;
}

static void set_ifsc(struct t1 *t1, uint8_t ifsc)
{
	t1->ifsc = ifsc < t1->max_ifsc ? ifsc : t1->max_ifsc;
}

void t1_init(struct t1 *t1, uint8_t ifsc, uint8_t max_ifsc)
{
	*t1 = (struct t1){ .atr_ifsc = ifsc, .max_ifsc = max_ifsc, .ifsd = 32 };
	set_ifsc(t1, ifsc);
}

/* ---- one exchange of blocks -------------------------------------------- */

struct exchange {
	struct t1 *t1;
	const struct pipe *pipe;
	uint8_t out[T1_BLOCK_MAX];	/* the last one sent, to be repeated */
	size_t out_len;
	uint8_t in[T1_BLOCK_MAX];
	unsigned int bwi;
	unsigned int errors;
};

static void put_block(struct exchange *x, uint8_t pcb, const uint8_t *inf,
		      size_t len)
{
	x->out[0] = 0;
	x->out[1] = pcb;
	x->out[2] = (uint8_t)len;
	if (len)
		memcpy(x->out + 3, inf, len);
	x->out[3 + len] = lrc(x->out, 3 + len);
	x->out_len = len + 4;
}

/* What is wrong with a block, in the code of an R block. */
#define BAD_EDC		1
#define BAD_OTHER	2

/* 0 with a block, BAD_* if the block makes no sense, or a negative errno. */
static int swap(struct exchange *x, struct t1_block *block)
{
	int ret;

	ret = x->pipe->send(x->pipe, x->out, x->out_len, x->bwi, x->in,
			    sizeof(x->in));
	x->bwi = 0;
	/* The reader got nothing from the card, or a parity error. */
	if (ret == -EBADMSG)
		return BAD_EDC;
	if (ret < 0)
		return ret;
	ret = t1_parse(x->in, (size_t)ret, block);
	if (ret)
		return ret == -EBADMSG ? BAD_EDC : BAD_OTHER;
	return block->kind == T1_I && block->len > x->t1->ifsd ? BAD_OTHER : 0;
}

/* Both sides start counting blocks again. The card's state is kept. */
static int resynch(struct exchange *x)
{
	struct t1_block block;
	int i, ret;

	for (i = 0; i < RETRIES; i++) {
		put_block(x, PCB_S | S_RESYNCH, NULL, 0);
		ret = swap(x, &block);
		if (!ret && block.kind == T1_S &&
		    block.control == (S_RESYNCH | S_RESPONSE)) {
			t1_init(x->t1, x->t1->atr_ifsc, x->t1->max_ifsc);
			return 0;
		}
		if (ret < 0)
			return ret;
	}
	return -EPROTO;
}

/*
 * Asks for a bad block again, and after some attempts for a resynchronization.
 */
static int complain(struct exchange *x, int bad)
{
	int ret;

	if (++x->errors > RETRIES) {
		ret = resynch(x);
		return ret ? ret : -EIO;
	}
	put_block(x, (uint8_t)(PCB_R | (x->t1->nr ? PCB_R_SEQ : 0) | bad), NULL,
		  0);
	return 0;
}

/* Answers a request of the card: the response repeats it. */
static int obey(struct exchange *x, const struct t1_block *block)
{
	uint8_t inf = block->len ? block->inf[0] : 0;

	switch (block->control) {
	case S_WTX:
		x->bwi = inf;
		break;
	case S_IFS:
		if (!inf || inf == 255)
			return complain(x, BAD_OTHER);
		set_ifsc(x->t1, inf);
		break;
	case S_ABORT:
		break;
	default:
		return complain(x, BAD_OTHER);
	}
	put_block(x, (uint8_t)(PCB_S | S_RESPONSE | block->control), &inf,
		  block->len);
	return 0;
}

int t1_resynch(struct t1 *t1, const struct pipe *pipe)
{
	struct exchange x = { .t1 = t1, .pipe = pipe };

	return resynch(&x);
}

int t1_set_ifsd(struct t1 *t1, const struct pipe *pipe, uint8_t ifsd)
{
	struct exchange x = { .t1 = t1, .pipe = pipe };
	struct t1_block block;
	int i, ret;

	for (i = 0; i < RETRIES; i++) {
		put_block(&x, PCB_S | S_IFS, &ifsd, 1);
		ret = swap(&x, &block);
		if (!ret && block.kind == T1_S &&
		    block.control == (S_IFS | S_RESPONSE) &&
		    block.inf[0] == ifsd) {
			t1->ifsd = ifsd;
			return 0;
		}
		if (ret < 0)
			return ret;
	}
	return -EPROTO;
}

/* ---- an APDU ----------------------------------------------------------- */

struct sending {
	const uint8_t *data;
	size_t len, at, part;	/* at: where the current block begins */
};

static void put_part(struct exchange *x, struct sending *s)
{
	s->part = s->len - s->at;
	if (s->part > x->t1->ifsc)
		s->part = x->t1->ifsc;
	put_block(x, (uint8_t)((x->t1->ns ? PCB_I_SEQ : 0) |
			       (s->at + s->part < s->len ? PCB_MORE : 0)),
		  s->data + s->at, s->part);
}

static void put_ack(struct exchange *x)
{
	put_block(x, (uint8_t)(PCB_R | (x->t1->nr ? PCB_R_SEQ : 0)), NULL, 0);
}

/* The card did not get our last block: send it again. */
static int repeat(struct exchange *x, struct sending *s, bool receiving)
{
	if (++x->errors > RETRIES)
		return complain(x, BAD_OTHER);
	if (receiving)
		put_ack(x);
	else
		put_part(x, s);
	return 0;
}

static int on_r(struct exchange *x, struct sending *s, bool receiving,
		const struct t1_block *block)
{
	if (block->seq == x->t1->ns)
		return repeat(x, s, receiving);
	/* An acknowledgement is allowed only if more blocks follow. */
	if (receiving || s->at + s->part == s->len)
		return complain(x, BAD_OTHER);
	s->at += s->part;
	x->t1->ns ^= 1;
	x->errors = 0;
	put_part(x, s);
	return 0;
}

static int give_up(struct exchange *x, int why)
{
	int ret = resynch(x);

	return ret ? ret : why;
}

static int run(struct exchange *x, struct sending *s, uint8_t *answer,
	       size_t size)
{
	struct t1_block block;
	bool receiving = false;
	size_t have = 0;
	int ret;

	put_part(x, s);
	for (;;) {
		ret = swap(x, &block);
		if (ret > 0) {
			ret = complain(x, ret);
			if (ret)
				return ret;
			continue;
		}
		if (ret < 0)
			return ret;
		switch (block.kind) {
		case T1_I:
			if (block.seq != x->t1->nr ||
			    (!receiving && s->at + s->part < s->len) ||
			    (block.more && !block.len)) {
				ret = complain(x, BAD_OTHER);
				break;
			}
			if (block.len > size - have)
				return give_up(x, -EPROTO);
			memcpy(answer + have, block.inf, block.len);
			have += block.len;
			/* The answer acknowledges our last block, too. */
			if (!receiving)
				x->t1->ns ^= 1;
			receiving = true;
			x->t1->nr ^= 1;
			x->errors = 0;
			if (!block.more)
				return (int)have;
			put_ack(x);
			break;
		case T1_R:
			ret = on_r(x, s, receiving, &block);
			break;
		case T1_S:
			ret = obey(x, &block);
			if (!ret && block.control == S_ABORT) {
				swap(x, &block);
				return give_up(x, -ECONNABORTED);
			}
			break;
		}
		if (ret)
			return ret;
	}
}

int t1_send(struct t1 *t1, const struct pipe *pipe, const uint8_t *apdu,
	    size_t len, uint8_t *answer, size_t size)
{
	struct exchange x = { .t1 = t1, .pipe = pipe };
	struct sending s = { .data = apdu, .len = len };
	int ret;

	ret = run(&x, &s, answer, size);
	explicit_bzero(x.out, sizeof(x.out));
	explicit_bzero(x.in, sizeof(x.in));
	return ret;
}
