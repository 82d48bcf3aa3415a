/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Smartcard readers on USB (CCID), as udev knows them.
 */
#ifndef TOKMUX_TOOL_READER_H
#define TOKMUX_TOOL_READER_H

#include <libudev.h>
#include <sys/types.h>
#include "tool.h"

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
};

/* From the path below /sys. false if it is none. */
bool reader_from_devpath(struct udev *udev, const char *devpath,
			 struct reader *reader);
void reader_put(struct reader *reader);
/* "Vendor_Model_Serial", or what is known of it. */
const char *reader_id(const struct reader *reader);
void for_each_reader(struct udev *udev,
		     void (*see)(const struct reader *reader, void *data),
		     void *data);

#endif /* TOKMUX_TOOL_READER_H */
