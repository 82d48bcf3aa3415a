// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A USB device's descriptors: the device's own, and then each configuration's with
 * all that belongs to it. Each begins with its length and its type.
 */
#include <errno.h>
#include <stdbool.h>
#include "usb_descriptors.h"

#define CONFIGURATION	2
#define INTERFACE	4
#define ENDPOINT	5
#define SMARTCARD	0x0b	/* bInterfaceClass */
#define DIRECTION_IN	0x80

#define DEVICE_SIZE	18

static bool is(const uint8_t *bytes, size_t len, uint8_t type, uint8_t size)
{
	return len >= size && bytes[0] >= size && bytes[1] == type;
}

/* The next one, or NULL at the end, or if a length can't be. */
static const uint8_t *next(const uint8_t *bytes, size_t *len)
{
	if (*len < 2 || bytes[0] < 2 || bytes[0] >= *len)
		return NULL;
	*len -= bytes[0];
	return bytes + bytes[0];
}

static uint32_t endpoint_bit(uint8_t address)
{
	return UINT32_C(1) << ((address & 0xf) + (address & DIRECTION_IN ? 16 : 0));
}

/* Those of all settings of the interface @number. */
static uint32_t endpoints_of(const uint8_t *bytes, size_t len, uint8_t number)
{
	bool its = false;
	uint32_t bits = 0;

	for (; bytes; bytes = next(bytes, &len)) {
		if (is(bytes, len, INTERFACE, 9))
			its = bytes[2] == number;
		if (its && is(bytes, len, ENDPOINT, 7))
			bits |= endpoint_bit(bytes[2]);
	}
	return bits;
}

static int find_in(const uint8_t *configuration, size_t size, int number,
		   struct usb_interface *found)
{
	const uint8_t *bytes;
	size_t len = size;

	for (bytes = configuration; bytes; bytes = next(bytes, &len)) {
		/* Of the setting that is in force when it is plugged in. */
		if (!is(bytes, len, INTERFACE, 9) || bytes[3] ||
		    (number < 0 ? bytes[5] != SMARTCARD : bytes[2] != number))
			continue;
		found->number = bytes[2];
		found->endpoints = endpoints_of(configuration, size, bytes[2]);
		return 0;
	}
	return -EOPNOTSUPP;
}

int usb_find_interface(const uint8_t *bytes, size_t len, uint8_t configuration,
		       int number, struct usb_interface *found)
{
	size_t at, size;

	for (at = DEVICE_SIZE; at < len && is(bytes + at, len - at, CONFIGURATION, 9);
	     at += size) {
		/* wTotalLength: of all that belongs to this configuration. */
		size = bytes[at + 2] | bytes[at + 3] << 8;
		if (size < 9)
			break;
		if (size > len - at)
			size = len - at;
		if (bytes[at + 5] == configuration)
			return find_in(bytes + at, size, number, found);
	}
	return -EOPNOTSUPP;
}
