// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: T=0 and T=1 with a card that answers what it likes. The first
 * byte says which and with what command, then come answers: a length, its bytes.
 * A bit of the length makes the LRC right, or no block would ever be believed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../../lib/card/apdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;
static bool blocks;
static unsigned int sent;
static size_t longest;

static int send(const struct pipe *pipe, const uint8_t *out, size_t len,
		unsigned int bwi, uint8_t *in, size_t size)
{
	struct t1_block block;
	size_t n, i;
	uint8_t control, x = 0;

	/* It ends some time even where a card asks for more for ever. */
	if (!left || ++sent > 4096)
		return -ENODEV;
	/* What we send is well-formed, whatever the card does. */
	if (blocks && (t1_parse(out, len, &block) || len > 4 + longest))
		abort();
	if (!blocks && (len < 5 || len > 260 || (len > 5 && len != 5u + out[4])))
		abort();
	control = *input++;
	left--;
	if (control == 0xff)
		return -EBADMSG;
	if (control == 0xfe)
		return -ETIMEDOUT;
	n = control & 0x7f;
	/* Also more than there is room for. */
	if (n == 0x7f)
		n = blocks ? 300 : 258;
	if (n > left)
		n = left;
	if (n > size)
		return -EPROTO;
	memcpy(in, input, n);
	input += n;
	left -= n;
	if (blocks && n >= 4 && control & 0x80) {
		in[0] = 0;
		in[2] = (uint8_t)(n - 4);
		for (i = 0; i < n - 1; i++)
			x ^= in[i];
		in[n - 1] = x;
	}
	return (int)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t apdu[4 + 3 + 2000 + 2];
	const struct pipe pipe = { .send = send };
	uint8_t *answer;
	struct apdu a;
	struct t1 t1;
	size_t len, nc;
	bool extended;
	int ret, i;

	if (size < 4)
		return 0;
	blocks = data[0] & 1;
	sent = 0;
	input = data + 4;
	left = size - 4;
	/* The four cases, short and extended. */
	memcpy(apdu, "\x00\xb0\x00\x00", 4);
	len = 4;
	extended = blocks && data[0] & 2;
	nc = data[0] & 4 ? data[1] : 0;
	if (extended) {
		apdu[len++] = 0;
		nc *= 7;
	}
	if (nc) {
		if (extended)
			apdu[len++] = (uint8_t)(nc >> 8);
		apdu[len++] = (uint8_t)nc;
		len += nc;
	}
	if (data[0] & 8) {
		if (extended)
			apdu[len++] = data[2];
		apdu[len++] = data[2];
	}
	if (apdu_parse(apdu, len, &a))
		return 0;
	/* Of just that size. */
	answer = malloc(APDU_ANSWER_MAX);
	if (blocks) {
		t1_init(&t1, data[3] && data[3] != 255 ? data[3] : 32,
			data[0] & 16 ? 60 : 254);
		longest = t1.max_ifsc;
		ret = t1_set_ifsd(&t1, &pipe, 254);
		for (i = 0; i < 3 && ret != -ENODEV; i++) {
			ret = t1_send(&t1, &pipe, apdu, len, answer,
				      APDU_ANSWER_MAX);
			if (ret > APDU_ANSWER_MAX)
				abort();
		}
	} else {
		ret = t0_send(&pipe, &a, answer, 258);
		if (ret > 258 || (ret >= 0 && ret < 2))
			abort();
	}
	free(answer);
	return 0;
}
