// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A USB device's descriptors: the device's own, and then each configuration's with
 * all that belongs to it. Each begins with its length and its type.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "usb_descriptors.h"

#define CONFIGURATION	2
#define INTERFACE	4
#define ENDPOINT	5
#define SMARTCARD	0x0b	/* bInterfaceClass */
#define DIRECTION_IN	0x80

#define DEVICE_SIZE	18
/* A device's own, and one configuration of the largest size. */
#define DESCRIPTORS_MAX	(DEVICE_SIZE + 65535)

ssize_t usb_read_descriptors(const char *device, uint8_t **bytes)
{
	char path[PATH_MAX];
	ssize_t len = 0, n;
	int fd;

	snprintf(path, sizeof(path), "%s/descriptors", device);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ENODEV;
	*bytes = malloc(DESCRIPTORS_MAX);
	if (!*bytes) {
		close(fd);
		return -ENOMEM;
	}
	do {
		n = read(fd, *bytes + len, DESCRIPTORS_MAX - len);
		if (n > 0)
			len += n;
	} while (n > 0);
	close(fd);
	if (n < 0) {
		free(*bytes);
		return -ENODEV;
	}
	return len;
}

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

bool usb_next_reader(const uint8_t *bytes, size_t len, size_t *at,
		     struct usb_setting *found)
{
	const uint8_t *p = bytes + *at;
	size_t left = len - *at;

	for (; p; p = next(p, &left)) {
		if (!is(p, left, INTERFACE, 9) || p[3] || p[5] != SMARTCARD)
			continue;
		found->number = p[2];
		found->protocol = p[7];
		p = next(p, &left);
		found->own = p;
		while (p && !is(p, left, INTERFACE, 9) &&
		       !is(p, left, CONFIGURATION, 9))
			p = next(p, &left);
		*at = p ? (size_t)(p - bytes) : len;
		found->len = found->own ? (size_t)(bytes + *at - found->own) : 0;
		return true;
	}
	return false;
}
