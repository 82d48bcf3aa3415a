// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A card in a reader: its power, its protocol, and commands in the units that
 * the reader takes: APDUs, short APDUs, or the TPDUs and blocks of T=0 and
 * T=1.
 */
#include <stdlib.h>
#include <sys/random.h>
#include "card.h"
#include "deadline.h"
#include "speed.h"

/* How long the reader may take for a request that does not reach the card. */
#define READER_MS	10000
/* A slow card may be tried at three voltages. */
#define POWER_MS	20000

/* ---- the way to the reader --------------------------------------------- */

struct tokmux_card *card_alloc_in(struct card_reader *reader, unsigned int slot)
{
	struct tokmux_card *card = calloc(1, sizeof(*card));

	if (!card)
		return NULL;
	card->slot = slot;
	card->answer = malloc(APDU_ANSWER_MAX);
	if (!card->answer) {
		free(card);
		return NULL;
	}
	card_reader_add(reader, card);
	return card;
}

struct tokmux_card *card_alloc(unsigned int slot)
{
	struct card_reader *reader = card_reader_alloc();
	struct tokmux_card *card = NULL;

	if (reader)
		card = card_alloc_in(reader, slot);
	if (!card)
		free(reader);
	return card;
}

int card_attach(struct tokmux_card *card)
{
	int ret;

	if (card->connected)
		return 0;
	ret = ccid_join(&card->ccid, &card->reader->ccid, card->slot);
	if (ret)
		return ret;
	card->connected = true;
	ret = -EOPNOTSUPP;
	/* Three old readers are of the character level (O2Micro Oz776, Winbond). */
	if (ccid_level(&card->ccid) != CCID_LEVEL_CHARACTER)
		ret = ccid_resync(&card->ccid, deadline_after(READER_MS));
	if (ret)
		card_detach(card);
	return ret;
}

void card_detach(struct tokmux_card *card)
{
	if (card->connected)
		ccid_leave(&card->ccid);
	card->connected = false;
}

static int join_alone(struct tokmux_card *card)
{
	int ret = card_attach(card);

	if (ret)
		card_reader_disconnect(card->reader);
	return ret;
}

int card_connect(struct tokmux_card *card, struct ccid_transport *transport)
{
	int ret = card_reader_connect(card->reader, transport);

	return ret ? ret : join_alone(card);
}

int card_connect_fd(struct tokmux_card *card, int fd)
{
	int ret = card_reader_connect_fd(card->reader, fd);

	return ret ? ret : join_alone(card);
}

void card_destroy(struct tokmux_card *card)
{
	if (!card)
		return;
	card_detach(card);
	card_reader_drop(card->reader, card);
	free(card->answer);
	free(card);
}

int tokmux_card_open_fd(int fd, unsigned int slot, struct tokmux_card **card)
{
	struct tokmux_card *c = card_alloc(slot);
	int saved = errno, ret = -ENOMEM;

	if (c)
		ret = card_connect_fd(c, fd);
	if (ret)
		card_destroy(c);
	else
		*card = c;
	errno = saved;
	return ret;
}

/* ---- blocks and APDUs through the reader ------------------------------- */

int card_send_block(const struct pipe *pipe, const uint8_t *out, size_t len,
		    unsigned int bwi, uint8_t *in, size_t size)
{
	const struct card_pipe *p = (const struct card_pipe *)pipe;
	struct ccid *ccid = &p->card->ccid;
	int ret;

	ret = ccid_xfr(ccid, out, len, bwi, p->deadline);
	/* The reader answered: the card has failed, not the bus. */
	if (ret == -EIO && !ccid_is_astray(ccid) && ccid->icc == CCID_ICC_ACTIVE)
		return -EBADMSG;
	if (ret < 0)
		return ret;
	/* A block of T=1 is no longer either. */
	if ((size_t)ret > size || ret > APDU_SHORT_ANSWER_MAX)
		return -EPROTO;
	memcpy(in, ccid_data(ccid), (size_t)ret);
	return ret;
}

/* A pipe for a reader that takes short APDUs. */
static int short_send(const struct pipe *pipe, const uint8_t *out, size_t len,
		      unsigned int bwi, uint8_t *in, size_t size)
{
	const struct card_pipe *p = (const struct card_pipe *)pipe;

	/* Parts are for the way back only: no reader of this level takes them. */
	if (len > p->card->reader->ccid.max_data)
		return -EMSGSIZE;
	if (size > APDU_SHORT_ANSWER_MAX)
		size = APDU_SHORT_ANSWER_MAX;
	return ccid_xfr_apdu(&p->card->ccid, out, len, in, size, p->deadline);
}

