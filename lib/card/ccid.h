/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One CCID command after the other to the slots of a reader, through a transport.
 * Nothing in here trusts the reader.
 */
#ifndef TOKMUX_LIB_CARD_CCID_H
#define TOKMUX_LIB_CARD_CCID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ccid_message.h"
#include "ccid_transport.h"

/* A reader, which its slots share. */
struct ccid_reader {
	struct ccid_transport *transport;
	uint8_t seq;
	/*
	 * How often a command was given up. Its answer, or a part of it, may still come:
	 * each slot has to get in step again.
	 */
	unsigned int given_up;
	size_t max_data;		/* of one message to the reader */
	size_t max_answer;		/* of one message from it */
	uint8_t *out, *in;		/* with room for a header each */
	size_t in_len;			/* of the last answer's data */
	size_t out_used, in_used;	/* what ccid_wipe() has to wipe */
	struct ccid *slots;		/* that hear its notices */
};

/* One slot. */
struct ccid {
	struct ccid_reader *reader;
	struct ccid *next;
	uint8_t slot;
	/* It is in step, if that is the reader's @given_up plus one. */
	unsigned int in_step;
	/*
	 * If not 0: how long the reader may be silent while the card works on a
	 * command. Each time extension begins that time anew.
	 */
	int silence_ms;
	uint8_t icc;			/* as of the last answer */
	int error;			/* bError of the last command, -1 for none */
	bool told_present;		/* the last notice told of a card */
	bool exchanged;			/* a notice told that the card was out */
	bool heard;			/* of a change, and ccid_heard() hasn't said so */
};

/* What the reader says of itself. */
static inline const struct ccid_descriptor *ccid_desc(const struct ccid *ccid)
{
	return &ccid->reader->transport->desc;
}

/* CCID_LEVEL_*: what the reader takes in one message. */
static inline uint32_t ccid_level(const struct ccid *ccid)
{
	return ccid_desc(ccid)->features & CCID_LEVEL;
}

/* Does the reader give a card power by itself? Then one that has power may be another one. */
static inline bool ccid_activates(const struct ccid *ccid)
{
	return ccid_desc(ccid)->features & CCID_AUTO_ACTIVATION;
}

/*
 * A command was given up, to this slot or another one, or none has been sent yet:
 * ccid_resync() comes before the next one.
 */
static inline bool ccid_is_astray(const struct ccid *ccid)
{
	return ccid->in_step != ccid->reader->given_up + 1;
}

/* The data of the last answer, whichever slot's it was. */
static inline const uint8_t *ccid_data(const struct ccid *ccid)
{
	return ccid->reader->in + CCID_HEADER_SIZE;
}

/* Owns @transport if it succeeds. */
int ccid_reader_init(struct ccid_reader *reader, struct ccid_transport *transport);
/* Its slots have left it. */
void ccid_reader_destroy(struct ccid_reader *reader);

/* -EINVAL if the reader has no such slot. */
int ccid_join(struct ccid *ccid, struct ccid_reader *reader, unsigned int slot);
void ccid_leave(struct ccid *ccid);

/* Resynchronizes with a reader that a command or another holder left astray. */
int ccid_resync(struct ccid *ccid, int64_t deadline);

/*
 * One command and its answer. @specific are the three bytes of the header,
 * @len bytes of @data follow it. -EIO: the reader or the card failed or refused,
 * and @ccid->error says why if the reader does; -EPROTO: what came makes no sense.
 * -ETIMEDOUT leaves the slots astray.
 */
int ccid_command(struct ccid *ccid, enum ccid_command type,
		 const uint8_t specific[static 3], const uint8_t *data,
		 size_t len, int64_t deadline, struct ccid_message *answer);

/* CCID_ICC_*. */
int ccid_slot_status(struct ccid *ccid, int64_t deadline);
int ccid_power_off(struct ccid *ccid, int64_t deadline);
/* The length of the ATR, which is in ccid_data(). */
int ccid_power_on(struct ccid *ccid, int64_t deadline);
/* Exchanges one whole block or APDU: the length of what is in ccid_data(). */
int ccid_xfr(struct ccid *ccid, const uint8_t *data, size_t len,
	     unsigned int bwi, int64_t deadline);
/*
 * An APDU through a reader of an APDU level: of any length at the extended level.
 * Some readers of the short level send an answer in parts, too.
 */
int ccid_xfr_apdu(struct ccid *ccid, const uint8_t *apdu, size_t len,
		  uint8_t *answer, size_t size, int64_t deadline);
/* -EOPNOTSUPP if the reader has no such command. */
int ccid_set_parameters(struct ccid *ccid, unsigned int protocol,
			const uint8_t *parameters, size_t len,
			int64_t deadline);
/* The protocol that the reader has chosen: 0 or 1; -EOPNOTSUPP as above. */
int ccid_get_protocol(struct ccid *ccid, int64_t deadline);
/*
 * The reader's own commands, and what its PIN pad does: the answer's length.
 * -EOPNOTSUPP as above.
 */
int ccid_escape(struct ccid *ccid, const uint8_t *data, size_t len,
		int64_t deadline);
int ccid_secure(struct ccid *ccid, const uint8_t *data, size_t len,
		int64_t deadline);
/*
 * Waits until the slot's status is worth asking for: the reader told of a
 * change, or it can't tell and some time has passed. Returns 1; 0 at the
 * deadline.
 */
int ccid_wait_notice(struct ccid *ccid, int64_t deadline);
/*
 * Has the reader told, since the last call, that the card was out? The first
 * call starts listening.
 */
bool ccid_was_out(struct ccid *ccid);
/*
 * Has the reader told of a change in the slot since the last call? Starts listening
 * as well. -EOPNOTSUPP if the reader can't tell.
 */
int ccid_heard(struct ccid *ccid);
/* Wipes the buffers, which may hold a PIN. */
void ccid_wipe(struct ccid *ccid);

#endif /* TOKMUX_LIB_CARD_CCID_H */
