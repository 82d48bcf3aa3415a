// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader of the tests on the running kernel's USB: speaks USB/IP with
 * vhci_hcd over a socket pair, so that a program is the device at the end of a
 * real bus, with usbfs, udev and libusb on the other side of it. Needs root.
 *
 * usage: usbip [OPTION…] LEVEL LOG [CONTROL]
 *
 *	--second		two interfaces that are a reader's; on the first one
 *				it doesn't answer
 *	--activates		gives a card power as it comes
 *	--silent		has no interrupt endpoint
 *	--two			has a second slot with a card of its own, which has
 *				another ATR, and another log: LOG.2
 *	--hostile LIE		its descriptors say what can't be, see tell_a_lie()
 *	--maker, --model, --serial STRING
 *				what it says of itself; "hex:" for UTF-16LE
 *	--interfaces N		that are a reader's, without endpoints
 *	--pad DIGITS		it has a PIN pad, on which these are typed
 *	--iccd			it speaks ICCD, by control transfers
 *	--characters		it exchanges single characters
 *	--mute			it answers nothing that a program asks; LOG gets how
 *				many ms it has kept programs waiting so far
 *	--setting		its second setting is no reader
 *	--settings N		of the first interface, which is of N kinds; the
 *				second one is the reader
 *	--random SEED		descriptors and strings that are mostly garbage
 *	--piv DIR		its card is a PIV one, too, with the keys there
 *
 * LEVEL is t0, t1, short or extended. What the card sees goes to the file LOG. Says "ready BUS
 * DEVICE" once it is enumerated; runs until it is killed, which pulls the plug.
 * CONTROL is a fifo that takes a line each: "remove" and "insert", with a 2 for the second
 * slot; "messages", which has the number of messages that came so far written to LOG; or
 * the name of a fault (struct reader_faults) and how often.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "piv.h"
#include "reader.h"

#define VHCI		"/sys/devices/platform/vhci_hcd.0"
#define FULL_SPEED	2

/* Documentation/usb/usbip_protocol.rst: all big-endian but the setup packet. */
#define CMD_SUBMIT	1
#define CMD_UNLINK	2
#define RET_SUBMIT	3
#define RET_UNLINK	4

struct usbip_header {
	uint32_t command, seqnum, devid, direction, ep;
	union {
		struct {
			uint32_t flags;
			int32_t length;
			int32_t start_frame, packets, interval;
			uint8_t setup[8];
		} submit;
		struct {
			int32_t status, actual;
			int32_t start_frame, packets, errors;
			uint8_t padding[8];
		} done;
		struct {
			uint32_t seqnum;
			uint8_t padding[24];
		} unlink;
	};
};
_Static_assert(sizeof(struct usbip_header) == 48, "as on the wire");

#define INTERRUPT_IN	1
#define BULK_IN		2
#define BULK_OUT	3
/* Added to the number of an endpoint of the mute interface. */
#define MUTE		3
/* What nothing comes in for. */
#define NEVER		99

/* A transfer that waits for something to come in. */
struct waiting {
	uint32_t seqnum, ep;
	size_t size, have;
	uint8_t *data;
	int64_t since;
	struct waiting *next;
};

static struct reader reader, second_slot;
static struct card card, second_card;
static struct waiting *waiting;
static int usb = -1;
static bool configured, second;
static int64_t waited;		/* all in all, for what is never answered */
static const char *lie = "";
static const char *strings[] = { "", "tokmux", "test reader", "1" };
static unsigned int nr_interfaces, nr_settings;
static bool setting, mute, is_random, iccd, silent;
static unsigned int seed;
static unsigned int messages;