/* A pipe for short APDUs, above one for the TPDUs of T=0. */
struct t0_pipe {
	struct pipe pipe;
	const struct pipe *below;
};

static int t0_pipe_send(const struct pipe *pipe, const uint8_t *out, size_t len,
			unsigned int bwi, uint8_t *in, size_t size)
{
	const struct t0_pipe *p = (const struct t0_pipe *)pipe;
	struct apdu apdu;
	int ret;

	ret = apdu_parse(out, len, &apdu);
	return ret ? ret : t0_send(p->below, &apdu, in, size);
}

/* By T=1, after a program may have sent blocks of its own. */
static int send_t1(struct tokmux_card *card, const struct pipe *pipe,
		   const uint8_t *apdu, size_t len)
{
	int ret;

	if (card->raw) {
		ret = t1_resynch(&card->t1, pipe);
		if (ret)
			return ret;
		card->raw = false;
	}
	return t1_send(&card->t1, pipe, apdu, len, card->answer,
		       APDU_ANSWER_MAX);
}

static int send_apdu(struct tokmux_card *card, const struct apdu *apdu,
		     const uint8_t *bytes, size_t len, bool chain,
		     int64_t deadline)
{
	struct card_pipe reader = {
		.pipe = { .send = card_send_block },
		.card = card,
		.deadline = deadline,
	};
	struct t0_pipe t0 = {
		.pipe = { .send = t0_pipe_send },
		.below = &reader.pipe,
	};

	switch (ccid_level(&card->ccid)) {
	case CCID_LEVEL_EXTENDED:
		return ccid_xfr_apdu(&card->ccid, bytes, len, card->answer,
				     APDU_ANSWER_MAX, deadline);
	case CCID_LEVEL_SHORT:
		reader.pipe.send = short_send;
		return apdu_send_short(&reader.pipe, apdu, chain, card->answer);
	default:
		if (card->protocol == 1)
			return send_t1(card, &reader.pipe, bytes, len);
		return apdu_send_short(&t0.pipe, apdu, chain, card->answer);
	}
}

/* What it is, the reader and the card have to know. */
static int send_raw(struct tokmux_card *card, const uint8_t *bytes, size_t len,
		    int64_t deadline)
{
	struct ccid *ccid = &card->ccid;

	card->raw = true;
	return ccid_xfr_apdu(ccid, bytes, len, card->answer, APDU_ANSWER_MAX,
			     deadline);
}

/* ---- power, and the choice of a protocol -------------------------------- */

/*
 * Takes the card's power, if it has any and the reset is not to be a warm one, and
 * gives it: the length of its ATR.
 */
static int reset(struct tokmux_card *card, bool warm, int64_t deadline)
{
	/* ccid.icc is from the last answer, so there must have been one. */
	int ret = ccid_is_astray(&card->ccid) ? ccid_resync(&card->ccid, deadline) : 0;

	if (!ret && card->ccid.icc == CCID_ICC_ACTIVE && !warm)
		ret = ccid_power_off(&card->ccid, deadline);
	return ret ? ret : ccid_power_on(&card->ccid, deadline);
}

/* Resets a card of which the ATR is known. -ECONNRESET: it is another card now. */
static int reset_again(struct tokmux_card *card, int64_t deadline)
{
	int ret = reset(card, false, deadline);

	if (ret < 0)
		return ret;
	if ((size_t)ret != card->atr_len ||
	    memcmp(card->atr_bytes, ccid_data(&card->ccid), card->atr_len))
		return -ECONNRESET;
	return 0;
}

/* Speed and waiting times, as CCID's SetParameters wants them. */
static int set_parameters(struct tokmux_card *card, uint8_t fi_di,
			  int64_t deadline)
{
	const struct atr *atr = &card->atr;
	const uint8_t convention = atr->inverse ? 2 : 0;
	const uint8_t t0[5] = { fi_di, convention, atr->tc1, atr->wi, 0 };
	const uint8_t t1[7] = { fi_di, 0x10 | convention, atr->tc1,
				atr->waiting, 0, atr->ifsc, 0 };
	int ret;

	if (card->protocol == 1)
		ret = ccid_set_parameters(&card->ccid, 1, t1, sizeof(t1), deadline);
	else
		ret = ccid_set_parameters(&card->ccid, 0, t0, sizeof(t0), deadline);
	/* Some readers can't be told: they set the parameters themselves. */
	return ret == -EOPNOTSUPP ? 0 : ret;
}

