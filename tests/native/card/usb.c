// SPDX-License-Identifier: GPL-2.0-only
/*
 * A card in a reader on the kernel's USB: the reader of tests/card in each of
 * its levels, and QEMU's where there is one. First through its node, then as a
 * token's; several processes that share one are in lease.c.
 */
#include "../../../lib/card/card.h"
#include "kselftest_harness.h"
#include "usb_reader.h"

static int open_card(const char *node, struct tokmux_card **card, int *fd)
{
	*fd = open(node, O_RDWR | O_CLOEXEC);
	return *fd < 0 ? -errno : tokmux_card_open_fd(*fd, 0, card);
}

/* What a killed holder was in the middle of. Never returns. */
static void hold(const char *node, const uint8_t *apdu, size_t len)
{
	uint8_t answer[258];
	struct tokmux_card *card;
	int fd, ret;

	ret = open_card(node, &card, &fd);
	if (!ret)
		ret = tokmux_card_power_on(card);
	if (ret < 0) {
		printf("# the holder: %s\n", tokmux_strerror(ret));
		fflush(stdout);
		_exit(1);
	}
	tokmux_card_transmit(card, select_applet, sizeof(select_applet), answer,
			     sizeof(answer), 0, 1000);
	tokmux_card_transmit(card, verify_pin, sizeof(verify_pin), answer,
			     sizeof(answer), 0, 1000);
	tokmux_card_transmit(card, apdu, len, answer, sizeof(answer), 0, -1);
	_exit(0);
}

/* ---- every level --------------------------------------------------------- */

#define NEEDS_VHCI() do {						\
	if (self->skip)							\
		SKIP(return, "not in a guest, or no vhci_hcd");		\
} while (0)

FIXTURE(usb)
{
	struct usb_reader reader;
	struct tokmux_card *card;
	int fd;
	uint8_t answer[TOKMUX_ANSWER_SIZE];
	bool skip;
};

FIXTURE_SETUP(usb)
{
	self->card = NULL;
	self->fd = -1;
	self->reader.pid = 0;
	self->skip = !have_vhci();
}

/* A reader of this level, plugged in, and the card in it powered. */
#define START(level) do {						\
	NEEDS_VHCI();							\
	ASSERT_TRUE(make_reader(&self->reader, level));			\
	ASSERT_EQ(0, open_card(self->reader.node, &self->card, &self->fd)); \
	ASSERT_LT(0, tokmux_card_power_on(self->card));			\
} while (0)

FIXTURE_TEARDOWN(usb)
{
	tokmux_card_free(self->card);
	if (self->fd >= 0)
		close(self->fd);
	if (!self->skip)
		destroy_reader(&self->reader);
}

#define SEND(apdu) \
	tokmux_card_transmit(self->card, apdu, sizeof(apdu), self->answer, \
			     sizeof(self->answer), 0, 8000)
#define SW(len) ({							\
	int _len = (int)(len);						\
	_len < 2 ? 0 : self->answer[_len - 2] << 8 | self->answer[_len - 1]; \
})

/* What works at every level. */
static void commands(struct __test_metadata *_metadata,
		     FIXTURE_DATA(usb) *self)
{
	uint8_t echo[APDU_SHORT_MAX] = { 0x80, 0x10 };
	const uint8_t pause[] = { 0x80, 0x14, 0x00, 0xc8 };
	const uint8_t count[] = { 0x80, 0x12, 0x13, 0x88, 0x00, 0x00, 0x00 };
	static const uint8_t sizes[] = { 1, 48, 49, 50, 52, 53, 54, 116, 117,
					 118, 180, 255 };
	size_t n, i;

	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0x6982, SW(SEND(get_secret)));
	EXPECT_EQ(0x9000, SW(SEND(verify_pin)));
	ASSERT_EQ(34, SEND(get_secret));
	EXPECT_EQ(0, memcmp(card_secret, self->answer, 32));
	/* Also those that fill their packets, either way. */
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n = sizes[i];
		echo[4] = (uint8_t)n;
		memset(echo + 5, (int)n, n);
		echo[5 + n] = (uint8_t)n;
		ASSERT_EQ((int)n + 2,
			  tokmux_card_transmit(self->card, echo, 6 + n,
					       self->answer, sizeof(self->answer),
					       0, 5000));
		ASSERT_EQ(0, memcmp(echo + 5, self->answer, n));
	}
	ASSERT_EQ(5002, SEND(count));
	EXPECT_EQ((uint8_t)4999, self->answer[4999]);
	/* It asks for more time. */
	EXPECT_EQ(0x9000, SW(SEND(pause)));
	/* Without power it forgets. */
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0x6982, SW(SEND(get_secret)));
	EXPECT_EQ(1, logged(&self->reader, "power off"));
	EXPECT_EQ(2, logged(&self->reader, "power on"));
}

