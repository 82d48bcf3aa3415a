/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands to a card (ISO/IEC 7816-3, 12.1, and 7816-4, 5): taken apart, and
 * brought through what takes less: short APDUs, the TPDUs of T=0 (t0.c), the
 * blocks of T=1 (t1.c). Each works on any struct pipe, so that it can be tried
 * and fuzzed without a reader.
 */
#ifndef TOKMUX_APDU_H
#define TOKMUX_APDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APDU_SHORT_MAX		261
#define APDU_ANSWER_MAX		65538

struct apdu {
	uint8_t header[4];
	const uint8_t *data;
	size_t nc;		/* how many bytes @data has */
	size_t ne;		/* how many are expected at most, 0 for none */
	bool extended;		/* as it was written */
};

/* -EINVAL if it is no APDU. @apdu->data points into @bytes. */
int apdu_parse(const uint8_t *bytes, size_t len, struct apdu *apdu);

/*
 * What an APDU, TPDU or block goes through: @send returns how long the answer
 * in @in is, or a negative errno, of which -EBADMSG is that the reader heard no
 * answer from the card, or not well. @bwi multiplies the time that a block may
 * take (T=1); 0 for once.
 */
struct pipe {
	int (*send)(const struct pipe *pipe, const uint8_t *out, size_t len,
		    unsigned int bwi, uint8_t *in, size_t size);
};

/*
 * An APDU through a pipe for short ones: without the extended form where it can
 * be done without; with @chain also by command chaining and with the answer
 * collected, as 7816-4 has it. -EMSGSIZE if that is what it takes and @chain is
 * not set. @answer has room for APDU_ANSWER_MAX bytes.
 */
int apdu_send_short(const struct pipe *pipe, const struct apdu *apdu,
		    bool chain, uint8_t *answer);

/* The class byte of the GET RESPONSE that follows a command of class @cla. */
uint8_t apdu_get_response_class(uint8_t cla);

/*
 * A short APDU by T=0: @pipe is for TPDUs. Procedure bytes are the reader's
 * task, 61xx and 6Cxx ours.
 */
int t0_send(const struct pipe *pipe, const struct apdu *apdu, uint8_t *answer,
	    size_t size);

/* ---- T=1 (7816-3, 11) -------------------------------------------------- */

#define T1_BLOCK_MAX	(3 + 254 + 1)

enum t1_kind {
	T1_I, T1_R, T1_S,
};

struct t1_block {
	enum t1_kind kind;
	bool more;		/* I: it is not the last */
	uint8_t seq;		/* I: N(S); R: N(R) */
	uint8_t error;		/* R: 0 none, 1 EDC, 2 other */
	uint8_t control;	/* S: the PCB without its upper two bits */
	const uint8_t *inf;
	size_t len;
};

/* -EBADMSG if the EDC is wrong, -EPROTO for all else. */
int t1_parse(const uint8_t *bytes, size_t len, struct t1_block *block);

struct t1 {
	uint8_t ns, nr;		/* of the next block from us, from the card */
	uint8_t ifsc, ifsd;
	uint8_t atr_ifsc;
	uint8_t max_ifsc;	/* whatever the card would take */
};

/* @max_ifsc is what goes through the pipe. */
void t1_init(struct t1 *t1, uint8_t ifsc, uint8_t max_ifsc);
/* Tells the card how long a block it may send. Else it is 32. */
int t1_set_ifsd(struct t1 *t1, const struct pipe *pipe, uint8_t ifsd);
/*
 * Any APDU. -EIO if the card lost the thread: it is in step again, but whether
 * it has done what it was told is unknown, so that is not said again.
 * -ECONNABORTED if the card aborted it.
 */
int t1_send(struct t1 *t1, const struct pipe *pipe, const uint8_t *apdu,
	    size_t len, uint8_t *answer, size_t size);

#endif /* TOKMUX_APDU_H */