/*
 * Protocol and parameters selection (7816-3, 9) for a reader that leaves it to
 * the computer: the reader passes the request on as a block. The card may
 * refuse the speed, not the protocol.
 */
static int pps(struct tokmux_card *card, uint8_t *fi_di, int64_t deadline)
{
	uint8_t request[4] = { 0xff, (uint8_t)(0x10 | card->protocol), *fi_di };
	const uint8_t *answer = ccid_data(&card->ccid);
	int ret;

	request[3] = request[0] ^ request[1] ^ request[2];
	ret = ccid_xfr(&card->ccid, request, sizeof(request), 0, deadline);
	if (ret < 0)
		return ret;
	if (ret == 4 && !memcmp(answer, request, sizeof(request)))
		return 0;
	*fi_di = 0x11;
	if (ret == 3 && answer[0] == 0xff && answer[1] == card->protocol &&
	    answer[2] == (answer[0] ^ answer[1]))
		return 0;
	return -EPROTO;
}

/* Tells card and reader how fast they shall be, where it is for us to do. */
static int set_speed(struct tokmux_card *card, uint8_t fi_di, int64_t deadline)
{
	const struct ccid_descriptor *desc = ccid_desc(&card->ccid);
	int ret;

	if (ccid_level(&card->ccid) == CCID_LEVEL_TPDU &&
	    !(desc->features & CCID_AUTO_PPS) && !card->atr.specific &&
	    (fi_di != SPEED_DEFAULT || card->protocol != card->atr.first)) {
		ret = pps(card, &fi_di, deadline);
		if (ret)
			return ret;
	}
	return set_parameters(card, fi_di, deadline);
}

/* Did the reader or the card say no, and are both there to be asked again? */
static bool was_refused(const struct tokmux_card *card, int ret)
{
	return (ret == -EIO || ret == -EPROTO) && !ccid_is_astray(&card->ccid) &&
	       card->ccid.icc != CCID_ICC_ABSENT;
}

/*
 * Tries one speed after the other: the fastest first, and the last one is what
 * every card begins with. After a refusal the card may be at another speed than
 * the reader: it has to be reset.
 */
static int negotiate_speed(struct tokmux_card *card, int64_t deadline)
{
	const struct ccid_descriptor *desc = ccid_desc(&card->ccid);
	uint8_t speeds[SPEEDS_MAX];
	size_t count, i;
	int ret = 0;

	if (card->atr.specific) {
		/* This card has one speed only. */
		speeds[0] = card->atr.implicit ? SPEED_DEFAULT : card->atr.ta1;
		count = 1;
	} else {
		count = speed_list(card->atr.ta1, desc->clock_khz,
				   desc->max_data_rate, speeds);
	}
	for (i = 0; i < count; i++) {
		ret = i ? reset_again(card, deadline) : 0;
		if (!ret)
			ret = set_speed(card, speeds[i], deadline);
		if (!was_refused(card, ret))
			return ret;
	}
	return ret;
}

#define ANY_PROTOCOL	(TOKMUX_CARD_T0 | TOKMUX_CARD_T1)

/* Prefers the card's first protocol; else one that the reader has, too. */
static int choose_protocol(struct tokmux_card *card, unsigned int wished)
{
	const struct ccid_descriptor *desc = ccid_desc(&card->ccid);
	unsigned int both = card->atr.protocols & desc->protocols & wished;

	/* A card in specific mode has the protocol of TA2 only. */
	if (card->atr.specific)
		both &= 1U << card->atr.first;
	if (!both)
		return -EOPNOTSUPP;
	card->protocol = card->atr.first;
	if (!(both & 1U << card->protocol))
		card->protocol = both & 1 ? 0 : 1;
	return 0;
}

