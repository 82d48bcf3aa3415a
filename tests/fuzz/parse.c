// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: everything that only looks at bytes. The first byte says which.
 */
#include <libusb.h>
#include <stdlib.h>
#include <string.h>
#include "../../lib/card/apdu.h"
#include "../../lib/card/atr.h"
#include "../../lib/card/bytes.h"
#include "../../lib/card/ccid.h"
#include "../../lib/usb_descriptors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was said to be there is read, for the sanitizer to see. */
static void touch(const uint8_t *bytes, size_t len)
{
	static volatile uint8_t sum;

	while (len--)
		sum = sum ^ *bytes++;
}

#define INTERFACES	4
#define ENDPOINTS	6

/*
 * The bytes of a configuration, taken apart as libusb does it: what is neither
 * an interface nor an endpoint is the extra of the one before it.
 */
static void configuration(const uint8_t *data, size_t size)
{
	static struct libusb_endpoint_descriptor endpoints[INTERFACES][ENDPOINTS];
	static struct libusb_interface_descriptor alts[INTERFACES];
	static struct libusb_interface interfaces[INTERFACES];
	struct libusb_config_descriptor config = { .interface = interfaces };
	struct libusb_interface_descriptor *alt = NULL;
	struct libusb_endpoint_descriptor *e = NULL;
	struct ccid_interface found;
	uint8_t *extra[INTERFACES * (ENDPOINTS + 1)];
	int at = 0, before, ret, extras = 0;
	size_t len, next;

	for (; size >= 2; data += len, size -= len) {
		len = data[0];
		if (len < 2 || len > size)
			break;
		if (data[1] == LIBUSB_DT_INTERFACE && len >= 9) {
			if (config.bNumInterfaces == INTERFACES)
				break;
			alt = &alts[config.bNumInterfaces];
			e = NULL;
			*alt = (struct libusb_interface_descriptor){
				.bInterfaceNumber = data[2],
				.bInterfaceClass = data[5],
				.endpoint = endpoints[config.bNumInterfaces],
			};
			/* Without one is what a bad configuration may leave. */
			interfaces[config.bNumInterfaces++] = (struct libusb_interface){
				.altsetting = alt, .num_altsetting = data[3] != 0xff,
			};
		} else if (data[1] == LIBUSB_DT_ENDPOINT && len >= 7 && alt) {
			if (alt->bNumEndpoints == ENDPOINTS)
				break;
			e = &endpoints[config.bNumInterfaces - 1][alt->bNumEndpoints++];
			*e = (struct libusb_endpoint_descriptor){
				.bEndpointAddress = data[2],
				.bmAttributes = data[3],
				.wMaxPacketSize = get_le16(data + 4),
			};
		} else if (alt) {
			/* All of them, of just that size. */
			for (next = len; size - next >= 2 && data[next] >= 2 &&
			     data[next] <= size - next &&
			     data[next + 1] != LIBUSB_DT_INTERFACE &&
			     data[next + 1] != LIBUSB_DT_ENDPOINT; )
				next += data[next];
			len = next;
			if (e ? e->extra_length : alt->extra_length)
				continue;
			extra[extras] = malloc(len);
			memcpy(extra[extras], data, len);
			if (e) {
				e->extra = extra[extras++];
				e->extra_length = (int)len;
			} else {
				alt->extra = extra[extras++];
				alt->extra_length = (int)len;
			}
		}
	}
	do {
		before = at;
		ret = ccid_interface_next(&config, &at, &found);
		if (ret)
			break;
		if (at <= before || !found.in || !found.out ||
		    found.in_packet < 8 || found.in_packet > 1024 ||
		    (found.interrupt && (found.interrupt_packet < 2 ||
					 found.interrupt_packet > CCID_NOTICE_MAX)))
			abort();
	} while (at < config.bNumInterfaces);
	while (extras)
		free(extra[--extras]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ccid_descriptor desc;
	struct ccid_message message;
	struct usb_interface usb;
	struct usb_setting setting;
	size_t at;
	struct t1_block block;
	struct apdu apdu;
	struct atr atr;
	uint8_t which, header[CCID_HEADER_SIZE];
	bool present;

	if (!size)
		return 0;
	which = data[0];
	data++;
	size--;
	/* The highest ones, so that the corpus keeps its meaning. */
	if (which >= 250) {
		if (size && !usb_find_interface(data + 1, size - 1, 1,
						which & 1 ? data[0] : -1, &usb) &&
		    which & 1 && usb.number != data[0])
			abort();
		for (at = 0; usb_next_reader(data, size, &at, &setting);)
			if (at > size || (setting.len &&
					  (setting.own < data ||
					   setting.own + setting.len > data + size)))
				abort();
		return 0;
	}
	switch (which % 7) {
	case 0:
		if (!ccid_descriptor_parse(data, size, &desc) &&
		    desc.max_message < CCID_HEADER_SIZE)
			abort();
		break;
	case 1:
		if (ccid_header_get(data, size, &message))
			break;
		if (message.length > CCID_DATA_MAX || ccid_error(&message) >= 0)
			abort();
		ccid_header_put(header, &message);
		if (memcmp(header, data, sizeof(header)))
			abort();
		break;
	case 2:
		ccid_notice(data, size, which >> 3, &present);
		break;
	case 3:
		if (!atr_parse(data, size, &atr) &&
		    (!atr.ifsc || atr.ifsc == 255 || atr.first > 15))
			abort();
		break;
	case 4:
		if (!apdu_parse(data, size, &apdu) && apdu.nc)
			touch(apdu.data, apdu.nc);
		break;
	case 5:
		if (!t1_parse(data, size, &block))
			touch(block.inf, block.len);
		break;
	case 6:
		configuration(data, size);
		break;
	}
	return 0;
}
