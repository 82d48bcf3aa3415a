/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way to a reader: ccid_usb.c goes through libusb, tests have readers of
 * their own.
 */
#ifndef TOKMUX_LIB_CARD_CCID_TRANSPORT_H
#define TOKMUX_LIB_CARD_CCID_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include "ccid_descriptor.h"

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
};

#endif /* TOKMUX_LIB_CARD_CCID_TRANSPORT_H */
