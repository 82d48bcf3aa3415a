// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only looks at bytes: descriptor, messages, ATR, APDUs, blocks of T=1.
 * Every input is cut off everywhere, in a block of memory of just that size.
 */
#include <errno.h>
#include <libusb.h>
#include <stdlib.h>
#include <string.h>
#include "../../../lib/card/apdu.h"
#include "../../../lib/card/atr.h"
#include "../../../lib/card/bytes.h"
#include "../../../lib/card/ccid.h"
#include "../../../lib/usb_descriptors.h"
#include "kselftest_harness.h"

static uint8_t *copy(const uint8_t *bytes, size_t len)
{
	/* Of one byte at least, at the end of which the sanitizer watches. */
	uint8_t *p = malloc(len ? len : 1);

	memcpy(p, bytes, len);
	return p;
}

/* That of QEMU's reader. */
static const uint8_t qemu[54] = {
	0x36, 0x21, 0x10, 0x01, 0x00, 0x07, 0x01, 0x00, 0x00, 0x00, 0xa0, 0x0f,
	0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x80, 0x25, 0x00, 0x00, 0x00,
	0xc2, 0x01, 0x00, 0x00, 0xfe, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0xfe, 0x04, 0x01, 0x00, 0x12, 0x00, 0x01, 0x00,
	0xff, 0xff, 0x00, 0x00, 0x01, 0x01,
};

TEST(descriptor)
{
	static const uint8_t other[] = { 5, 0x24, 1, 2, 3 };
	uint8_t bytes[sizeof(other) + sizeof(qemu)], *p;
	struct ccid_descriptor d;
	size_t len;

	ASSERT_EQ(0, ccid_descriptor_parse(qemu, sizeof(qemu), &d));
	EXPECT_EQ(0, d.max_slot);
	EXPECT_EQ(7, d.voltages);
	EXPECT_EQ(CCID_T0, d.protocols);
	EXPECT_EQ(4000, d.clock_khz);
	EXPECT_EQ(115200, d.max_data_rate);
	EXPECT_EQ(254, d.max_ifsd);
	EXPECT_EQ(0x000104fe, d.features);
	EXPECT_EQ(65554, d.max_message);

	memcpy(bytes, other, sizeof(other));
	memcpy(bytes + sizeof(other), qemu, sizeof(qemu));
	EXPECT_EQ(0, ccid_descriptor_parse(bytes, sizeof(bytes), &d));
	EXPECT_EQ(-ENOENT, ccid_descriptor_parse(NULL, 0, &d));
	EXPECT_EQ(-ENOENT, ccid_descriptor_parse(other, sizeof(other), &d));
	for (len = 1; len < sizeof(bytes); len++) {
		p = copy(bytes, len);
		EXPECT_EQ(len == sizeof(other) ? -ENOENT : -EPROTO,
			  ccid_descriptor_parse(p, len, &d));
		free(p);
	}
	/* A length of 0 would be read for ever. */
	bytes[0] = 0;
	EXPECT_EQ(-EPROTO, ccid_descriptor_parse(bytes, sizeof(bytes), &d));
	bytes[0] = 200;
	EXPECT_EQ(-EPROTO, ccid_descriptor_parse(bytes, sizeof(bytes), &d));
	/* No message would fit. */
	memcpy(bytes, qemu, sizeof(qemu));
	memset(bytes + 44, 0, 4);
	EXPECT_EQ(-EPROTO, ccid_descriptor_parse(bytes, sizeof(qemu), &d));
}

#define ENDPOINT(address, attributes, packet) {				\
	.bEndpointAddress = address, .bmAttributes = attributes,	\
	.wMaxPacketSize = packet,					\
}
#define BULK		LIBUSB_TRANSFER_TYPE_BULK
#define INTERRUPT	LIBUSB_TRANSFER_TYPE_INTERRUPT

/* An interface of class 0x0b with these endpoints. */
static int find_protocol(uint8_t protocol,
			 const struct libusb_endpoint_descriptor *endpoints,
			 int n, struct ccid_interface *found)
{
	const struct libusb_interface_descriptor alt = {
		.bInterfaceNumber = 3, .bInterfaceClass = CCID_CLASS,
		.bInterfaceProtocol = protocol,
		.bNumEndpoints = (uint8_t)n, .endpoint = endpoints,
		.extra = qemu, .extra_length = sizeof(qemu),
	};
	const struct libusb_interface interface = {
		.altsetting = &alt, .num_altsetting = 1,
	};
	const struct libusb_config_descriptor config = {
		.bNumInterfaces = 1, .interface = &interface,
	};
	int at = 0;

	return ccid_interface_next(&config, &at, found);
}

