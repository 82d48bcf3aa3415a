/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A card reader on USB, as sysfs shows it: the emulated one of the guest.
 */
#ifndef USB_H
#define USB_H

#include <linux/usb/ch9.h>
#include "device.h"

struct reader {
	char node[64];
	char sysfs[256];
	unsigned char interface;
	unsigned char configuration;
	unsigned char interrupt, in, out;	/* endpoints */
	unsigned int endpoints;
};

static inline unsigned int sysfs_number(const char *dir, const char *name, int base)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return strtoul(sysfs_read(path), NULL, base);
}

static inline void find_endpoints(const char *dir, struct reader *reader)
{
	struct dirent *entry;
	DIR *list = opendir(dir);
	char path[512];

	while (list && (entry = readdir(list))) {
		unsigned int address, attributes;

		if (strncmp(entry->d_name, "ep_", 3))
			continue;
		snprintf(path, sizeof(path), "%s/%.16s", dir, entry->d_name);
		address = sysfs_number(path, "bEndpointAddress", 16);
		attributes = sysfs_number(path, "bmAttributes", 16);
		reader->endpoints |= 1U << ((address & 0xf) + (address & 0x80 ? 16 : 0));
		if ((attributes & 3) == USB_ENDPOINT_XFER_INT)
			reader->interrupt = address;
		else if (address & USB_DIR_IN)
			reader->in = address;
		else
			reader->out = address;
	}
	if (list)
		closedir(list);
}

/* The first interface of class 0x0b. */
static inline bool find_reader(struct reader *reader)
{
	const char *base = "/sys/bus/usb/devices";
	char dir[256], device[256];
	struct dirent *entry;
	bool found = false;
	DIR *list = opendir(base);

	*reader = (struct reader){};
	while (list && !found && (entry = readdir(list))) {
		if (!strchr(entry->d_name, ':'))
			continue;
		snprintf(dir, sizeof(dir), "%s/%.32s", base, entry->d_name);
		if (sysfs_number(dir, "bInterfaceClass", 16) != 0x0b)
			continue;
		snprintf(device, sizeof(device), "%s/%.*s", base,
			 (int)strcspn(entry->d_name, ":"), entry->d_name);
		reader->interface = sysfs_number(dir, "bInterfaceNumber", 16);
		reader->configuration = sysfs_number(device, "bConfigurationValue", 10);
		snprintf(reader->node, sizeof(reader->node), "/dev/bus/usb/%03u/%03u",
			 sysfs_number(device, "busnum", 10),
			 sysfs_number(device, "devnum", 10));
		strcpy(reader->sysfs, device);
		find_endpoints(dir, reader);
		found = true;
	}
	if (list)
		closedir(list);
	return found;
}

#endif /* USB_H */
