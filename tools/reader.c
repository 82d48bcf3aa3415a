// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Smartcard readers on USB (CCID), as the kernel shows them.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tokmux-card.h>
#include "origin.h"
#include "reader.h"

#define CCID_CLASS	"0b"
#define CLASS		"bInterfaceClass"

/* By the class of the setting that is in force now. */
static bool is_smartcard(struct udev_device *interface)
{
	const char *class = udev_device_get_sysattr_value(interface, CLASS);

	return class && !strcmp(class, CCID_CLASS);
}

/* One that is a token stays a reader, whatever setting its holder has chosen. */
static bool is_reader(struct udev_device *interface)
{
	char name[TOKMUX_NAME_SIZE];

	return is_smartcard(interface) ||
	       origin_find(udev_device_get_devpath(interface), name);
}

static unsigned int number_of(struct udev_device *interface)
{
	const char *number;

	number = udev_device_get_sysattr_value(interface, "bInterfaceNumber");
	return number ? strtoul(number, NULL, 16) : 0;
}

/* Adds @text, with one '_' for blanks, none at either end, and for each oddity. */
static void add_words(char *id, const char *text)
{
	size_t length = strlen(id), begin = length;
	bool blank = false;

	for (; *text && length + 2 < READER_ID_SIZE; text++) {
		if (isspace((unsigned char)*text)) {
			blank = length > begin;
			continue;
		}
		if (blank)
			id[length++] = '_';
		blank = false;
		id[length++] = isascii((unsigned char)*text) &&
			       (isalnum((unsigned char)*text) ||
				strchr(TOKMUX_NAME_PUNCTUATION, *text)) ? *text : '_';
	}
	id[length] = '\0';
}

/* As udev makes it. What the device doesn't say of itself has a number. */
static void identify(struct reader *reader)
{
	static const char * const parts[][2] = {
		{ "manufacturer", "idVendor" }, { "product", "idProduct" },
		{ "serial", NULL },
	};
	const char *value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		value = udev_device_get_sysattr_value(reader->device, parts[i][0]);
		if ((!value || !*value) && parts[i][1])
			value = udev_device_get_sysattr_value(reader->device,
							      parts[i][1]);
		if (!value || !*value)
			continue;
		if (i)
			strcat(reader->id, "_");
		add_words(reader->id, value);
	}
}

/* Takes over @interface. */
static bool reader_of(struct udev_device *interface, struct reader *reader)
{
	*reader = (struct reader){ .interface = interface };
	if (interface && is_reader(interface))
		reader->device = udev_device_get_parent_with_subsystem_devtype(
					interface, "usb", "usb_device");
	if (reader->device)
		reader->node = udev_device_get_devnode(reader->device);
	if (!reader->node) {
		udev_device_unref(interface);
		return false;
	}
	reader->number = number_of(interface);
	reader->rdev = udev_device_get_devnum(reader->device);
	identify(reader);
	return true;
}

static struct udev_device *interface_at(struct udev *udev, const char *devpath)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "/sys%s", devpath) >= (int)sizeof(path))
		return NULL;
	return udev_device_new_from_syspath(udev, path);
}

bool reader_from_devpath(struct udev *udev, const char *devpath,
			 struct reader *reader)
{
	return reader_of(interface_at(udev, devpath), reader);
}

void reader_put(struct reader *reader)
{
	udev_device_unref(reader->interface);
}

bool reader_is_closed(const struct reader *reader)
{
	struct stat st;

	return !stat(reader->node, &st) && !st.st_uid && !(st.st_mode & 077);
}

const char *reader_why_not(const struct reader *reader)
{
	switch (tokmux_card_reader_kind(udev_device_get_syspath(reader->device),
				   (int)reader->number)) {
	case TOKMUX_CARD_READER_ICCD:
		return "it speaks ICCD, not CCID";
	case TOKMUX_CARD_READER_CHARACTERS:
		return "it exchanges single characters with its card";
	default:
		return NULL;
	}
}

bool device_is_for_others(const char *devpath)
{
	char path[4096];

	return snprintf(path, sizeof(path), "/sys%s", devpath) <
	       (int)sizeof(path) &&
	       tokmux_card_reader_kind(path, -1) > TOKMUX_CARD_READER_CCID;
}

static bool is_child(struct udev_device *interface, struct udev_device *device)
{
	struct udev_device *parent = udev_device_get_parent(interface);

	return parent && !strcmp(udev_device_get_syspath(parent),
				 udev_device_get_syspath(device));
}

unsigned int reader_position(struct udev *udev, const char *devpath)
{
	struct udev_device *own = interface_at(udev, devpath), *other, *device;
	struct udev_enumerate *scan = udev_enumerate_new(udev);
	struct udev_list_entry *entry;
	unsigned int position = 0;

	device = own ? udev_device_get_parent(own) : NULL;
	if (!device || !scan)
		goto out;
	udev_enumerate_add_match_parent(scan, device);
	udev_enumerate_add_match_sysattr(scan, CLASS, CCID_CLASS);
	udev_enumerate_scan_devices(scan);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(scan)) {
		other = udev_device_new_from_syspath(udev,
					udev_list_entry_get_name(entry));
		/* Below a hub there are others' interfaces as well. */
		if (other && is_child(other, device) &&
		    number_of(other) < number_of(own))
			position++;
		udev_device_unref(other);
	}
out:
	udev_enumerate_unref(scan);
	udev_device_unref(own);
	return position;
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
	udev_enumerate_add_match_property(scan, "DEVTYPE", "usb_interface");
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
