// SPDX-License-Identifier: GPL-2.0-only
/*
 * PC/SC programs on one reader: what a program finds, what it is told, and what
 * another program or its death does to it (R1, R2, R19). The reader is
 * tests/card's, and its card forgets without power.
 */
#include <arpa/inet.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <winscard.h>
#include <reader.h>
#include <tokmux.h>
#include <tokmux-card.h>
#include "kselftest_harness.h"
#include "../card/usb_reader.h"

/* What is not to be waited for takes no longer, in ms; see usb_reader.h. */
#define PNP	"\\\\?PnP?\\Notification"

FIXTURE(cards)
{
	struct usb_reader reader;
	char token[TOKMUX_NAME_SIZE];
	unsigned int index;
	SCARDCONTEXT context;
	char name[128];		/* of the reader, for PC/SC */
	bool skip;
};

/* A slot of the reader that is the token with this number. */
static bool find_slot(SCARDCONTEXT context, unsigned int index, unsigned int slot,
		      char *name)
{
	char names[1000], ending[16], *at;
	DWORD len;

	snprintf(ending, sizeof(ending), " %02X %02X", index, slot);
	for (double start = now(); now() - start < SOON; usleep(20000)) {
		len = sizeof(names);
		if (SCardListReaders(context, NULL, names, &len))
			continue;
		for (at = names; *at; at += strlen(at) + 1) {
			if (strcmp(at + strlen(at) - strlen(ending), ending))
				continue;
			strcpy(name, at);
			return true;
		}
	}
	return false;
}

static bool find_reader(SCARDCONTEXT context, unsigned int index, char *name)
{
	return find_slot(context, index, 0, name);
}

/* The reader as a token. */
static bool make_token(FIXTURE_DATA(cards) *self, unsigned int flags,
		       unsigned int hold_limit_ms)
{
	return !tokmux_create_device(self->token, flags, hold_limit_ms, 0,
				     self->reader.node, -1, &self->index) &&
	       find_reader(self->context, self->index, self->name);
}

/*
 * The same reader as another token. Until udev has heard that the first one is gone, its
 * reader is in the list, and may have the other one's number.
 */
static bool make_another_token(FIXTURE_DATA(cards) *self, unsigned int flags,
			       unsigned int hold_limit_ms)
{
	return !tokmux_remove_system(self->index) && !system("udevadm settle") &&
	       make_token(self, flags, hold_limit_ms);
}

/* udev's rule for a token's next user runs the program. */
static void install_tool(void)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 8);
	int i;

	path[len < 0 ? 0 : len] = '\0';
	/* …/tests/pcsc/cards and …/tokmux */
	for (i = 0; i < 3 && *path; i++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/tokmux");
	unlink("/usr/lib/udev/tokmux");
	if (symlink(path, "/usr/lib/udev/tokmux"))
		perror("/usr/lib/udev/tokmux");
}

FIXTURE_SETUP(cards)
{
	memset(self, 0, sizeof(*self));
	self->skip = !have_vhci() || tokmux_present() != 1;
	if (self->skip)
		return;
	install_tool();
	ASSERT_TRUE(make_reader(&self->reader, "extended"));
	snprintf(self->token, sizeof(self->token), "pcsc-%d", getpid());
	ASSERT_EQ(0, SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL,
					   &self->context));
	ASSERT_TRUE(make_token(self, 0, 0));
}

FIXTURE_TEARDOWN(cards)
{
	if (self->skip)
		return;
	SCardReleaseContext(self->context);
	tokmux_remove_system(self->index);
	destroy_reader(&self->reader);
}

#define NEEDS_VHCI() do {						\
	if (self->skip)							\
		SKIP(return, "not in a guest, or no vhci_hcd");		\
} while (0)

/* ---- a program ------------------------------------------------------------ */

struct program {
	SCARDCONTEXT context;
	SCARDHANDLE card;
	DWORD protocol;
	BYTE answer[300];
	DWORD len;
};

static LONG start(struct program *p, const char *reader, DWORD share)
{
	LONG rv;

	rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &p->context);
	if (!rv)
		rv = SCardConnect(p->context, reader, share, SCARD_PROTOCOL_ANY,
				  &p->card, &p->protocol);
	return rv;
}

/* The status word, or PC/SC's error. */
static LONG send_apdu(struct program *p, const BYTE *apdu, size_t len)
{
	LONG rv;

	p->len = sizeof(p->answer);
	rv = SCardTransmit(p->card, p->protocol == SCARD_PROTOCOL_T0 ?
			   SCARD_PCI_T0 : SCARD_PCI_T1, apdu, len, NULL, p->answer,
			   &p->len);
	if (rv)
		return rv;
	return p->answer[p->len - 2] << 8 | p->answer[p->len - 1];
}
#define SEND(p, apdu)	send_apdu(p, apdu, sizeof(apdu))

static LONG reconnect(struct program *p)
{
	DWORD protocol;

	return SCardReconnect(p->card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY,
			      SCARD_LEAVE_CARD, &protocol);
}

/* Begins, however often the card was reset meanwhile. */
static LONG begin(struct program *p, int *resets)
{
	LONG rv;

	while ((rv = SCardBeginTransaction(p->card)) == SCARD_W_RESET_CARD) {
		++*resets;
		rv = reconnect(p);
		if (rv)
			break;
	}
	return rv;
}

/* ---- processes that do one thing and say so ------------------------------- */

struct child {
	pid_t pid;
	int said;		/* what it says, to read */
	int told;		/* and what it is told */
};

static struct child child_of(void (*what)(const char *reader, int out, int in),
			     const char *reader)
{
	struct child c = {};
	int out[2], in[2];

	if (pipe(out) || pipe(in))
		return c;
	c.pid = fork();
	if (!c.pid) {
		close(out[0]);
		close(in[1]);
		what(reader, out[1], in[0]);
		exit(0);
	}
	close(out[1]);
	close(in[0]);
	c.said = out[0];
	c.told = in[1];
	return c;
}

static void say(int fd, LONG what)
{
	if (write(fd, &what, sizeof(what)) != sizeof(what))
		_exit(1);
}

/* Its next word, or -1 if it says nothing. */
static LONG hear(const struct child *c)
{
	struct pollfd pfd = { .fd = c->said, .events = POLLIN };
	LONG what;

	if (poll(&pfd, 1, SOON) != 1 ||
	    read(c->said, &what, sizeof(what)) != sizeof(what))
		return -1;
	return what;
}

static void wait_to_be_told(int in)
{
	char byte;

	if (read(in, &byte, 1) < 0)
		_exit(1);
}

static int end(struct child *c, int signal)
{
	int status = -1;

	/* Another child may have a copy of the pipe: it is told, not just left. */
	if (signal)
		kill(c->pid, signal);
	else if (write(c->told, "", 1) != 1)
		return status;
	close(c->told);
	waitpid(c->pid, &status, 0);
	close(c->said);
	return status;
}

/* ---- one program ------------------------------------------------------------ */

