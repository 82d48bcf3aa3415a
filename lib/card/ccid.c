// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One command after the other to the slots of a CCID reader, also where the reader
 * could be busy in several (bMaxCCIDBusySlots).
 *
 * Another holder may have left the reader in the middle of a message, or with
 * answers that nobody read. So an answer counts only if it has the command's slot
 * and sequence number. When a command gets no proper answer, all slots are astray:
 * ccid_resync() comes before the next command to each.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "ccid.h"
#include "deadline.h"

/*
 * How long the first attempt to resynchronize waits for its answer. The next
 * ones wait longer: some readers take a second for each question.
 */
#define RESYNC_STEP_MS		1000
#define RESYNC_STEP_MAX_MS	8000
/* The pause before a busy reader is asked again: the first, the longest. */
#define BUSY_MIN_MS	10
#define BUSY_MAX_MS	320
/* A reader that does not take a message within this time is broken. */
#define SEND_MS		5000
/* The longest message of T=0, T=1 and short APDUs: no reader need announce less. */
#define MESSAGE_MEANT	271
/*
 * Several readers announce this, and take that (SCR3310, 04e6:511f; uTrust 3720;
 * HP's keyboard). Others announce even less, and send more than they announce.
 */
#define MESSAGE_BOGUS	263
/* How often a reader without an interrupt endpoint is asked for its status. */
#define POLL_MS		250

static const uint8_t nothing_specific[3];

static size_t whole_packets(const struct ccid_reader *reader, size_t len)
{
	size_t packet = reader->transport->in_packet;

	return (len + packet - 1) / packet * packet;
}

int ccid_reader_init(struct ccid_reader *reader, struct ccid_transport *transport)
{
	size_t max = transport->desc.max_message;
	uint8_t seq = 0;

	if (max > CCID_MESSAGE_MAX)
		max = CCID_MESSAGE_MAX;
	if (max == MESSAGE_BOGUS &&
	    (transport->desc.features & CCID_LEVEL) <= CCID_LEVEL_SHORT)
		max = MESSAGE_MEANT;
	*reader = (struct ccid_reader){
		.transport = transport,
		.max_data = max - CCID_HEADER_SIZE,
		.max_answer = (max < MESSAGE_MEANT ? MESSAGE_MEANT : max) -
			      CCID_HEADER_SIZE,
	};
	/* Most likely not the number at which the last holder stopped. */
	if (getrandom(&seq, 1, GRND_NONBLOCK) == 1)
		reader->seq = seq;
	reader->out = malloc(max);
	reader->in = malloc(whole_packets(reader, CCID_HEADER_SIZE +
						  reader->max_answer));
	if (reader->out && reader->in)
		return 0;
	free(reader->out);
	free(reader->in);
	return -ENOMEM;
}

static void wipe(struct ccid_reader *reader)
{
	explicit_bzero(reader->out, reader->out_used);
	explicit_bzero(reader->in, reader->in_used);
	reader->out_used = 0;
	reader->in_used = 0;
	reader->in_len = 0;
}

void ccid_reader_destroy(struct ccid_reader *reader)
{
	wipe(reader);
	free(reader->out);
	free(reader->in);
	reader->transport->ops->close(reader->transport);
}

int ccid_join(struct ccid *ccid, struct ccid_reader *reader, unsigned int slot)
{
	if (slot > reader->transport->desc.max_slot)
		return -EINVAL;
	*ccid = (struct ccid){
		.reader = reader,
		.next = reader->slots,
		.slot = (uint8_t)slot,
		.in_step = reader->given_up,
		.icc = CCID_ICC_ABSENT,
		.error = -1,
	};
	reader->slots = ccid;
	return 0;
}

void ccid_leave(struct ccid *ccid)
{
	struct ccid **at = &ccid->reader->slots;

	while (*at != ccid)
		at = &(*at)->next;
	*at = ccid->next;
}

void ccid_wipe(struct ccid *ccid)
{
	wipe(ccid->reader);
}

/* ---- one message ------------------------------------------------------ */