#define COMMANDS(level)							\
TEST_F_TIMEOUT(usb, level, 120)							\
{									\
	START(#level);							\
	commands(_metadata, self);					\
}

COMMANDS(t0)
COMMANDS(t1)
COMMANDS(short)
COMMANDS(extended)

TEST_F_TIMEOUT(usb, zero_length_and_stale, 120)
{
	const uint8_t count[] = { 0x80, 0x12, 0x00, 52, 52 };
	int i;

	START("t0");
	SEND(select_applet);
	tell(&self->reader, "zlp 100");
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(54, SEND(count));
		EXPECT_EQ(0x9000, SW(54));
	}
	tell(&self->reader, "stale 3");
	for (i = 0; i < 5; i++)
		ASSERT_EQ(54, SEND(count));
	tell(&self->reader, "huge");
	EXPECT_EQ(-EPROTO, SEND(count));
	EXPECT_EQ(-ECONNRESET, SEND(count));
	EXPECT_LT(0, tokmux_card_power_on(self->card));
}

/* The next one has the reader in a bounded time, and the PIN is forgotten. */
static void killed(struct __test_metadata *_metadata, FIXTURE_DATA(usb) *self)
{
	double start, opened;
	pid_t pid;

	tokmux_card_free(self->card);
	self->card = NULL;
	pid = fork();
	if (!pid)
		hold(self->reader.node, slow, sizeof(slow));
	ASSERT_TRUE(await_log(&self->reader, "apdu 80141388"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	start = now();
	close(self->fd);
	ASSERT_EQ(0, open_card(self->reader.node, &self->card, &self->fd));
	opened = now();
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	TH_LOG("reader in step %.0f ms, card %.0f ms after the kill",
	       opened - start, now() - start);
	EXPECT_LT(now() - start, SOON);
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_EQ(0x6982, SW(SEND(get_secret)));
}

TEST_F_TIMEOUT(usb, holder_killed_t1, 120)
{
	START("t1");
	killed(_metadata, self);
}

TEST_F_TIMEOUT(usb, holder_killed_extended, 120)
{
	START("extended");
	killed(_metadata, self);
}

TEST_F_TIMEOUT(usb, card_out_and_in, 120)
{
	int status;
	pid_t pid;

	START("t0");
	pid = fork();
	if (!pid) {
		/* It has looked what is there, and waits. */
		await_log(&self->reader, "listening");
		tell(&self->reader, "remove");
		_exit(0);
	}
	EXPECT_EQ(TOKMUX_CARD_ABSENT, tokmux_card_wait(self->card, SOON));
	waitpid(pid, &status, 0);
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	EXPECT_EQ(-ENOMEDIUM, tokmux_card_power_on(self->card));
	tell(&self->reader, "insert");
	EXPECT_EQ(TOKMUX_CARD_INACTIVE, tokmux_card_status(self->card));
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
}

/* It is not told by the card's power here, only by the interrupt endpoint. */
TEST_F_TIMEOUT(usb, card_exchanged, 120)
{
	START("activates");
	EXPECT_LE(2, SEND(select_applet));
	EXPECT_LE(2, SEND(select_applet));
	tell(&self->reader, "remove");
	tell(&self->reader, "insert");
	EXPECT_EQ(TOKMUX_CARD_ACTIVE, tokmux_card_status(self->card));
	EXPECT_EQ(-ECONNRESET, SEND(select_applet));
	EXPECT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
}

TEST_F_TIMEOUT(usb, unplugged_in_the_middle, 120)
{
	double start;
	pid_t pid;
	int ret;

	START("short");
	SEND(select_applet);
	pid = fork();
	if (!pid) {
		await_log(&self->reader, "apdu 8014");
		kill(self->reader.pid, SIGKILL);
		_exit(0);
	}
	start = now();
	/* A transfer may fail before the bus knows why. */
	ret = SEND(slow);
	EXPECT_TRUE(ret == -ENODEV || ret == -EIO) TH_LOG("%d", ret);
	TH_LOG("it says so %.0f ms after the command", now() - start);
	EXPECT_LT(now() - start, SOON);
	waitpid(pid, NULL, 0);
	EXPECT_EQ(-ENODEV, tokmux_card_status(self->card));
	EXPECT_EQ(-ENODEV, tokmux_card_power_on(self->card));
	tokmux_card_free(self->card);
	self->card = NULL;
	close(self->fd);
	unplug(&self->reader);
	ASSERT_TRUE(plug(&self->reader, "short"));
	ASSERT_EQ(0, open_card(self->reader.node, &self->card, &self->fd));
	ASSERT_LT(0, tokmux_card_power_on(self->card));
	EXPECT_LE(2, SEND(select_applet));
}

/* Descriptors that can't be, as the kernel and libusb let them through. */
TEST_F_TIMEOUT(usb, hostile_descriptors, 120)
{
	static const struct {
		const char *lie;
		bool works;
	} lies[] = {
		{ "hostile packet", true }, { "hostile none", false },
		{ "hostile cut", false }, { "hostile long", false },
		{ "hostile message", false }, { "hostile endless", true },
		{ "hostile bulk", false },
	};
	size_t i;
	int ret;

	NEEDS_VHCI();
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		ASSERT_TRUE(make_reader(&self->reader, lies[i].lie));
		ret = open_card(self->reader.node, &self->card, &self->fd);
		TH_LOG("%s: %s", lies[i].lie, tokmux_strerror(ret));
		if (lies[i].works) {
			ASSERT_EQ(0, ret);
			EXPECT_LT(0, tokmux_card_power_on(self->card));
			EXPECT_LE(2, SEND(select_applet));
			EXPECT_EQ(-ETIMEDOUT, tokmux_card_wait(self->card, 100));
			tokmux_card_free(self->card);
		} else {
			EXPECT_TRUE(ret == -EPROTO || ret == -EOPNOTSUPP ||
				    ret == -EIO);
		}
		self->card = NULL;
		close(self->fd);
		self->fd = -1;
		destroy_reader(&self->reader);
	}
}

/* ---- a token's card -------------------------------------------------------- */

FIXTURE(token)
{
	struct usb_reader reader;
	struct tokmux_caller *caller[2];
	struct tokmux_card *card[2];
	uint8_t answer[TOKMUX_ANSWER_SIZE];
	char name[TOKMUX_NAME_SIZE];
	unsigned int index;
	bool made, skip;
};

FIXTURE_SETUP(token)
{
	int i;

	memset(self, 0, sizeof(*self));
	self->skip = !have_vhci() || tokmux_present() != 1;
	if (self->skip)
		return;
	ASSERT_TRUE(make_reader(&self->reader, "t1"));
	snprintf(self->name, sizeof(self->name), "card-%d", getpid());
	ASSERT_EQ(0, tokmux_create_device(self->name, 0, 0, 0, self->reader.node, 0,
					  &self->index));
	self->made = true;
	ASSERT_EQ(0, system("udevadm settle --timeout=10"));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, tokmux_open(self->name, &self->caller[i]));
		ASSERT_EQ(0, tokmux_bind(self->caller[i], 0));
		ASSERT_EQ(0, tokmux_card_new(self->caller[i], 0, &self->card[i]));
	}
}