static const uint8_t device_desc[18] = {
	18, 1, 0x10, 0x01, 0, 0, 0, 64, 0xe6, 0x08, 0x33, 0x44, 0, 1, 1, 2, 3, 1,
};

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void put(const void *data, size_t len)
{
	ssize_t n;

	for (; len; len -= (size_t)n, data = (const char *)data + n) {
		n = send(usb, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			exit(0);	/* detached */
	}
}

static void get(void *data, size_t len)
{
	ssize_t n;

	for (; len; len -= (size_t)n, data = (char *)data + n) {
		n = recv(usb, data, len, 0);
		if (n <= 0)
			exit(0);
	}
}

static void done(uint32_t seqnum, int status, const uint8_t *data, size_t len,
		 bool in)
{
	struct usbip_header h = {
		.command = htonl(RET_SUBMIT),
		.seqnum = htonl(seqnum),
		.done.status = (int32_t)htonl((uint32_t)status),
		.done.actual = (int32_t)htonl((uint32_t)len),
	};

	put(&h, sizeof(h));
	if (in)
		put(data, len);
}

/* ---- control transfers --------------------------------------------------- */

static size_t interface_desc(uint8_t *c, uint8_t number, uint8_t endpoint)
{
	const uint8_t head[] = { 9, 4, number, 0, 3, 0x0b, 0, 0, 0 };
	const uint8_t endpoints[] = {
		7, 5, 0x80 | (endpoint + INTERRUPT_IN), 3, 8, 0, 16,
		7, 5, 0x80 | (endpoint + BULK_IN), 2, READER_PACKET, 0, 0,
		7, 5, endpoint + BULK_OUT, 2, READER_PACKET, 0, 0,
	};

	memcpy(c, head, sizeof(head));
	reader_descriptor(&reader, c + sizeof(head));
	memcpy(c + sizeof(head) + 54, endpoints, sizeof(endpoints));
	if (iccd && endpoint != MUTE) {
		/* The interrupt endpoint is the first one, and the only. */
		c[4] = 1;
		c[7] = 1;
		return sizeof(head) + 54 + 7;
	}
	if (silent) {
		c[4] = 2;
		memcpy(c + sizeof(head) + 54, endpoints + 7, sizeof(endpoints) - 7);
		return sizeof(head) + 54 + sizeof(endpoints) - 7;
	}
	return sizeof(head) + 54 + sizeof(endpoints);
}

/*
 * One interface's, @len bytes that begin with its own 9 and the 54 of the class.
 * Returns how many they are then.
 */
static size_t tell_a_lie(uint8_t *c, size_t len)
{
	const uint8_t interrupt[] = { 7, 5, 0x84, 3, 0xff, 0x07, 16 };
	uint8_t *class = c + 9;

	if (!strcmp(lie, "packet")) {		/* of a second interrupt endpoint */
		memcpy(c + len, interrupt, sizeof(interrupt));
		c[4]++;
		return len + sizeof(interrupt);
	} else if (!strcmp(lie, "none")) {	/* a class without a descriptor */
		memmove(class, class + 54, len - 9 - 54);
		return len - 54;
	} else if (!strcmp(lie, "cut")) {
		memmove(class + 20, class + 54, len - 9 - 54);
		class[0] = 20;
		return len - 34;
	} else if (!strcmp(lie, "long")) {	/* it has swallowed the endpoints */
		class[0] = 255;
	} else if (!strcmp(lie, "message")) {
		memset(class + 44, 0, 4);
	} else if (!strcmp(lie, "endless")) {
		memset(class + 44, 0xff, 4);
	} else if (!strcmp(lie, "bulk")) {	/* nothing comes in */
		c[9 + 54 + 7 + 2] &= 0x7f;
	}
	return len;
}

/* A setting without endpoints. */
static size_t setting_desc(uint8_t *c, uint8_t number, uint8_t alternate,
			   uint8_t class, uint8_t subclass)
{
	memcpy(c, (const uint8_t[]){ 9, 4, number, alternate, 0, class, subclass,
				     0, 0 }, 9);
	return 9;
}

static unsigned int below(unsigned int n)
{
	return (unsigned int)random() % n;
}

/* Descriptors of the right kinds, each with something that is wrong now and then. */
static size_t random_config(uint8_t *c)
{
	unsigned int i, j, n = below(12), interfaces = 0;
	size_t len = 9, from;

	for (i = 0; i < n && len < 1500; i++) {
		from = len;
		if (below(3)) {
			len += interface_desc(c + len, (uint8_t)interfaces,
					      (uint8_t)below(12));
			c[from + 3] = (uint8_t)(below(4) ? 0 : below(256));
			c[from + 5] = (uint8_t)(below(3) ? 0x0b : below(256));
			interfaces += below(4) > 0;
		} else {
			len += setting_desc(c + len, (uint8_t)below(interfaces + 1),
					    (uint8_t)below(256),
					    (uint8_t)(below(2) ? 0x0b : 0xff),
					    (uint8_t)below(256));
		}
		for (j = below(3); j; j--)
			if (!below(4))
				c[from + below((unsigned int)(len - from))] =
					(uint8_t)below(256);
	}
	memcpy(c, (const uint8_t[]){ 9, 2, (uint8_t)len, (uint8_t)(len >> 8),
				     (uint8_t)(below(8) ? interfaces : below(256)),
				     1, 0, 0xe0, 50 }, 9);
	return len;
}

static size_t random_string(uint8_t *c)
{
	static const char odd[] = "$(){}`'\"\\;|&<>/%*?~# \n\t\033=,.-";
	size_t i, len = below(127);

	for (i = 0; i < len; i++) {
		c[2 + 2 * i] = (uint8_t)(below(3) ? odd[below(sizeof(odd))] :
					 (char)below(256));
		c[3 + 2 * i] = (uint8_t)(below(4) ? 0 : below(256));
	}
	c[0] = (uint8_t)(2 + 2 * len);
	c[1] = 3;
	return c[0];
}

static size_t config_desc(uint8_t *c)
{
	uint8_t interfaces = (uint8_t)(1 + second);
	size_t len = 9;
	unsigned int i;

	if (is_random) {
		/* The same each time that it is asked for. */
		srandom(seed);
		return random_config(c);
	}
	if (nr_interfaces) {
		for (i = 0; i < nr_interfaces; i++)
			len += setting_desc(c + len, (uint8_t)i, 0, 0x0b, 0);
		interfaces = (uint8_t)nr_interfaces;
		goto head;
	}
	if (nr_settings) {
		for (i = 0; i < nr_settings; i++)
			len += setting_desc(c + len, 0, (uint8_t)i, 0xff, (uint8_t)i);
		len += interface_desc(c + len, 1, 0);
		interfaces = 2;
		goto head;
	}

	if (second)
		len += interface_desc(c + len, 0, MUTE);
	len += tell_a_lie(c + len, interface_desc(c + len, second, 0));
	if (setting)
		len += setting_desc(c + len, 0, 1, 0xff, 0);
head:
	memcpy(c, (const uint8_t[]){ 9, 2, (uint8_t)len, (uint8_t)(len >> 8),
				     interfaces, 1, 0, 0xe0, 50 }, 9);
	return len;
}

static size_t string_desc(unsigned int index, uint8_t *c)
{
	size_t i, len;
	unsigned int byte;

	if (index > 3)
		return 0;
	if (!index) {
		memcpy(c, (const uint8_t[]){ 4, 3, 9, 4 }, 4);
		return 4;
	}
	if (is_random) {
		srandom(seed + index);
		return random_string(c);
	}
	c[1] = 3;
	if (!strncmp(strings[index], "hex:", 4)) {
		for (i = 0; i < 252 && sscanf(strings[index] + 4 + 2 * i, "%2x",
					      &byte) == 1; i++)
			c[2 + i] = (uint8_t)byte;
		c[0] = (uint8_t)(2 + i);
		return c[0];
	}
	len = strnlen(strings[index], 126);
	c[0] = (uint8_t)(2 + 2 * len);
	for (i = 0; i < len; i++) {
		c[2 + 2 * i] = (uint8_t)strings[index][i];
		c[3 + 2 * i] = 0;
	}
	return c[0];
}

/* The length of what it answers, or -1: it stalls. */
static int control(const uint8_t *setup, uint8_t *data)
{
	unsigned int value = setup[2] | setup[3] << 8;
	size_t len = 0;

	switch (setup[0] << 8 | setup[1]) {
	case 0x8006:	/* GET_DESCRIPTOR */
		if (value >> 8 == 1) {
			memcpy(data, device_desc, sizeof(device_desc));
			len = sizeof(device_desc);
		} else if (value >> 8 == 2) {
			len = config_desc(data);
		} else if (value >> 8 == 3) {
			len = string_desc(value & 0xff, data);
		}
		return len ? (int)len : -1;
	case 0x8000:	/* GET_STATUS */
	case 0x8100:
	case 0x8200:
		data[0] = 0;
		data[1] = 0;
		return 2;
	case 0x8008:	/* GET_CONFIGURATION */
		data[0] = 1;
		return 1;
	case 0x0009:	/* SET_CONFIGURATION */
		configured = true;
		return 0;
	case 0x0201:	/* CLEAR_FEATURE, of an endpoint */
	case 0x010b:	/* SET_INTERFACE */
		return 0;
	case 0x2101:	/* ABORT */
		reader_abort(&reader, setup[2], setup[3]);
		return 0;
	default:
		return -1;
	}
}

static void wait_in(uint32_t seqnum, uint32_t ep, size_t size)
{
	struct waiting *w = calloc(1, sizeof(*w)), **end = &waiting;

	if (ep == INTERRUPT_IN) {
		fprintf(card.log, "listening\n");
		fflush(card.log);
	}
	w->seqnum = seqnum;
	w->ep = ep;
	w->since = now();
	w->size = size;
	w->data = malloc(size + READER_PACKET);
	while (*end)
		end = &(*end)->next;
	*end = w;
}

static void do_control(uint32_t seqnum, const struct usbip_header *h,
		       size_t length)
{
	bool in = h->submit.setup[0] & 0x80;
	uint8_t data[2048];
	int n;

	/* The kernel itself has asked already for what it wants to know. */
	if (mute && configured && (h->submit.setup[1] == 6 || h->submit.setup[1] == 8)) {
		wait_in(seqnum, NEVER, length);
		return;
	}
	n = control(h->submit.setup, data);
	if (n < 0)
		done(seqnum, -EPIPE, NULL, 0, in);
	else
		done(seqnum, 0, data, in && (size_t)n > length ? length : (size_t)n,
		     in);
}

/* ---- transfers in ---------------------------------------------------------- */

static void finish(struct waiting **at, int status)
{
	struct waiting *w = *at;

	*at = w->next;
	done(w->seqnum, status, w->data, w->have, true);
	free(w->data);
	free(w);
}

/* Fills what waits, in order. Returns when there will be more, or -1. */
static int64_t fill(void)
{
	struct waiting **at = &waiting;
	int64_t later = -1, not_before;
	uint8_t packet[READER_PACKET];
	bool bulk_empty = false;
	int n;

	while (*at) {
		struct waiting *w = *at;

		if (w->ep > MUTE) {
			at = &w->next;
			continue;
		}
		if (w->ep == INTERRUPT_IN) {
			w->have = reader_notice(&reader, packet);
			memcpy(w->data, packet, w->have);
			if (w->have)
				finish(at, 0);
			else
				at = &w->next;
			continue;
		}
		n = bulk_empty ? -1 : reader_in(&reader, packet, &not_before);
		if (n < 0) {
			if (!bulk_empty)
				later = not_before;
			bulk_empty = true;
			at = &w->next;
			continue;
		}
		if ((size_t)n > w->size - w->have) {
			finish(at, -EOVERFLOW);
			continue;
		}
		memcpy(w->data + w->have, packet, (size_t)n);
		w->have += (size_t)n;
		if (n < READER_PACKET || w->have == w->size)
			finish(at, 0);
	}
	return later;
}

static void do_unlink(uint32_t seqnum, uint32_t victim)
{
	struct usbip_header h = {
		.command = htonl(RET_UNLINK),
		.seqnum = htonl(seqnum),
	};
	struct waiting **at, *w;

	for (at = &waiting; (w = *at); at = &w->next) {
		if (w->seqnum != victim)
			continue;
		*at = w->next;
		h.done.status = (int32_t)htonl((uint32_t)-ECONNRESET);
		if (w->ep == NEVER) {
			waited += now() - w->since;
			fprintf(card.log, "waited %lld\n", (long long)waited);
			fflush(card.log);
		}
		free(w->data);
		free(w);
		break;
	}
	put(&h, sizeof(h));
}

/* ---- the wire ---------------------------------------------------------------- */

static void request(void)
{
	struct usbip_header h;
	static uint8_t data[1 << 17];
	uint32_t seqnum, ep, length;
	size_t at, n;
	bool in;

	get(&h, sizeof(h));
	seqnum = ntohl(h.seqnum);
	if (ntohl(h.command) == CMD_UNLINK) {
		do_unlink(seqnum, ntohl(h.unlink.seqnum));
		return;
	}
	ep = ntohl(h.ep);
	in = ntohl(h.direction);
	length = ntohl((uint32_t)h.submit.length);
	if (!in) {
		if (length > sizeof(data))
			exit(1);
		get(data, length);
	}
	if (!ep) {
		do_control(seqnum, &h, length);
	} else if (in) {
		wait_in(seqnum, ep, length);
	} else {
		messages++;
		for (at = 0; ep <= MUTE && at < length; at += n) {
			n = length - at < READER_PACKET ? length - at : READER_PACKET;
			reader_out(&reader, data + at, n);
		}
		done(seqnum, 0, NULL, length, false);
	}
}

/* Our port of the kernel's virtual hub. */
static unsigned int port;

/*
 * A line of its status: which port, in what state (4: nothing is attached, 6: a
 * device is in use), and then the name of the device.
 */
static bool find_port(bool (*is_it)(unsigned int number, unsigned int status),
		      unsigned int *number, char busid[static 32])
{
	char line[256], hub[8];
	unsigned int status;
	bool found = false;
	FILE *f;

	f = fopen(VHCI "/status", "re");
	if (!f)
		fatal(VHCI "/status (is vhci_hcd loaded?)");
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%7s %u %u %*s %*s %*s %31s", hub, number,
			       &status, busid) == 4 &&
			!strcmp(hub, "hs") && is_it(*number, status);
	fclose(f);
	return found;
}

