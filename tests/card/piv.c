// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIV applet of the tests, see piv.h.
 */
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include "piv.h"

#define RSA_2048	0x07
#define EC_P256		0x11

struct slot {
	uint8_t reference, object;	/* its certificate is 5F C1 xx */
	bool (*allowed)(const struct card *card);
	EVP_PKEY *key;			/* NULL for none */
	uint8_t cert[2048];
	size_t cert_len;
};

static bool with_pin(const struct card *card)
{
	return card->verified;
}

/* By a VERIFY since its last use. */
static bool with_pin_each_time(const struct card *card)
{
	return card->verified && card->fresh;
}

static bool always(const struct card *card)
{
	return true;
}

static struct slot slots[] = {
	{ .reference = 0x9a, .object = 0x05, .allowed = with_pin },
	{ .reference = 0x9c, .object = 0x0a, .allowed = with_pin_each_time },
	{ .reference = 0x9e, .object = 0x01, .allowed = always },
};

static const uint8_t aid[] = {
	0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00,
};

/* What SELECT answers: the end of the AID, and whose AID it is. */
static const uint8_t application[] = {
	0x61, 0x11, 0x4f, 0x06, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00,
	0x79, 0x07, 0x4f, 0x05, 0xa0, 0x00, 0x00, 0x03, 0x08,
};

/* The AID, and that the applet's own PIN is the only one. */
static const uint8_t discovery[] = {
	0x7e, 0x12, 0x4f, 0x0b, 0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10,
	0x00, 0x01, 0x00, 0x5f, 0x2f, 0x02, 0x40, 0x00,
};

/* A number that is no federal one, a GUID, when it expires, no signature. */
static const uint8_t chuid[] = {
	0x53, 0x3b,
	0x30, 0x19, 0xd4, 0xe7, 0x39, 0xda, 0x73, 0x9c, 0xed, 0x39, 0xce, 0x73,
	0x9d, 0x83, 0x68, 0x58, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21, 0xc8, 0x42,
	0x10, 0xc3, 0xeb,
	0x34, 0x10, 't', 'o', 'k', 'm', 'u', 'x', '-', 't', 'e', 's', 't', '-',
	'c', 'a', 'r', 'd',
	0x35, 0x08, '2', '0', '9', '9', '1', '2', '3', '1',
	0x3e, 0x00, 0xfe, 0x00,
};

/* ---- tags, lengths and values ------------------------------------------- */

/* Of one byte each. The value is at *@value, NULL if there is no such tag. */
static size_t find(const uint8_t *at, size_t left, uint8_t tag,
		   const uint8_t **value)
{
	size_t len, head, i;

	*value = NULL;
	while (left >= 2) {
		head = 2;
		len = at[1];
		if (len > 0x80) {
			head += len & 0x7f;
			if (head > 4 || head > left)
				return 0;
			for (len = 0, i = 2; i < head; i++)
				len = len << 8 | at[i];
		}
		if (len > left - head)
			return 0;
		if (at[0] == tag) {
			*value = at + head;
			return len;
		}
		at += head + len;
		left -= head + len;
	}
	return 0;
}

/* Returns how many bytes it took, four at most. */
static size_t put_head(uint8_t *at, uint8_t tag, size_t len)
{
	size_t n = 0;

	at[n++] = tag;
	if (len > 0xff) {
		at[n++] = 0x82;
		at[n++] = (uint8_t)(len >> 8);
	} else if (len > 0x7f) {
		at[n++] = 0x81;
	}
	at[n++] = (uint8_t)len;
	return n;
}

/* ---- commands ------------------------------------------------------------ */

static void put(struct card_command *c, const void *bytes, size_t len)
{
	memcpy(c->out + c->len, bytes, len);
	c->len += len;
}

