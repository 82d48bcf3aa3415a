// SPDX-License-Identifier: GPL-2.0-only
/*
 * The card of the tests, see card.h.
 */
#include <string.h>
#include "card.h"

const uint8_t card_aid[7] = { 0xf0, 0x54, 0x4f, 0x4b, 0x4d, 0x55, 0x58 };
const uint8_t card_secret[32] = "only for those who know the PIN";

void card_init(struct card *card, FILE *log, const uint8_t *atr, size_t len)
{
	memset(card, 0, sizeof(*card));
	card->log = log;
	card->atr = atr;
	card->atr_len = len;
	card->tries = 3;
}

static void note(struct card *card, const char *what)
{
	if (!card->log)
		return;
	fprintf(card->log, "%s\n", what);
	fflush(card->log);
}

static void forget(struct card *card)
{
	card->selected = NULL;
	card->verified = false;
	card->fresh = false;
	card->chained_len = 0;
	card->pending_len = 0;
}

void card_power_on(struct card *card)
{
	forget(card);
	card->powered = true;
	note(card, "power on");
}

void card_power_off(struct card *card)
{
	forget(card);
	if (card->powered)
		note(card, "power off");
	card->powered = false;
}

/* One line a command; a PIN isn't shown. */
static void note_apdu(struct card *card, const uint8_t *apdu, size_t len,
		      unsigned int sw)
{
	size_t i;

	if (!card->log)
		return;
	fputs("apdu ", card->log);
	for (i = 0; i < len && i < 32; i++)
		if (i > 4 && apdu[1] == 0x20)
			fputs("**", card->log);
		else
			fprintf(card->log, "%02x", apdu[i]);
	fprintf(card->log, "%s %04x\n", len > 32 ? "..." : "", sw);
	fflush(card->log);
}

static bool take_apart(struct card_command *c, const uint8_t *apdu, size_t len)
{
	size_t left = len - 4;

	if (len < 4)
		return false;
	c->cla = apdu[0];
	c->ins = apdu[1];
	c->p1 = apdu[2];
	c->p2 = apdu[3];
	apdu += 4;
	c->data = apdu + 1;
	if (left <= 1) {
		if (left)
			c->ne = apdu[0] ? apdu[0] : 256;
		return true;
	}
	if (apdu[0]) {
		c->nc = apdu[0];
		if (left == c->nc + 2)
			c->ne = apdu[left - 1] ? apdu[left - 1] : 256;
		return left == c->nc + 1 || left == c->nc + 2;
	}
	if (left < 3)
		return false;
	c->nc = (size_t)apdu[1] << 8 | apdu[2];
	c->data = apdu + 3;
	if (left == 3) {
		c->ne = c->nc ? c->nc : 65536;
		c->nc = 0;
		return true;
	}
	if (left == c->nc + 5) {
		c->ne = (size_t)apdu[left - 2] << 8 | apdu[left - 1];
		if (!c->ne)
			c->ne = 65536;
	}
	return left == c->nc + 3 || left == c->nc + 5;
}

unsigned int card_verify(struct card *card, const struct card_command *c,
			 const void *pin, size_t len)
{
	if (!c->nc)
		return card->verified ? 0x9000 : 0x63c0 | card->tries;
	if (!card->tries)
		return 0x6983;
	card->verified = c->nc == len && !memcmp(c->data, pin, len);
	card->fresh = card->verified;
	if (!card->verified)
		return 0x63c0 | --card->tries;
	card->tries = 3;
	return 0x9000;
}

static unsigned int run_own(struct card *card, struct card_command *c)
{
	unsigned int p = (unsigned int)c->p1 << 8 | c->p2;
	size_t i;

	switch (c->ins) {
	case 0xa4:
		memcpy(c->out, "tokmux", 6);
		c->len = 6;
		return 0x9000;
	case 0x10:
		if (c->nc)
			memcpy(c->out, c->data, c->nc);
		c->len = c->nc;
		return 0x9000;
	case 0x12:
		for (i = 0; i < p; i++)
			c->out[i] = (uint8_t)i;
		c->len = p;
		return 0x9000;
	case 0x14:
		card->delay_ms = p;
		return 0x9000;
	case 0x16:
		if (c->ne != c->p2)
			return 0x6c00 | c->p2;
		memset(c->out, 0x16, c->p2);
		c->len = c->p2;
		return 0x9000;
	case 0x20:
		return card_verify(card, c, CARD_PIN, strlen(CARD_PIN));
	case 0xca:
		if (!card->verified)
			return 0x6982;
		memcpy(c->out, card_secret, sizeof(card_secret));
		c->len = sizeof(card_secret);
		return 0x9000;
	default:
		return 0x6d00;
	}
}