/* @resynch: the card has counted blocks already. */
static int negotiate_t1(struct tokmux_card *card, bool resynch, int64_t deadline)
{
	const struct ccid_descriptor *desc = ccid_desc(&card->ccid);
	struct card_pipe reader = {
		.pipe = { .send = card_send_block },
		.card = card,
		.deadline = deadline,
	};
	/* Four bytes of a message are the block's prologue and epilogue. */
	size_t most = card->reader->ccid.max_data - 4, ifsd;
	int ret = 0;

	if (card->atr.crc)
		return -EOPNOTSUPP;
	if (most > 254)
		most = 254;
	t1_init(&card->t1, card->atr.ifsc, (uint8_t)most);
	if (resynch)
		ret = t1_resynch(&card->t1, &reader.pipe);
	if (ret)
		return ret;
	/* The reader has told the card its IFSD. That value is not known here. */
	if (desc->features & CCID_AUTO_IFSD) {
		card->t1.ifsd = 254;
		return 0;
	}
	ifsd = most < desc->max_ifsd ? most : desc->max_ifsd;
	if (ifsd <= 32)
		return 0;
	ret = t1_set_ifsd(&card->t1, &reader.pipe, (uint8_t)ifsd);
	/* A card that doesn't understand the request stays at 32. */
	return ret == -EPROTO && !ccid_is_astray(&card->ccid) ? 0 : ret;
}

/*
 * At the APDU levels the reader does the rest once it knows the protocol. Most
 * have to be told, like any reader; that one of them refuses is no reason not
 * to go on.
 */
static int negotiate_apdu_level(struct tokmux_card *card, int64_t deadline)
{
	int ret = negotiate_speed(card, deadline);

	if (!was_refused(card, ret))
		return ret;
	return reset_again(card, deadline);
}

static int negotiate(struct tokmux_card *card, int64_t deadline)
{
	const struct ccid_descriptor *desc = ccid_desc(&card->ccid);
	bool tpdu = ccid_level(&card->ccid) == CCID_LEVEL_TPDU;
	bool chosen = desc->features & CCID_AUTO_NEGOTIATION;
	int ret;

	ret = choose_protocol(card, chosen ? ANY_PROTOCOL : card->wished);
	if (ret && !tpdu && card->wished == ANY_PROTOCOL) {
		/* The reader may know of a way. */
		card->protocol = card->atr.first;
		return 0;
	}
	if (ret)
		return ret;
	if (chosen) {
		/* The reader has chosen already. */
		ret = tpdu ? ccid_get_protocol(&card->ccid, deadline) :
			     (int)card->protocol;
		if (ret >= 0)
			card->protocol = (unsigned int)ret;
		else if (ret != -EOPNOTSUPP)
			return ret;
		if (!(card->wished & 1U << card->protocol))
			return -EOPNOTSUPP;
	} else {
		ret = tpdu ? negotiate_speed(card, deadline) :
			     negotiate_apdu_level(card, deadline);
		if (ret)
			return ret;
	}
	return tpdu && card->protocol == 1 ? negotiate_t1(card, false, deadline) : 0;
}

int card_adopt(struct tokmux_card *card, const uint8_t *atr, size_t atr_len,
	       unsigned int protocol)
{
	int ret;

	card->powered = false;
	ret = atr_parse(atr, atr_len, &card->atr);
	if (ret)
		return ret;
	memcpy(card->atr_bytes, atr, atr_len);
	card->atr_len = atr_len;
	card->protocol = protocol;
	card->wished = ANY_PROTOCOL;
	card->raw = false;
	if (ccid_level(&card->ccid) == CCID_LEVEL_TPDU && protocol == 1)
		ret = negotiate_t1(card, true, deadline_after(READER_MS));
	card->powered = !ret;
	return ret;
}

/*
 * Every card has power there. Only the reader's notices tell whether it is still the
 * card that this holder powered on.
 */
bool card_was_exchanged(struct tokmux_card *card)
{
	if (!ccid_activates(&card->ccid) || !ccid_was_out(&card->ccid))
		return false;
	card->powered = false;
	return true;
}

int tokmux_card_power_on(struct tokmux_card *card)
{
	return tokmux_card_reset(card, 0);
}