static bool is_free(unsigned int number, unsigned int status)
{
	return status == 4;
}

static bool is_ours(unsigned int number, unsigned int status)
{
	return number == port && status == 6;
}

/* A root hub that is just going to sleep may miss a device that is attached to it. */
static void keep_hubs_awake(void)
{
	glob_t hubs;
	size_t i;
	FILE *f;

	if (glob(VHCI "/usb*/power/control", 0, NULL, &hubs))
		return;
	for (i = 0; i < hubs.gl_pathc; i++) {
		f = fopen(hubs.gl_pathv[i], "we");
		if (!f)
			fatal(hubs.gl_pathv[i]);
		fputs("on", f);
		fclose(f);
	}
	globfree(&hubs);
}

static void attach(void)
{
	char busid[32];
	int pair[2];
	FILE *f;

	keep_hubs_awake();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		fatal("socketpair");
	do {
		if (!find_port(is_free, &port, busid)) {
			errno = EBUSY;
			fatal("no free port");
		}
		f = fopen(VHCI "/attach", "we");
		if (!f)
			fatal(VHCI "/attach");
		fprintf(f, "%u %d %d %d", port, pair[1], 1 << 16 | 2, FULL_SPEED);
		/* Another one was faster. */
	} while (fclose(f) && errno == EBUSY);
	/* The kernel holds a reference of its own. */
	close(pair[1]);
	usb = pair[0];
}