static int find(const struct libusb_endpoint_descriptor *endpoints, int n,
		struct ccid_interface *found)
{
	return find_protocol(0, endpoints, n, found);
}

/* ICCD: control requests only. It is no reader of ours, but nothing is broken. */
TEST(iccd)
{
	struct libusb_endpoint_descriptor e[] = { ENDPOINT(0x81, INTERRUPT, 8) };
	struct ccid_interface found;

	EXPECT_EQ(-EOPNOTSUPP, find_protocol(1, e, 1, &found));
	EXPECT_EQ(-EOPNOTSUPP, find_protocol(2, e, 0, &found));
}

TEST(endpoints)
{
	struct libusb_endpoint_descriptor e[] = {
		ENDPOINT(0x81, INTERRUPT, 8), ENDPOINT(0x82, BULK, 64),
		ENDPOINT(0x03, BULK, 64), ENDPOINT(0x84, INTERRUPT, 0x7ff),
		ENDPOINT(0x05, INTERRUPT, 16),
	};
	struct ccid_interface found;

	ASSERT_EQ(0, find(e, 3, &found));
	EXPECT_EQ(3, found.number);
	EXPECT_EQ(0x82, found.in);
	EXPECT_EQ(0x03, found.out);
	EXPECT_EQ(64, found.in_packet);
	EXPECT_EQ(0x81, found.interrupt);
	EXPECT_EQ(8, found.interrupt_packet);
	/* The size of one that isn't used is not that of the one that is. */
	ASSERT_EQ(0, find(e, 5, &found));
	EXPECT_EQ(0x81, found.interrupt);
	EXPECT_EQ(8, found.interrupt_packet);
	e[3].wMaxPacketSize = 1024;
	ASSERT_EQ(0, find(e, 5, &found));
	EXPECT_EQ(0x84, found.interrupt);
	EXPECT_EQ(1024, found.interrupt_packet);
	/* Too short for a notice: there is none then. */
	e[0].wMaxPacketSize = 1;
	ASSERT_EQ(0, find(e, 3, &found));
	EXPECT_EQ(0, found.interrupt);
	EXPECT_EQ(-EPROTO, find(e, 2, &found));
	EXPECT_EQ(-EPROTO, find(e + 2, 1, &found));
	e[1].wMaxPacketSize = 7;
	EXPECT_EQ(-EPROTO, find(e, 3, &found));
	e[1].wMaxPacketSize = 0x7ff;
	EXPECT_EQ(-EPROTO, find(e, 3, &found));
}

TEST(messages)
{
	uint8_t header[CCID_HEADER_SIZE], *p;
	const struct ccid_message m = {
		.type = 0x80, .slot = 3, .seq = 0xfe, .length = 0x10007,
		.specific = { 0x41, 0xfe, 2 },
	};
	struct ccid_message back = { .type = 1 };
	size_t len;

	ccid_header_put(header, &m);
	EXPECT_EQ(0, memcmp(header, "\x80\x07\x00\x01\x00\x03\xfe\x41\xfe\x02", 10));
	/* That much fits. */
	EXPECT_EQ(0, ccid_header_get(header, sizeof(header), &back));
	EXPECT_EQ(m.type, back.type);
	EXPECT_EQ(m.slot, back.slot);
	EXPECT_EQ(m.seq, back.seq);
	EXPECT_EQ(m.length, back.length);
	EXPECT_EQ(0, memcmp(m.specific, back.specific, sizeof(m.specific)));
	EXPECT_EQ(1, ccid_icc_status(&back));
	EXPECT_EQ(CCID_FAILED, ccid_command_status(&back));
	EXPECT_EQ(-EIO, ccid_error(&back));
	for (len = 0; len < sizeof(header); len++) {
		p = copy(header, len);
		EXPECT_EQ(-EPROTO, ccid_header_get(p, len, &back));
		free(p);
	}
	put_le32(header + 1, CCID_DATA_MAX + 1);
	EXPECT_EQ(-EPROTO, ccid_header_get(header, sizeof(header), &back));
	put_le32(header + 1, 0xffffffff);
	EXPECT_EQ(-EPROTO, ccid_header_get(header, sizeof(header), &back));
}

