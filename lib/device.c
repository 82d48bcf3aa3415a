// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The real device behind a system token, described for the kernel.
 *
 * The kernel has to be told which interface and which endpoints of a USB device
 * belong to the token. sysfs has them, as the kernel read them when the device was
 * plugged in: the device itself is not asked, it may never answer.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "internal.h"
#include "usb_descriptors.h"

#define USB_DEVICE_MAJOR	189	/* of usbfs, as in <linux/usb.h> */

/*
 * The active configuration, from the names of the interfaces that it has, as
 * "1-2:1.0": to read bConfigurationValue takes the device's lock, which somebody
 * who resets the device may have.
 */
static int active_configuration(const char *path, uint8_t *configuration)
{
	unsigned int value = 0, number;
	const char *colon;
	struct dirent *entry;
	DIR *dir;

	dir = opendir(path);
	if (!dir)
		return -ENODEV;
	while (!value && (entry = readdir(dir))) {
		colon = strchr(entry->d_name, ':');
		if (!colon || !isdigit((unsigned char)*entry->d_name) ||
		    sscanf(colon, ":%u.%u", &value, &number) != 2)
			value = 0;
	}
	closedir(dir);
	*configuration = (uint8_t)value;
	return value ? 0 : -EOPNOTSUPP;
}

/* It was all the time that it is open, if it is now. */
static bool is_gone(int fd)
{
	struct pollfd pfd = { .fd = fd };

	return poll(&pfd, 1, 0) != 0 && pfd.revents & POLLHUP;
}

static int describe_usb(int fd, dev_t rdev, int interface,
			struct tokmux_create *arg)
{
	struct usb_interface found;
	char device[64];
	uint8_t *bytes;
	ssize_t len;
	int ret;

	snprintf(device, sizeof(device), "/sys/dev/char/%u:%u/", major(rdev),
		 minor(rdev));
	ret = active_configuration(device, &arg->usb_configuration);
	if (ret)
		return ret;
	len = usb_read_descriptors(device, &bytes);
	ret = len < 0 ? (int)len :
	      usb_find_interface(bytes, len, arg->usb_configuration, interface,
				 &found);
	if (len >= 0)
		free(bytes);
	/* What sysfs has by that number is of this file, then. */
	if (is_gone(fd))
		return -ENODEV;
	if (ret)
		return ret;
	arg->device_kind = TOKMUX_DEVICE_USB;
	arg->usb_interface = found.number;
	arg->usb_endpoints = found.endpoints;
	return 0;
}

/* Does sysfs have the device in @subsystem? */
static bool is_of(dev_t devt, const char *subsystem)
{
	char path[64], target[PATH_MAX];
	const char *name;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem",
		 major(devt), minor(devt));
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	name = strrchr(target, '/');
	return name && !strcmp(name + 1, subsystem);
}

int tokmux_device_describe(int fd, int interface, struct tokmux_create *arg)
{
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISCHR(st.st_mode))
		return -EOPNOTSUPP;
	if (major(st.st_rdev) == USB_DEVICE_MAJOR) {
		ret = describe_usb(fd, st.st_rdev, interface, arg);
		if (ret)
			return ret;
		/* The kernel keeps this file open: the device may sleep. */
		ioctl(fd, USBDEVFS_ALLOW_SUSPEND);
	} else if (is_of(st.st_rdev, "hidraw") && interface < 0) {
		arg->device_kind = TOKMUX_DEVICE_HIDRAW;
	} else {
		return -EOPNOTSUPP;
	}
	arg->device_fd = fd;
	return 0;
}
