// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * APDUs: parsed, and sent through a pipe that takes short ones only.
 */
#include <errno.h>
#include <string.h>
#include "apdu.h"

#define INS_GET_RESPONSE	0xc0
#define CLA_CHAIN		0x10
#define SW1_MORE		0x61
#define SW1_WRONG_LENGTH	0x6c

int apdu_parse(const uint8_t *bytes, size_t len, struct apdu *apdu)
{
	struct apdu a = {};
	size_t left;

	if (len < 4)
		return -EINVAL;
	memcpy(a.header, bytes, 4);
	bytes += 4;
	left = len - 4;
	/* Case 1, 2 short */
	if (!left)
		goto out;
	if (left == 1) {
		a.ne = bytes[0] ? bytes[0] : 256;
		goto out;
	}
	/* Case 3 and 4 short */
	if (bytes[0]) {
		a.nc = bytes[0];
		a.data = bytes + 1;
		if (left == 2 + a.nc)
			a.ne = bytes[1 + a.nc] ? bytes[1 + a.nc] : 256;
		else if (left != 1 + a.nc)
			return -EINVAL;
		goto out;
	}
	/* Extended */
	if (left < 3)
		return -EINVAL;
	a.extended = true;
	a.nc = (size_t)bytes[1] << 8 | bytes[2];
	if (left == 3) {
		a.ne = a.nc ? a.nc : 65536;
		a.nc = 0;
		goto out;
	}
	a.data = bytes + 3;
	if (!a.nc)
		return -EINVAL;
	if (left == 5 + a.nc) {
		a.ne = (size_t)bytes[3 + a.nc] << 8 | bytes[4 + a.nc];
		if (!a.ne)
			a.ne = 65536;
	} else if (left != 3 + a.nc) {
		return -EINVAL;
	}
out:
	*apdu = a;
	return 0;
}

uint8_t apdu_get_response_class(uint8_t cla)
{
	/* GSM 11.11 has one class for all commands. */
	if (cla == 0xa0)
		return cla;
	/* Of proprietary classes, GlobalPlatform's have a channel (11.1.4). */
	if ((cla & 0xf0) == 0x90 || (cla & 0xf0) == 0xb0)
		return 0x00;
	/* The same logical channel, no chaining, no secure messaging. */
	return cla & (cla & 0x40 ? 0x4f : 0x03);
}

/* Writes a short APDU of these parts, and returns its length. */
static size_t put_short(uint8_t out[static APDU_SHORT_MAX],
			const uint8_t header[static 4], const uint8_t *data,
			size_t nc, size_t ne)
{
	size_t len = 4;

	memcpy(out, header, 4);
	if (nc) {
		out[len++] = (uint8_t)nc;
		memcpy(out + len, data, nc);
		len += nc;
	}
	/* 256 is written as 0. */
	if (ne)
		out[len++] = ne < 256 ? (uint8_t)ne : 0;
	return len;
}

/* Sends one short APDU. Returns the answer's length, status word included. */
static int send_part(const struct pipe *pipe, const uint8_t *out, size_t len,
		     uint8_t *answer, size_t size)
{
	int ret = pipe->send(pipe, out, len, 0, answer, size);

	if (ret >= 0 && (ret < 2 || (size_t)ret > size))
		return -EPROTO;
	return ret;
}

/* Fetches what 61xx announces, up to the length that the command asked for. */
static int collect(const struct pipe *pipe, const struct apdu *apdu,
		   uint8_t *answer, size_t have)
{
	uint8_t header[4] = { apdu_get_response_class(apdu->header[0]),
			      INS_GET_RESPONSE };
	uint8_t out[APDU_SHORT_MAX];
	size_t ne, len;
	int ret;

	/* @have includes the status word, which the next answer overwrites. */
	while (answer[have - 2] == SW1_MORE && have - 2 < apdu->ne) {
		ne = answer[have - 1] ? answer[have - 1] : 256;
		if (ne > apdu->ne - (have - 2))
			ne = apdu->ne - (have - 2);
		have -= 2;
		len = put_short(out, header, NULL, 0, ne);
		ret = send_part(pipe, out, len, answer + have,
				APDU_ANSWER_MAX - have);
		/* The card names the length itself: ask for that, once. */
		if (ret == 2 && answer[have] == SW1_WRONG_LENGTH) {
			out[len - 1] = answer[have + 1];
			ret = send_part(pipe, out, len, answer + have,
					APDU_ANSWER_MAX - have);
		}
		if (ret < 0)
			return ret;
		/* The card announced data and sent none. */
		if (ret == 2 && answer[have] == SW1_MORE)
			return -EPROTO;
		have += (size_t)ret;
	}
	return (int)have;
}

/*
 * Sends all parts but the last. Returns 0, or the length of the answer with
 * which the card ended the chain.
 */
static int send_chain(const struct pipe *pipe, const struct apdu *apdu,
		      uint8_t *answer, size_t *at)
{
	uint8_t header[4], out[APDU_SHORT_MAX];
	size_t len;
	int ret = 0;

	memcpy(header, apdu->header, 4);
	header[0] |= CLA_CHAIN;
	while (apdu->nc - *at > 255) {
		len = put_short(out, header, apdu->data + *at, 255, 0);
		ret = send_part(pipe, out, len, answer, APDU_ANSWER_MAX);
		if (ret < 0)
			break;
		/* The card takes no more of it, and says why. */
		if (ret != 2 || answer[0] != 0x90 || answer[1])
			break;
		*at += 255;
		ret = 0;
	}
	explicit_bzero(out, sizeof(out));
	return ret;
}

int apdu_send_short(const struct pipe *pipe, const struct apdu *apdu,
		    bool chain, uint8_t *answer)
{
	uint8_t out[APDU_SHORT_MAX];
	size_t at = 0, len;
	int ret;

	if (apdu->nc > 255) {
		if (!chain)
			return -EMSGSIZE;
		ret = send_chain(pipe, apdu, answer, &at);
		if (ret)
			return ret;
	}
	len = put_short(out, apdu->header, apdu->nc ? apdu->data + at : NULL,
			apdu->nc - at, apdu->ne);
	ret = send_part(pipe, out, len, answer, APDU_ANSWER_MAX);
	explicit_bzero(out, sizeof(out));
	if (ret > 0 && (chain || apdu->ne > 256))
		ret = collect(pipe, apdu, answer, (size_t)ret);
	return ret;
}