TEST(notices)
{
	const uint8_t change[] = { 0x50, 0x02, 0x0c };
	bool present = true;

	EXPECT_EQ(1, ccid_notice(change, 3, 0, &present));
	EXPECT_FALSE(present);
	EXPECT_EQ(0, ccid_notice(change, 3, 1, &present));
	EXPECT_EQ(0, ccid_notice(change, 3, 4, &present));
	EXPECT_EQ(1, ccid_notice(change, 3, 5, &present));
	EXPECT_TRUE(present);
	EXPECT_EQ(-EPROTO, ccid_notice(change, 3, 8, &present));
	EXPECT_EQ(-EPROTO, ccid_notice(change, 1, 0, &present));
	EXPECT_EQ(0, ccid_notice(change, 0, 0, &present));
	EXPECT_EQ(0, ccid_notice((const uint8_t[]){ 0x51, 0, 0, 1 }, 4, 0,
				 &present));
	EXPECT_EQ(0, ccid_notice((const uint8_t[]){ 0x40, 2 }, 2, 0,
				 &present));
}

TEST(atr)
{
	/* A card with T=0 and T=1, TA1, TA3, TB3, six historical bytes, TCK. */
	static const uint8_t both[] = {
		0x3b, 0x96, 0x18, 0x80, 0xb1, 0xfe, 0x45, 0x1f, 0x01, 1, 2, 3, 4,
		5, 6, 0,
	};
	static const uint8_t specific[] = { 0x3f, 0x80, 0x11, 0x11 };
	struct atr a;
	uint8_t *p;
	size_t len;

	p = copy((const uint8_t[]){ 0x3b, 0x00 }, 2);
	ASSERT_EQ(0, atr_parse(p, 2, &a));
	free(p);
	EXPECT_FALSE(a.inverse);
	EXPECT_EQ(0x11, a.ta1);
	EXPECT_EQ(1, a.protocols);
	EXPECT_EQ(0, a.first);
	EXPECT_EQ(10, a.wi);

	ASSERT_EQ(0, atr_parse(both, sizeof(both), &a));
	EXPECT_EQ(0x18, a.ta1);
	EXPECT_EQ(3, a.protocols);
	EXPECT_EQ(0, a.first);
	EXPECT_EQ(0xfe, a.ifsc);
	EXPECT_EQ(0x45, a.waiting);
	EXPECT_FALSE(a.crc);
	/* The TCK may be missing, nothing else. */
	for (len = 0; len < sizeof(both) - 1; len++) {
		p = copy(both, len);
		EXPECT_EQ(-EPROTO, atr_parse(p, len, &a));
		free(p);
	}

	ASSERT_EQ(0, atr_parse(specific, sizeof(specific), &a));
	EXPECT_TRUE(a.inverse);
	EXPECT_TRUE(a.specific);
	EXPECT_TRUE(a.implicit);
	EXPECT_EQ(1, a.first);

	EXPECT_EQ(-EPROTO, atr_parse((const uint8_t[]){ 0x3c, 0x00 }, 2, &a));
	EXPECT_EQ(-EPROTO, atr_parse((const uint8_t[34]){ 0x3b }, 34, &a));
}