FIXTURE_TEARDOWN(token)
{
	int i;

	for (i = 0; i < 2; i++) {
		tokmux_card_free(self->card[i]);
		tokmux_close(self->caller[i]);
	}
	if (self->made)
		tokmux_remove_system(self->index);
	if (!self->skip)
		destroy_reader(&self->reader);
}

#define TOKEN_SEND(i, apdu) \
	tokmux_card_transmit(self->card[i], apdu, sizeof(apdu), self->answer, \
			     sizeof(self->answer), 0, 8000)

/* The same holder again finds its card as it was, another one finds it reset. */
TEST_F_TIMEOUT(token, begin_and_end, 120)
{
	struct tokmux_state info;
	int i, off, status;
	double start;
	pid_t pid;

	NEEDS_VHCI();
	EXPECT_EQ(-ENOLCK, tokmux_card_end(self->card[0], 0));
	EXPECT_EQ(-ENOLCK, TOKEN_SEND(0, select_applet));
	ASSERT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->card[0], 1000));
	EXPECT_EQ(-EALREADY, tokmux_card_begin(self->card[0], 0));
	EXPECT_EQ(-EAGAIN, tokmux_card_begin(self->card[1], 0));
	EXPECT_LE(2, TOKEN_SEND(0, select_applet));
	EXPECT_EQ(0x9000, SW(TOKEN_SEND(0, verify_pin)));
	EXPECT_EQ(0, tokmux_card_end(self->card[0], 0));

	start = now();
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, tokmux_card_begin(self->card[0], 1000));
		ASSERT_EQ(34, TOKEN_SEND(0, get_secret));
		ASSERT_EQ(0, tokmux_card_end(self->card[0], 0));
	}
	TH_LOG("begin, a command, end: %.1f ms", (now() - start) / 10);
	EXPECT_EQ(1, logged(&self->reader, "power on"));

	ASSERT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->card[1], 1000));
	EXPECT_EQ(0x6985, SW(TOKEN_SEND(1, get_secret)));
	EXPECT_EQ(0, tokmux_card_end(self->card[1], 0));
	ASSERT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->card[0], 1000));
	EXPECT_EQ(0x6985, SW(TOKEN_SEND(0, get_secret)));
	/* Off at its end: then it is a new one for its own holder, too. */
	EXPECT_EQ(-EINVAL, tokmux_card_end(self->card[0], 4));
	EXPECT_EQ(0, tokmux_card_end(self->card[0], TOKMUX_CARD_OFF_IF_WANTED));
	EXPECT_EQ(0, tokmux_card_begin(self->card[0], 1000));
	/* Or if somebody waits for it. */
	off = logged(&self->reader, "power off");
	pid = fork();
	if (!pid) {
		struct tokmux_caller *other;

		_exit(tokmux_open(self->name, &other) || tokmux_bind(other, 0) ||
		      tokmux_acquire(other, TOKMUX_EXCLUSIVE, SOON, NULL));
	}
	start = now();
	do {
		ASSERT_EQ(0, tokmux_info(self->caller[0], &info, sizeof(info)));
	} while (!info.waiters && now() - start < SOON);
	EXPECT_EQ(0, tokmux_card_end(self->card[0], TOKMUX_CARD_OFF_IF_WANTED));
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
	EXPECT_EQ(off + 1, logged(&self->reader, "power off"));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED,
		  TOKMUX_CARD_TOUCHED & tokmux_card_begin(self->card[0], 1000));
	EXPECT_EQ(0, tokmux_card_end(self->card[0], TOKMUX_CARD_OFF));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->card[0], 1000));
	EXPECT_EQ(0, tokmux_card_end(self->card[0], 0));
}