static bool number(const char *busid, const char *name, unsigned int *value)
{
	char path[512];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s/%s", busid, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fscanf(f, "%u", value) == 1;
	fclose(f);
	return ok;
}

/*
 * Where it is under /dev/bus/usb: the bus is a directory, the device below it.
 * False if the kernel isn't done with it: an interface's endpoints are the last
 * that it tells of.
 */
static bool ready(void)
{
	unsigned int ours, bus, device;
	const char *file = silent ? "ep_82" : "ep_81";
	char busid[32], path[512];

	if (!find_port(is_ours, &ours, busid) ||
	    !number(busid, "busnum", &bus) || !number(busid, "devnum", &device))
		return false;
	/* Of an interface that lies it may have no endpoints. */
	if (*lie || nr_interfaces || nr_settings)
		file = "uevent";
	snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s:1.%d/%s", busid,
		 second, file);
	if (!is_random && access(path, F_OK))
		return false;
	printf("ready %03u %03u\n", bus, device);
	fflush(stdout);
	return true;
}

/* ---- what it is told to do ---------------------------------------------------- */

#define FAULT(name) { #name, &reader.faults.name }
static const struct {
	const char *name;
	unsigned int *count;
} faults[] = {
	FAULT(stale), FAULT(mute), FAULT(zlp), FAULT(wrong_type),
	FAULT(wrong_slot), FAULT(cut), FAULT(huge), FAULT(too_long),
	FAULT(garbage),
	FAULT(extension), FAULT(bad_chain), FAULT(more), FAULT(bad_lrc), FAULT(card_mute),
	FAULT(wtx), FAULT(ifs), FAULT(abort), FAULT(bad_seq),
};

