// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A real device that a token is to stand for, looked at and not touched.
 */
#include <errno.h>
#include <libudev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "device.h"
#include "tool.h"

static bool is_named(const char *value, const char *wanted)
{
	return value && !strcmp(value, wanted);
}

/* Has it this interface, or with -1 one that is a smartcard reader's? */
static bool has_interface(struct udev *udev, struct udev_device *device,
			  int interface)
{
	struct udev_enumerate *scan = udev_enumerate_new(udev);
	struct udev_list_entry *entry;
	bool found = false;
	char number[8];

	if (!scan)
		return false;
	snprintf(number, sizeof(number), "%02x", interface);
	udev_enumerate_add_match_parent(scan, device);
	udev_enumerate_add_match_subsystem(scan, "usb");
	if (interface < 0)
		udev_enumerate_add_match_sysattr(scan, "bInterfaceClass", "0b");
	else
		udev_enumerate_add_match_sysattr(scan, "bInterfaceNumber", number);
	udev_enumerate_scan_devices(scan);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(scan)) {
		struct udev_device *child, *parent;

		/* Below a hub there are others' interfaces as well. */
		child = udev_device_new_from_syspath(udev,
					udev_list_entry_get_name(entry));
		parent = child ? udev_device_get_parent(child) : NULL;
		found |= parent && is_named(udev_device_get_syspath(parent),
					    udev_device_get_syspath(device));
		udev_device_unref(child);
	}
	udev_enumerate_unref(scan);
	return found;
}

static bool is_possible(struct udev *udev, struct udev_device *device,
			int interface)
{
	const char *subsystem = udev_device_get_subsystem(device);

	if (is_named(subsystem, "hidraw"))
		return interface < 0;
	return is_named(subsystem, "usb") &&
	       is_named(udev_device_get_devtype(device), "usb_device") &&
	       has_interface(udev, device, interface);
}

int device_look(const char *node, int interface)
{
	struct udev_device *device;
	struct udev *udev;
	struct stat st;
	int ret;

	if (stat(node, &st) || access(node, R_OK | W_OK))
		return -errno;
	if (!S_ISCHR(st.st_mode))
		return -EOPNOTSUPP;
	udev = udev_new();
	device = udev ? udev_device_new_from_devnum(udev, 'c', st.st_rdev) : NULL;
	ret = device && is_possible(udev, device, interface) ? 0 : -EOPNOTSUPP;
	udev_device_unref(device);
	udev_unref(udev);
	return ret;
}