static int send_message(struct ccid *ccid, enum ccid_command type,
			const uint8_t specific[static 3],
			const uint8_t *data, size_t len, int64_t deadline)
{
	struct ccid_reader *reader = ccid->reader;
	struct ccid_transport *t = reader->transport;
	struct ccid_message m = {
		.type = (uint8_t)type,
		.slot = ccid->slot,
		.seq = ++reader->seq,
		.length = (uint32_t)len,
	};
	int left;

	if (len > reader->max_data)
		return -EMSGSIZE;
	left = deadline_left(deadline, SEND_MS);
	if (!left)
		return -ETIMEDOUT;
	memcpy(m.specific, specific, sizeof(m.specific));
	ccid_header_put(reader->out, &m);
	if (len)
		memcpy(reader->out + CCID_HEADER_SIZE, data, len);
	if (reader->out_used < CCID_HEADER_SIZE + len)
		reader->out_used = CCID_HEADER_SIZE + len;
	return t->ops->bulk_out(t, reader->out, CCID_HEADER_SIZE + len, left);
}

static int read_packets(struct ccid_reader *reader, size_t at, size_t len,
			int64_t deadline)
{
	struct ccid_transport *t = reader->transport;
	int left, ret;

	do {
		left = deadline_left(deadline, INT_MAX);
		if (!left)
			return -ETIMEDOUT;
		ret = t->ops->bulk_in(t, reader->in + at, whole_packets(reader, len),
				      left);
	} while (ret == -ETIMEDOUT && deadline < 0);
	if (ret > 0 && reader->in_used < at + (size_t)ret)
		reader->in_used = at + (size_t)ret;
	return ret;
}

/*
 * Reads one message, as long as its header says and no more: a message of
 * whole packets may or may not be followed by a zero-length packet. If it is,
 * that packet comes before the next message. -EPROTO if it is no message.
 */
static int read_message(struct ccid_reader *reader, int64_t deadline,
			struct ccid_message *m)
{
	size_t have, whole, want = CCID_HEADER_SIZE;
	int ret;

	do {
		ret = read_packets(reader, 0, want, deadline);
	} while (!ret);
	if (ret < 0)
		return ret;
	have = (size_t)ret;
	ret = ccid_header_get(reader->in, have, m);
	if (ret)
		return ret;
	whole = CCID_HEADER_SIZE + m->length;
	if (m->length > reader->max_answer)
		return -EPROTO;
	/*
	 * Bytes beyond the header's length are ignored: QEMU's reader sends
	 * its parameters with a length of 0.
	 */
	if (have < whole) {
		/* A short packet ends the message: the rest won't come. */
		if (have < whole_packets(reader, want))
			return -EPROTO;
		ret = read_packets(reader, have, whole - have, deadline);
		if (ret < 0)
			return ret;
		if (have + (size_t)ret != whole)
			return -EPROTO;
	}
	return 0;
}

static uint8_t answer_type(enum ccid_command type)
{
	switch (type) {
	case CCID_ICC_POWER_ON:
	case CCID_XFR_BLOCK:
	case CCID_SECURE:
		return CCID_DATA_BLOCK;
	case CCID_ESCAPE:
		return CCID_ESCAPED;
	case CCID_SET_PARAMETERS:
	case CCID_GET_PARAMETERS:
		return CCID_PARAMETERS;
	default:
		return CCID_SLOT_STATUS;
	}
}

/* When to give up: at the end of the reader's silence, or of the whole time. */
static int64_t answer_deadline(const struct ccid *ccid, enum ccid_command type,
			       int64_t deadline)
{
	if (type != CCID_XFR_BLOCK || !ccid->silence_ms)
		return deadline;
	return deadline_after(deadline_left(deadline, ccid->silence_ms));
}

/* Reads the answer to the last command, and skips older answers. */
static int read_answer(struct ccid *ccid, enum ccid_command type,
		       bool whatever_comes, int64_t deadline,
		       struct ccid_message *m)
{
	int64_t until = answer_deadline(ccid, type, deadline);
	int ret;

