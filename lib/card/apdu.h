/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands to a card (ISO/IEC 7816-3, 12.1, and 7816-4, 5): parsed, and sent
 * through a channel that takes less than a whole APDU: short APDUs (apdu.c),
 * the TPDUs of T=0 (t0.c), the blocks of T=1 (t1.c). Each works on any struct
 * pipe, so that it can be tested and fuzzed without a reader.
 */
#ifndef TOKMUX_APDU_H
#define TOKMUX_APDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APDU_SHORT_MAX		261
#define APDU_SHORT_ANSWER_MAX	258
#define APDU_ANSWER_MAX		65538

struct apdu {
	uint8_t header[4];
	const uint8_t *data;
	size_t nc;		/* how many bytes @data has */
	size_t ne;		/* how many are expected at most, 0 for none */
	bool extended;		/* as it was written */
};

/* -EINVAL if @bytes is no APDU. @apdu->data points into @bytes. */
int apdu_parse(const uint8_t *bytes, size_t len, struct apdu *apdu);

/*
 * A channel for APDUs, TPDUs or blocks. @send returns the length of the answer
 * or a negative errno. -EBADMSG: the reader got no answer from the card, or a
 * damaged one. @bwi multiplies the time that a block of T=1 may take; 0 counts
 * as 1.
 */
struct pipe {
	int (*send)(const struct pipe *pipe, const uint8_t *out, size_t len,
		    unsigned int bwi, uint8_t *in, size_t size);
};

/*
 * Sends an APDU through a pipe for short ones. An extended APDU becomes a
 * short one if its lengths allow that. If they don't, @chain allows command
 * chaining and GET RESPONSE (7816-4); without @chain that is -EMSGSIZE.
 * @answer has room for APDU_ANSWER_MAX bytes.
 */
int apdu_send_short(const struct pipe *pipe, const struct apdu *apdu,
		    bool chain, uint8_t *answer);

/* The class byte of the GET RESPONSE that follows a command of class @cla. */
uint8_t apdu_get_response_class(uint8_t cla);

/*
 * Sends a short APDU by T=0; @pipe is for TPDUs. The reader handles procedure
 * bytes, this function handles 61xx and 6Cxx.
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

/* -EBADMSG if the EDC is wrong, -EPROTO if anything else is. */
int t1_parse(const uint8_t *bytes, size_t len, struct t1_block *block);

struct t1 {
	uint8_t ns, nr;		/* of the next block from us, from the card */
	uint8_t ifsc, ifsd;
	uint8_t atr_ifsc;
	uint8_t max_ifsc;	/* a limit, however much the card takes */
};

/* @max_ifsc: the longest that fits through the pipe. */
void t1_init(struct t1 *t1, uint8_t ifsc, uint8_t max_ifsc);
/* Tells the card how long its blocks may be. Without this it is 32. */
int t1_set_ifsd(struct t1 *t1, const struct pipe *pipe, uint8_t ifsd);
/* Both sides start counting blocks again. The card's state is kept. */
int t1_resynch(struct t1 *t1, const struct pipe *pipe);
/*
 * Sends any APDU. -EIO: the card was out of step and had to be resynchronized.
 * Whether it has carried out the command is unknown, so the command is not
 * sent again. -ECONNABORTED: the card aborted the command.
 */
int t1_send(struct t1 *t1, const struct pipe *pipe, const uint8_t *apdu,
	    size_t len, uint8_t *answer, size_t size);

#endif /* TOKMUX_APDU_H */
