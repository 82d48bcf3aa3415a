// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Short APDUs by T=0 (ISO/IEC 7816-3, 12.2). A TPDU has data in one direction
 * only: the answer to a command with data has to be fetched by GET RESPONSE.
 */
#include <errno.h>
#include <string.h>
#include "apdu.h"

#define INS_GET_RESPONSE	0xc0
#define SW1_MORE		0x61
#define SW1_WRONG_LENGTH	0x6c

static int send_tpdu(const struct pipe *pipe, const uint8_t *tpdu, size_t len,
		     uint8_t *answer, size_t size)
{
	int ret = pipe->send(pipe, tpdu, len, 0, answer, size);

	if (ret >= 0 && (ret < 2 || (size_t)ret > size))
		return -EPROTO;
	return ret;
}

/* Asks for @ne bytes; if the card names another length (6Cxx), for that. */
static int fetch(const struct pipe *pipe, const uint8_t header[static 4],
		 size_t ne, uint8_t *answer, size_t size)
{
	uint8_t tpdu[5];
	int ret, i;

	memcpy(tpdu, header, 4);
	tpdu[4] = (uint8_t)ne;	/* 256 is written as 0 */
	for (i = 0; i < 2; i++) {
		ret = send_tpdu(pipe, tpdu, sizeof(tpdu), answer, size);
		if (ret != 2 || answer[0] != SW1_WRONG_LENGTH)
			break;
		tpdu[4] = answer[1];
	}
	return ret;
}

/*
 * Cuts the answer to @ne bytes and the status word. The calling function never
 * learns of the bytes beyond, so they are wiped here.
 */
static int cut(uint8_t *answer, int len, size_t ne)
{
	if (len <= 2 || (size_t)len - 2 <= ne)
		return len;
	memmove(answer + ne, answer + len - 2, 2);
	explicit_bzero(answer + ne + 2, (size_t)len - 2 - ne);
	return (int)ne + 2;
}

int t0_send(const struct pipe *pipe, const struct apdu *apdu, uint8_t *answer,
	    size_t size)
{
	uint8_t header[4] = { apdu_get_response_class(apdu->header[0]),
			      INS_GET_RESPONSE };
	uint8_t tpdu[5 + 255];
	size_t have, ne;
	int ret;

	if (apdu->nc > 255 || apdu->ne > 256)
		return -EMSGSIZE;
	if (apdu->nc) {
		memcpy(tpdu, apdu->header, 4);
		tpdu[4] = (uint8_t)apdu->nc;
		memcpy(tpdu + 5, apdu->data, apdu->nc);
		ret = send_tpdu(pipe, tpdu, 5 + apdu->nc, answer, size);
		explicit_bzero(tpdu, sizeof(tpdu));
	} else if (apdu->ne) {
		ret = fetch(pipe, apdu->header, apdu->ne, answer, size);
	} else {
		/* Case 1: P3 is 0. */
		memcpy(tpdu, apdu->header, 4);
		tpdu[4] = 0;
		ret = send_tpdu(pipe, tpdu, 5, answer, size);
	}
	if (ret < 0 || !apdu->ne)
		return ret;
	ret = cut(answer, ret, apdu->ne);
	/*
	 * Fetch as much as the command asked for. If the card has more, its
	 * last 61xx is the answer's status word.
	 */
	have = (size_t)ret;
	while (answer[have - 2] == SW1_MORE && have - 2 < apdu->ne) {
		ne = answer[have - 1] ? answer[have - 1] : 256;
		have -= 2;
		if (ne > apdu->ne - have)
			ne = apdu->ne - have;
		ret = fetch(pipe, header, ne, answer + have, size - have);
		if (ret < 0)
			return ret;
		if (ret == 2 && answer[have] == SW1_MORE)
			return -EPROTO;
		ret = cut(answer + have, ret, ne);
		have += (size_t)ret;
	}
	return (int)have;
}