	for (;;) {
		ret = read_message(ccid->reader, until, m);
		if (ret == -EPROTO && whatever_comes)
			continue;
		if (ret)
			return ret;
		if (m->slot != ccid->slot || m->seq != ccid->reader->seq)
			continue;
		if (ccid_command_status(m) == CCID_TIME_EXTENSION) {
			ccid->icc = ccid_icc_status(m);
			until = answer_deadline(ccid, type, deadline);
			continue;
		}
		break;
	}
	if (ccid_icc_status(m) > CCID_ICC_ABSENT ||
	    ccid_command_status(m) > CCID_TIME_EXTENSION)
		return -EPROTO;
	/* A reader may answer an unknown command by a slot status. */
	if (m->type != answer_type(type) &&
	    !(m->type == CCID_SLOT_STATUS &&
	      ccid_command_status(m) == CCID_FAILED))
		return -EPROTO;
	ccid->icc = ccid_icc_status(m);
	ccid->reader->in_len = m->length;
	return 0;
}

/* ---- in step ---------------------------------------------------------- */

static void is_in_step(struct ccid *ccid)
{
	ccid->in_step = ccid->reader->given_up + 1;
}

static void give_up(struct ccid *ccid)
{
	ccid->reader->given_up++;
}

static int abort_command(struct ccid *ccid, int64_t deadline)
{
	struct ccid_transport *t = ccid->reader->transport;
	struct ccid_message m;
	int ret;

	/* The request and the message must have the same number. */
	ret = t->ops->abort(t, ccid->slot, (uint8_t)(ccid->reader->seq + 1));
	if (ret == -ENODEV)
		return ret;
	ret = send_message(ccid, CCID_ABORT, nothing_specific, NULL, 0,
			   deadline);
	if (ret)
		return ret;
	return read_answer(ccid, CCID_ABORT, true, deadline, &m);
}

static int ask_status(struct ccid *ccid, int64_t deadline)
{
	struct ccid_message m;
	int ret;

	ret = send_message(ccid, CCID_GET_SLOT_STATUS, nothing_specific, NULL, 0,
			   deadline);
	if (!ret)
		ret = read_answer(ccid, CCID_GET_SLOT_STATUS, true, deadline, &m);
	if (ret)
		return ret;
	if (ccid_command_status(&m) != CCID_FAILED)
		return 0;
	switch (m.specific[1]) {
	case CCID_ERROR_SLOT_BUSY:
		return -EBUSY;
	case CCID_ERROR_ABORTED:
		/*
		 * The last holder sent the class request ABORT, and not the
		 * message of the same number. The slot refuses everything until
		 * an abort is whole.
		 */
		return -EIO;
	default:
		return 0;
	}
}

static int resync(struct ccid *ccid, int64_t deadline)
{
	int ret, left, attempt, wait = BUSY_MIN_MS, step_ms = RESYNC_STEP_MS;
	int64_t step;

	for (attempt = 0;; attempt++) {
		left = deadline_left(deadline, step_ms);
		if (!left)
			return -ETIMEDOUT;
		step = deadline_after(left);
		/*
		 * From the second attempt on, the reader's current command is
		 * aborted. At the first attempt our message may have become
		 * the rest of a message that the last holder left unfinished.
		 */
		ret = attempt ? abort_command(ccid, step) : 0;
		if (!ret)
			ret = ask_status(ccid, step);
		if (!ret)
			break;
		if (ret != -ETIMEDOUT && ret != -EPIPE && ret != -EBUSY &&
		    ret != -EPROTO && ret != -EOVERFLOW && ret != -EIO)
			return ret;
		if (ret == -EBUSY) {
			/*
			 * A reader that can't abort has to finish its command.
			 * Until then it answers at once that it is busy.
			 */
			poll(NULL, 0, deadline_left(deadline, wait));
			if (wait < BUSY_MAX_MS)
				wait *= 2;
			continue;
		}
		/* It fails without a wait: asking again won't help. */
		if (ret != -ETIMEDOUT && attempt > 2)
			return ret;
		if (ret == -ETIMEDOUT && step_ms < RESYNC_STEP_MAX_MS)
			step_ms *= 2;
	}
	is_in_step(ccid);
	return 0;
}