int tokmux_card_reset(struct tokmux_card *card, unsigned int flags)
{
	const unsigned int wished = flags & ANY_PROTOCOL;
	int64_t deadline = deadline_after(POWER_MS);
	int saved = errno, ret = -ENOLCK;

	if (flags & ~(unsigned int)(ANY_PROTOCOL | TOKMUX_CARD_WARM))
		return -EINVAL;
	if (!card->connected)
		goto out;
	card->wished = wished ? wished : ANY_PROTOCOL;
	card->powered = false;
	/* Forget notices from before: the card is reset now. */
	card_was_exchanged(card);
	ret = reset(card, flags & TOKMUX_CARD_WARM, deadline);
	/* Some cards can't be woken but by their power. */
	if (ret < 0 && flags & TOKMUX_CARD_WARM && was_refused(card, ret))
		ret = reset(card, false, deadline);
	if (ret < 0)
		goto out;
	card->atr_len = (size_t)ret;
	memcpy(card->atr_bytes, ccid_data(&card->ccid), card->atr_len);
	ret = atr_parse(card->atr_bytes, card->atr_len, &card->atr);
	if (!ret)
		ret = negotiate(card, deadline);
	if (ret)
		goto out;
	card->powered = true;
	card->raw = false;
	card->used_ms = deadline_now();
	if (getrandom(&card->power_id, sizeof(card->power_id), GRND_NONBLOCK) !=
	    sizeof(card->power_id))
		card->power_id = 0;
	ret = (int)card->atr_len;
out:
	errno = saved;
	return ret;
}

int tokmux_card_power_off(struct tokmux_card *card)
{
	int saved = errno, ret;

	if (!card->connected)
		return -ENOLCK;
	card->powered = false;
	ret = ccid_power_off(&card->ccid, deadline_after(READER_MS));
	errno = saved;
	return ret;
}

bool card_has_others(const struct tokmux_card *card)
{
	return ccid_desc(&card->ccid)->max_slot;
}

int card_other_slots_off(struct tokmux_card *card)
{
	int64_t deadline = deadline_after(READER_MS);
	unsigned int slot, last = ccid_desc(&card->ccid)->max_slot;
	struct ccid other;
	int ret = 0;

	for (slot = 0; slot <= last && !ret; slot++) {
		if (slot == card->slot)
			continue;
		ret = ccid_join(&other, &card->reader->ccid, slot);
		if (ret)
			break;
		ret = ccid_power_off(&other, deadline);
		ccid_leave(&other);
	}
	return ret;
}

int tokmux_card_atr(const struct tokmux_card *card,
		    uint8_t atr[TOKMUX_ATR_SIZE])
{
	if (!card->powered)
		return -ECONNRESET;
	memcpy(atr, card->atr_bytes, card->atr_len);
	return (int)card->atr_len;
}

int tokmux_card_protocol(const struct tokmux_card *card)
{
	return card->powered ? (int)card->protocol : -ECONNRESET;
}

int tokmux_card_reader_error(const struct tokmux_card *card)
{
	return card->connected && card->ccid.error >= 0 ? card->ccid.error :
							  -ENODATA;
}

int tokmux_card_apdu_max(const struct tokmux_card *card)
{
	if (!card->connected)
		return -ENOLCK;
	switch (ccid_level(&card->ccid)) {
	case CCID_LEVEL_EXTENDED:
		return 65536;
	case CCID_LEVEL_TPDU:
		/* A block is as long as it is, whatever it is a part of. */
		if (card->powered && card->protocol == 1)
			return 65536;
		break;
	}
	return 256;
}

int tokmux_card_describe(const struct tokmux_card *card,
			 struct tokmux_card_reader *reader, size_t size)
{
	const struct ccid_descriptor *desc;
	struct tokmux_card_reader r = {};

	if (!card->connected)
		return -ENOLCK;
	desc = ccid_desc(&card->ccid);
	r.slots = desc->max_slot + 1U;
	r.protocols = desc->protocols;
	r.features = desc->features;
	r.max_message = desc->max_message;
	r.lcd_layout = desc->lcd_layout;
	r.pin_support = desc->pin_support;
	memset(reader, 0, size);
	memcpy(reader, &r, size < sizeof(r) ? size : sizeof(r));
	return 0;
}

/* ---- what is in the slot ------------------------------------------------ */

/*
 * What is in the slot, and was the card out since the last look? The notices come
 * first: what happens after them is in the status.
 */
static int look(struct tokmux_card *card, bool *exchanged)
{
	int ret;

	*exchanged = card_was_exchanged(card);
	ret = ccid_slot_status(&card->ccid, deadline_after(READER_MS));
	if (ret != CCID_ICC_ACTIVE)
		card->powered = false;
	return ret;
}

int tokmux_card_status(struct tokmux_card *card)
{
	int saved = errno, ret;
	bool exchanged;

	if (!card->connected)
		return -ENOLCK;
	ret = look(card, &exchanged);
	errno = saved;
	return ret;
}

