/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CCID, the USB class of smartcard readers (revision 1.1): a reader's
 * descriptor, its messages, and one command after the other through a
 * transport. Nothing in here trusts the reader.
 *
 * ccid_descriptor.c, ccid_message.c and ccid_interface.c only look at bytes;
 * ccid.c talks.
 */
#ifndef TOKMUX_CCID_H
#define TOKMUX_CCID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- bytes ------------------------------------------------------------ */

static inline uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return get_le16(p) | (uint32_t)get_le16(p + 2) << 16;
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

/* ---- the class descriptor --------------------------------------------- */

#define CCID_CLASS		0x0b
#define CCID_DESCRIPTOR_TYPE	0x21
#define CCID_DESCRIPTOR_SIZE	54

/* dwProtocols */
#define CCID_T0			0x00000001
#define CCID_T1			0x00000002

/* dwFeatures: what the reader does by itself */
#define CCID_AUTO_ACTIVATION	0x00000004
#define CCID_AUTO_VOLTAGE	0x00000008
#define CCID_AUTO_NEGOTIATION	0x00000040
#define CCID_AUTO_PPS		0x00000080
#define CCID_AUTO_IFSD		0x00000400
#define CCID_LEVEL		0x00070000
#define CCID_LEVEL_CHARACTER	0x00000000
#define CCID_LEVEL_TPDU		0x00010000
#define CCID_LEVEL_SHORT	0x00020000
#define CCID_LEVEL_EXTENDED	0x00040000

struct ccid_descriptor {
	uint8_t max_slot;		/* bMaxSlotIndex */
	uint8_t voltages;		/* bVoltageSupport: 1 5 V, 2 3 V, 4 1.8 V */
	uint32_t protocols;
	uint32_t clock_khz;
	uint32_t max_data_rate;		/* bit/s */
	uint32_t max_ifsd;
	uint32_t features;
	uint32_t max_message;		/* header included */
	uint8_t get_response_class;	/* 0xff: the command's */
	uint8_t busy_slots;
};

/*
 * Finds the class descriptor among those that follow an interface's or an
 * endpoint's (libusb's "extra"). -ENOENT if there is none, -EPROTO if it is cut
 * short or says what can't be.
 */
int ccid_descriptor_parse(const uint8_t *extra, size_t len,
			  struct ccid_descriptor *desc);

/* No packet of an interrupt endpoint is longer (USB 2.0, 5.7.3). */
#define CCID_NOTICE_MAX		1024

/* An interface that is a reader's. */
struct ccid_interface {
	struct ccid_descriptor desc;
	uint8_t number;
	/* The endpoints' addresses; @interrupt is 0 if there is none. */
	uint8_t out, in, interrupt;
	size_t in_packet;		/* wMaxPacketSize, 8 to 1024 */
	size_t interrupt_packet;	/* 2 to CCID_NOTICE_MAX */
};

/*
 * The next one of a device, from *@at on, which is 0 at first. -EOPNOTSUPP if
 * there is none, -EPROTO if what it says of itself can't be.
 */
struct libusb_config_descriptor;
int ccid_interface_next(const struct libusb_config_descriptor *config, int *at,
			struct ccid_interface *found);

/* ---- messages --------------------------------------------------------- */

#define CCID_HEADER_SIZE	10
/* Room for an extended APDU and its answer: 65544 and 65538 bytes. */
#define CCID_DATA_MAX		65544
#define CCID_MESSAGE_MAX	(CCID_HEADER_SIZE + CCID_DATA_MAX)

enum ccid_command {
	CCID_SET_PARAMETERS	= 0x61,
	CCID_ICC_POWER_ON	= 0x62,
	CCID_ICC_POWER_OFF	= 0x63,
	CCID_GET_SLOT_STATUS	= 0x65,
	CCID_GET_PARAMETERS	= 0x6c,
	CCID_XFR_BLOCK		= 0x6f,
	CCID_ABORT		= 0x72,
};

enum ccid_answer {
	CCID_DATA_BLOCK		= 0x80,
	CCID_SLOT_STATUS	= 0x81,
	CCID_PARAMETERS		= 0x82,
};