/* The bus has errors of its own. What they mean here: no answer, or nonsense. */
static int plain_error(int err)
{
	switch (err) {
	case -EPIPE:
		return -EIO;
	case -EOVERFLOW:
		return -EPROTO;
	default:
		return err;
	}
}

int ccid_resync(struct ccid *ccid, int64_t deadline)
{
	ccid->error = -1;
	return plain_error(resync(ccid, deadline));
}

int ccid_command(struct ccid *ccid, enum ccid_command type,
		 const uint8_t specific[static 3], const uint8_t *data,
		 size_t len, int64_t deadline, struct ccid_message *answer)
{
	int ret;

	ccid->reader->in_len = 0;
	ccid->error = -1;
	if (len > ccid->reader->max_data)
		return -EMSGSIZE;
	ret = ccid_is_astray(ccid) ? ccid_resync(ccid, deadline) : 0;
	if (ret)
		return ret;
	ret = send_message(ccid, type, specific, data, len, deadline);
	if (!ret)
		ret = read_answer(ccid, type, false, deadline, answer);
	if (ret) {
		give_up(ccid);
		return plain_error(ret);
	}
	if (ccid_command_status(answer) == CCID_FAILED) {
		ccid->error = answer->specific[1];
		ccid->reader->in_len = 0;
		return ccid_error(answer);
	}
	return 0;
}

/* ---- the commands ----------------------------------------------------- */

int ccid_slot_status(struct ccid *ccid, int64_t deadline)
{
	struct ccid_message m;
	int ret;

	/* Some readers report an empty slot as a failure. */
	ret = ccid_command(ccid, CCID_GET_SLOT_STATUS, nothing_specific, NULL, 0,
			   deadline, &m);
	if (ret && ccid_is_astray(ccid))
		return ret;
	return ccid->icc;
}

int ccid_power_off(struct ccid *ccid, int64_t deadline)
{
	struct ccid_message m;
	int ret;

	ret = ccid_command(ccid, CCID_ICC_POWER_OFF, nothing_specific, NULL, 0,
			   deadline, &m);
	/* An empty slot has no power either. */
	return ret == -ENOMEDIUM ? 0 : ret;
}

static int power_on_at(struct ccid *ccid, unsigned int select, int64_t deadline)
{
	const uint8_t specific[3] = { (uint8_t)select };
	struct ccid_message m;
	int ret;

	ret = ccid_command(ccid, CCID_ICC_POWER_ON, specific, NULL, 0, deadline,
			   &m);
	if (ret)
		return ret;
	if (m.specific[2] != CCID_CHAIN_WHOLE || ccid->icc != CCID_ICC_ACTIVE ||
	    ccid->reader->in_len < 2 || ccid->reader->in_len > 33)
		return -EPROTO;
	return (int)ccid->reader->in_len;
}

int ccid_power_on(struct ccid *ccid, int64_t deadline)
{
	/* 5 V, 1.8 V, 3 V: pcscd's order, which cards are used to. */
	static const struct {
		uint8_t select, voltage;
	} voltages[] = { { 1, 1 }, { 3, 4 }, { 2, 2 } };
	const struct ccid_descriptor *desc = ccid_desc(ccid);
	int ret = -EIO;
	size_t i;

	if (desc->features & CCID_AUTO_VOLTAGE || !(desc->voltages & 7))
		return power_on_at(ccid, 0, deadline);
	for (i = 0; i < sizeof(voltages) / sizeof(voltages[0]); i++) {
		if (!(desc->voltages & voltages[i].voltage))
			continue;
		ret = power_on_at(ccid, voltages[i].select, deadline);
		if (ret != -EIO)
			break;
		ret = ccid_power_off(ccid, deadline);
		if (ret)
			break;
		ret = -EIO;
	}
	return ret;
}

