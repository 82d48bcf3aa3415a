// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What kind of smartcard reader an interface is, and how many slots it has, by what it
 * says of itself. The reader is not asked: the kernel has its descriptors.
 */
#include <stdlib.h>
#include "../internal.h"
#include "../usb_descriptors.h"
#include "ccid_descriptor.h"
#include "tokmux-card.h"

static int kind_of(const struct usb_setting *reader)
{
	struct ccid_descriptor desc;

	/* 0 is CCID's bInterfaceProtocol, 1 and 2 are ICCD's (USB ICCD 1.0, 4.2). */
	if (reader->protocol)
		return TOKMUX_CARD_READER_ICCD;
	if (!reader->len ||
	    ccid_descriptor_parse(reader->own, reader->len, &desc))
		return TOKMUX_CARD_READER_CCID;
	return (desc.features & CCID_LEVEL) == CCID_LEVEL_CHARACTER ?
	       TOKMUX_CARD_READER_CHARACTERS : TOKMUX_CARD_READER_CCID;
}

/* Of all that fit, the one that says the most for the library. */
static int find_kind(const uint8_t *bytes, size_t len, int interface)
{
	struct usb_setting reader;
	int ret = -EOPNOTSUPP;
	size_t at = 0;

	while (ret != TOKMUX_CARD_READER_CCID &&
	       usb_next_reader(bytes, len, &at, &reader))
		if (interface < 0 || reader.number == interface)
			ret = kind_of(&reader);
	return ret;
}

static int find_slots(const uint8_t *bytes, size_t len, int interface)
{
	struct ccid_descriptor desc;
	struct usb_setting reader;
	size_t at = 0;

	while (usb_next_reader(bytes, len, &at, &reader))
		if ((interface < 0 || reader.number == interface) &&
		    reader.len &&
		    !ccid_descriptor_parse(reader.own, reader.len, &desc))
			return desc.max_slot + 1;
	return -EOPNOTSUPP;
}

/* What @find says of the device. */
static int ask_sysfs(int (*find)(const uint8_t *bytes, size_t len, int interface),
		     const char *device, int interface)
{
	int saved = errno, ret;
	uint8_t *bytes;
	ssize_t len;

	len = usb_read_descriptors(device, &bytes);
	ret = len < 0 ? (int)len : find(bytes, (size_t)len, interface);
	if (len >= 0)
		free(bytes);
	errno = saved;
	return ret;
}

int tokmux_card_reader_slots(const char *device, int interface)
{
	return ask_sysfs(find_slots, device, interface);
}

int tokmux_card_reader_kind(const char *device, int interface)
{
	return ask_sysfs(find_kind, device, interface);
}