/* Two cards on callers that are one holder could not be told apart. */
TEST_F_TIMEOUT(token, no_card_of_a_group, 120)
{
	struct tokmux_card *card = NULL;
	struct tokmux_caller *caller;

	NEEDS_VHCI();
	ASSERT_EQ(0, tokmux_open(self->name, &caller));
	ASSERT_EQ(0, tokmux_bind(caller, TOKMUX_BIND_GROUP));
	EXPECT_EQ(-EINVAL, tokmux_card_new(caller, 0, &card));
	EXPECT_EQ(NULL, card);
	tokmux_close(caller);
}

/* A dies with its PIN verified: B is told, and the card knows nothing of it. */
TEST_F_TIMEOUT(token, unclean_is_scrubbed, 120)
{
	struct tokmux_state info;
	pid_t pid;

	NEEDS_VHCI();
	pid = fork();
	if (!pid) {
		struct tokmux_caller *caller;
		struct tokmux_card *card;

		if (tokmux_open(self->name, &caller) ||
		    tokmux_bind(caller, 0) || tokmux_card_new(caller, 0, &card) ||
		    tokmux_card_begin(card, 1000) < 0)
			_exit(1);
		self->card[0] = card;
		TOKEN_SEND(0, select_applet);
		TOKEN_SEND(0, verify_pin);
		TOKEN_SEND(0, slow);
		_exit(1);
	}
	ASSERT_TRUE(await_log(&self->reader, "apdu 80141388"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ASSERT_EQ(0, tokmux_info(self->caller[1], &info, sizeof(info)));
	EXPECT_EQ(TOKMUX_INFO_UNCLEAN, info.flags & TOKMUX_INFO_UNCLEAN);
	ASSERT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(self->card[1], 1000));
	ASSERT_EQ(0, tokmux_info(self->caller[1], &info, sizeof(info)));
	EXPECT_EQ(0, info.flags & TOKMUX_INFO_UNCLEAN);
	EXPECT_LE(2, TOKEN_SEND(1, select_applet));
	EXPECT_EQ(0x6982, SW(TOKEN_SEND(1, get_secret)));
	EXPECT_EQ(0, tokmux_card_end(self->card[1], 0));
}

/* A has logged in and goes in good order: B finds nothing of it either. */
TEST_F_TIMEOUT(token, login_is_scrubbed, 120)
{
	uint32_t session;

	NEEDS_VHCI();
	ASSERT_EQ(0, tokmux_session_open(self->caller[0], 0, &session));
	ASSERT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->card[0], 1000));
	EXPECT_LE(2, TOKEN_SEND(0, select_applet));
	EXPECT_EQ(0x9000, SW(TOKEN_SEND(0, verify_pin)));
	EXPECT_EQ(0, tokmux_login(self->caller[0], TOKMUX_USER));
	EXPECT_EQ(0, tokmux_card_end(self->card[0], 0));
	/* Not its own. */
	ASSERT_EQ(0, tokmux_card_begin(self->card[0], 1000));
	EXPECT_EQ(34, TOKEN_SEND(0, get_secret));
	EXPECT_EQ(0, tokmux_card_end(self->card[0], 0));
	ASSERT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(self->card[1], 1000));
	EXPECT_LE(2, TOKEN_SEND(1, select_applet));
	EXPECT_EQ(0x6982, SW(TOKEN_SEND(1, get_secret)));
	EXPECT_EQ(0, tokmux_card_end(self->card[1], 0));
	ASSERT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->card[0], 1000));
	EXPECT_EQ(0, tokmux_card_end(self->card[0], 0));
}

