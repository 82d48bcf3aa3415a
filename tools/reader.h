/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Smartcard readers on USB (CCID), as the kernel shows them.
 */
#ifndef TOKMUX_TOOL_READER_H
#define TOKMUX_TOOL_READER_H

#include <libudev.h>
#include <sys/types.h>
#include "tool.h"

/* The longest strings that USB has, three of them. */
#define READER_ID_SIZE	1200

/*
 * One interface of class 0x0b, and the device it belongs to. The strings live
 * as long as the struct's devices.
 */
struct reader {
	struct udev_device *interface;
	/* Its parent, which has the node; goes with it. */
	struct udev_device *device;
	const char *node;
	dev_t rdev;
	unsigned int number;
	/*
	 * "Vendor_Model_Serial", as udev's ID_SERIAL, whole, in characters that a
	 * name may have. It is what the device says of itself, and proves nothing.
	 */
	char id[READER_ID_SIZE];
};

/* From the path below /sys. false if it is none. */
bool reader_from_devpath(struct udev *udev, const char *devpath,
			 struct reader *reader);
void reader_put(struct reader *reader);
/* Closed to all but root, so that nobody else's program gets past a token. */
bool reader_is_closed(const struct reader *reader);
/* Why the library can't drive it, NULL if it can. */
const char *reader_why_not(const struct reader *reader);
/* Has the USB device at the path below /sys readers, and can none be driven? */
bool device_is_for_others(const char *devpath);
/*
 * How many smartcard interfaces of a lower number the device has. Nothing of the
 * device is waited for.
 */
unsigned int reader_position(struct udev *udev, const char *devpath);
void for_each_reader(struct udev *udev,
		     void (*see)(const struct reader *reader, void *data),
		     void *data);

#endif /* TOKMUX_TOOL_READER_H */