static void order(FILE *orders)
{
	char line[64], name[32];
	unsigned int n = 1;
	size_t i;

	if (!fgets(line, sizeof(line), orders) ||
	    sscanf(line, "%31s %u", name, &n) < 1)
		return;
	if (!strcmp(name, "remove") || !strcmp(name, "insert"))
		reader_insert(n == 2 ? &second_slot : &reader, name[0] == 'i');
	if (!strcmp(name, "messages"))
		fprintf(card.log, "messages %u\n", messages);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (!strcmp(name, faults[i].name))
			*faults[i].count = n;
	fprintf(card.log, "told %s", line);
	fflush(card.log);
}

/* Its card is of T=0, as this ATR says. */
static void add_second_slot(const char *log_name)
{
	const uint8_t *atr;
	char name[4096];
	size_t len;
	FILE *log;

	snprintf(name, sizeof(name), "%s.2", log_name);
	log = fopen(name, "we");
	if (!log)
		fatal(name);
	atr = reader_atr(READER_T0, &len);
	card_init(&second_card, log, atr, len);
	reader_init(&second_slot, reader.level, &second_card);
	second_slot.now = now;
	reader.second = &second_slot;
}

int main(int argc, char **argv)
{
	enum { SECOND, ACTIVATES, SILENT, HOSTILE, MAKER, MODEL, SERIAL, INTERFACES,
	       SETTINGS, SETTING, IS_MUTE, RANDOM, PIV, ICCD, CHARACTERS, PAD, TWO };
	static const struct option options[] = {
		{ "second",	no_argument,		NULL, SECOND },
		{ "activates",	no_argument,		NULL, ACTIVATES },
		{ "silent",	no_argument,		NULL, SILENT },
		{ "two",	no_argument,		NULL, TWO },
		{ "hostile",	required_argument,	NULL, HOSTILE },
		{ "maker",	required_argument,	NULL, MAKER },
		{ "model",	required_argument,	NULL, MODEL },
		{ "serial",	required_argument,	NULL, SERIAL },
		{ "interfaces",	required_argument,	NULL, INTERFACES },
		{ "settings",	required_argument,	NULL, SETTINGS },
		{ "setting",	no_argument,		NULL, SETTING },
		{ "iccd",	no_argument,		NULL, ICCD },
		{ "pad",	required_argument,	NULL, PAD },
		{ "characters",	no_argument,		NULL, CHARACTERS },
		{ "mute",	no_argument,		NULL, IS_MUTE },
		{ "random",	required_argument,	NULL, RANDOM },
		{ "piv",	required_argument,	NULL, PIV },
		{}
	};
	static const char *const levels[] = { "t0", "t1", "short", "extended" };
	struct pollfd fds[2] = { { .events = POLLIN }, { .fd = -1, .events = POLLIN } };
	FILE *log, *orders = NULL;
	const char *pad = NULL;
	unsigned int level;
	const char *piv = NULL;
	const uint8_t *atr;
	int64_t later, left;
	bool said = false, activates = false, characters = false, two = false;
	size_t len;
	int fd, option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		switch (option) {
		case SECOND:
			second = true;
			break;
		case ACTIVATES:
			activates = true;
			break;
		case SILENT:
			silent = true;
			break;
		case TWO:
			two = true;
			break;
		case HOSTILE:
			lie = optarg;
			break;
		case MAKER:
		case MODEL:
		case SERIAL:
			strings[1 + option - MAKER] = optarg;
			break;
		case INTERFACES:
			nr_interfaces = (unsigned int)atoi(optarg) % 33;
			break;
		case SETTINGS:
			nr_settings = (unsigned int)atoi(optarg) % 129;
			break;
		case SETTING:
			setting = true;
			break;
		case RANDOM:
			is_random = true;
			seed = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case PIV:
			piv = optarg;
			break;
		case PAD:
			pad = optarg;
			break;
		case ICCD:
			iccd = true;
			break;
		case CHARACTERS:
			characters = true;
			break;
		case IS_MUTE:
			mute = true;
			break;
		default:
			return 2;
		}
	}
	argc -= optind - 1;
	argv += optind - 1;
	for (level = 0; argc > 2 && level < 4; level++)
		if (!strcmp(argv[1], levels[level]))
			break;
	if (argc < 3 || argc > 4 || level == 4) {
		fprintf(stderr, "usage: usbip [OPTION…] t0|t1|short|extended LOG [CONTROL]\n");
		return 2;
	}
	log = fopen(argv[2], "we");
	if (!log)
		fatal(argv[2]);
	if (argc > 3) {
		/* Both ways: who writes to it may come and go. */
		fd = open(argv[3], O_RDWR | O_CLOEXEC);
		orders = fd < 0 ? NULL : fdopen(fd, "r");
		if (!orders)
			fatal(argv[3]);
		setvbuf(orders, NULL, _IONBF, 0);
		fds[1].fd = fd;
	}
	atr = reader_atr(level, &len);
	card_init(&card, log, atr, len);
	if (piv && !piv_add(&card, piv))
		return 1;
	reader_init(&reader, level, &card);
	reader.now = now;
	if (two)
		add_second_slot(argv[2]);
	if (pad) {
		reader.pin_support = 3;
		reader.typed = pad;
	}
	if (characters)
		reader.features &= ~READER_LEVEL;
	if (activates) {
		reader.features |= READER_ACTIVATES;
		card_power_on(&card);
	}
	attach();
	fds[0].fd = usb;
	for (;;) {
		later = fill();
		left = later < 0 ? -1 : later - now();
		/* The kernel's side of it takes a while after the last word. */
		if (configured && !said)
			left = 20;
		if (poll(fds, 2, left < -1 ? 0 : (int)left) < 0 && errno != EINTR)
			fatal("poll");
		if (fds[0].revents)
			request();
		else if (configured && !said)
			said = ready();
		if (fds[1].revents & POLLIN)
			order(orders);
	}
}