/* A is thrown out in the middle of a command: it is told, and B goes on. */
TEST_F_TIMEOUT(token, thrown_out, 120)
{
	double start;
	pid_t pid;

	NEEDS_VHCI();
	ASSERT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->card[0], 1000));
	EXPECT_LE(2, TOKEN_SEND(0, select_applet));
	pid = fork();
	if (!pid) {
		struct tokmux_caller *caller;

		if (tokmux_open(self->name, &caller) || tokmux_bind(caller, 0) ||
		    !await_log(&self->reader, "apdu 80141388") ||
		    tokmux_eject(caller, NULL))
			_exit(1);
		_exit(0);
	}
	start = now();
	EXPECT_EQ(-ENODEV, TOKEN_SEND(0, slow));
	EXPECT_EQ(-ENODEV, tokmux_card_power_on(self->card[0]));
	EXPECT_LT(now() - start, SOON);
	waitpid(pid, NULL, 0);
	start = now();
	ASSERT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(self->card[1], 1000));
	TH_LOG("the next one has the card after %.0f ms", now() - start);
	EXPECT_LT(now() - start, SOON);
	EXPECT_EQ(-ENODEV, tokmux_card_status(self->card[0]));
	EXPECT_LE(2, TOKEN_SEND(1, select_applet));
	EXPECT_EQ(-ESTALE, tokmux_card_end(self->card[0], 0));
	EXPECT_EQ(0, tokmux_card_end(self->card[1], 0));
}

