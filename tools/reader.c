// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Smartcard readers on USB (CCID), as udev knows them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "reader.h"

#define CCID_CLASS	"0b"

/* Takes over @interface. */
static bool reader_of(struct udev_device *interface, struct reader *reader)
{
	const char *class = NULL, *number;

	if (interface)
		class = udev_device_get_sysattr_value(interface,
						      "bInterfaceClass");
	*reader = (struct reader){ .interface = interface };
	if (class && !strcmp(class, CCID_CLASS))
		reader->device = udev_device_get_parent_with_subsystem_devtype(
					interface, "usb", "usb_device");
	if (reader->device)
		reader->node = udev_device_get_devnode(reader->device);
	if (!reader->node) {
		udev_device_unref(interface);
		return false;
	}
	number = udev_device_get_sysattr_value(interface, "bInterfaceNumber");
	reader->number = number ? strtoul(number, NULL, 16) : 0;
	reader->rdev = udev_device_get_devnum(reader->device);
	return true;
}

bool reader_from_devpath(struct udev *udev, const char *devpath,
			 struct reader *reader)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "/sys%s", devpath) >= (int)sizeof(path))
		return false;
	return reader_of(udev_device_new_from_syspath(udev, path), reader);
}

void reader_put(struct reader *reader)
{
	udev_device_unref(reader->interface);
}

const char *reader_id(const struct reader *reader)
{
	const char *id = udev_device_get_property_value(reader->device,
							"ID_SERIAL");

	return id ? id : udev_device_get_sysname(reader->device);
}

void for_each_reader(struct udev *udev,
		     void (*see)(const struct reader *reader, void *data),
		     void *data)
{
	struct udev_enumerate *scan = udev_enumerate_new(udev);
	struct udev_list_entry *entry;
	struct reader reader;

	if (!scan)
		return;
	udev_enumerate_add_match_subsystem(scan, "usb");
	udev_enumerate_add_match_sysattr(scan, "bInterfaceClass", CCID_CLASS);
	udev_enumerate_scan_devices(scan);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(scan)) {
		const char *path = udev_list_entry_get_name(entry);

		if (!reader_of(udev_device_new_from_syspath(udev, path), &reader))
			continue;
		see(&reader, data);
		reader_put(&reader);
	}
	udev_enumerate_unref(scan);
}
