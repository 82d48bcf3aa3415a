/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CCID's messages: their header, the errors and the notices. The functions only
 * look at bytes, and trust none of them.
 */
#ifndef TOKMUX_LIB_CARD_CCID_MESSAGE_H
#define TOKMUX_LIB_CARD_CCID_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CCID_HEADER_SIZE	10
/* Room for an extended APDU and its answer: 65544 and 65538 bytes. */
#define CCID_DATA_MAX		65544
#define CCID_MESSAGE_MAX	(CCID_HEADER_SIZE + CCID_DATA_MAX)

enum ccid_command {
	CCID_SET_PARAMETERS	= 0x61,
	CCID_ICC_POWER_ON	= 0x62,
	CCID_ICC_POWER_OFF	= 0x63,
	CCID_GET_SLOT_STATUS	= 0x65,
	CCID_SECURE		= 0x69,
	CCID_ESCAPE		= 0x6b,
	CCID_GET_PARAMETERS	= 0x6c,
	CCID_XFR_BLOCK		= 0x6f,
	CCID_ABORT		= 0x72,
};

enum ccid_answer {
	CCID_DATA_BLOCK		= 0x80,
	CCID_SLOT_STATUS	= 0x81,
	CCID_PARAMETERS		= 0x82,
	CCID_ESCAPED		= 0x83,
};

enum ccid_notice {
	CCID_NOTIFY_SLOT_CHANGE	= 0x50,
};

enum ccid_icc_status {
	CCID_ICC_ACTIVE		= 0,
	CCID_ICC_INACTIVE	= 1,
	CCID_ICC_ABSENT		= 2,
};

enum ccid_command_status {
	CCID_DONE		= 0,
	CCID_FAILED		= 1,
	CCID_TIME_EXTENSION	= 2,
};

/* bError, where a command failed */
#define CCID_ERROR_UNSUPPORTED	0x00
#define CCID_ERROR_SLOT_BUSY	0xe0
#define CCID_ERROR_PIN_CANCELLED 0xef
#define CCID_ERROR_PIN_TIMEOUT	0xf0
#define CCID_ERROR_ABORTED	0xff

/* wLevelParameter and bChainParameter of the extended APDU level */
#define CCID_CHAIN_WHOLE	0x00
#define CCID_CHAIN_BEGINS	0x01
#define CCID_CHAIN_ENDS		0x02
#define CCID_CHAIN_GOES_ON	0x03
#define CCID_CHAIN_NEXT		0x10

struct ccid_message {
	uint8_t type;
	uint8_t slot;
	uint8_t seq;
	uint8_t specific[3];		/* bStatus, bError, … in an answer */
	uint32_t length;		/* of the data, as its sender says */
};

static inline uint8_t ccid_icc_status(const struct ccid_message *m)
{
	return m->specific[0] & 3;
}

static inline uint8_t ccid_command_status(const struct ccid_message *m)
{
	return m->specific[0] >> 6;
}

void ccid_header_put(uint8_t header[static CCID_HEADER_SIZE],
		     const struct ccid_message *message);

/* -EPROTO if @len is too short for a header, or its length above CCID_DATA_MAX. */
int ccid_header_get(const uint8_t *bytes, size_t len,
		    struct ccid_message *message);

/* What an answer's bError means, as a negative errno. */
int ccid_error(const struct ccid_message *answer);

/*
 * A notice of the interrupt endpoint: 1 if it says that something changed in
 * @slot, with @present set, 0 if it doesn't, -EPROTO if it is cut short.
 */
int ccid_notice(const uint8_t *bytes, size_t len, unsigned int slot,
		bool *present);

#endif /* TOKMUX_LIB_CARD_CCID_MESSAGE_H */
