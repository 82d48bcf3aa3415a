/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way to a reader through libusb.
 */
#ifndef TOKMUX_LIB_CARD_CCID_USB_H
#define TOKMUX_LIB_CARD_CCID_USB_H

#include "ccid_transport.h"

/*
 * A bus is a context of libusb, for one card. It is worth keeping: before 1.0.27
 * libusb looks at all devices to make it.
 */
struct libusb_context;
int ccid_usb_bus(struct libusb_context **bus);
void ccid_usb_bus_free(struct libusb_context *bus);
/* @fd is a usbfs node's or a lease's. It stays the caller's, and open. */
int ccid_usb_open(struct libusb_context *bus, int fd,
		  struct ccid_transport **transport);

#endif /* TOKMUX_LIB_CARD_CCID_USB_H */