int tokmux_card_heard(struct tokmux_card *card)
{
	int saved = errno, ret;

	if (!card->connected)
		return -ENOLCK;
	ret = ccid_heard(&card->ccid);
	errno = saved;
	return ret;
}

int tokmux_card_wait(struct tokmux_card *card, int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);
	int saved = errno, ret, before;
	bool exchanged;

	if (!card->connected)
		return -ENOLCK;
	/* A change that nobody has been told of ends the wait, too. */
	before = card->powered ? CCID_ICC_ACTIVE : -1;
	ret = look(card, &exchanged);
	if (before < 0)
		before = ret;
	while (ret == before && ret >= 0 && !exchanged) {
		ret = ccid_wait_notice(&card->ccid, deadline);
		if (ret < 0)
			break;
		if (!ret) {
			ret = timeout_ms ? -ETIMEDOUT : -EAGAIN;
			break;
		}
		ret = look(card, &exchanged);
		/* The card was out and is in again. */
		if (ret == TOKMUX_CARD_INACTIVE &&
		    card->reader->ccid.transport->ops->interrupt_in)
			break;
	}
	errno = saved;
	return ret;
}

/* ---- commands ------------------------------------------------------------ */

static bool are_flags(unsigned int flags)
{
	const unsigned int all = TOKMUX_CARD_CHAIN | TOKMUX_CARD_PATIENT |
				 TOKMUX_CARD_RAW;

	return !(flags & ~all) &&
	       !(flags & TOKMUX_CARD_RAW && flags & TOKMUX_CARD_CHAIN);
}

int tokmux_card_transmit(struct tokmux_card *card, const void *apdu, size_t len,
			 void *answer, size_t size, unsigned int flags,
			 int timeout_ms)
{
	const int least = flags & TOKMUX_CARD_RAW ? 0 : 2;
	int64_t deadline = -1;
	int saved = errno, ret;
	struct apdu a;

	if (!are_flags(flags) || !len)
		return -EINVAL;
	ret = flags & TOKMUX_CARD_RAW ? 0 : apdu_parse(apdu, len, &a);
	if (ret)
		return ret;
	if (!card->connected)
		return -ENOLCK;
	if (!card->powered || card_was_exchanged(card)) {
		errno = saved;
		return -ECONNRESET;
	}
	if (flags & TOKMUX_CARD_PATIENT)
		card->ccid.silence_ms = timeout_ms > 0 ? timeout_ms : 0;
	else
		deadline = deadline_after(timeout_ms);
	if (flags & TOKMUX_CARD_RAW)
		ret = send_raw(card, apdu, len, deadline);
	else
		ret = send_apdu(card, &a, apdu, len, flags & TOKMUX_CARD_CHAIN,
				deadline);
	card->ccid.silence_ms = 0;
	card->used_ms = deadline_now();
	if (ret >= 0 && (ret < least || ret > APDU_ANSWER_MAX))
		ret = -EPROTO;
	if (ret == -EBADMSG)
		ret = -EIO;
	if (ret == -EIO && card->ccid.icc == CCID_ICC_INACTIVE)
		ret = -ECONNRESET;
	if (ret < 0 && ret != -EMSGSIZE)
		card->powered = false;
	if (ret > 0 && (size_t)ret > size) {
		explicit_bzero(card->answer, (size_t)ret);
		ret = -EOVERFLOW;
	} else if (ret > 0) {
		memcpy(answer, card->answer, (size_t)ret);
		explicit_bzero(card->answer, (size_t)ret);
	} else {
		explicit_bzero(card->answer, APDU_ANSWER_MAX);
	}
	ccid_wipe(&card->ccid);
	errno = saved;
	return ret;
}

/* ---- the reader's own ---------------------------------------------------- */

int card_take_answer(struct tokmux_card *card, const uint8_t *data, int len,
		     void *answer, size_t size)
{
	if (len > 0 && (size_t)len > size)
		len = -EOVERFLOW;
	if (len > 0)
		memcpy(answer, data, (size_t)len);
	ccid_wipe(&card->ccid);
	return len;
}

int tokmux_card_escape(struct tokmux_card *card, const void *command, size_t len,
		       void *answer, size_t size, int timeout_ms)
{
	int saved = errno, ret;

	if (!card->connected)
		return -ENOLCK;
	ret = ccid_escape(&card->ccid, command, len, deadline_after(timeout_ms));
	ret = card_take_answer(card, ccid_data(&card->ccid), ret, answer, size);
	errno = saved;
	return ret;
}