static int xfr(struct ccid *ccid, const uint8_t *data, size_t len,
	       unsigned int bwi, unsigned int level, int64_t deadline,
	       uint8_t *chain)
{
	const uint8_t specific[3] = {
		(uint8_t)bwi, (uint8_t)level, (uint8_t)(level >> 8),
	};
	struct ccid_message m;
	int ret;

	ret = ccid_command(ccid, CCID_XFR_BLOCK, specific, data, len, deadline,
			   &m);
	if (ret)
		return ret;
	*chain = m.specific[2];
	return (int)ccid->reader->in_len;
}

int ccid_xfr(struct ccid *ccid, const uint8_t *data, size_t len,
	     unsigned int bwi, int64_t deadline)
{
	uint8_t chain = CCID_CHAIN_WHOLE;
	int ret;

	ret = xfr(ccid, data, len, bwi, 0, deadline, &chain);
	if (ret >= 0 && chain != CCID_CHAIN_WHOLE)
		return -EPROTO;
	return ret;
}

/* The level parameter of the part of an APDU from @at on. */
static unsigned int part_level(const struct ccid *ccid, size_t at, size_t len)
{
	bool last = len - at <= ccid->reader->max_data;

	if (!at)
		return last ? CCID_CHAIN_WHOLE : CCID_CHAIN_BEGINS;
	return last ? CCID_CHAIN_ENDS : CCID_CHAIN_GOES_ON;
}

int ccid_xfr_apdu(struct ccid *ccid, const uint8_t *apdu, size_t len,
		  uint8_t *answer, size_t size, int64_t deadline)
{
	const size_t max = ccid->reader->max_data;
	size_t at = 0, part, have = 0;
	unsigned int level;
	uint8_t chain = CCID_CHAIN_WHOLE;
	int ret;

	for (;;) {
		level = part_level(ccid, at, len);
		part = len - at <= max ? len - at : max;
		ret = xfr(ccid, apdu + at, part, 0, level, deadline, &chain);
		if (ret < 0)
			return ret;
		at += part;
		if (at == len)
			break;
		if (chain != CCID_CHAIN_NEXT || ret)
			goto broken;
	}
	for (;;) {
		/*
		 * Only the first part of an answer has the mark of a first
		 * part.
		 */
		if (chain != CCID_CHAIN_WHOLE && chain != CCID_CHAIN_BEGINS &&
		    !have)
			goto broken;
		if ((chain == CCID_CHAIN_WHOLE || chain == CCID_CHAIN_BEGINS) &&
		    have)
			goto broken;
		if ((size_t)ret > size - have)
			goto broken;
		memcpy(answer + have, ccid_data(ccid), (size_t)ret);
		have += (size_t)ret;
		if (chain == CCID_CHAIN_WHOLE || chain == CCID_CHAIN_ENDS)
			return (int)have;
		if (!ret || (chain != CCID_CHAIN_BEGINS &&
			     chain != CCID_CHAIN_GOES_ON))
			goto broken;
		ret = xfr(ccid, NULL, 0, 0, CCID_CHAIN_NEXT, deadline, &chain);
		if (ret < 0)
			return ret;
	}
broken:
	/* The reader may wait for more. */
	give_up(ccid);
	return -EPROTO;
}

/* Some readers don't have a command that others need. */
static int is_unknown(const struct ccid *ccid, int ret)
{
	return ret && ccid->error == CCID_ERROR_UNSUPPORTED ? -EOPNOTSUPP : ret;
}

int ccid_set_parameters(struct ccid *ccid, unsigned int protocol,
			const uint8_t *parameters, size_t len, int64_t deadline)
{
	const uint8_t specific[3] = { (uint8_t)protocol };
	struct ccid_message m;

	return is_unknown(ccid, ccid_command(ccid, CCID_SET_PARAMETERS, specific,
					     parameters, len, deadline, &m));
}

int ccid_get_protocol(struct ccid *ccid, int64_t deadline)
{
	struct ccid_message m;
	int ret;

	ret = ccid_command(ccid, CCID_GET_PARAMETERS, nothing_specific, NULL, 0,
			   deadline, &m);
	if (ret)
		return is_unknown(ccid, ret);
	return m.specific[2] <= 1 ? m.specific[2] : -EPROTO;
}