TEST(apdus)
{
	static const struct {
		const char *bytes;
		size_t len, nc, ne;
		bool extended;
	} good[] = {
		{ "\0\1\2\3", 4, 0, 0, false },
		{ "\0\1\2\3\7", 5, 0, 7, false },
		{ "\0\1\2\3\0", 5, 0, 256, false },
		{ "\0\1\2\3\1x", 6, 1, 0, false },
		{ "\0\1\2\3\2xy\0", 8, 2, 256, false },
		{ "\0\1\2\3\2xy\5", 8, 2, 5, false },
		{ "\0\1\2\3\0\1\2", 7, 0, 258, true },
		{ "\0\1\2\3\0\0\0", 7, 0, 65536, true },
		{ "\0\1\2\3\0\0\1x", 8, 1, 0, true },
		{ "\0\1\2\3\0\0\1x\1\1", 10, 1, 257, true },
		{ "\0\1\2\3\0\0\1x\0\0", 10, 1, 65536, true },
	};
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "", 0 }, { "\0\1\2", 3 }, { "\0\1\2\3\2x", 6 },
		{ "\0\1\2\3\1xyz", 8 }, { "\0\1\2\3\0\1", 6 },
		{ "\0\1\2\3\0\0\0\1\1", 9 }, { "\0\1\2\3\0\0\2x", 8 },
		{ "\0\1\2\3\0\0\1x\1", 9 }, { "\0\1\2\3\0\0\1x\1\1\1", 11 },
	};
	struct apdu a;
	uint8_t *p;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		p = copy((const uint8_t *)good[i].bytes, good[i].len);
		EXPECT_EQ(0, apdu_parse(p, good[i].len, &a));
		EXPECT_EQ(good[i].nc, a.nc);
		EXPECT_EQ(good[i].ne, a.ne);
		EXPECT_EQ(good[i].extended, a.extended);
		EXPECT_TRUE(!a.nc || a.data[0] == 'x');
		free(p);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p = copy((const uint8_t *)bad[i].bytes, bad[i].len);
		EXPECT_EQ(-EINVAL, apdu_parse(p, bad[i].len, &a));
		free(p);
	}
}

TEST(class_of_get_response)
{
	EXPECT_EQ(0x00, apdu_get_response_class(0x00));
	EXPECT_EQ(0x02, apdu_get_response_class(0x1e));
	EXPECT_EQ(0x45, apdu_get_response_class(0x75));
	EXPECT_EQ(0x00, apdu_get_response_class(0x80));
	EXPECT_EQ(0xa0, apdu_get_response_class(0xa0));
}

/* The first three bytes are a block's, the LRC is put behind it. */
static int parse_block(const char *bytes, size_t len, struct t1_block *b)
{
	uint8_t block[300] = {}, *p;
	size_t i;
	int ret;

	memcpy(block, bytes, len);
	for (i = 0; i < len; i++)
		block[len] ^= block[i];
	p = copy(block, len + 1);
	ret = t1_parse(p, len + 1, b);
	b->inf = NULL;
	free(p);
	return ret;
}

TEST(blocks)
{
	char longest[3 + 254] = { 0, 0, (char)254 };
	struct t1_block b;

	ASSERT_EQ(0, parse_block("\0\x60\2xy", 5, &b));
	EXPECT_EQ(T1_I, b.kind);
	EXPECT_EQ(1, b.seq);
	EXPECT_TRUE(b.more);
	EXPECT_EQ(2, b.len);
	ASSERT_EQ(0, parse_block("\0\x91\0", 3, &b));
	EXPECT_EQ(T1_R, b.kind);
	EXPECT_EQ(1, b.seq);
	EXPECT_EQ(1, b.error);
	ASSERT_EQ(0, parse_block("\0\xc3\1\5", 4, &b));
	EXPECT_EQ(T1_S, b.kind);
	EXPECT_EQ(0x03, b.control);
	EXPECT_EQ(0, parse_block("\0\xe0\0", 3, &b));
	EXPECT_EQ(0, parse_block(longest, sizeof(longest), &b));
	EXPECT_EQ(254, b.len);

	EXPECT_EQ(-EPROTO, parse_block("\0\0", 2, &b));
	EXPECT_EQ(-EPROTO, parse_block("\1\0\0", 3, &b));	/* NAD */
	EXPECT_EQ(-EPROTO, parse_block("\0\0\1", 3, &b));	/* LEN */
	EXPECT_EQ(-EPROTO, parse_block("\0\0\0x", 4, &b));
	EXPECT_EQ(-EPROTO, parse_block("\0\1\0", 3, &b));	/* PCB */
	EXPECT_EQ(-EPROTO, parse_block("\0\x83\0", 3, &b));
	EXPECT_EQ(-EPROTO, parse_block("\0\x80\1x", 4, &b));
	EXPECT_EQ(-EPROTO, parse_block("\0\xc3\0", 3, &b));
	EXPECT_EQ(-EPROTO, parse_block("\0\xc0\1x", 4, &b));
	EXPECT_EQ(-EPROTO, parse_block("\0\xc4\0", 3, &b));
	EXPECT_EQ(-EBADMSG, t1_parse((const uint8_t[]){ 0, 0, 0, 1 }, 4, &b));
}

