/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a USB device says of its interfaces (USB 2.0, 9.6), as the kernel has read
 * it when the device was plugged in. The device is not asked again, and nothing
 * that it says is trusted.
 */
#ifndef TOKMUX_LIB_USB_DESCRIPTORS_H
#define TOKMUX_LIB_USB_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct usb_interface {
	uint8_t number;
	/* As in struct tokmux_create: bit 0 to 15 out, 16 to 31 in. */
	uint32_t endpoints;
};

/*
 * The descriptors of the device of which sysfs has the directory @device: their
 * length, in memory for free(). -ENODEV if they can't be read, -ENOMEM.
 */
ssize_t usb_read_descriptors(const char *device, uint8_t **bytes);

/*
 * Finds an interface in the configuration @configuration: the one of that number,
 * or with @number -1 the first one of which the first setting is a smartcard
 * reader's. The endpoints are those of all its settings. -EOPNOTSUPP if there is
 * none.
 */
int usb_find_interface(const uint8_t *bytes, size_t len, uint8_t configuration,
		       int number, struct usb_interface *found);

/* The first setting of a smartcard reader's interface. */
struct usb_setting {
	uint8_t number;
	uint8_t protocol;		/* bInterfaceProtocol */
	/* Its class' and its endpoints' descriptors, among the bytes looked at. */
	const uint8_t *own;
	size_t len;
};

/*
 * The next one in any configuration, from *@at on, which is 0 at first. False if
 * there is none.
 */
bool usb_next_reader(const uint8_t *bytes, size_t len, size_t *at,
		     struct usb_setting *found);

#endif /* TOKMUX_LIB_USB_DESCRIPTORS_H */