/* One message with data and its answer, whole. */
static int exchange(struct ccid *ccid, enum ccid_command type,
		    const uint8_t *data, size_t len, int64_t deadline)
{
	struct ccid_message m;
	int ret;

	ret = ccid_command(ccid, type, nothing_specific, data, len, deadline, &m);
	return ret ? is_unknown(ccid, ret) : (int)ccid->reader->in_len;
}

int ccid_escape(struct ccid *ccid, const uint8_t *data, size_t len,
		int64_t deadline)
{
	return exchange(ccid, CCID_ESCAPE, data, len, deadline);
}

int ccid_secure(struct ccid *ccid, const uint8_t *data, size_t len,
		int64_t deadline)
{
	return exchange(ccid, CCID_SECURE, data, len, deadline);
}

/* Takes in what a notice says of a slot. As listen(). */
static int take_notice(struct ccid *ccid, const uint8_t *notice, size_t len)
{
	bool present;
	int ret;

	ret = ccid_notice(notice, len, ccid->slot, &present);
	if (ret <= 0)
		return ret;
	/*
	 * Some readers begin with a notice of the card that is there. But two
	 * notices of a card one after the other mean that the card was out in
	 * between, and that the notice of that was lost.
	 */
	if (!present || ccid->told_present)
		ccid->exchanged = true;
	/* What is known from the last answer is no news. */
	if (present != (ccid->icc != CCID_ICC_ABSENT) ||
	    (present && ccid->told_present))
		ccid->heard = true;
	ccid->told_present = present;
	return 1;
}

/*
 * For all slots. 1 if a notice told of a change in this one, 0 if it didn't or none
 * came.
 */
static int listen(struct ccid *ccid, int timeout_ms)
{
	struct ccid_transport *t = ccid->reader->transport;
	uint8_t notice[CCID_NOTICE_MAX];
	size_t size = t->interrupt_packet, len;
	struct ccid *slot;
	int ret;

	/* interrupt_packet is the reader's word: keep within the buffer. */
	if (size > sizeof(notice))
		size = sizeof(notice);
	ret = t->ops->interrupt_in(t, notice, size, timeout_ms);
	if (ret < 0)
		return ret;
	len = (size_t)ret;
	for (slot = ccid->reader->slots; slot; slot = slot->next)
		if (slot != ccid)
			take_notice(slot, notice, len);
	return take_notice(ccid, notice, len);
}

/* Takes in what has come. 0, or why nothing more can come. */
static int take_notices(struct ccid *ccid)
{
	int i, ret;

	/* A bound, in case that a reader sends notices without end. */
	for (i = 0; i < 16; i++) {
		ret = listen(ccid, 0);
		if (ret < 0 && ret != -EPROTO)
			return ret == -ETIMEDOUT ? 0 : ret;
	}
	return 0;
}

bool ccid_was_out(struct ccid *ccid)
{
	bool was;

	if (ccid->reader->transport->ops->interrupt_in)
		take_notices(ccid);
	was = ccid->exchanged;
	ccid->exchanged = false;
	return was;
}

int ccid_heard(struct ccid *ccid)
{
	bool heard;
	int ret;

	if (!ccid->reader->transport->ops->interrupt_in)
		return -EOPNOTSUPP;
	ret = take_notices(ccid);
	heard = ccid->heard;
	ccid->heard = false;
	return heard ? 1 : plain_error(ret);
}

int ccid_wait_notice(struct ccid *ccid, int64_t deadline)
{
	bool can_tell = ccid->reader->transport->ops->interrupt_in;
	int left, ret;

	for (;;) {
		left = deadline_left(deadline, can_tell ? INT_MAX : POLL_MS);
		if (!left)
			return 0;
		if (!can_tell) {
			/* The calling function has to ask for the status. */
			poll(NULL, 0, left);
			return 1;
		}
		ret = listen(ccid, left);
		if (ret && ret != -ETIMEDOUT)
			return ret;
	}
}