/* Without a card there is nothing to wipe: the token is clean, and free. */
TEST_F_TIMEOUT(token, no_card, 120)
{
	NEEDS_VHCI();
	tell(&self->reader, "remove");
	EXPECT_EQ(-ENOMEDIUM, tokmux_card_begin(self->card[0], 0));
	EXPECT_EQ(-ENOMEDIUM, tokmux_card_begin(self->card[1], 0));
	tell(&self->reader, "insert");
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->card[1], 0));
	EXPECT_EQ(0, tokmux_card_end(self->card[1], 0));
	unplug(&self->reader);
	EXPECT_GT(0, tokmux_card_begin(self->card[1], 0));
	/* And the lease has been given back. */
	EXPECT_EQ(0, tokmux_acquire(self->caller[0], TOKMUX_EXCLUSIVE, 0, NULL));
	EXPECT_EQ(0, tokmux_release(self->caller[0]));
}

/* Where any card has power, it is another one for its own holder, too. */
TEST_F_TIMEOUT(token, reader_that_activates, 120)
{
	struct tokmux_caller *caller, *other;
	struct tokmux_card *card;
	unsigned int index;
	char name[80];
	double start;
	int i;

	NEEDS_VHCI();
	destroy_reader(&self->reader);
	ASSERT_TRUE(make_reader(&self->reader, "activates"));
	snprintf(name, sizeof(name), "%.40s-activates", self->name);
	ASSERT_EQ(0, tokmux_create_device(name, 0, 0, 0, self->reader.node, 0,
					  &index));
	EXPECT_EQ(0, system("udevadm settle --timeout=10"));
	EXPECT_EQ(0, tokmux_open(name, &caller));
	EXPECT_EQ(0, tokmux_bind(caller, 0));
	EXPECT_EQ(0, tokmux_card_new(caller, 0, &card));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(card, 1000));
		EXPECT_EQ(0, tokmux_card_end(card, 0));
	}
	/* Thrown out while it listens: that ends with the lease, too. */
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(card, 1000));
	ASSERT_EQ(0, tokmux_open(name, &other));
	EXPECT_EQ(0, tokmux_bind(other, 0));
	EXPECT_EQ(0, tokmux_eject(other, NULL));
	tokmux_close(other);
	start = now();
	EXPECT_EQ(-ESTALE, tokmux_card_end(card, 0));
	TH_LOG("its end takes %.0f ms", now() - start);
	EXPECT_LT(now() - start, SOON);
	EXPECT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(card, 1000));
	EXPECT_EQ(0, tokmux_card_end(card, 0));
	tokmux_card_free(card);
	tokmux_close(caller);
	EXPECT_EQ(0, tokmux_remove_system(index));
}

