// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Finds the interface of a USB device that is a reader, and its endpoints, in
 * the configuration as libusb has parsed it. The device wrote it: trust
 * nothing in it.
 */
#include <errno.h>
#include <libusb.h>
#include "ccid_descriptor.h"

#define PACKET_SIZE(endpoint)	((endpoint)->wMaxPacketSize & 0x7ff)

/*
 * It belongs behind the interface's descriptor; some have it behind an
 * endpoint's.
 */
static int find_descriptor(const struct libusb_interface_descriptor *alt,
			   struct ccid_descriptor *desc)
{
	int i, ret;

	ret = ccid_descriptor_parse(alt->extra, (size_t)alt->extra_length, desc);
	for (i = 0; ret == -ENOENT && i < alt->bNumEndpoints; i++)
		ret = ccid_descriptor_parse(alt->endpoint[i].extra,
					    (size_t)alt->endpoint[i].extra_length,
					    desc);
	return ret;
}

/*
 * Of several endpoints of a kind the last one counts, with its own packet
 * size.
 */
static int find_endpoints(const struct libusb_interface_descriptor *alt,
			  struct ccid_interface *found)
{
	const struct libusb_endpoint_descriptor *e;
	size_t packet;
	bool in;
	int i;

	for (i = 0; i < alt->bNumEndpoints; i++) {
		e = &alt->endpoint[i];
		in = e->bEndpointAddress & LIBUSB_ENDPOINT_IN;
		packet = PACKET_SIZE(e);
		switch (e->bmAttributes & LIBUSB_TRANSFER_TYPE_MASK) {
		case LIBUSB_TRANSFER_TYPE_BULK:
			if (!in) {
				found->out = e->bEndpointAddress;
				break;
			}
			found->in = e->bEndpointAddress;
			found->in_packet = packet;
			break;
		case LIBUSB_TRANSFER_TYPE_INTERRUPT:
			/* One of an impossible size is as good as none. */
			if (!in || packet < 2 || packet > CCID_NOTICE_MAX)
				break;
			found->interrupt = e->bEndpointAddress;
			found->interrupt_packet = packet;
			break;
		}
	}
	if (!found->in || !found->out || found->in_packet < 8 ||
	    found->in_packet > 1024)
		return -EPROTO;
	return 0;
}

int ccid_interface_next(const struct libusb_config_descriptor *config, int *at,
			struct ccid_interface *found)
{
	const struct libusb_interface_descriptor *alt;
	int i, ret = -EOPNOTSUPP;

	while (*at < config->bNumInterfaces) {
		i = (*at)++;
		if (config->interface[i].num_altsetting < 1)
			continue;
		alt = &config->interface[i].altsetting[0];
		/* Readers from before the class had a number have 0xff. */
		if (alt->bInterfaceClass != CCID_CLASS &&
		    alt->bInterfaceClass != LIBUSB_CLASS_VENDOR_SPEC)
			continue;
		*found = (struct ccid_interface){
			.number = alt->bInterfaceNumber,
		};
		ret = find_descriptor(alt, &found->desc);
		if (!ret)
			ret = find_endpoints(alt, found);
		if (!ret)
			return 0;
		/* Another protocol is ICCD's, which has no bulk endpoints. */
		if (alt->bInterfaceClass == CCID_CLASS && !alt->bInterfaceProtocol)
			return ret == -ENOENT ? -EPROTO : ret;
		ret = -EOPNOTSUPP;
	}
	return ret;
}