static const struct card_applet own = { card_aid, sizeof(card_aid), run_own };

/* The first bytes of an AID will do, but not fewer than say whose it is. */
static bool is_named(const struct card_applet *applet, const struct card_command *c)
{
	return applet && c->nc >= 5 && c->nc <= applet->aid_len &&
	       !memcmp(c->data, applet->aid, c->nc);
}

/*
 * One command of a chain. True with all its data in @c if that was the last one,
 * else false with what it is answered in *@sw.
 */
static bool unchain(struct card *card, struct card_command *c, unsigned int *sw)
{
	if (card->chained_ins != c->ins)
		card->chained_len = 0;
	card->chained_ins = c->ins;
	*sw = 0x6700;
	if (card->chained_len + c->nc > sizeof(card->chained))
		return false;
	if (c->nc)
		memcpy(card->chained + card->chained_len, c->data, c->nc);
	card->chained_len += c->nc;
	*sw = 0x9000;
	if (c->cla & 0x10)
		return false;
	c->data = card->chained;
	c->nc = card->chained_len;
	card->chained_len = 0;
	return true;
}

static unsigned int run(struct card *card, struct card_command *c)
{
	unsigned int sw;

	if ((c->cla & 0x6f) != 0)
		return 0x6e00;
	if (c->ins != 0xa4 && !card->selected)
		return 0x6985;
	if (!unchain(card, c, &sw))
		return sw;
	if (c->ins == 0xa4) {
		forget(card);
		if (is_named(&own, c))
			card->selected = &own;
		else if (is_named(card->other, c))
			card->selected = card->other;
		else
			return 0x6a82;
	}
	return card->selected->run(card, c);
}

static unsigned int more(const struct card *card)
{
	size_t left = card->pending_len - card->pending_at;

	return left ? 0x6100 | (left < 256 ? (unsigned int)left : 0) : 0x9000;
}

static size_t put_sw(uint8_t *answer, size_t len, unsigned int sw)
{
	answer[len] = (uint8_t)(sw >> 8);
	answer[len + 1] = (uint8_t)sw;
	return len + 2;
}

/* From what is pending, @ne at most. */
static size_t give(struct card *card, uint8_t *answer, size_t ne)
{
	size_t len = card->pending_len - card->pending_at;

	if (len > ne)
		len = ne;
	memcpy(answer, card->pending + card->pending_at, len);
	card->pending_at += len;
	return put_sw(answer, len, more(card));
}

static size_t execute(struct card *card, const uint8_t *apdu, size_t len,
		      uint8_t *answer, bool fetch)
{
	struct card_command c = { .out = answer };
	unsigned int sw;

	card->delay_ms = 0;
	if (!take_apart(&c, apdu, len))
		return put_sw(answer, 0, 0x6700);
	if (c.ins == 0xc0 && card->pending_at < card->pending_len)
		return give(card, answer, c.ne);
	card->pending_len = 0;
	card->pending_at = 0;
	sw = run(card, &c);
	if (!c.len)
		return put_sw(answer, 0, sw);
	if (c.len <= c.ne && !fetch)
		return put_sw(answer, c.len, sw);
	memcpy(card->pending, answer, c.len);
	card->pending_len = c.len;
	return give(card, answer, fetch ? 0 : c.ne);
}

size_t card_apdu(struct card *card, const uint8_t *apdu, size_t len,
		 uint8_t *answer)
{
	size_t n;

	if (!card->powered)
		return 0;
	n = execute(card, apdu, len, answer, false);
	note_apdu(card, apdu, len, (unsigned int)answer[n - 2] << 8 |
		  answer[n - 1]);
	return n;
}

/* The five bytes are followed by data, or P3 is how much is expected. */
size_t card_tpdu(struct card *card, const uint8_t *tpdu, size_t len,
		 uint8_t *answer)
{
	size_t n;

	if (!card->powered)
		return 0;
	n = execute(card, tpdu, len, answer, len > 5);
	/* Fewer than asked for: it says how many. */
	if (len == 5 && n > 2 && n - 2 < (tpdu[4] ? tpdu[4] : 256u) &&
	    tpdu[1] != 0x16) {
		if (tpdu[1] == 0xc0)
			card->pending_at -= n - 2;
		n = put_sw(answer, 0, 0x6c00 | (unsigned int)(n - 2));
	}
	note_apdu(card, tpdu, len, (unsigned int)answer[n - 2] << 8 |
		  answer[n - 1]);
	return n;
}
