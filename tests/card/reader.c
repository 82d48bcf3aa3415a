// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader of the tests, see reader.h. CCID 1.1.
 */
#include <stdlib.h>
#include <string.h>
#include "reader.h"

#define HEADER	10

static bool take(unsigned int *count)
{
	if (!*count)
		return false;
	--*count;
	return true;
}

/* ---- what it says of itself --------------------------------------------- */

const uint8_t *reader_atr(enum reader_level level, size_t *len)
{
	/* T=0 at the first speed; T=1 with IFSC 64; both with "tokmux". */
	static const uint8_t t0[] = { 0x3b, 0x06, 't', 'o', 'k', 'm', 'u', 'x' };
	static const uint8_t t1[] = { 0x3b, 0x86, 0x81, 0x31, 0x40, 0x4d, 't',
				      'o', 'k', 'm', 'u', 'x', 0x2b };

	*len = level == READER_T0 ? sizeof(t0) : sizeof(t1);
	return level == READER_T0 ? t0 : t1;
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static uint32_t get32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

void reader_descriptor(const struct reader *r, uint8_t desc[static 54])
{
	memset(desc, 0, 54);
	desc[0] = 54;
	desc[1] = 0x21;
	desc[2] = 0x10;
	desc[3] = 0x01;
	desc[4] = r->second != NULL;		/* bMaxSlotIndex */
	desc[5] = 0x01;				/* 5 V */
	put32(desc + 6, 3);			/* T=0, T=1 */
	put32(desc + 10, 4000);			/* kHz */
	put32(desc + 14, 4000);
	put32(desc + 19, 10752);		/* bit/s */
	put32(desc + 23, 344086);
	put32(desc + 28, 254);			/* dwMaxIFSD */
	put32(desc + 40, r->features);
	put32(desc + 44, (uint32_t)r->max_message);
	desc[48] = 0xff;
	desc[49] = 0xff;
	if (r->pin_support) {
		desc[50] = 0x10;		/* two lines of 16 */
		desc[51] = 0x02;
		desc[52] = r->pin_support;
	}
	desc[53] = 1;
}

void reader_init(struct reader *r, enum reader_level level, struct card *card)
{
	memset(r, 0, sizeof(*r));
	r->level = level;
	r->card = card;
	r->present = true;
	r->changed = true;
	r->ifsd = 32;
	r->ifsc = 64;
	r->wanted_ifsc = 16;
	switch (level) {
	case READER_T0:
		r->features = 0x00010030;
		r->max_message = 271;
		break;
	case READER_T1:
		r->features = 0x00010030;
		r->max_message = 271;
		break;
	case READER_SHORT:
		r->features = 0x000204ba;
		r->max_message = 271;
		break;
	case READER_EXTENDED:
		r->features = 0x000404ba;
		r->max_message = 3072;
		break;
	}
}

static void drop_all(struct reader *r)
{
	struct reader_message *m;

	while ((m = r->first)) {
		r->first = m->next;
		free(m->bytes);
		free(m);
	}
}

void reader_destroy(struct reader *r)
{
	drop_all(r);
}

void reader_insert(struct reader *r, bool present)
{
	if (r->present == present)
		return;
	r->present = present;
	r->changed = true;
	card_power_off(r->card);
	if (present && r->features & READER_ACTIVATES)
		card_power_on(r->card);
}

size_t reader_notice(struct reader *r, uint8_t notice[static 2])
{
	struct reader *slot;
	unsigned int shift = 0;

	if (!r->changed && !(r->second && r->second->changed))
		return 0;
	notice[0] = 0x50;
	notice[1] = 0;
	for (slot = r; slot; slot = slot->second, shift += 2) {
		notice[1] |= (uint8_t)((slot->present | slot->changed << 1) << shift);
		slot->changed = false;
	}
	return 2;
}

/* ---- messages to the computer --------------------------------------------- */

static void queue(struct reader *r, const uint8_t *bytes, size_t len, bool zlp,
		  int64_t not_before)
{
	struct reader_message *m = calloc(1, sizeof(*m)), **end = &r->first;

	m->bytes = malloc(len ? len : 1);
	memcpy(m->bytes, bytes, len);
	m->len = len;
	m->zlp = zlp || !len;
	m->not_before = not_before;
	while (*end)
		end = &(*end)->next;
	*end = m;
}

static bool is_half_sent(const struct reader *r)
{
	const struct reader_message *m;

	for (m = r->first; m; m = m->next)
		if (m->at)
			return true;
	return false;
}

int reader_in(struct reader *r, uint8_t packet[static READER_PACKET],
	      int64_t *not_before)
{
	struct reader_message *m, **at = &r->first;
	int64_t later = -1;
	size_t n;
	int ret;

	*not_before = -1;
	/* One message is whole before the other slot's begins. */
	if (r->second && !is_half_sent(r)) {
		ret = reader_in(r->second, packet, &later);
		if (ret >= 0)
			return ret;
		*not_before = later;
	}
	/* What takes time holds nobody else up, but a message is one whole. */
	while (*at && !(*at)->at)
		at = &(*at)->next;
	if (!*at)
		at = &r->first;
	for (; (m = *at) && r->now && m->not_before > r->now(); at = &m->next)
		if (*not_before < 0 || m->not_before < *not_before)
			*not_before = m->not_before;
	if (!m)
		return -1;
	n = m->len - m->at;
	if (n > READER_PACKET)
		n = READER_PACKET;
	memcpy(packet, m->bytes + m->at, n);
	m->at += n;
	if (m->at == m->len && !(m->zlp && n == READER_PACKET)) {
		*at = m->next;
		free(m->bytes);
		free(m);
	}
	return (int)n;
}

static uint8_t icc_status(const struct reader *r)
{
	if (!r->present)
		return 2;
	return r->card->powered ? 0 : 1;
}

static uint8_t answer_type(uint8_t type)
{
	switch (type) {
	case 0x62:
	case 0x69:
	case 0x6f:
		return 0x80;
	case 0x6b:
		return 0x83;
	case 0x61:
	case 0x6c:
		return 0x82;
	default:
		return 0x81;
	}
}

/* The answer to the command in r->out. @status: 0 done, 1 failed. */
static void answer(struct reader *r, uint8_t status, uint8_t error,
		   uint8_t specific, const uint8_t *data, size_t len)
{
	static uint8_t m[HEADER + CARD_ANSWER + READER_PACKET];
	int64_t not_before = 0;
	bool zlp;

	m[0] = answer_type(r->out[0]);
	put32(m + 1, (uint32_t)len);
	m[5] = r->out[5];
	m[6] = r->out[6];
	m[7] = (uint8_t)(status << 6 | icc_status(r));
	m[8] = error;
	m[9] = specific;
	if (len)
		memcpy(m + HEADER, data, len);
	len += HEADER;

	if (take(&r->faults.mute))
		return;
	if (take(&r->faults.garbage))
		queue(r, (const uint8_t *)"garbage", 7, false, 0);
	if (take(&r->faults.stale)) {
		m[6]--;
		queue(r, m, len, false, 0);
		m[6]++;
	}
	if (r->card->delay_ms && r->now)
		not_before = r->now() + r->card->delay_ms;
	while (take(&r->faults.extension) || not_before) {
		uint8_t extension[HEADER] = { m[0], 0, 0, 0, 0, m[5], m[6],
					      0x80 | icc_status(r), 1 };

		/* Half-way, where it takes time. */
		queue(r, extension, sizeof(extension), false,
		      not_before ? not_before - r->card->delay_ms / 2 : 0);
		if (!r->faults.extension)
			break;
	}
	r->card->delay_ms = 0;
	if (take(&r->faults.wrong_type))
		m[0] = 0x84;
	if (take(&r->faults.wrong_slot))
		m[5]++;
	if (take(&r->faults.huge))
		put32(m + 1, 0xfffffff0);
	if (take(&r->faults.bad_chain))
		m[9] = 0x42;
	if (take(&r->faults.too_long)) {
		len = HEADER + r->max_message;
		put32(m + 1, (uint32_t)r->max_message);
	}
	if (len > HEADER && take(&r->faults.cut))
		len--;
	zlp = take(&r->faults.zlp);
	queue(r, m, len, zlp, not_before);
}

static void fail(struct reader *r, uint8_t error)
{
	answer(r, 1, error, 0, NULL, 0);
}

/* ---- T=1, the card's side -------------------------------------------------- */

static uint8_t lrc(const uint8_t *bytes, size_t len)
{
	uint8_t x = 0;

	while (len--)
		x ^= *bytes++;
	return x;
}

static void t1_put(struct reader *r, uint8_t pcb, const uint8_t *inf, size_t len)
{
	r->last[0] = 0;
	r->last[1] = pcb;
	r->last[2] = (uint8_t)len;
	if (len)
		memcpy(r->last + 3, inf, len);
	r->last[3 + len] = lrc(r->last, 3 + len);
	r->last_len = 4 + len;
}

/* The next part of the answer. */
static void t1_part(struct reader *r)
{
	size_t len = r->answer_len - r->answer_at;
	uint8_t pcb = r->ns ? 0x40 : 0;

	if (len > r->ifsd) {
		len = r->ifsd;
		pcb |= 0x20;
	}
	t1_put(r, pcb, r->answer + r->answer_at, len);
}

static void t1_ack(struct reader *r, uint8_t error)
{
	t1_put(r, (uint8_t)(0x80 | (r->nr ? 0x10 : 0) | error), NULL, 0);
}

static void t1_information(struct reader *r, const uint8_t *b, size_t len)
{
	if (!!(b[1] & 0x40) != r->nr || len - 4 > r->ifsc ||
	    r->apdu_len + len > sizeof(r->apdu)) {
		t1_ack(r, 2);
		return;
	}
	r->nr ^= 1;
	/* It has got the last answer. */
	if (r->t1_sending)
		r->ns ^= 1;
	r->t1_sending = false;
	memcpy(r->apdu + r->apdu_len, b + 3, b[2]);
	r->apdu_len += b[2];
	if (b[1] & 0x20) {
		t1_ack(r, 0);
		return;
	}
	r->answer_len = card_apdu(r->card, r->apdu, r->apdu_len, r->answer);
	r->apdu_len = 0;
	r->answer_at = 0;
	r->t1_sending = true;
	t1_part(r);
}

static void t1_block(struct reader *r, const uint8_t *b, size_t len)
{
	static const uint8_t wtx[] = { 2 };

	if (len < 4 || len != b[2] + 4u || lrc(b, len)) {
		t1_ack(r, 1);
	} else if (!(b[1] & 0x80)) {
		t1_information(r, b, len);
		/* What it asks before it answers; the answer waits. */
		if (take(&r->faults.abort))
			t1_put(r, 0xc2, NULL, 0);
		else if (take(&r->faults.wtx))
			t1_put(r, 0xc3, wtx, 1);
		else if (take(&r->faults.ifs))
			t1_put(r, 0xc1, &r->wanted_ifsc, 1);
	} else if (!(b[1] & 0x40)) {
		if (r->t1_sending && !!(b[1] & 0x10) != r->ns &&
		    r->answer_at + r->ifsd < r->answer_len) {
			r->ns ^= 1;
			r->answer_at += r->ifsd;
			t1_part(r);
		}
		/* Else it wants the last one again. */
	} else {
		switch (b[1] & 0x3f) {
		case 0x00:
			r->ns = 0;
			r->nr = 0;
			r->ifsd = 32;
			r->apdu_len = 0;
			r->t1_sending = false;
			t1_put(r, 0xe0, NULL, 0);
			break;
		case 0x01:
			r->ifsd = b[3];
			t1_put(r, 0xe1, b + 3, 1);
			break;
		case 0x21:
			r->ifsc = b[3];
			/* fall through */
		case 0x23:
			if (r->t1_sending)
				t1_part(r);
			else
				t1_ack(r, 0);
			break;
		case 0x22:
			t1_ack(r, 0);
			break;
		}
	}
}

static void t1_xfr(struct reader *r, const uint8_t *b, size_t len)
{
	uint8_t block[260];

	t1_block(r, b, len);
	memcpy(block, r->last, r->last_len);
	if (take(&r->faults.card_mute)) {
		fail(r, 0xfe);
		return;
	}
	if (take(&r->faults.bad_lrc))
		block[r->last_len - 1] ^= 0x55;
	if (!(block[1] & 0x80) && take(&r->faults.bad_seq)) {
		block[1] ^= 0x40;
		block[r->last_len - 1] ^= 0x40;
	}
	answer(r, 0, 0, 0, block, r->last_len);
}

/* ---- commands --------------------------------------------------------------- */

/* The next part of an answer of the extended level. */
static void extended_part(struct reader *r)
{
	size_t max = r->max_message - HEADER, len = r->answer_len - r->answer_at;
	bool first = !r->answer_at, last = len <= max;
	uint8_t chain;

	if (!last)
		len = max;
	chain = first ? (last ? 0 : 1) : (last ? 2 : 3);
	answer(r, 0, 0, chain, r->answer + r->answer_at, len);
	r->answer_at += len;
}

static void extended_xfr(struct reader *r, const uint8_t *data, size_t len)
{
	switch (r->out[8]) {
	case 0x10:
		extended_part(r);
		return;
	case 0x00:
	case 0x01:
		r->apdu_len = 0;
		break;
	}
	if (r->apdu_len + len > sizeof(r->apdu)) {
		fail(r, 0xfc);
		return;
	}
	memcpy(r->apdu + r->apdu_len, data, len);
	r->apdu_len += len;
	if (r->out[8] == 0x01 || r->out[8] == 0x03) {
		answer(r, 0, 0, 0x10, NULL, 0);
		return;
	}
	r->answer_len = card_apdu(r->card, r->apdu, r->apdu_len, r->answer);
	r->answer_at = 0;
	extended_part(r);
}

/* Card and reader have to be told the same, before there is any command. */
static bool may_talk(const struct reader *r)
{
	if (r->features & READER_NEGOTIATES)
		return true;
	return r->parameters_set &&
	       (r->features & READER_PPS || r->level > READER_T1 ||
		r->fi_di == r->pps_fi_di);
}

static void xfr(struct reader *r, const uint8_t *data, size_t len)
{
	size_t n;

	if (r->out[7] > r->bwi)
		r->bwi = r->out[7];
	if (!r->present || !r->card->powered) {
		fail(r, 0xfe);
		return;
	}
	if (len == 4 && data[0] == 0xff && r->level <= READER_T1) {
		r->pps_done = true;
		r->pps_fi_di = data[2];
		answer(r, 0, 0, 0, data, len);
		return;
	}
	if (r->strict && !may_talk(r)) {
		fail(r, 0xf6);
		return;
	}
	switch (r->level) {
	case READER_T0:
		n = card_tpdu(r->card, data, len, r->answer);
		if (n > 2 && take(&r->faults.more)) {
			memmove(r->answer + n + 6, r->answer + n - 2, 2);
			memcpy(r->answer + n - 2, "too much", 8);
			n += 8;
		}
		answer(r, 0, 0, 0, r->answer, n);
		break;
	case READER_T1:
		t1_xfr(r, data, len);
		break;
	case READER_SHORT:
		n = card_apdu(r->card, data, len, r->answer);
		answer(r, 0, 0, 0, r->answer, n);
		break;
	case READER_EXTENDED:
		extended_xfr(r, data, len);
		break;
	}
}

/*
 * An order to the PIN pad: the card's command is at its end. What is typed becomes
 * the command's data, whatever the order says of its place.
 */
static void secure(struct reader *r, const uint8_t *data, size_t len)
{
	size_t at = len && data[0] ? 18 : 15, typed;
	uint8_t apdu[5 + 16], block[4 + sizeof(apdu)];

	/* Two more prompts have an index each. */
	if (len > 11 && data[0])
		at += (data[11] > 0) + (data[11] == 3);
	if (len < at + 5 || len > sizeof(r->secure) ||
	    !(r->pin_support & 1 << data[0])) {
		fail(r, 0);
		return;
	}
	if (!r->present || !r->card->powered) {
		fail(r, 0xfe);
		return;
	}
	memcpy(r->secure, data, len);
	r->secure_len = len;
	if (!r->typed || !*r->typed) {
		fail(r, r->typed ? 0xef : 0xf0);
		return;
	}
	memcpy(apdu, data + at, 5);
	typed = strlen(r->typed) < 16 ? strlen(r->typed) : 16;
	apdu[4] = (uint8_t)typed;
	memcpy(apdu + 5, r->typed, typed);
	if (r->level == READER_T1) {
		/* In a block of which it was told the beginning. */
		block[0] = data[at - 3];
		block[1] = data[at - 2] ^ (take(&r->out_of_step) ? 0x40 : 0);
		block[2] = (uint8_t)(5 + typed);
		memcpy(block + 3, apdu, 5 + typed);
		block[8 + typed] = lrc(block, 8 + typed);
		t1_xfr(r, block, 9 + typed);
		return;
	}
	r->answer_len = card_apdu(r->card, apdu, 5 + typed, r->answer);
	answer(r, 0, 0, 0, r->answer, r->answer_len);
}

static void power_on(struct reader *r)
{
	r->warm += r->card->powered;
	if (!r->present) {
		fail(r, 0xfe);
		return;
	}
	card_power_on(r->card);
	r->ns = 0;
	r->nr = 0;
	r->ifsd = 32;
	r->ifsc = 64;
	r->apdu_len = 0;
	r->t1_sending = false;
	r->pps_done = false;
	r->parameters_set = false;
	r->fi_di = 0x11;
	r->pps_fi_di = 0x11;
	answer(r, 0, 0, 0, r->card->atr, r->card->atr_len);
}

/* A command of this slot that has not been answered yet. */
static bool busy(const struct reader *r)
{
	const struct reader_message *m;

	if (!r->now)
		return false;
	for (m = r->first; m; m = m->next)
		if (m->not_before > r->now())
			return true;
	return false;
}

static void message(struct reader *r, const uint8_t *data, size_t len)
{
	static const uint8_t parameters[7] = { 0x11, 0x10, 0, 0x4d, 0, 64, 0 };

	if (r->abort_asked && r->out[0] == 0x72 && r->out[6] == r->abort_seq) {
		r->abort_asked = false;
		drop_all(r);
		r->apdu_len = 0;
		answer(r, 0, 0, 0, NULL, 0);
		return;
	}
	if (r->no_abort && r->out[0] == 0x72) {
		fail(r, 0);
		return;
	}
	if (busy(r) || r->abort_asked) {
		fail(r, r->abort_asked ? 0xff : 0xe0);
		return;
	}
	switch (r->out[0]) {
	case 0x62:
		power_on(r);
		break;
	case 0x63:
		card_power_off(r->card);
		answer(r, 0, 0, 0, NULL, 0);
		break;
	case 0x65:
		answer(r, 0, 0, 0, NULL, 0);
		break;
	case 0x61:
		r->parameters_set = true;
		r->fi_di = len ? data[0] : 0;
		/* fall through */
	case 0x6c:
		answer(r, 0, 0, r->level == READER_T1, parameters,
		       r->level == READER_T1 ? 7 : 5);
		break;
	case 0x6f:
		xfr(r, data, len);
		break;
	case 0x69:
		secure(r, data, len);
		break;
	case 0x6b:
		/* Its maker's command is to say what it is told. */
		answer(r, 0, 0, 0, data, len);
		break;
	default:
		fail(r, 0);
	}
}

void reader_out(struct reader *r, const uint8_t *packet, size_t len)
{
	size_t whole;

	/* The first packet says for which slot the message is. */
	if (r->second && (r->second->out_len ||
			  (!r->out_len && len > 5 && packet[5] == 1)))
		r = r->second;
	if (r->out_len + len > sizeof(r->out)) {
		r->out_len = 0;
		return;
	}
	memcpy(r->out + r->out_len, packet, len);
	r->out_len += len;
	if (r->out_len < HEADER) {
		r->out_len = 0;
		return;
	}
	whole = HEADER + (size_t)get32(r->out + 1);
	if (r->out_len < whole && len == READER_PACKET)
		return;
	if (r->out_len == whole && whole <= r->max_message)
		message(r, r->out + HEADER, whole - HEADER);
	else
		fail(r, 1);
	r->out_len = 0;
}

void reader_abort(struct reader *r, uint8_t slot, uint8_t seq)
{
	if (slot && r->second)
		r = r->second;
	if (r->no_abort)
		return;
	r->abort_asked = true;
	r->abort_seq = seq;
}