static unsigned int get_data(struct card_command *c)
{
	static const uint8_t end[] = { 0x71, 0x01, 0x00, 0xfe, 0x00 };
	uint8_t head[4];
	size_t i, len;

	if (c->nc == 3 && !memcmp(c->data, "\x5c\x01\x7e", 3)) {
		put(c, discovery, sizeof(discovery));
		return 0x9000;
	}
	if (c->nc != 5 || memcmp(c->data, "\x5c\x03\x5f\xc1", 4))
		return 0x6a82;
	if (c->data[4] == 0x02) {
		put(c, chuid, sizeof(chuid));
		return 0x9000;
	}
	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		if (slots[i].object != c->data[4] || !slots[i].key)
			continue;
		len = put_head(head, 0x70, slots[i].cert_len);
		c->len = put_head(c->out, 0x53,
				  len + slots[i].cert_len + sizeof(end));
		put(c, head, len);
		put(c, slots[i].cert, slots[i].cert_len);
		put(c, end, sizeof(end));
		return 0x9000;
	}
	return 0x6a82;
}

static unsigned int verify(struct card *card, const struct card_command *c)
{
	char pin[8];

	if (c->p2 != 0x80)
		return 0x6a88;
	if (c->nc && c->nc != sizeof(pin))
		return 0x6a80;
	memset(pin, 0xff, sizeof(pin));
	memcpy(pin, CARD_PIN, strlen(CARD_PIN));
	return card_verify(card, c, pin, sizeof(pin));
}

/* RSA as it comes, with the padding that the computer made; EC of a hash. */
static bool sign(EVP_PKEY *key, const uint8_t *data, size_t len,
		 uint8_t *signature, size_t *signature_len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool ok;

	ok = ctx && EVP_PKEY_sign_init(ctx) > 0;
	if (EVP_PKEY_base_id(key) == EVP_PKEY_RSA)
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0;
	ok = ok && EVP_PKEY_sign(ctx, signature, signature_len, data, len) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static unsigned int authenticate(struct card *card, struct card_command *c)
{
	const uint8_t *template, *data;
	uint8_t signature[256], head[4];
	size_t len, i, signature_len = sizeof(signature);
	struct slot *slot = NULL;

	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		if (slots[i].reference == c->p2 && slots[i].key)
			slot = &slots[i];
	if (!slot || c->p1 != (EVP_PKEY_base_id(slot->key) == EVP_PKEY_RSA ?
			       RSA_2048 : EC_P256))
		return 0x6a86;
	if (!slot->allowed(card))
		return 0x6982;
	card->fresh = false;
	len = find(c->data, c->nc, 0x7c, &template);
	len = find(template, len, 0x81, &data);
	if (!data || !sign(slot->key, data, len, signature, &signature_len))
		return 0x6a80;
	len = put_head(head, 0x82, signature_len);
	c->len = put_head(c->out, 0x7c, len + signature_len);
	put(c, head, len);
	put(c, signature, signature_len);
	return 0x9000;
}

static unsigned int run(struct card *card, struct card_command *c)
{
	switch (c->ins) {
	case 0xa4:
		put(c, application, sizeof(application));
		return 0x9000;
	case 0x20:
		return verify(card, c);
	case 0x87:
		return authenticate(card, c);
	case 0xcb:
		return get_data(c);
	default:
		return 0x6d00;
	}
}

/* ---- the files ------------------------------------------------------------- */

static bool read_slot(const char *dir, struct slot *slot)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%02x.key", dir, slot->reference);
	f = fopen(path, "re");
	if (!f)
		return true;
	slot->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	snprintf(path, sizeof(path), "%s/%02x.der", dir, slot->reference);
	f = fopen(path, "re");
	if (!f || !slot->key) {
		perror(path);
		return false;
	}
	slot->cert_len = fread(slot->cert, 1, sizeof(slot->cert), f);
	fclose(f);
	return slot->cert_len;
}

bool piv_add(struct card *card, const char *dir)
{
	static const struct card_applet applet = { aid, sizeof(aid), run };
	bool any = false;
	size_t i;

	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		if (!read_slot(dir, &slots[i]))
			return false;
		any |= slots[i].key != NULL;
	}
	if (!any)
		fprintf(stderr, "%s: no key for the card\n", dir);
	card->other = &applet;
	return any;
}