enum ccid_notice {
	CCID_NOTIFY_SLOT_CHANGE	= 0x50,
	CCID_HARDWARE_ERROR	= 0x51,
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
#define CCID_ERROR_BUSY_AUTO	0xf2
#define CCID_ERROR_HW		0xfb
#define CCID_ERROR_OVERRUN	0xfc
#define CCID_ERROR_PARITY	0xfd
#define CCID_ERROR_MUTE		0xfe
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
 * @slot, with @present set, 0 if it doesn't, -EPROTO if it is none.
 */
int ccid_notice(const uint8_t *bytes, size_t len, unsigned int slot,
		bool *present);

/* ---- the transport ---------------------------------------------------- */

struct ccid_transport;

/*
 * Errors: -ENODEV if the reader is gone or the lease's fd is dead, -ETIMEDOUT,
 * -EPIPE if an endpoint had stalled (it has been cleared), -EOVERFLOW if the
 * reader sent more than was asked for, -EIO. Timeouts are in milliseconds, at
 * least 1.
 */
struct ccid_transport_ops {
	int (*bulk_out)(struct ccid_transport *t, const uint8_t *data,
			size_t len, int timeout_ms);
	/* Returns how much came, also 0: a zero-length packet. */
	int (*bulk_in)(struct ccid_transport *t, uint8_t *data, size_t size,
		       int timeout_ms);
	/*
	 * NULL where there is no interrupt endpoint. A timeout of 0 is for what
	 * has come already; what comes between two calls is not lost once there
	 * was a first one.
	 */
	int (*interrupt_in)(struct ccid_transport *t, uint8_t *data,
			    size_t size, int timeout_ms);
	/* The class request ABORT, beside the message of that name. */
	int (*abort)(struct ccid_transport *t, uint8_t slot, uint8_t seq);
	void (*close)(struct ccid_transport *t);
};

struct ccid_transport {
	const struct ccid_transport_ops *ops;
	size_t in_packet;		/* as in struct ccid_interface */
	size_t interrupt_packet;
	struct ccid_descriptor desc;
	uint16_t vendor, product;
};

/*
 * ccid_usb.c: through a usbfs node's or a lease's fd, which stays the caller's
 * and open. A bus is libusb's context: worth keeping, it takes a look at all
 * there is; nothing else holds it.
 */
struct libusb_context;
int ccid_usb_bus(struct libusb_context **bus);
void ccid_usb_bus_free(struct libusb_context *bus);
int ccid_usb_open(struct libusb_context *bus, int fd,
		  struct ccid_transport **transport);

/* ---- one command after the other -------------------------------------- */

/* CLOCK_MONOTONIC in ms. A timeout of less than 0 is a deadline of -1: never. */
int64_t deadline_after(int timeout_ms);
/* At most @most ms; 0 if it has passed. */
int deadline_left(int64_t deadline, int most);

struct ccid {
	struct ccid_transport *transport;
	uint8_t slot;
	uint8_t seq;
	/* A command was given up: its answer may still come, or half of it. */
	bool astray;
	size_t max_data;		/* of one message either way */
	uint8_t icc;			/* as of the last answer */
	bool told_present;		/* by the last notice */
	bool exchanged;			/* there was one that the card was out */
	uint8_t *out, *in;		/* CCID_HEADER_SIZE + max_data */
	size_t in_len;			/* of the last answer's data */
	size_t out_used, in_used;	/* what ccid_wipe() has to wipe */
};

/* The data of the last answer. */
static inline const uint8_t *ccid_data(const struct ccid *ccid)
{
	return ccid->in + CCID_HEADER_SIZE;
}

/* Takes over the transport where it succeeds. */
int ccid_init(struct ccid *ccid, struct ccid_transport *transport,
	      unsigned int slot);
void ccid_destroy(struct ccid *ccid);

/* Brings a reader that another holder left in the middle of something in step. */
int ccid_resync(struct ccid *ccid, int64_t deadline);

/*
 * One command and its answer. @specific are the three bytes of the header,
 * @len bytes of @data follow it. -ETIMEDOUT leaves the reader astray.
 */
int ccid_command(struct ccid *ccid, enum ccid_command type,
		 const uint8_t specific[static 3], const uint8_t *data,
		 size_t len, int64_t deadline, struct ccid_message *answer);

/* CCID_ICC_*. */
int ccid_slot_status(struct ccid *ccid, int64_t deadline);
int ccid_power_off(struct ccid *ccid, int64_t deadline);
/* The length of the ATR, which is in ccid_data(). */
int ccid_power_on(struct ccid *ccid, int64_t deadline);
/* One block or APDU, whole, either way: the length of what is in ccid_data(). */
int ccid_xfr(struct ccid *ccid, const uint8_t *data, size_t len,
	     unsigned int bwi, int64_t deadline);
/* An APDU of any length through a reader of the extended APDU level. */
int ccid_xfr_apdu(struct ccid *ccid, const uint8_t *apdu, size_t len,
		  uint8_t *answer, size_t size, int64_t deadline);
int ccid_set_parameters(struct ccid *ccid, unsigned int protocol,
			const uint8_t *parameters, size_t len,
			int64_t deadline);
/* The protocol that the reader has chosen: 0 or 1. */
int ccid_get_protocol(struct ccid *ccid, int64_t deadline);
/*
 * Waits for a change in the slot, or for the time to ask for one where the
 * reader can't tell: 1, 0 if there was none in that time.
 */
int ccid_wait_notice(struct ccid *ccid, int64_t deadline);
/*
 * Has the card been out since the last call, as far as the reader has told? The
 * first call begins to listen.
 */
bool ccid_was_out(struct ccid *ccid);
/* Forgets what the buffers hold: a PIN, perhaps. */
void ccid_wipe(struct ccid *ccid);

#endif /* TOKMUX_CCID_H */