/* A device's own, and two configurations; the second one has what is looked for. */
static const uint8_t usb[] = {
	18, 1, 0, 2, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	9, 2, 18, 0, 1, 1, 0, 0xe0, 50,
	9, 4, 0, 0, 0, 0x0b, 0, 0, 0,
	9, 2, 83, 0, 2, 2, 0, 0xe0, 50,
	9, 4, 0, 0, 1, 0xff, 0, 0, 0,
	7, 5, 0x81, 2, 64, 0, 0,
	9, 4, 1, 0, 2, 0x0b, 0, 0, 0,
	3, 0x21, 0,			/* one of the class' own */
	7, 5, 0x82, 2, 64, 0, 0,
	7, 5, 0x03, 2, 64, 0, 0,
	9, 4, 0, 1, 1, 0x0b, 0, 0, 0,	/* the first one's second setting */
	7, 5, 0x84, 2, 64, 0, 0,
	9, 4, 1, 1, 1, 0xff, 0, 0, 0,
	7, 5, 0x0f, 2, 64, 0, 0,
};

TEST(usb_readers_in_all_configurations)
{
	struct usb_setting found;
	uint8_t bytes[sizeof(usb)];
	size_t at = 0, len, i;

	ASSERT_TRUE(usb_next_reader(usb, sizeof(usb), &at, &found));
	EXPECT_EQ(0, found.number);
	EXPECT_EQ(0, found.len);
	ASSERT_TRUE(usb_next_reader(usb, sizeof(usb), &at, &found));
	EXPECT_EQ(1, found.number);
	EXPECT_EQ(0, found.protocol);
	EXPECT_EQ(17, found.len);
	EXPECT_EQ(0x21, found.own[1]);
	/* The second setting of the other one doesn't count. */
	EXPECT_FALSE(usb_next_reader(usb, sizeof(usb), &at, &found));
	EXPECT_FALSE(usb_next_reader(usb, sizeof(usb), &at, &found));
	/* Cut anywhere, and with each length 0 or too long: it ends. */
	for (len = 0; len < sizeof(usb); len++)
		for (at = 0; usb_next_reader(usb, len, &at, &found);)
			ASSERT_TRUE(at <= len && found.len < len);
	for (i = 0; i < sizeof(usb); i++) {
		memcpy(bytes, usb, sizeof(usb));
		bytes[i] = 0;
		for (at = 0; usb_next_reader(bytes, sizeof(usb), &at, &found);)
			;
		bytes[i] = 0xff;
		for (at = 0; usb_next_reader(bytes, sizeof(usb), &at, &found);)
			;
	}
}

TEST(usb_interfaces_and_their_endpoints)
{
	uint8_t bytes[sizeof(usb)];
	struct usb_interface found;
	size_t len, at;

	/* The first smartcard's, by the setting in force at first. */
	ASSERT_EQ(0, usb_find_interface(usb, sizeof(usb), 2, -1, &found));
	EXPECT_EQ(1, found.number);
	EXPECT_EQ(1U << 3 | 1U << 15 | 1U << 18, found.endpoints);
	ASSERT_EQ(0, usb_find_interface(usb, sizeof(usb), 2, 0, &found));
	EXPECT_EQ(0, found.number);
	EXPECT_EQ(1U << 17 | 1U << 20, found.endpoints);
	ASSERT_EQ(0, usb_find_interface(usb, sizeof(usb), 1, -1, &found));
	EXPECT_EQ(0, found.endpoints);
	EXPECT_EQ(-EOPNOTSUPP, usb_find_interface(usb, sizeof(usb), 2, 2, &found));
	EXPECT_EQ(-EOPNOTSUPP, usb_find_interface(usb, sizeof(usb), 3, -1, &found));
	/* Cut anywhere, and with each length 0 or too long. */
	for (len = 0; len < sizeof(usb); len++)
		usb_find_interface(usb, len, 2, -1, &found);
	for (at = 0; at < sizeof(usb); at++) {
		memcpy(bytes, usb, sizeof(usb));
		bytes[at] = 0;
		usb_find_interface(bytes, sizeof(bytes), 2, 7, &found);
		bytes[at] = 0xff;
		usb_find_interface(bytes, sizeof(bytes), 2, 7, &found);
	}
}

TEST_HARNESS_MAIN
