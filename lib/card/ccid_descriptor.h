/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CCID, the USB class of smartcard readers (revision 1.1): what a reader's
 * descriptors say. The functions only look at bytes, and trust none of them.
 */
#ifndef TOKMUX_LIB_CARD_CCID_DESCRIPTOR_H
#define TOKMUX_LIB_CARD_CCID_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CCID_CLASS		0x0b
#define CCID_DESCRIPTOR_TYPE	0x21
#define CCID_DESCRIPTOR_VENDOR	0xff
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

/* bPINSupport: what its PIN pad is good for */
#define CCID_PIN_VERIFY		0x01
#define CCID_PIN_MODIFY		0x02

struct ccid_descriptor {
	uint8_t max_slot;		/* bMaxSlotIndex */
	uint8_t voltages;		/* bVoltageSupport: 1 5 V, 2 3 V, 4 1.8 V */
	uint32_t protocols;
	uint32_t clock_khz;
	uint32_t max_data_rate;		/* bit/s */
	uint32_t max_ifsd;
	uint32_t features;
	uint32_t max_message;		/* header included */
	uint16_t lcd_layout;		/* lines and characters, 0 for none */
	uint8_t pin_support;		/* CCID_PIN_* */
};

/*
 * Finds the class descriptor among the bytes that follow an interface's or an
 * endpoint's descriptor (libusb's "extra"). -ENOENT if there is none, -EPROTO
 * if it is cut short or has impossible values.
 */
int ccid_descriptor_parse(const uint8_t *extra, size_t len,
			  struct ccid_descriptor *desc);

/* No packet of an interrupt endpoint is longer (USB 2.0, 5.7.3). */
#define CCID_NOTICE_MAX		1024

/* An interface that is a reader. */
struct ccid_interface {
	struct ccid_descriptor desc;
	uint8_t number;
	/* The endpoints' addresses; @interrupt is 0 if there is none. */
	uint8_t out, in, interrupt;
	size_t in_packet;		/* wMaxPacketSize, 8 to 1024 */
	size_t interrupt_packet;	/* 2 to CCID_NOTICE_MAX */
};

/*
 * The device's next interface that is a reader, from *@at on, which is 0 at
 * first. -EOPNOTSUPP if there is none, -EPROTO if its descriptors have
 * impossible values.
 */
struct libusb_config_descriptor;
int ccid_interface_next(const struct libusb_config_descriptor *config, int *at,
			struct ccid_interface *found);

#endif /* TOKMUX_LIB_CARD_CCID_DESCRIPTOR_H */
