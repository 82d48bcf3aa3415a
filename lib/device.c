// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The real device behind a system token, described for the kernel.
 *
 * The kernel has to be told which interface and which endpoints of a USB
 * device belong to the token. libusb reads them from the device's descriptors.
 */
#include <fcntl.h>
#include <libusb.h>
#include <limits.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "internal.h"

#define USB_DEVICE_MAJOR	189	/* of usbfs, as in <linux/usb.h> */

static uint32_t endpoint_bits(const struct libusb_interface *interface)
{
	const struct libusb_interface_descriptor *alt;
	uint32_t bits = 0;
	uint8_t address;
	int i, j;

	for (i = 0; i < interface->num_altsetting; i++) {
		alt = &interface->altsetting[i];
		for (j = 0; j < alt->bNumEndpoints; j++) {
			address = alt->endpoint[j].bEndpointAddress;
			bits |= UINT32_C(1) << ((address & 0xf) +
						(address & LIBUSB_ENDPOINT_IN ? 16 : 0));
		}
	}
	return bits;
}

static int find_interface(const struct libusb_config_descriptor *config,
			  int number, struct tokmux_create *arg)
{
	const struct libusb_interface *interface;
	const struct libusb_interface_descriptor *alt;
	int i;

	for (i = 0; i < config->bNumInterfaces; i++) {
		interface = &config->interface[i];
		if (!interface->num_altsetting)
			continue;
		alt = &interface->altsetting[0];
		if (number < 0 ? alt->bInterfaceClass != LIBUSB_CLASS_SMART_CARD :
				 alt->bInterfaceNumber != number)
			continue;
		arg->usb_interface = alt->bInterfaceNumber;
		arg->usb_configuration = config->bConfigurationValue;
		arg->usb_endpoints = endpoint_bits(interface);
		return 0;
	}
	return -EOPNOTSUPP;
}

static int describe_usb(int fd, int interface, struct tokmux_create *arg)
{
	struct libusb_config_descriptor *config;
	libusb_device_handle *handle;
	struct libusb_context *ctx;
	int ret;

	if (libusb_init(&ctx))
		return -ENOMEM;
	ret = -ENODEV;
	if (libusb_wrap_sys_device(ctx, fd, &handle))
		goto out_ctx;
	if (libusb_get_active_config_descriptor(libusb_get_device(handle), &config))
		goto out_handle;
	arg->device_kind = TOKMUX_DEVICE_USB;
	ret = find_interface(config, interface, arg);
	libusb_free_config_descriptor(config);
out_handle:
	libusb_close(handle);
out_ctx:
	libusb_exit(ctx);
	return ret;
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

int tokmux_device_describe(const char *node, int interface,
			   struct tokmux_create *arg)
{
	int saved = errno;
	struct stat st;
	int fd, ret;

	fd = open(node, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		ret = -errno;
		goto err;
	}
	ret = -EOPNOTSUPP;
	if (!S_ISCHR(st.st_mode))
		goto err;
	if (major(st.st_rdev) == USB_DEVICE_MAJOR) {
		ret = describe_usb(fd, interface, arg);
		/*
		 * The kernel keeps this file open: the device may sleep all
		 * the same.
		 */
		if (!ret)
			ioctl(fd, USBDEVFS_ALLOW_SUSPEND);
	} else if (is_of(st.st_rdev, "hidraw") && interface < 0) {
		arg->device_kind = TOKMUX_DEVICE_HIDRAW;
		ret = 0;
	}
	if (ret)
		goto err;
	arg->device_fd = fd;
	errno = saved;
	return 0;
err:
	if (fd >= 0)
		close(fd);
	errno = saved;
	return ret;
}