TEST_F(cards, one_program)
{
	static const BYTE atr_begins = 0x3b;
	static const BYTE extended[] = {
		PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize, 4, 0, 0, 1, 0,
	};
	PCSC_TLV_STRUCTURE tlv;
	struct program p = {};
	DWORD len, state, protocol, atr_len;
	BYTE atr[33], value[128];
	char name[128];

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardBeginTransaction(p.card));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(34, p.len);
	/* In each other. */
	EXPECT_EQ(0, SCardBeginTransaction(p.card));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(SCARD_E_NOT_TRANSACTED,
		  SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	/* It is still as it was left, within this program. */
	EXPECT_EQ(0x9000, SEND(&p, get_secret));

	len = sizeof(name);
	atr_len = sizeof(atr);
	ASSERT_EQ(0, SCardStatus(p.card, name, &len, &state, &protocol, atr, &atr_len));
	EXPECT_STREQ(self->name, name);
	EXPECT_EQ(strlen(name) + 1, len);
	EXPECT_EQ(SCARD_PROTOCOL_T1, protocol);
	EXPECT_EQ(SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE, state & 0xffff);
	EXPECT_LT(2, atr_len);
	EXPECT_EQ(atr_begins, atr[0]);
	len = sizeof(value);
	EXPECT_EQ(0, SCardGetAttrib(p.card, SCARD_ATTR_ATR_STRING, value, &len));
	EXPECT_EQ(atr_len, len);
	EXPECT_EQ(0, memcmp(atr, value, len));
	len = sizeof(value);
	EXPECT_EQ(SCARD_E_UNSUPPORTED_FEATURE,
		  SCardGetAttrib(p.card, 0x4711, value, &len));
	/* One feature: properties, of which one is that APDUs may be extended. */
	ASSERT_EQ(0, SCardControl(p.card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0,
				  value, sizeof(value), &len));
	ASSERT_EQ(sizeof(PCSC_TLV_STRUCTURE), len);
	memcpy(&tlv, value, sizeof(tlv));
	EXPECT_EQ(FEATURE_GET_TLV_PROPERTIES, tlv.tag);
	ASSERT_EQ(0, SCardControl(p.card, ntohl(tlv.value), NULL, 0, value,
				  sizeof(value), &len));
	EXPECT_EQ(14, len);
	EXPECT_EQ(0, memcmp(value, extended, sizeof(extended)));
	EXPECT_EQ(SCARD_E_INSUFFICIENT_BUFFER,
		  SCardControl(p.card, ntohl(tlv.value), NULL, 0, value, 13, &len));
	EXPECT_EQ(SCARD_E_UNSUPPORTED_FEATURE,
		  SCardControl(p.card, 0x42000001, NULL, 0, value, sizeof(value), &len));

	/* What it may not do. */
	len = 1;
	EXPECT_EQ(SCARD_E_INSUFFICIENT_BUFFER,
		  SCardTransmit(p.card, SCARD_PCI_T1, get_secret, 5, NULL, value, &len));
	len = sizeof(value);
	EXPECT_EQ(SCARD_E_PROTO_MISMATCH,
		  SCardTransmit(p.card, SCARD_PCI_T0, get_secret, 5, NULL, value, &len));
	EXPECT_EQ(SCARD_E_PROTO_MISMATCH,
		  SCardReconnect(p.card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0,
				 SCARD_LEAVE_CARD, &protocol));
	EXPECT_EQ(0, SCardDisconnect(p.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardBeginTransaction(p.card));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* ---- resets ------------------------------------------------------------------ */

TEST_F(cards, a_reset_is_told)
{
	struct program a = {}, b = {};
	DWORD protocol;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&a, self->name, SCARD_SHARE_SHARED));
	ASSERT_EQ(0, start(&b, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardReconnect(a.card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY,
				    SCARD_RESET_CARD, &protocol));
	EXPECT_EQ(SCARD_PROTOCOL_T1, protocol);
	/* Who did it knows. The other one is told until it reconnects. */
	EXPECT_EQ(0, SCardBeginTransaction(a.card));
	EXPECT_EQ(SCARD_W_RESET_CARD, SCardBeginTransaction(b.card));
	EXPECT_EQ(SCARD_W_RESET_CARD, SEND(&b, select_applet));
	EXPECT_EQ(SCARD_W_RESET_CARD,
		  SCardStatus(b.card, NULL, NULL, NULL, NULL, NULL, NULL));
	/* At the end of a transaction its own program is told as well. */
	EXPECT_EQ(0, SCardEndTransaction(a.card, SCARD_RESET_CARD));
	EXPECT_EQ(SCARD_W_RESET_CARD, SCardBeginTransaction(a.card));
	EXPECT_EQ(0, reconnect(&a));
	EXPECT_EQ(0, SCardBeginTransaction(a.card));
	EXPECT_EQ(0, SCardEndTransaction(a.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(0, reconnect(&b));
	EXPECT_LE(0x6100, SEND(&b, select_applet));
	/* A disconnect that resets is told, one that leaves the card is not. */
	EXPECT_EQ(0, reconnect(&a));
	EXPECT_EQ(0, SCardDisconnect(b.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(0, SCardBeginTransaction(a.card));
	EXPECT_EQ(0, SCardEndTransaction(a.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(0, SCardReleaseContext(b.context));
	ASSERT_EQ(0, start(&b, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardDisconnect(b.card, SCARD_RESET_CARD));
	EXPECT_EQ(SCARD_W_RESET_CARD, SCardBeginTransaction(a.card));
	EXPECT_EQ(0, SCardReleaseContext(b.context));
	EXPECT_EQ(0, SCardReleaseContext(a.context));
}

/* ---- the reader itself ------------------------------------------------------------- */

/* PC/SC's structure for a PIN of four to eight ASCII digits. */
static const BYTE verify_at_pad[] = {
	30, 15, 0x82, 0, 0, 8, 4, 2, 1, 9, 4, 0, 0, 0, 0, 5, 0, 0, 0,
	0x00, 0x20, 0x00, 0x00, 0x00,
};

/* The code of a feature, 0 if the reader doesn't have it. */
static DWORD code_of(SCARDHANDLE card, BYTE feature)
{
	BYTE list[100], *at;
	DWORD len = 0;

	if (SCardControl(card, CM_IOCTL_GET_FEATURE_REQUEST, NULL, 0, list,
			 sizeof(list), &len))
		return 0;
	for (at = list; at + 6 <= list + len; at += 6)
		if (at[0] == feature)
			return (DWORD)at[2] << 24 | (DWORD)at[3] << 16 |
			       (DWORD)at[4] << 8 | at[5];
	return 0;
}

TEST_F(cards, what_the_reader_has)
{
	struct program p = {};
	BYTE answer[16];
	DWORD len;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, code_of(p.card, FEATURE_VERIFY_PIN_DIRECT));
	EXPECT_NE(0, code_of(p.card, FEATURE_GET_TLV_PROPERTIES));
	len = sizeof(answer);
	EXPECT_EQ(0, SCardGetAttrib(p.card, SCARD_ATTR_MAXINPUT, answer, &len));
	EXPECT_EQ(4, len);
	EXPECT_EQ(3072 - 10, answer[0] | answer[1] << 8);
	/* Not as long as readers.conf doesn't allow it. */
	EXPECT_EQ(0, code_of(p.card, FEATURE_CCID_ESC_COMMAND));
	EXPECT_EQ(SCARD_E_UNSUPPORTED_FEATURE,
		  SCardControl(p.card, SCARD_CTL_CODE(1), "a", 1, answer,
			       sizeof(answer), &len));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

TEST_F(cards, protocols)
{
	SCARDHANDLE card;
	struct program p = {};
	DWORD protocol;

	NEEDS_VHCI();
	EXPECT_EQ(SCARD_E_PROTO_MISMATCH,
		  SCardConnect(self->context, self->name, SCARD_SHARE_SHARED,
			       SCARD_PROTOCOL_T0, &card, &protocol));
	/* The card itself is well, and known. */
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(SCARD_E_PROTO_MISMATCH,
		  SCardReconnect(p.card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0,
				 SCARD_RESET_CARD, &protocol));
	EXPECT_EQ(0, SCardReconnect(p.card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1,
				    SCARD_UNPOWER_CARD, &protocol));
	EXPECT_EQ(SCARD_PROTOCOL_T1, protocol);
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* What is sent is what the reader takes: an APDU here. */
TEST_F(cards, raw)
{
	struct program p = {};
	SCARDHANDLE card;
	DWORD protocol;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardConnect(p.context, self->name, SCARD_SHARE_SHARED,
				  SCARD_PROTOCOL_RAW, &card, &protocol));
	EXPECT_EQ(SCARD_PROTOCOL_RAW, protocol);
	p.len = sizeof(p.answer);
	EXPECT_EQ(0, SCardTransmit(card, SCARD_PCI_RAW, select_applet,
				   sizeof(select_applet), NULL, p.answer, &p.len));
	EXPECT_LE(2, p.len);
	/* The card is the same for both. */
	EXPECT_EQ(0x6982, SEND(&p, get_secret));
	/* Beside a protocol that the card has it isn't chosen. */
	EXPECT_EQ(0, SCardReconnect(card, SCARD_SHARE_SHARED,
				    SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_RAW,
				    SCARD_LEAVE_CARD, &protocol));
	EXPECT_EQ(SCARD_PROTOCOL_T1, protocol);
	EXPECT_EQ(0, SCardReconnect(card, SCARD_SHARE_SHARED,
				    SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_RAW,
				    SCARD_LEAVE_CARD, &protocol));
	EXPECT_EQ(SCARD_PROTOCOL_RAW, protocol);
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* A reader with a PIN pad, beside the one of all tests. */
FIXTURE(pads)
{
	SCARDCONTEXT context;
	bool skip;
};

FIXTURE_VARIANT(pads)
{
	const char *reader;
};

FIXTURE_VARIANT_ADD(pads, extended)
{
	.reader = "pad 314159",
};

/* That leaves T=1 to the computer. */
FIXTURE_VARIANT_ADD(pads, t1)
{
	.reader = "pad-t1 314159",
};

FIXTURE_SETUP(pads)
{
	self->skip = !have_vhci() || tokmux_present() != 1;
	if (!self->skip)
		ASSERT_EQ(0, SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL,
						   &self->context));
}

FIXTURE_TEARDOWN(pads)
{
	if (!self->skip)
		SCardReleaseContext(self->context);
}

TEST_F(pads, verify)
{
	BYTE answer[16], request[sizeof(verify_at_pad)];
	struct usb_reader pad;
	char name[128], token[TOKMUX_NAME_SIZE];
	struct program p = {};
	DWORD code, len = 0;
	unsigned int index;

	NEEDS_VHCI();
	ASSERT_TRUE(make_reader(&pad, variant->reader));
	snprintf(token, sizeof(token), "pad-%d", getpid());
	ASSERT_EQ(0, tokmux_create_device(token, 0, 0, 0, pad.node, -1, &index));
	ASSERT_TRUE(find_reader(self->context, index, name));
	ASSERT_EQ(0, start(&p, name, SCARD_SHARE_SHARED));
	code = code_of(p.card, FEATURE_VERIFY_PIN_DIRECT);
	EXPECT_NE(0, code);
	EXPECT_NE(0, code_of(p.card, FEATURE_MODIFY_PIN_DIRECT));
	EXPECT_EQ(0, SCardControl(p.card, code_of(p.card, FEATURE_IFD_PIN_PROPERTIES),
				  NULL, 0, answer, sizeof(answer), &len));
	EXPECT_EQ(4, len);
	EXPECT_EQ(0x10, answer[0]);
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0, SCardControl(p.card, code, verify_at_pad, sizeof(verify_at_pad),
				  answer, sizeof(answer), &len));
	EXPECT_EQ(2, len);
	EXPECT_EQ(0x90, answer[0]);
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	/* A length that is not that of the command. */
	memcpy(request, verify_at_pad, sizeof(request));
	request[15]++;
	EXPECT_EQ(SCARD_E_INVALID_PARAMETER,
		  SCardControl(p.card, code, request, sizeof(request), answer,
			       sizeof(answer), &len));
	for (len = 0; len < sizeof(request); len++)
		EXPECT_EQ(SCARD_E_INVALID_PARAMETER,
			  SCardControl(p.card, code, verify_at_pad, len, answer,
				       sizeof(answer), NULL));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
	tokmux_remove_system(index);
	destroy_reader(&pad);
}

/* ---- readers.conf ------------------------------------------------------------- */

#define CONF	"/etc/tokmux/readers.conf"

static bool write_conf(const char *conf)
{
	FILE *f;

	mkdir("/etc/tokmux", 0755);
	f = fopen(CONF, "w");
	return f && fputs(conf, f) >= 0 && !fclose(f);
}

/* As the library of this process read it when its first context was established. */
FIXTURE(policies)
{
	struct usb_reader reader;
	unsigned int index;
	char name[128];
	bool skip;
};

FIXTURE_VARIANT(policies)
{
	const char *conf;
	bool forgets;
};

FIXTURE_VARIANT_ADD(policies, by_default) {
	.conf = "enforce = no\n",
};

FIXTURE_VARIANT_ADD(policies, forget_after) {
	.conf = "\tforget-after =200 # ms\nnonsense\nescape = yes\n",
	.forgets = true,
};

FIXTURE_VARIANT_ADD(policies, not_understood) {
	.conf = "forget-after = 200ms\nforget-after = -1\nforget-after =\n#forget-after = 5\n",
};

FIXTURE_SETUP(policies)
{
	char token[TOKMUX_NAME_SIZE];
	SCARDCONTEXT context;

	memset(self, 0, sizeof(*self));
	self->skip = !have_vhci() || tokmux_present() != 1 || !access(CONF, F_OK);
	if (self->skip)
		return;
	ASSERT_TRUE(write_conf(variant->conf));
	ASSERT_TRUE(make_reader(&self->reader, "extended"));
	snprintf(token, sizeof(token), "pcsc-%d", getpid());
	ASSERT_EQ(0, tokmux_create_device(token, 0, 0, 0, self->reader.node, -1,
					  &self->index));
	ASSERT_EQ(0, SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	ASSERT_TRUE(find_reader(context, self->index, self->name));
	ASSERT_EQ(0, SCardReleaseContext(context));
}

FIXTURE_TEARDOWN(policies)
{
	if (self->skip)
		return;
	unlink(CONF);
	tokmux_remove_system(self->index);
	destroy_reader(&self->reader);
}

TEST_F(policies, a_login_that_is_not_used)
{
	struct program p = {};
	LONG rv = 0;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	/* Asking for its state doesn't keep it. */
	for (double from = now(); !rv && now() - from < (variant->forgets ? SOON : 600);
	     usleep(20000))
		rv = SCardStatus(p.card, NULL, NULL, NULL, NULL, NULL, NULL);
	if (!variant->forgets) {
		EXPECT_EQ(0, rv);
		EXPECT_EQ(0x9000, SEND(&p, get_secret));
	} else {
		EXPECT_EQ(SCARD_W_RESET_CARD, rv);
		EXPECT_EQ(0, reconnect(&p));
		EXPECT_LE(0x6100, SEND(&p, select_applet));
		EXPECT_EQ(0x6982, SEND(&p, get_secret));
	}
	/* The same file allows commands of the reader's maker. */
	EXPECT_EQ(variant->forgets ? 0 : SCARD_E_UNSUPPORTED_FEATURE,
		  SCardControl(p.card, SCARD_CTL_CODE(1), "abc", 3, p.answer,
			       sizeof(p.answer), &p.len));
	if (variant->forgets)
		EXPECT_EQ(0, memcmp("abc", p.answer, 3));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* ---- another process ----------------------------------------------------------- */

/* Verifies the PIN in a transaction and ends that, unless it is told before. */
static void verifies(const char *reader, int out, int in)
{
	struct program p = {};
	int resets = 0;
	LONG rv;

	rv = start(&p, reader, SCARD_SHARE_SHARED);
	if (!rv)
		rv = begin(&p, &resets);
	if (!rv && SEND(&p, select_applet) >= 0 && SEND(&p, verify_pin) == 0x9000)
		rv = SEND(&p, get_secret);
	say(out, rv);
	wait_to_be_told(in);
	say(out, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	wait_to_be_told(in);
	say(out, SCardDisconnect(p.card, SCARD_LEAVE_CARD));
	wait_to_be_told(in);
}

/* The next one gets at nothing that needs the PIN. */
static LONG secret_of_others(const char *reader)
{
	struct program p = {};
	int resets = 0;
	LONG rv;

	rv = start(&p, reader, SCARD_SHARE_SHARED);
	if (!rv)
		rv = begin(&p, &resets);
	if (!rv)
		rv = SEND(&p, get_secret);
	/* It isn't even selected. */
	if (rv == 0x6985 && SEND(&p, select_applet) >= 0x6100)
		rv = SEND(&p, get_secret);
	SCardReleaseContext(p.context);
	return rv;
}

#define OTHER_UID	65534

/* A transfer by the kernel's own interface. Returns its length. */
static int bulk(int lease_fd, unsigned char endpoint, void *buffer, int size)
{
	struct usbdevfs_urb *done = NULL, urb = {
		.type = USBDEVFS_URB_TYPE_BULK,
		.endpoint = endpoint,
		.buffer = buffer,
		.buffer_length = size,
	};

	if (ioctl(lease_fd, USBDEVFS_SUBMITURB, &urb))
		return -errno;
	while (done != &urb)
		if (ioctl(lease_fd, USBDEVFS_REAPURB, &done))
			return -errno;
	return urb.status ? urb.status : urb.actual_length;
}

static uint8_t slot_to_take;

/*
 * Another user, who sends a command to the card as it is, by ioctls alone. Says the
 * status word, 0 if the card had no power to answer, or an errno.
 */
static void takes_it_as_it_is(const char *token, int out, int in)
{
	uint8_t m[300] = { 0x6f, sizeof(get_secret), 0, 0, 0, slot_to_take };
	unsigned int interface = 0;
	struct tokmux_caller *caller;
	int ret, fd;

	memcpy(m + 10, get_secret, sizeof(get_secret));
	ret = tokmux_open(token, &caller);
	if (!ret && (setresgid(OTHER_UID, OTHER_UID, OTHER_UID) ||
		     setresuid(OTHER_UID, OTHER_UID, OTHER_UID)))
		ret = -errno;
	if (!ret)
		ret = tokmux_bind(caller, 0);
	if (!ret)
		ret = tokmux_acquire(caller, TOKMUX_EXCLUSIVE, SOON, NULL);
	if (ret >= 0)
		ret = fd = tokmux_lease_fd(caller);
	if (ret >= 0 && ioctl(fd, USBDEVFS_CLAIMINTERFACE, &interface))
		ret = -errno;
	if (ret >= 0)
		ret = bulk(fd, 0x03, m, 10 + sizeof(get_secret));
	if (ret >= 0)
		ret = bulk(fd, 0x82, m, sizeof(m));
	if (ret >= 0)
		ret = ret < 12 ? 0 : m[ret - 2] << 8 | m[ret - 1];
	say(out, ret);
	wait_to_be_told(in);
}

enum way { LIVES, DISCONNECTS, EXITS, KILLED_AFTER, KILLED_INSIDE };

static const char * const ways[] = {
	"lives", "disconnects", "exits", "is killed after its transaction",
	"is killed in its transaction",
};

/* Somebody who has verified the PIN and goes that way, or stays with a connection. */
static struct child verified(const char *reader, enum way way)
{
	struct child c = child_of(verifies, reader);

	if (hear(&c) != 0x9000)
		return (struct child){};
	if (way != KILLED_INSIDE && (write(c.told, "", 1) != 1 || hear(&c)))
		return (struct child){};
	if ((way == DISCONNECTS || way == EXITS) &&
	    (write(c.told, "", 1) != 1 || hear(&c)))
		return (struct child){};
	if (way == KILLED_AFTER || way == KILLED_INSIDE)
		end(&c, SIGKILL);
	else if (way == EXITS)
		end(&c, 0);
	return c;
}

TEST_F_TIMEOUT(cards, no_pin_is_left_behind, 180)
{
	struct child c;

	NEEDS_VHCI();
	for (enum way way = LIVES; way <= KILLED_INSIDE; way++) {
		TH_LOG("somebody who has verified %s", ways[way]);
		c = verified(self->name, way);
		ASSERT_LT(0, c.pid);
		EXPECT_EQ(0x6982, secret_of_others(self->name));
		if (way == LIVES || way == DISCONNECTS)
			end(&c, SIGKILL);
	}
}

/* Whatever library the next one uses: this one asks for no reset. */
TEST_F_TIMEOUT(cards, no_power_is_left_behind, 120)
{
	struct tokmux_caller *caller;
	char token[TOKMUX_NAME_SIZE];
	struct tokmux_card *card;
	struct tokmux_grant grant;
	struct child c;
	int fd;

	NEEDS_VHCI();
	snprintf(token, sizeof(token), "pcsc-%d", getpid());
	for (enum way way = LIVES; way <= DISCONNECTS; way++) {
		c = child_of(verifies, self->name);
		ASSERT_EQ(0x9000, hear(&c));
		for (enum way told = LIVES; told <= way; told++) {
			EXPECT_EQ(1, write(c.told, "", 1));
			EXPECT_EQ(0, hear(&c));
		}
		ASSERT_EQ(0, tokmux_open(token, &caller));
		ASSERT_EQ(0, tokmux_bind(caller, 0));
		ASSERT_EQ(0, tokmux_acquire(caller, TOKMUX_EXCLUSIVE, SOON, &grant));
		fd = tokmux_lease_fd(caller);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, tokmux_card_open_fd(fd, 0, &card));
		EXPECT_EQ(TOKMUX_CARD_INACTIVE, tokmux_card_status(card));
		tokmux_card_free(card);
		close(fd);
		tokmux_close(caller);
		end(&c, SIGKILL);
	}
}

/* Nor for one that is not so polite as to reset the card: the kernel has it scrubbed. */
TEST_F_TIMEOUT(cards, no_pin_is_left_to_another_user, 180)
{
	struct child c, next;

	NEEDS_VHCI();
	for (enum way way = LIVES; way <= KILLED_INSIDE; way++) {
		TH_LOG("somebody who has verified %s", ways[way]);
		c = verified(self->name, way);
		ASSERT_LT(0, c.pid);
		next = child_of(takes_it_as_it_is, self->token);
		EXPECT_EQ(0, hear(&next));
		end(&next, SIGKILL);
		if (way == LIVES || way == DISCONNECTS)
			end(&c, SIGKILL);
	}
}

/*
 * The same where a device is said to need no scrub: the PIN is there to be had. A token
 * of its own, before anybody has used the first one: a new token doesn't wait for the
 * last lease fd of another one.
 */
TEST_F_TIMEOUT(cards, without_a_scrub_a_pin_is_left, 120)
{
	struct child next;

	NEEDS_VHCI();
	ASSERT_TRUE(make_another_token(self, TOKMUX_CREATE_NO_SCRUB, 0));
	ASSERT_LT(0, verified(self->name, KILLED_INSIDE).pid);
	next = child_of(takes_it_as_it_is, self->token);
	EXPECT_EQ(0x9000, hear(&next));
	end(&next, SIGKILL);
}

TEST_F_TIMEOUT(cards, a_transaction_excludes_others, 120)
{
	struct program p = {};
	int resets = 0;
	struct child c;

	NEEDS_VHCI();
	c = child_of(verifies, self->name);
	ASSERT_EQ(0x9000, hear(&c));
	/* It ends its transaction in a moment. */
	if (!fork()) {
		usleep(300000);
		_exit(write(c.told, "", 1) != 1);
	}
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, hear(&c));
	EXPECT_EQ(0, begin(&p, &resets));
	EXPECT_EQ(0x6985, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	end(&c, SIGKILL);
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

TEST_F_TIMEOUT(cards, killed_in_a_transaction, 120)
{
	struct program p = {};
	int resets = 0;
	struct child c;
	double start_ms;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	c = child_of(verifies, self->name);
	ASSERT_EQ(0x9000, hear(&c));
	start_ms = now();
	end(&c, SIGKILL);
	EXPECT_EQ(0, begin(&p, &resets));
	TH_LOG("begun %.0f ms after the kill", now() - start_ms);
	EXPECT_EQ(1, resets);
	EXPECT_EQ(0x6985, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

#define HOLD_MS	1000

/*
 * A stopped process can't give back what it doesn't use: the kernel takes it, in the time
 * that others have to wait for at most.
 */
TEST_F_TIMEOUT(cards, stopped_with_an_idle_lease, 120)
{
	struct program p = {};
	int resets = 0;
	struct child c;
	double start_ms;

	NEEDS_VHCI();
	c = verified(self->name, LIVES);
	ASSERT_LT(0, c.pid);
	kill(c.pid, SIGSTOP);
	start_ms = now();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, begin(&p, &resets));
	TH_LOG("begun after %.0f ms", now() - start_ms);
	EXPECT_GT(2 * TOKMUX_MAX_LINGER_MS, now() - start_ms);
	EXPECT_EQ(0x6985, SEND(&p, get_secret));
	/* It goes on, and finds that it has lost the card. */
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	kill(c.pid, SIGCONT);
	EXPECT_EQ(1, write(c.told, "", 1));
	EXPECT_EQ(0, hear(&c));
	EXPECT_EQ(0, end(&c, 0));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* In a transaction it uses the card: only the hold limit takes it. */
TEST_F_TIMEOUT(cards, stopped_in_a_transaction, 120)
{
	struct program p = {};
	int resets = 0;
	struct child c;
	double start_ms;

	NEEDS_VHCI();
	ASSERT_TRUE(make_another_token(self, 0, HOLD_MS));
	c = child_of(verifies, self->name);
	ASSERT_EQ(0x9000, hear(&c));
	kill(c.pid, SIGSTOP);
	start_ms = now();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, begin(&p, &resets));
	TH_LOG("begun after %.0f ms", now() - start_ms);
	EXPECT_GT(5 * HOLD_MS, now() - start_ms);
	EXPECT_LT(HOLD_MS * 3 / 4, now() - start_ms);
	EXPECT_EQ(0x6985, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	end(&c, SIGKILL);
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* ---- programs of one user that aren't kept apart -------------------------------- */

#define ISOLATE_NO	"isolate = no\n"

FIXTURE(passed)
{
	struct usb_reader reader;
	char token[TOKMUX_NAME_SIZE];
	unsigned int index;
	char name[128];
	char dir[32];		/* of this user's, at run time */
	bool skip;
};

/* A token of @reader, for programs that read @conf and use the card in @slot. */
static bool pass(FIXTURE_DATA(passed) *self, const char *reader, unsigned int slot,
		 const char *conf, unsigned int flags)
{
	SCARDCONTEXT context;
	bool found;

	memset(self, 0, sizeof(*self));
	self->skip = !have_vhci() || tokmux_present() != 1 || !access(CONF, F_OK);
	if (self->skip)
		return true;
	strcpy(self->dir, "/run/passed-XXXXXX");
	if (!mkdtemp(self->dir) || setenv("XDG_RUNTIME_DIR", self->dir, 1))
		return false;
	install_tool();
	if (!write_conf(conf))
		return false;
	snprintf(self->token, sizeof(self->token), "passed-%d", getpid());
	if (!make_reader(&self->reader, reader) ||
	    tokmux_create_device(self->token, flags, 0, 0, self->reader.node, -1,
				 &self->index) ||
	    SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context))
		return false;
	found = find_slot(context, self->index, slot, self->name);
	return !SCardReleaseContext(context) && found;
}

static void unpass(FIXTURE_DATA(passed) *self)
{
	char command[64];

	if (self->skip)
		return;
	unlink(CONF);
	tokmux_remove_system(self->index);
	destroy_reader(&self->reader);
	snprintf(command, sizeof(command), "rm -rf %s", self->dir);
	if (system(command))
		perror(command);
}

/* Nobody waits for a card that is only idle: the tests are about what becomes of it. */
FIXTURE_SETUP(passed)
{
	ASSERT_TRUE(pass(self, "extended", 0, ISOLATE_NO "linger = 0\n", 0));
}

FIXTURE_TEARDOWN(passed)
{
	unpass(self);
}

/* The status word of the next program that reads what needs the PIN, without the PIN. */
static LONG secret_as_it_is(const char *reader, int *resets)
{
	struct program p = {};
	LONG rv;

	rv = start(&p, reader, SCARD_SHARE_SHARED);
	if (!rv)
		rv = begin(&p, resets);
	if (!rv)
		rv = SEND(&p, get_secret);
	/* A context that is released with a connection resets the card. */
	SCardEndTransaction(p.card, SCARD_LEAVE_CARD);
	SCardDisconnect(p.card, SCARD_LEAVE_CARD);
	SCardReleaseContext(p.context);
	return rv;
}

FIXTURE(next)
{
	FIXTURE_DATA(passed) passed;
};

FIXTURE_VARIANT(next)
{
	const char *reader, *conf;
	unsigned int flags, slot;
	int after_ms;
	LONG finds;
};

FIXTURE_VARIANT_ADD(next, is_isolated)
{
	.reader = "extended",
	.conf = "isolate = yes\n",
	.finds = 0x6985,
};

FIXTURE_VARIANT_ADD(next, goes_on)
{
	.reader = "extended",
	.conf = ISOLATE_NO,
	.finds = 0x9000,
};

/* Its next program has to count the card's blocks anew, and comes in time. */
FIXTURE_VARIANT_ADD(next, goes_on_by_blocks)
{
	.reader = "t1",
	.conf = ISOLATE_NO "forget-after = 600000\n",
	.finds = 0x9000,
};

FIXTURE_VARIANT_ADD(next, goes_on_beside_another_slot)
{
	.reader = "two",
	.conf = ISOLATE_NO "forget-after = 600000\n",
	.finds = 0x9000,
};

FIXTURE_VARIANT_ADD(next, goes_on_in_the_second_slot)
{
	.reader = "two",
	.slot = 1,
	.conf = ISOLATE_NO "forget-after = 600000\n",
	.finds = 0x9000,
};

FIXTURE_VARIANT_ADD(next, is_isolated_in_the_second_slot)
{
	.reader = "two",
	.slot = 1,
	.conf = "isolate = yes\n",
	.finds = 0x6985,
};

/* A card with power may be another card there. */
FIXTURE_VARIANT_ADD(next, of_a_reader_that_activates)
{
	.reader = "activates",
	.conf = ISOLATE_NO,
	.finds = 0x6985,
};

/* Nobody would reset its card before another user has it. */
FIXTURE_VARIANT_ADD(next, of_a_token_without_a_scrub)
{
	.reader = "extended",
	.conf = ISOLATE_NO,
	.flags = TOKMUX_CREATE_NO_SCRUB,
	.finds = 0x6985,
};

FIXTURE_VARIANT_ADD(next, comes_too_late)
{
	.reader = "extended",
	.conf = ISOLATE_NO "forget-after = 1000\n",
	.after_ms = 1100,
	.finds = 0x6985,
};

FIXTURE_SETUP(next)
{
	ASSERT_TRUE(pass(&self->passed, variant->reader, variant->slot, variant->conf,
			 variant->flags));
}

FIXTURE_TEARDOWN(next)
{
	unpass(&self->passed);
}

TEST_F_TIMEOUT(next, program, 120)
{
	const FIXTURE_DATA(passed) *passed = &self->passed;
	struct usb_reader reader = passed->reader;
	int powered, resets = 0;

	if (passed->skip)
		SKIP(return, "not in a guest, or no vhci_hcd");
	if (variant->slot)
		strcat(reader.log, ".2");
	ASSERT_LT(0, verified(passed->name, EXITS).pid);
	powered = logged(&reader, "power on");
	usleep(variant->after_ms * 1000);
	EXPECT_EQ(variant->finds, secret_as_it_is(passed->name, &resets));
	EXPECT_EQ(0, resets);
	if (variant->finds == 0x9000) {
		EXPECT_EQ(powered, logged(&reader, "power on"));
	} else {
		EXPECT_LT(powered, logged(&reader, "power on"));
	}
}

/* Each time that it is told, reads what needs the PIN, and says what it came to. */
static void reads(const char *reader, int out, int in)
{
	struct program p = {};
	int resets;
	char byte;
	LONG rv;

	say(out, start(&p, reader, SCARD_SHARE_SHARED));
	while (read(in, &byte, 1) == 1 && byte == 'r') {
		resets = 0;
		rv = begin(&p, &resets);
		if (!rv)
			rv = SEND(&p, get_secret);
		SCardEndTransaction(p.card, SCARD_LEAVE_CARD);
		say(out, rv | (LONG)resets << 16);
	}
	SCardReleaseContext(p.context);
}

static LONG read_by(const struct child *c)
{
	return write(c->told, "r", 1) == 1 ? hear(c) : -1;
}

TEST_F_TIMEOUT(passed, two_programs_in_turn, 180)
{
	struct program p = {};
	int i, powered, resets = 0;
	struct child c;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, begin(&p, &resets));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	powered = logged(&self->reader, "power on");
	c = child_of(reads, self->name);
	ASSERT_EQ(0, hear(&c));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0x9000, read_by(&c));
		EXPECT_EQ(0, begin(&p, &resets));
		EXPECT_EQ(0x9000, SEND(&p, get_secret));
		EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	}
	EXPECT_EQ(0, resets);
	EXPECT_EQ(powered, logged(&self->reader, "power on"));
	EXPECT_EQ(0, end(&c, 0));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* All programs are told, once, whoever resets it, and whether it has the lease then. */
TEST_F_TIMEOUT(passed, a_reset_is_told, 180)
{
	struct program p = {};
	DWORD protocol;
	struct child c;
	int resets = 0;

	NEEDS_VHCI();
	ASSERT_LT(0, verified(self->name, EXITS).pid);
	c = child_of(reads, self->name);
	ASSERT_EQ(0, hear(&c));
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0x9000, read_by(&c));
	EXPECT_EQ(0, SCardReconnect(p.card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY,
				    SCARD_RESET_CARD, &protocol));
	EXPECT_EQ(0x6985 | 1 << 16, read_by(&c));
	EXPECT_EQ(0x6985, read_by(&c));
	/* Who has done it knows. */
	EXPECT_EQ(0, begin(&p, &resets));
	EXPECT_EQ(0, resets);
	EXPECT_EQ(0x6985, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(0x6985, read_by(&c));
	/* The other one has the lease. */
	EXPECT_EQ(0, SCardDisconnect(p.card, SCARD_UNPOWER_CARD));
	EXPECT_EQ(0x6985 | 1 << 16, read_by(&c));
	EXPECT_EQ(0x6985, read_by(&c));
	EXPECT_EQ(0, end(&c, 0));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* What those leave who can't say in which state the card is. */
TEST_F_TIMEOUT(passed, killed, 120)
{
	static const enum way killed[] = { KILLED_AFTER, KILLED_INSIDE };
	int i, resets = 0;

	NEEDS_VHCI();
	for (i = 0; i < 2; i++) {
		ASSERT_LT(0, verified(self->name, killed[i]).pid);
		EXPECT_EQ(0x6985, secret_as_it_is(self->name, &resets));
	}
}

/* A card that was out. */
TEST_F_TIMEOUT(passed, pulled, 120)
{
	int resets = 0;

	NEEDS_VHCI();
	ASSERT_LT(0, verified(self->name, EXITS).pid);
	tell(&self->reader, "remove");
	tell(&self->reader, "insert");
	EXPECT_EQ(0x6985, secret_as_it_is(self->name, &resets));
}

/* Another user in between finds no PIN, nor does the first one any more. */
TEST_F_TIMEOUT(passed, another_user, 120)
{
	struct child next;
	int resets = 0;

	NEEDS_VHCI();
	ASSERT_LT(0, verified(self->name, EXITS).pid);
	next = child_of(takes_it_as_it_is, self->token);
	EXPECT_EQ(0, hear(&next));
	end(&next, 0);
	EXPECT_EQ(0x6985, secret_as_it_is(self->name, &resets));
}

/*
 * A program of the same user that doesn't know of this: nobody can say what it has done
 * with the card.
 */
TEST_F_TIMEOUT(passed, another_holder, 120)
{
	struct tokmux_caller *caller;
	int resets = 0;

	NEEDS_VHCI();
	ASSERT_LT(0, verified(self->name, EXITS).pid);
	ASSERT_EQ(0, tokmux_open(self->token, &caller));
	ASSERT_EQ(0, tokmux_bind(caller, 0));
	ASSERT_EQ(0, tokmux_acquire(caller, TOKMUX_EXCLUSIVE, SOON, NULL));
	EXPECT_EQ(0, tokmux_release(caller));
	tokmux_close(caller);
	EXPECT_EQ(0x6985, secret_as_it_is(self->name, &resets));
}

/* One that only looks, with a lease of its own, hands the card on. */
TEST_F_TIMEOUT(passed, an_onlooker, 120)
{
	struct tokmux_state before = {}, state = {};
	struct tokmux_caller *caller;
	SCARD_READERSTATE looked;
	SCARDCONTEXT context;
	int powered, resets = 0;
	double from;

	NEEDS_VHCI();
	ASSERT_EQ(0, tokmux_open(self->token, &caller));
	ASSERT_LT(0, verified(self->name, EXITS).pid);
	powered = logged(&self->reader, "power on");
	ASSERT_EQ(0, tokmux_info(caller, &before, sizeof(before)));
	ASSERT_EQ(0, SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
	/* Once what was said of the slot is no longer fresh. */
	for (from = now(); now() - from < SOON; usleep(10000)) {
		looked = (SCARD_READERSTATE){ .szReader = self->name };
		ASSERT_EQ(0, SCardGetStatusChange(context, 0, &looked, 1));
		ASSERT_EQ(0, tokmux_info(caller, &state, sizeof(state)));
		if (state.grants != before.grants)
			break;
	}
	EXPECT_LT(before.epoch, state.epoch);
	EXPECT_EQ(SCARD_STATE_PRESENT, looked.dwEventState & SCARD_STATE_PRESENT);
	EXPECT_LT(2, looked.cbAtr);
	EXPECT_EQ(0, SCardReleaseContext(context));
	while (state.holders && now() - from < SOON) {
		usleep(10000);
		ASSERT_EQ(0, tokmux_info(caller, &state, sizeof(state)));
	}
	ASSERT_EQ(0, state.holders);
	EXPECT_EQ(0x9000, secret_as_it_is(self->name, &resets));
	EXPECT_EQ(powered, logged(&self->reader, "power on"));
	tokmux_close(caller);
}

/* Where nothing can be kept for the next program, nothing is left on the card either. */
TEST_F_TIMEOUT(passed, no_directory, 120)
{
	int resets = 0;

	NEEDS_VHCI();
	ASSERT_EQ(0, chmod(self->dir, 0777));
	ASSERT_LT(0, verified(self->name, EXITS).pid);
	EXPECT_EQ(logged(&self->reader, "power on"), logged(&self->reader, "power off"));
	EXPECT_EQ(0x6985, secret_as_it_is(self->name, &resets));
}

/* ---- exclusive ------------------------------------------------------------------ */

static void has_it_for_itself(const char *reader, int out, int in)
{
	struct program p = {};

	say(out, start(&p, reader, SCARD_SHARE_EXCLUSIVE));
	wait_to_be_told(in);
}

/* What another process is told that wants the card for itself, and then ends. */
static LONG told_elsewhere(const char *reader)
{
	struct child c = child_of(has_it_for_itself, reader);
	LONG rv = hear(&c);

	end(&c, 0);
	return rv;
}

TEST_F_TIMEOUT(cards, exclusive, 120)
{
	struct program p = {}, q = {};
	struct child c;
	LONG rv;

	NEEDS_VHCI();
	/* Not while others are connected, here or elsewhere. */
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(SCARD_E_SHARING_VIOLATION,
		  start(&q, self->name, SCARD_SHARE_EXCLUSIVE));
	EXPECT_EQ(0, SCardReleaseContext(q.context));
	EXPECT_EQ(SCARD_E_SHARING_VIOLATION, told_elsewhere(self->name));
	EXPECT_EQ(0, SCardReleaseContext(p.context));

	c = child_of(has_it_for_itself, self->name);
	ASSERT_EQ(0, hear(&c));
	EXPECT_EQ(SCARD_E_SHARING_VIOLATION,
		  start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
	/* It is gone with who had it. */
	end(&c, SIGKILL);
	rv = start(&p, self->name, SCARD_SHARE_EXCLUSIVE);
	EXPECT_EQ(0, rv);
	EXPECT_EQ(0, SCardBeginTransaction(p.card));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(SCARD_E_SHARING_VIOLATION,
		  start(&q, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardReleaseContext(q.context));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/*
 * An eject takes the lease and ends the session by which other processes know of a
 * connection. The program that goes on is connected as before.
 */
TEST_F_TIMEOUT(cards, connected_after_an_eject, 120)
{
	struct program p = {}, q = {};
	struct tokmux_ejected ejected;
	struct tokmux_caller *caller;
	struct child c;
	int resets = 0;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	ASSERT_EQ(0, start(&q, self->name, SCARD_SHARE_SHARED));
	ASSERT_EQ(0, tokmux_open(self->token, &caller));
	ASSERT_EQ(0, tokmux_bind(caller, 0));
	ASSERT_EQ(0, tokmux_eject(caller, &ejected));
	EXPECT_EQ(1, ejected.sessions);
	tokmux_close(caller);

	ASSERT_EQ(0, begin(&p, &resets));
	EXPECT_EQ(1, resets);
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	/* Nobody has it exclusively, here or elsewhere. */
	EXPECT_EQ(SCARD_E_SHARING_VIOLATION, told_elsewhere(self->name));
	c = child_of(verifies, self->name);
	EXPECT_EQ(0x9000, hear(&c));
	end(&c, SIGKILL);
	/* The last connection that isn't exclusive ends the session. */
	EXPECT_EQ(0, SCardReleaseContext(q.context));
	EXPECT_EQ(SCARD_E_SHARING_VIOLATION, told_elsewhere(self->name));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
	EXPECT_EQ(0, told_elsewhere(self->name));
}

/* ---- a reader that may fall asleep -------------------------------------------------- */

/* libccid's rule lets readers sleep two seconds after their last use. */
static bool write_power(const char *node, const char *file, const char *value)
{
	char path[128];
	struct stat st;
	FILE *f;

	if (stat(node, &st))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/power/%s",
		 major(st.st_rdev), minor(st.st_rdev), file);
	f = fopen(path, "w");
	if (!f)
		return false;
	fputs(value, f);
	return !fclose(f);
}

static bool is_asleep(const char *node)
{
	char path[128], status[32] = "";
	struct stat st;
	FILE *f;

	if (stat(node, &st))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/power/runtime_status",
		 major(st.st_rdev), minor(st.st_rdev));
	f = fopen(path, "r");
	if (f) {
		if (!fgets(status, sizeof(status), f))
			*status = '\0';
		fclose(f);
	}
	return !strcmp(status, "suspended\n");
}

/* A login is not lost because its program was idle. */
TEST_F_TIMEOUT(cards, awake_while_a_program_is_connected, 120)
{
	const char *node = self->reader.node;
	struct program p = {};
	double from;

	NEEDS_VHCI();
	ASSERT_TRUE(write_power(node, "autosuspend_delay_ms", "50"));
	ASSERT_TRUE(write_power(node, "control", "auto"));
	for (from = now(); !is_asleep(node) && now() - from < SOON; usleep(20000))
		;
	if (!is_asleep(node))
		SKIP(return, "this kernel's vhci_hcd does not let it sleep");
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	for (from = now(); now() - from < 1000; usleep(20000))
		ASSERT_FALSE(is_asleep(node));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	/* But no longer than that. */
	EXPECT_EQ(0, SCardReleaseContext(p.context));
	for (from = now(); !is_asleep(node) && now() - from < SOON; usleep(20000))
		;
	EXPECT_TRUE(is_asleep(node));
}

/* ---- cards that come and go -------------------------------------------------------- */

static LONG await_state(SCARDCONTEXT context, SCARD_READERSTATE *state)
{
	LONG rv = SCardGetStatusChange(context, SOON, state, 1);

	state->dwCurrentState = state->dwEventState;
	return rv;
}

TEST_F_TIMEOUT(cards, a_card_is_pulled, 180)
{
	SCARD_READERSTATE state = { .szReader = self->name };
	struct program p = {};
	DWORD protocol;
	LONG rv;

	NEEDS_VHCI();
	EXPECT_EQ(0, SCardGetStatusChange(self->context, 0, &state, 1));
	EXPECT_EQ(SCARD_STATE_PRESENT | SCARD_STATE_CHANGED,
		  state.dwEventState & 0xffff);
	EXPECT_LT(2, state.cbAtr);
	state.dwCurrentState = state.dwEventState;
	EXPECT_EQ(SCARD_E_TIMEOUT, SCardGetStatusChange(self->context, 0, &state, 1));
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_LE(0x6100, SEND(&p, select_applet));

	tell(&self->reader, "remove");
	EXPECT_EQ(0, await_state(self->context, &state));
	EXPECT_EQ(SCARD_STATE_EMPTY, state.dwEventState & SCARD_STATE_EMPTY);
	EXPECT_EQ(0, state.cbAtr);
	EXPECT_EQ(SCARD_W_REMOVED_CARD, SCardBeginTransaction(p.card));
	EXPECT_EQ(SCARD_W_REMOVED_CARD, SEND(&p, select_applet));
	rv = reconnect(&p);
	EXPECT_EQ(SCARD_E_NO_SMARTCARD, rv);

	tell(&self->reader, "insert");
	EXPECT_EQ(0, await_state(self->context, &state));
	EXPECT_EQ(SCARD_STATE_PRESENT, state.dwEventState & SCARD_STATE_PRESENT);
	EXPECT_LT(2, state.cbAtr);
	/* That was another card, for all the program knows. */
	EXPECT_EQ(SCARD_W_REMOVED_CARD, SCardBeginTransaction(p.card));
	EXPECT_EQ(0, reconnect(&p));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0, SCardDisconnect(p.card, SCARD_UNPOWER_CARD));

	/* A program that nobody told looks for itself. */
	EXPECT_EQ(0, SCardConnect(p.context, self->name, SCARD_SHARE_SHARED,
				  SCARD_PROTOCOL_ANY, &p.card, &protocol));
	tell(&self->reader, "remove");
	EXPECT_EQ(SCARD_W_REMOVED_CARD, SEND(&p, select_applet));
	EXPECT_EQ(SCARD_W_REMOVED_CARD, SEND(&p, select_applet));
	EXPECT_EQ(0, SCardDisconnect(p.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(SCARD_E_NO_SMARTCARD,
		  SCardConnect(p.context, self->name, SCARD_SHARE_SHARED,
			       SCARD_PROTOCOL_ANY, &p.card, &protocol));
	/* Without a card there is still the reader. */
	EXPECT_EQ(0, SCardConnect(p.context, self->name, SCARD_SHARE_DIRECT, 0,
				  &p.card, &protocol));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

TEST_F_TIMEOUT(cards, the_reader_is_unplugged, 120)
{
	SCARD_READERSTATE states[2] = {
		{ .szReader = self->name }, { .szReader = PNP },
	};
	struct program p = {};
	LONG ret;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardBeginTransaction(p.card));
	EXPECT_EQ(0, SCardGetStatusChange(self->context, 0, states, 2));
	states[0].dwCurrentState = states[0].dwEventState;
	states[1].dwCurrentState = states[1].dwEventState;
	unplug(&self->reader);
	/* With enforce = yes udev does so. */
	EXPECT_EQ(0, tokmux_remove_system(self->index));
	/* Either the change, or a name that no reader has any more. */
	ret = SCardGetStatusChange(self->context, SOON, states, 2);
	EXPECT_TRUE(ret == SCARD_E_UNKNOWN_READER ||
		    (!ret && ((states[0].dwEventState & SCARD_STATE_UNKNOWN) ||
			      (states[1].dwEventState & SCARD_STATE_CHANGED)))) {
		TH_LOG("0x%lx", (unsigned long)ret);
	}
	EXPECT_EQ(SCARD_E_READER_UNAVAILABLE, SEND(&p, select_applet));
	EXPECT_EQ(SCARD_E_READER_UNAVAILABLE,
		  SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(SCARD_E_READER_UNAVAILABLE, SCardBeginTransaction(p.card));
	EXPECT_EQ(0, SCardDisconnect(p.card, SCARD_RESET_CARD));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* ---- those who only look ------------------------------------------------------------- */

/* Looks all the time until it is told; says when the card goes and comes. */
static void looks(const char *reader, int out, int in)
{
	struct pollfd pfd = { .fd = in, .events = POLLIN };
	SCARD_READERSTATE state = { .szReader = reader };
	SCARDCONTEXT context;
	LONG rv;

	rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
	say(out, rv ? rv : SCardGetStatusChange(context, 0, &state, 1));
	while (!poll(&pfd, 1, 5)) {
		state.dwCurrentState = state.dwEventState;
		rv = SCardGetStatusChange(context, 0, &state, 1);
		if (rv != SCARD_E_TIMEOUT &&
		    (state.dwEventState ^ state.dwCurrentState) & SCARD_STATE_PRESENT)
			say(out, state.dwEventState & SCARD_STATE_PRESENT);
	}
	SCardReleaseContext(context);
}

/* A hand-over of the card takes no longer than so many commands, on slow machines, too. */
#define HAND_OVER	20

#define ONLOOKERS	4
#define SEEN_MS		1000

/* Each says @what once. How long it took until the first one and the last one did, in ms. */
static bool all_say(const struct child *c, LONG what, double *first, double *last)
{
	struct pollfd fds[ONLOOKERS];
	double started = now();
	int i, left = ONLOOKERS;

	for (i = 0; i < ONLOOKERS; i++)
		fds[i] = (struct pollfd){ .fd = c[i].said, .events = POLLIN };
	for (*first = 0; left; *last = now() - started) {
		if (poll(fds, ONLOOKERS, SOON) <= 0)
			return false;
		for (i = 0; i < ONLOOKERS; i++) {
			if (!fds[i].revents)
				continue;
			if (hear(&c[i]) != what)
				return false;
			fds[i].fd = -1;
			left--;
		}
		if (!*first)
			*first = now() - started;
	}
	return true;
}

TEST_F_TIMEOUT(cards, onlookers, 120)
{
	struct child c[ONLOOKERS];
	struct program p = {};
	int i, resets = 0, powered, messages, sent = 0;
	double start_ms, sent_ms, first, last, soon, most;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, begin(&p, &resets));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	powered = logged(&self->reader, "power on");
	messages = messages_to(&self->reader);
	for (i = 0; i < ONLOOKERS; i++) {
		c[i] = child_of(looks, self->name);
		EXPECT_EQ(0, hear(&c[i]));
	}
	for (start_ms = now(), sent_ms = 0; now() - start_ms < 1500; sent++) {
		sent_ms -= now();
		EXPECT_EQ(0x9000, SEND(&p, get_secret));
		sent_ms += now();
		messages++;
		usleep(50000);
	}
	/* An onlooker needs the lease to see that the card goes, the first one as well. */
	soon = SEEN_MS + HAND_OVER * sent_ms / sent;
	most = 2 * SEEN_MS + ONLOOKERS * HAND_OVER * sent_ms / sent;
	/* There was no message but those of the program that has the card. */
	EXPECT_EQ(messages, messages_to(&self->reader));
	/* Nor does it lose a card that it keeps without using it. */
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	usleep(1000000);
	EXPECT_EQ(0, begin(&p, &resets));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(0, resets);
	EXPECT_EQ(powered, logged(&self->reader, "power on"));
	EXPECT_EQ(0, SCardReleaseContext(p.context));

	/* This process gives the lease back as soon as another one wants it. */
	ASSERT_LT(0, verified(self->name, EXITS).pid);
	tell(&self->reader, "remove");
	EXPECT_TRUE(all_say(c, 0, &first, &last));
	TH_LOG("seen to go after %.0f ms, by all after %.0f ms (a command: %.0f ms)",
	       first, last, sent_ms / sent);
	EXPECT_GT(soon, first);
	EXPECT_GT(most, last);
	tell(&self->reader, "insert");
	EXPECT_TRUE(all_say(c, SCARD_STATE_PRESENT, &first, &last));
	TH_LOG("seen to come after %.0f ms, by all after %.0f ms", first, last);
	EXPECT_GT(soon, first);
	EXPECT_GT(most, last);
	for (i = 0; i < ONLOOKERS; i++)
		EXPECT_EQ(0, end(&c[i], 0));
}

TEST_F_TIMEOUT(cards, onlookers_of_an_exclusive_holder, 120)
{
	SCARD_READERSTATE state = { .szReader = self->name };
	struct child c;
	int messages;
	double from;
	LONG rv;

	NEEDS_VHCI();
	c = child_of(has_it_for_itself, self->name);
	ASSERT_EQ(0, hear(&c));
	messages = messages_to(&self->reader);
	/* Once what was seen before is no longer fresh. */
	for (from = now(); now() - from < SOON; usleep(10000)) {
		EXPECT_EQ(0, SCardGetStatusChange(self->context, 0, &state, 1));
		if (state.dwEventState & SCARD_STATE_EXCLUSIVE)
			break;
	}
	EXPECT_EQ(SCARD_STATE_PRESENT | SCARD_STATE_EXCLUSIVE | SCARD_STATE_CHANGED,
		  state.dwEventState & 0xffff);
	EXPECT_LT(2, state.cbAtr);
	EXPECT_EQ(messages, messages_to(&self->reader));
	/* Its end is news. */
	state.dwCurrentState = state.dwEventState;
	end(&c, SIGKILL);
	from = now();
	rv = SCardGetStatusChange(self->context, SOON, &state, 1);
	EXPECT_EQ(0, rv);
	TH_LOG("the end was seen after %.0f ms", now() - from);
	EXPECT_GT(SEEN_MS, now() - from);
	EXPECT_EQ(SCARD_STATE_PRESENT | SCARD_STATE_CHANGED, state.dwEventState & 0xffff);
}

/* ---- those who look while another one has it, and the readers that there are ---- */

FIXTURE(watched)
{
	struct usb_reader reader;
	SCARDCONTEXT context;
	unsigned int index;
	char name[128];
	bool skip;
};

FIXTURE_VARIANT(watched)
{
	const char *reader;
	int powers;	/* how often a card gets power that is put in */
};

FIXTURE_VARIANT_ADD(watched, tells)
{
	.reader = "extended",
	.powers = 1,
};

/* It has no interrupt endpoint. */
FIXTURE_VARIANT_ADD(watched, is_silent)
{
	.reader = "silent",
	.powers = 1,
};

/* By the reader, and for its ATR. */
FIXTURE_VARIANT_ADD(watched, activates)
{
	.reader = "activates",
	.powers = 2,
};

FIXTURE_SETUP(watched)
{
	char token[TOKMUX_NAME_SIZE];

	memset(self, 0, sizeof(*self));
	self->skip = !have_vhci() || tokmux_present() != 1;
	if (self->skip)
		return;
	ASSERT_TRUE(make_reader(&self->reader, variant->reader));
	snprintf(token, sizeof(token), "watched-%d", getpid());
	ASSERT_EQ(0, SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL,
					   &self->context));
	ASSERT_EQ(0, tokmux_create_device(token, 0, 0, 0, self->reader.node, -1,
					  &self->index));
	ASSERT_TRUE(find_reader(self->context, self->index, self->name));
}

FIXTURE_TEARDOWN(watched)
{
	if (self->skip)
		return;
	SCardReleaseContext(self->context);
	tokmux_remove_system(self->index);
	destroy_reader(&self->reader);
}

/* What the reader tells its holder, the holder tells all: also one that does nothing. */
TEST_F_TIMEOUT(watched, onlookers_of_a_holder, 120)
{
	struct child c[ONLOOKERS];
	struct program p = {};
	int i, powered;
	double first, last;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardBeginTransaction(p.card));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	powered = logged(&self->reader, "power on");
	for (i = 0; i < ONLOOKERS; i++) {
		c[i] = child_of(looks, self->name);
		EXPECT_EQ(0, hear(&c[i]));
	}
	tell(&self->reader, "remove");
	EXPECT_TRUE(all_say(c, 0, &first, &last));
	TH_LOG("seen to go after %.0f ms, by all after %.0f ms", first, last);
	EXPECT_GT(SEEN_MS, last);
	tell(&self->reader, "insert");
	EXPECT_TRUE(all_say(c, SCARD_STATE_PRESENT, &first, &last));
	TH_LOG("seen to come after %.0f ms, by all after %.0f ms", first, last);
	EXPECT_GT(SEEN_MS, last);
	/* The holder's own look at the new card, and nobody else's. */
	EXPECT_EQ(powered + variant->powers, logged(&self->reader, "power on"));
	EXPECT_EQ(SCARD_W_REMOVED_CARD, SEND(&p, select_applet));
	EXPECT_EQ(0, reconnect(&p));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(powered + variant->powers, logged(&self->reader, "power on"));
	for (i = 0; i < ONLOOKERS; i++)
		EXPECT_EQ(0, end(&c[i], 0));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* ---- readers with several slots ------------------------------------------------------ */

FIXTURE(slots)
{
	struct usb_reader reader, second;	/* the second one is but a log */
	char token[TOKMUX_NAME_SIZE];
	SCARDCONTEXT context;
	unsigned int index;
	char name[2][128];
	bool skip;
};

FIXTURE_SETUP(slots)
{
	memset(self, 0, sizeof(*self));
	self->skip = !have_vhci() || tokmux_present() != 1;
	if (self->skip)
		return;
	install_tool();
	ASSERT_TRUE(make_reader(&self->reader, "two"));
	self->second = self->reader;
	strcat(self->second.log, ".2");
	snprintf(self->token, sizeof(self->token), "slots-%d", getpid());
	ASSERT_EQ(0, SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL,
					   &self->context));
	ASSERT_EQ(0, tokmux_create_device(self->token, 0, 0, 0, self->reader.node, -1,
					  &self->index));
	ASSERT_TRUE(find_slot(self->context, self->index, 0, self->name[0]));
	ASSERT_TRUE(find_slot(self->context, self->index, 1, self->name[1]));
}

FIXTURE_TEARDOWN(slots)
{
	if (self->skip)
		return;
	SCardReleaseContext(self->context);
	tokmux_remove_system(self->index);
	destroy_reader(&self->reader);
}

/* Both cards at once, each as if the other one weren't there. */
TEST_F_TIMEOUT(slots, one_program, 120)
{
	struct program p = {}, q = {}, other = {};
	DWORD len = sizeof(p.answer), state;
	BYTE atr[33];

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name[0], SCARD_SHARE_SHARED));
	ASSERT_EQ(0, start(&q, self->name[1], SCARD_SHARE_SHARED));
	EXPECT_EQ(SCARD_PROTOCOL_T1, p.protocol);
	EXPECT_EQ(SCARD_PROTOCOL_T0, q.protocol);
	len = sizeof(atr);
	EXPECT_EQ(0, SCardStatus(p.card, NULL, NULL, &state, NULL, atr, &len));
	EXPECT_EQ(13, len);
	len = sizeof(atr);
	EXPECT_EQ(0, SCardStatus(q.card, NULL, NULL, &state, NULL, atr, &len));
	EXPECT_EQ(8, len);
	EXPECT_EQ(SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE, state & 0xffff);
	/* One thread, in a transaction with each. */
	EXPECT_EQ(0, SCardBeginTransaction(p.card));
	EXPECT_EQ(0, SCardBeginTransaction(q.card));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_LE(0x6100, SEND(&q, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	EXPECT_EQ(0x6982, SEND(&q, get_secret));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	/* A reset is told to those who are connected to that slot. */
	EXPECT_EQ(0, SCardEndTransaction(q.card, SCARD_RESET_CARD));
	EXPECT_EQ(SCARD_W_RESET_CARD, SEND(&q, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardReleaseContext(q.context));

	/* One may be had alone, beside a connection to the other one. */
	ASSERT_EQ(0, start(&q, self->name[1], SCARD_SHARE_EXCLUSIVE));
	EXPECT_EQ(SCARD_E_SHARING_VIOLATION,
		  start(&other, self->name[1], SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardReleaseContext(other.context));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	ASSERT_EQ(0, start(&other, self->name[0], SCARD_SHARE_SHARED));
	EXPECT_EQ(0x9000, SEND(&other, get_secret));
	EXPECT_EQ(0, SCardReleaseContext(other.context));
	EXPECT_LE(0x6100, SEND(&q, select_applet));
	EXPECT_EQ(0, SCardReleaseContext(q.context));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

TEST_F_TIMEOUT(slots, a_card_is_pulled, 120)
{
	SCARD_READERSTATE states[2] = {
		{ .szReader = self->name[0] }, { .szReader = self->name[1] },
	};
	struct program p = {}, q = {};
	struct child c;

	NEEDS_VHCI();
	EXPECT_EQ(0, SCardGetStatusChange(self->context, 0, states, 2));
	EXPECT_EQ(SCARD_STATE_PRESENT, states[0].dwEventState & SCARD_STATE_PRESENT);
	EXPECT_EQ(SCARD_STATE_PRESENT, states[1].dwEventState & SCARD_STATE_PRESENT);
	EXPECT_EQ(13, states[0].cbAtr);
	EXPECT_EQ(8, states[1].cbAtr);
	ASSERT_EQ(0, start(&p, self->name[0], SCARD_SHARE_SHARED));
	ASSERT_EQ(0, start(&q, self->name[1], SCARD_SHARE_SHARED));
	/* In a transaction: others learn of it from this process' note only. */
	EXPECT_EQ(0, SCardBeginTransaction(p.card));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	c = child_of(looks, self->name[1]);
	EXPECT_EQ(0, hear(&c));
	SCardGetStatusChange(self->context, 0, states, 2);
	states[0].dwCurrentState = states[0].dwEventState;
	states[1].dwCurrentState = states[1].dwEventState;

	tell(&self->reader, "remove 2");
	EXPECT_EQ(0, SCardGetStatusChange(self->context, SOON, states, 2));
	EXPECT_EQ(0, states[0].dwEventState & SCARD_STATE_CHANGED);
	EXPECT_EQ(SCARD_STATE_PRESENT, states[0].dwEventState & SCARD_STATE_PRESENT);
	EXPECT_EQ(SCARD_STATE_EMPTY | SCARD_STATE_CHANGED,
		  states[1].dwEventState & (SCARD_STATE_EMPTY | SCARD_STATE_CHANGED));
	EXPECT_EQ(SCARD_W_REMOVED_CARD, SEND(&q, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(0, hear(&c));
	tell(&self->reader, "insert 2");
	EXPECT_EQ(SCARD_STATE_PRESENT, hear(&c));
	states[1].dwCurrentState = states[1].dwEventState;
	EXPECT_EQ(0, SCardGetStatusChange(self->context, SOON, states, 2));
	EXPECT_EQ(0, states[0].dwEventState & SCARD_STATE_CHANGED);
	EXPECT_EQ(SCARD_STATE_PRESENT, states[1].dwEventState & SCARD_STATE_PRESENT);
	EXPECT_EQ(8, states[1].cbAtr);
	EXPECT_EQ(0, reconnect(&q));
	EXPECT_LE(0x6100, SEND(&q, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(0, end(&c, 0));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
	EXPECT_EQ(0, SCardReleaseContext(q.context));
}

/* To look into a slot that its holder hasn't looked into doesn't cost the holder its card. */
TEST_F_TIMEOUT(slots, onlookers_of_the_other_slot, 120)
{
	SCARD_READERSTATE state = { .szReader = self->name[1] };
	struct program p = {};
	struct child c;
	double from;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name[0], SCARD_SHARE_SHARED));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	c = child_of(looks, self->name[1]);
	EXPECT_EQ(0, hear(&c));
	/* Its note says in a moment what is there. */
	EXPECT_EQ(SCARD_STATE_PRESENT, hear(&c));
	for (from = now(); now() - from < 1000; usleep(20000))
		EXPECT_EQ(0, SCardStatus(p.card, NULL, NULL, NULL, NULL, NULL, NULL));
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardGetStatusChange(self->context, 0, &state, 1));
	EXPECT_EQ(SCARD_STATE_PRESENT, state.dwEventState & SCARD_STATE_PRESENT);
	EXPECT_EQ(0, end(&c, 0));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* There is one lease: a transaction in one slot keeps other processes off the other one. */
TEST_F_TIMEOUT(slots, a_transaction_in_the_other_slot, 120)
{
	struct program p = {};
	struct child c;
	double from;

	NEEDS_VHCI();
	c = child_of(verifies, self->name[0]);
	ASSERT_EQ(0x9000, hear(&c));
	from = now();
	if (!fork()) {
		usleep(300000);
		_exit(write(c.told, "", 1) != 1);
	}
	ASSERT_EQ(0, start(&p, self->name[1], SCARD_SHARE_SHARED));
	EXPECT_LE(300, now() - from);
	EXPECT_EQ(0, hear(&c));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	end(&c, SIGKILL);
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

/* Verifies the PIN of both cards, and stays connected to them. */
static void verifies_both(const char *reader, int out, int in)
{
	struct program p = {}, q = {};
	char second[128];
	LONG rv;

	strcpy(second, reader);
	second[strlen(second) - 1] = '1';
	rv = start(&p, reader, SCARD_SHARE_SHARED);
	if (!rv)
		rv = start(&q, second, SCARD_SHARE_SHARED);
	if (!rv && SEND(&p, select_applet) >= 0x6100 &&
	    SEND(&q, select_applet) >= 0x6100 && SEND(&p, verify_pin) == 0x9000)
		rv = SEND(&q, verify_pin);
	say(out, rv);
	wait_to_be_told(in);
}

/* Whatever library the next one uses: this one asks for no reset. */
TEST_F_TIMEOUT(slots, no_power_is_left_behind, 120)
{
	struct tokmux_caller *caller;
	struct tokmux_card *card;
	struct child c;
	int fd;

	NEEDS_VHCI();
	c = child_of(verifies_both, self->name[0]);
	ASSERT_EQ(0x9000, hear(&c));
	ASSERT_EQ(0, tokmux_open(self->token, &caller));
	ASSERT_EQ(0, tokmux_bind(caller, 0));
	ASSERT_EQ(0, tokmux_acquire(caller, TOKMUX_EXCLUSIVE, SOON, NULL));
	fd = tokmux_lease_fd(caller);
	ASSERT_LE(0, fd);
	for (unsigned int slot = 0; slot < 2; slot++) {
		ASSERT_EQ(0, tokmux_card_open_fd(fd, slot, &card));
		EXPECT_EQ(TOKMUX_CARD_INACTIVE, tokmux_card_status(card));
		tokmux_card_free(card);
	}
	close(fd);
	tokmux_close(caller);
	end(&c, SIGKILL);
}

TEST_F_TIMEOUT(slots, no_pin_is_left_to_another_user, 180)
{
	struct child c, next;
	int off, off2;

	NEEDS_VHCI();
	for (slot_to_take = 0; slot_to_take < 2; slot_to_take++) {
		c = child_of(verifies_both, self->name[0]);
		ASSERT_EQ(0x9000, hear(&c));
		off = logged(&self->reader, "power off");
		off2 = logged(&self->second, "power off");
		next = child_of(takes_it_as_it_is, self->token);
		EXPECT_EQ(0, hear(&next));
		EXPECT_LT(off, logged(&self->reader, "power off"));
		EXPECT_LT(off2, logged(&self->second, "power off"));
		end(&next, SIGKILL);
		end(&c, SIGKILL);
	}
	slot_to_take = 0;
}

/* ---- fork, threads, and many of them -------------------------------------------------- */

TEST_F_TIMEOUT(cards, fork_in_a_transaction, 120)
{
	struct program p = {};
	int status;
	pid_t pid;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	EXPECT_EQ(0, SCardBeginTransaction(p.card));
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0x9000, SEND(&p, verify_pin));
	pid = fork();
	if (!pid) {
		struct program own = {};

		if (SEND(&p, get_secret) != SCARD_E_INVALID_HANDLE ||
		    SCardReleaseContext(p.context) != SCARD_E_INVALID_HANDLE)
			_exit(1);
		if (SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &own.context))
			_exit(2);
		exit(SCardReleaseContext(own.context) ? 3 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* The parent hasn't noticed. */
	EXPECT_EQ(0x9000, SEND(&p, get_secret));
	EXPECT_EQ(0, SCardEndTransaction(p.card, SCARD_LEAVE_CARD));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

#define LOOP_MS		8000
/* From this many on the turns at both ends don't count for much. */
#define LONG_LOOP_MS	20000
/* The default of linger-most in readers.conf. */
#define LINGER_MOST_MS	1500

struct loop {
	const char *reader;
	double ms;
	LONG rv;
	int transactions, resets;
	double waited, longest;
};

/* Transactions without pause, each with a selection and a PIN where they are gone. */
static void *loop(void *arg)
{
	struct loop *l = arg;
	struct program p = {};
	double started = now(), asked;
	bool fresh = true;
	int resets;

	l->rv = start(&p, l->reader, SCARD_SHARE_SHARED);
	l->waited = now() - started;
	while (!l->rv && now() - started < l->ms) {
		resets = 0;
		asked = now();
		l->rv = begin(&p, &resets);
		if (l->rv)
			break;
		l->waited += now() - asked;
		if (now() - asked > l->longest)
			l->longest = now() - asked;
		l->resets += resets;
		if (fresh || resets) {
			SEND(&p, select_applet);
			SEND(&p, verify_pin);
			fresh = false;
		}
		if (SEND(&p, get_secret) != 0x9000)
			l->rv = -2;
		if (SCardEndTransaction(p.card, SCARD_LEAVE_CARD))
			l->rv = -3;
		l->transactions++;
	}
	SCardReleaseContext(p.context);
	return NULL;
}

static double loop_ms(void)
{
	const char *ms = getenv("TOKMUX_PCSC_LOOP_MS");

	return ms ? atof(ms) : LOOP_MS;
}

static void loops(const char *reader, int out, int in)
{
	struct loop l = { .reader = reader, .ms = loop_ms() };

	loop(&l);
	say(out, l.rv);
	say(out, l.transactions);
	say(out, l.resets);
	say(out, (LONG)l.longest);
	say(out, (LONG)(l.ms - l.waited));
	wait_to_be_told(in);
}

TEST_F_TIMEOUT(cards, two_programs_without_pause, 120)
{
	LONG transactions, resets[2], longest, had[2];
	struct child c[2];
	double jain;
	int i;

	NEEDS_VHCI();
	for (i = 0; i < 2; i++)
		c[i] = child_of(loops, self->name);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, hear(&c[i]));
		transactions = hear(&c[i]);
		resets[i] = hear(&c[i]);
		longest = hear(&c[i]);
		had[i] = hear(&c[i]);
		end(&c[i], 0);
		TH_LOG("%ld transactions in %ld ms, %ld resets, the longest wait %ld ms",
		       transactions, had[i], resets[i], longest);
		EXPECT_LT(0, transactions);
		/* One for each time that the other one had its turn. */
		EXPECT_GE(loop_ms() / LINGER_MOST_MS, resets[i]);
		/* And a transaction, and the card's way from one to the other. */
		EXPECT_GE(LINGER_MOST_MS * 5 / 4 +
			  HAND_OVER * had[i] / (transactions ?: 1), longest);
	}
	/* They take turns, and these are alike. */
	EXPECT_GE(1, labs(resets[0] - resets[1]));
	jain = (double)(had[0] + had[1]) * (had[0] + had[1]) /
	       (2 * ((double)had[0] * had[0] + (double)had[1] * had[1]));
	TH_LOG("Jain's index of what they had is %.4f", jain);
	if (loop_ms() >= LONG_LOOP_MS)
		EXPECT_LE(0.99, jain);
}

TEST_F_TIMEOUT(cards, threads, 120)
{
	struct loop l[4];
	pthread_t threads[4];
	int i;

	NEEDS_VHCI();
	for (i = 0; i < 4; i++) {
		l[i] = (struct loop){ .reader = self->name, .ms = LOOP_MS / 2 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, loop, &l[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		TH_LOG("%d transactions, %d resets, the longest wait %.0f ms",
		       l[i].transactions, l[i].resets, l[i].longest);
		EXPECT_EQ(0, l[i].rv);
		EXPECT_LT(0, l[i].transactions);
		/* In one process the card stays as it is. */
		EXPECT_EQ(0, l[i].resets);
	}
}

TEST_F_TIMEOUT(cards, many_connections, 120)
{
	struct program p = {};
	DWORD protocol;
	int i;

	NEEDS_VHCI();
	ASSERT_EQ(0, start(&p, self->name, SCARD_SHARE_SHARED));
	for (i = 0; i < 1000; i++) {
		SCARDHANDLE card;

		ASSERT_EQ(0, SCardConnect(p.context, self->name, SCARD_SHARE_SHARED,
					  SCARD_PROTOCOL_ANY, &card, &protocol));
		if (i % 2)
			ASSERT_EQ(0, SCardDisconnect(card, SCARD_LEAVE_CARD));
	}
	EXPECT_LE(0x6100, SEND(&p, select_applet));
	EXPECT_EQ(0, SCardReleaseContext(p.context));
}

TEST_HARNESS_MAIN