/* The kernel lets a holder at the token's interface only, and it isn't the first. */
TEST_F_TIMEOUT(token, second_interface, 120)
{
	struct tokmux_caller *caller;
	struct tokmux_card *card;
	unsigned int index;
	char name[80];

	NEEDS_VHCI();
	destroy_reader(&self->reader);
	ASSERT_TRUE(make_reader(&self->reader, "second"));
	snprintf(name, sizeof(name), "%.40s-second", self->name);
	ASSERT_EQ(0, tokmux_create_device(name, 0, 0, 0, self->reader.node, 1,
					  &index));
	EXPECT_EQ(0, system("udevadm settle --timeout=10"));
	EXPECT_EQ(0, tokmux_open(name, &caller));
	EXPECT_EQ(0, tokmux_bind(caller, 0));
	EXPECT_EQ(0, tokmux_card_new(caller, 0, &card));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(card, 1000));
	EXPECT_EQ(1, logged(&self->reader, "power on"));
	EXPECT_EQ(0, tokmux_card_end(card, 0));
	tokmux_card_free(card);
	tokmux_close(caller);
	EXPECT_EQ(0, tokmux_remove_system(index));
}

/* ---- QEMU's reader ----------------------------------------------------------- */

static bool qemu_node(char node[64])
{
	unsigned int bus = 0, device = 0;
	FILE *f = popen("for d in /sys/bus/usb/devices/*; do"
			" grep -qs QEMU $d/manufacturer && grep -qs 4433 $d/idProduct &&"
			" cat $d/busnum $d/devnum; done", "r");

	if (fscanf(f, "%u %u", &bus, &device) != 2)
		bus = 0;
	pclose(f);
	snprintf(node, 64, "/dev/bus/usb/%03u/%03u", bus, device);
	return bus;
}

TEST(qemus_reader)
{
	const uint8_t select_cac[] = { 0, 0xa4, 4, 0, 7, 0xa0, 0, 0, 0, 0x79, 1, 0 };
	uint8_t answer[258];
	struct tokmux_card *card;
	char node[64];
	pid_t pid;
	int fd, i;

	if (!getenv("TOKMUX_CARD_PIN") || !qemu_node(node))
		SKIP(return, "there is none");
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, open_card(node, &card, &fd));
		ASSERT_LT(0, tokmux_card_power_on(card));
		EXPECT_LT(0, tokmux_card_atr(card, answer));
		EXPECT_LE(2, tokmux_card_transmit(card, select_cac,
						  sizeof(select_cac), answer,
						  sizeof(answer), 0, 5000));
		tokmux_card_free(card);
		close(fd);
		/* Killed with answers unread, or in the middle of its words. */
		pid = fork();
		if (!pid) {
			struct ccid_transport *t;

			if (open_card(node, &card, &fd))
				_exit(1);
			t = card->reader->ccid.transport;
			t->ops->bulk_out(t, (uint8_t[64]){
				0x6f, i ? 200 : 54, 0, 0, 0, 0, 0x77 }, 64, 1000);
			t->ops->bulk_out(t, (uint8_t[10]){
				0x65, 0, 0, 0, 0, 0, 0x78 }, 10, 1000);
			kill(getpid(), SIGKILL);
		}
		waitpid(pid, NULL, 0);
	}
	/* Another program has it. */
	ASSERT_EQ(0, open_card(node, &card, &fd));
	{
		struct tokmux_card *other;
		int fd2;

		EXPECT_EQ(-EBUSY, open_card(node, &other, &fd2));
		close(fd2);
	}
	tokmux_card_free(card);
	close(fd);
}

TEST(no_reader_at_all)
{
	struct tokmux_card *card = (void *)-1;
	int fd = open("/dev/null", O_RDWR);

	EXPECT_EQ(-EINVAL, tokmux_card_open_fd(fd, 0, &card));
	EXPECT_EQ(-EINVAL, tokmux_card_open_fd(-1, 0, &card));
	EXPECT_EQ((void *)-1, card);
	close(fd);
	/* A root hub. */
	fd = open("/dev/bus/usb/001/001", O_RDWR);
	if (fd < 0)
		return;
	EXPECT_EQ(-EOPNOTSUPP, tokmux_card_open_fd(fd, 0, &card));
	close(fd);
}

TEST_HARNESS_MAIN
