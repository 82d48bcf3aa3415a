// SPDX-License-Identifier: GPL-2.0-only
/*
 * A card that is shared by processes: one reader, registered as a token with its
 * real device, and holders that are killed, stopped, thrown out or unplugged in
 * the middle of a command. What the card saw, and in which order, is in its log.
 *
 * Beside it what happens through pcscd, on the same reader with the same card.
 */
#include <winscard.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "kselftest_harness.h"
#include "scripts.h"

#define LIMIT	1500	/* ms, the token's hold limit */

FIXTURE(lease)
{
	struct usb_reader reader;
	unsigned int index;
	char name[TOKMUX_NAME_SIZE], token[32];
	struct user me;
	bool skip;
};

static int make_token(FIXTURE_DATA(lease) *self, unsigned int hold_limit_ms)
{
	int ret = tokmux_create_device(self->name, 0, hold_limit_ms, 0,
				       self->reader.node, -1, &self->index);

	snprintf(self->token, sizeof(self->token), "/dev/tokmux%u", self->index);
	return ret ? ret : user_open(&self->me, self->token);
}

static int unmake_token(FIXTURE_DATA(lease) *self)
{
	user_close(&self->me);
	return tokmux_remove_system(self->index);
}

FIXTURE_SETUP(lease)
{
	memset(self, 0, sizeof(*self));
	self->skip = !have_vhci() || tokmux_present() != 1;
	if (self->skip)
		return;
	ASSERT_TRUE(make_reader(&self->reader, "extended"));
	snprintf(self->name, sizeof(self->name), "reader-%d", getpid());
	ASSERT_EQ(0, make_token(self, LIMIT));
}

FIXTURE_TEARDOWN(lease)
{
	if (self->skip)
		return;
	unmake_token(self);
	destroy_reader(&self->reader);
}

#define NEEDS_VHCI() do {						\
	if (self->skip)							\
		SKIP(return, "not in a guest, or no vhci_hcd");		\
} while (0)

/*
 * A process that begins, verifies the PIN, and goes on with @apdu. Returns its
 * pid once the card has seen that; @result gets what it was told.
 */
static pid_t holder(FIXTURE_DATA(lease) *self, const uint8_t *apdu, size_t len,
		    int *result)
{
	char seen[64] = "apdu ";
	pid_t pid = fork();
	size_t i;

	if (!pid) {
		struct user user;

		user_close(&self->me);
		if (user_open(&user, self->token) ||
		    tokmux_card_begin(user.card, SOON) < 0 ||
		    SEND(&user, select_applet) < 0 ||
		    SEND(&user, verify_pin) != 0x9000)
			_exit(1);
		*result = send_apdu(&user, apdu, len);
		pause();
		_exit(0);
	}
	for (i = 0; i < len && i < 4; i++)
		sprintf(seen + strlen(seen), "%02x", apdu[i]);
	return await_log(&self->reader, seen) ? pid : -1;
}

static int *shared_int(void)
{
	return mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The card's next holder, who knows no PIN, gets nothing that needs one. */
#define EXPECT_FORGOTTEN(u) do {					\
	EXPECT_LE(0x6100, SEND(u, select_applet));			\
	EXPECT_EQ(0x6982, SEND(u, get_secret));				\
} while (0)

/* ---- what others may know ------------------------------------------------- */

TEST_F(lease, a_note)
{
	struct tokmux_card_note note = {
		.content = TOKMUX_CARD_GOOD, .flags = TOKMUX_CARD_NOTED_EXCLUSIVE,
		.changes = 0xffff, .atr_len = 2, .atr = { 0x3b, 0x00 },
	}, read;
	struct tokmux_caller *caller = self->me.caller;
	uint8_t bytes[TOKMUX_NOTE_SIZE] = {};
	struct user onlooker;
	unsigned int i;

	NEEDS_VHCI();
	ASSERT_EQ(0, user_open(&onlooker, self->token));
	EXPECT_EQ(-ENODATA, tokmux_card_read_note(onlooker.caller, 0, 0, &read));
	EXPECT_EQ(-ENOLCK, tokmux_card_write_note(caller, 0, &note));
	ASSERT_LE(0, tokmux_card_begin(self->me.card, SOON));
	EXPECT_EQ(0, tokmux_card_write_note(caller, 0, &note));
	EXPECT_EQ(0, tokmux_card_read_note(onlooker.caller, 0, 0, &read));
	EXPECT_EQ(TOKMUX_CARD_GOOD, read.content);
	EXPECT_EQ(TOKMUX_CARD_NOTED_EXCLUSIVE | TOKMUX_CARD_NOTED_HELD, read.flags);
	EXPECT_EQ(0xffff, read.changes);
	EXPECT_EQ(2, read.atr_len);
	EXPECT_EQ(0, memcmp(note.atr, read.atr, sizeof(note.atr)));
	EXPECT_GT(SOON, read.age_ms);
	/* Another slot is another matter, and of this holder's, both are kept. */
	EXPECT_EQ(-ENODATA, tokmux_card_read_note(onlooker.caller, 1, 0, &read));
	note.content = TOKMUX_CARD_NONE;
	note.atr_len = 0;
	EXPECT_EQ(0, tokmux_card_write_note(caller, 2, &note));
	EXPECT_EQ(0, tokmux_card_read_note(onlooker.caller, 0, 0, &read));
	EXPECT_EQ(TOKMUX_CARD_GOOD, read.content);
	EXPECT_EQ(0, tokmux_card_read_note(onlooker.caller, 2, 0, &read));
	EXPECT_EQ(TOKMUX_CARD_NONE, read.content);
	EXPECT_EQ(-EINVAL, tokmux_card_write_note(caller, 3, &note));
	EXPECT_EQ(-ENODATA, tokmux_card_read_note(onlooker.caller, 3, 0, &read));
	note.content = TOKMUX_CARD_MUTE + 1;
	EXPECT_EQ(-EINVAL, tokmux_card_write_note(caller, 0, &note));
	note.content = TOKMUX_CARD_GOOD;
	note.atr_len = TOKMUX_ATR_SIZE + 1;
	EXPECT_EQ(-EINVAL, tokmux_card_write_note(caller, 0, &note));
	/* The next holder speaks for itself only. */
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	EXPECT_EQ(0, tokmux_card_read_note(onlooker.caller, 0, 0, &read));
	EXPECT_EQ(TOKMUX_CARD_NOTED_EXCLUSIVE, read.flags);
	ASSERT_LE(0, tokmux_card_begin(onlooker.card, SOON));
	note.atr_len = 0;
	EXPECT_EQ(0, tokmux_card_write_note(onlooker.caller, 1, &note));
	EXPECT_EQ(-ENODATA, tokmux_card_read_note(caller, 0, 0, &read));
	EXPECT_EQ(0, tokmux_card_read_note(caller, 1, 0, &read));

	/* Nonsense of another program's is no note. */
	EXPECT_EQ(0, tokmux_write_note(onlooker.caller, "?", 1));
	EXPECT_EQ(-ENODATA, tokmux_card_read_note(caller, 0, 0, &read));
	EXPECT_EQ(-EINVAL, tokmux_write_note(onlooker.caller, bytes, sizeof(bytes) + 1));
	for (i = 0; i < 256; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		bytes[0] = 1;
		EXPECT_EQ(0, tokmux_write_note(onlooker.caller, bytes, sizeof(bytes)));
		if (tokmux_card_read_note(caller, 0, 0, &read))
			continue;
		EXPECT_LE(read.content, TOKMUX_CARD_MUTE);
		EXPECT_GE(TOKMUX_ATR_SIZE, read.atr_len);
		EXPECT_EQ(0, read.flags & ~(TOKMUX_CARD_NOTED_HELD |
					    TOKMUX_CARD_NOTED_EXCLUSIVE));
	}
	user_close(&onlooker);
}

/* ---- handles of one caller ------------------------------------------------ */

/*
 * Two cards on one caller, as two handles of one program: the kernel does not tell
 * them apart, and neither may work with the PIN that the other one gave.
 */
TEST_F(lease, two_cards_on_one_caller)
{
	struct user other;

	NEEDS_VHCI();
	other = self->me;
	ASSERT_EQ(0, tokmux_card_new(self->me.caller, 0, &other.card));
	ASSERT_LE(0, tokmux_card_begin(self->me.card, SOON));
	EXPECT_LE(0x6100, SEND(&self->me, select_applet));
	EXPECT_EQ(0x9000, SEND(&self->me, verify_pin));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(other.card, SOON));
	EXPECT_FORGOTTEN(&other);
	EXPECT_EQ(0x9000, SEND(&other, verify_pin));
	EXPECT_EQ(0, tokmux_card_end(other.card, 0));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->me.card, SOON));
	EXPECT_FORGOTTEN(&self->me);
	EXPECT_EQ(0x9000, SEND(&self->me, verify_pin));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	/* Nobody came between. */
	EXPECT_EQ(0, tokmux_card_begin(self->me.card, SOON));
	EXPECT_EQ(0x9000, SEND(&self->me, get_secret));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	tokmux_card_free(other.card);
}

/* ---- two slots of one reader ------------------------------------------------ */

/* The lease is the reader's: the cards of one caller are in it together. */
TEST_F_TIMEOUT(lease, two_slots_in_one_lease, 120)
{
	struct user second, again, other;
	struct usb_reader slot2;
	int lines, lines2;

	NEEDS_VHCI();
	ASSERT_EQ(0, unmake_token(self));
	destroy_reader(&self->reader);
	ASSERT_TRUE(make_reader(&self->reader, "two"));
	ASSERT_EQ(0, make_token(self, 0));
	slot2 = self->reader;
	strcat(slot2.log, ".2");
	second = self->me;
	again = self->me;
	ASSERT_EQ(0, tokmux_card_new(self->me.caller, 1, &second.card));
	ASSERT_EQ(0, tokmux_card_new(self->me.caller, 1, &again.card));
	ASSERT_EQ(0, user_open(&other, self->token));

	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->me.card, SOON));
	EXPECT_EQ(-ENOLCK, tokmux_card_status(second.card));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(second.card, SOON));
	EXPECT_EQ(1, tokmux_card_protocol(self->me.card));
	EXPECT_EQ(0, tokmux_card_protocol(second.card));
	EXPECT_EQ(-EALREADY, tokmux_card_begin(again.card, SOON));
	EXPECT_LE(0x6100, SEND(&self->me, select_applet));
	EXPECT_LE(0x6100, SEND(&second, select_applet));
	EXPECT_EQ(0x9000, SEND(&self->me, verify_pin));
	EXPECT_EQ(0x6982, SEND(&second, get_secret));
	EXPECT_EQ(0x9000, SEND(&second, verify_pin));

	/* The lease is idle once neither is used, and then goes on without a transfer. */
	lines = logged(&self->reader, "");
	lines2 = logged(&slot2, "");
	EXPECT_EQ(0, tokmux_card_idle(self->me.card, TOKMUX_MAX_LINGER_MS));
	EXPECT_EQ(-EAGAIN, tokmux_card_begin(other.card, 0));
	EXPECT_EQ(0, tokmux_card_idle(second.card, TOKMUX_MAX_LINGER_MS));
	EXPECT_EQ(0, tokmux_card_begin(second.card, SOON));
	EXPECT_EQ(-EAGAIN, tokmux_card_begin(other.card, 0));
	EXPECT_EQ(0, tokmux_card_begin(self->me.card, SOON));
	EXPECT_EQ(lines, logged(&self->reader, ""));
	EXPECT_EQ(lines2, logged(&slot2, ""));
	EXPECT_EQ(0x9000, SEND(&self->me, get_secret));
	EXPECT_EQ(0x9000, SEND(&second, get_secret));

	/* It is given back with the last one. */
	EXPECT_EQ(0, tokmux_card_end(self->me.card, TOKMUX_CARD_OFF));
	EXPECT_EQ(-ENOLCK, tokmux_card_end(self->me.card, 0));
	EXPECT_EQ(-EAGAIN, tokmux_card_begin(other.card, 0));
	EXPECT_EQ(0x9000, SEND(&second, get_secret));
	lines2 = logged(&slot2, "power off");
	EXPECT_EQ(0, tokmux_card_end(second.card, TOKMUX_CARD_OFF));
	EXPECT_LT(lines2, logged(&slot2, "power off"));

	/* Another holder takes both, from one that left one of them idle. */
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(second.card, SOON));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(self->me.card, SOON));
	EXPECT_LE(0x6100, SEND(&second, select_applet));
	EXPECT_EQ(0x9000, SEND(&second, verify_pin));
	EXPECT_EQ(0, tokmux_card_idle(second.card, 0));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(other.card, SOON));
	EXPECT_EQ(0, tokmux_card_end(other.card, 0));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED, tokmux_card_begin(second.card, SOON));
	EXPECT_FORGOTTEN(&second);
	/* The first one's lease is the only one that the caller has. */
	EXPECT_EQ(0, tokmux_release(self->me.caller));
	EXPECT_EQ(-ENODEV, tokmux_card_begin(self->me.card, SOON));
	EXPECT_NE(0, tokmux_card_end(second.card, 0));
	EXPECT_LE(0, tokmux_card_begin(self->me.card, SOON));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	tokmux_card_free(again.card);
	tokmux_card_free(second.card);
	user_close(&other);
}

/* ---- no two scripts are mixed -------------------------------------------- */

TEST_F_TIMEOUT(lease, scripts_never_mix, 120)
{
	unsigned int passed;
	pid_t pids[2];
	int status, i;

	NEEDS_VHCI();
	/* However slow the machine: nobody is thrown out here. */
	ASSERT_EQ(0, unmake_token(self));
	ASSERT_EQ(0, make_token(self, 0));
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			user_close(&self->me);
			_exit(script(self->token, 0x40 + i));
		}
	}
	for (i = 0; i < 2; i++) {
		waitpid(pids[i], &status, 0);
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(2 * ROUNDS, count_scripts(self->reader.log, &passed));
	TH_LOG("%u scripts of %u commands, the card changed hands %u times",
	       2 * ROUNDS, SCRIPT, passed);
	EXPECT_LT(0, passed);
}

/* ---- a holder that does not end well --------------------------------------- */

TEST_F_TIMEOUT(lease, killed_in_mid_transfer, 120)
{
	int *result = shared_int(), commands;
	double start;
	pid_t pid;

	NEEDS_VHCI();
	pid = holder(self, slow, sizeof(slow), result);
	ASSERT_GT(pid, 0);
	start = now();
	end(pid);
	commands = logged(&self->reader, "apdu");
	EXPECT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(self->me.card, SOON));
	TH_LOG("the next holder has the card %.0f ms after the kill", now() - start);
	EXPECT_LT(now() - start, SOON);
	/* Of what the dead one was at, nothing more has come. */
	EXPECT_EQ(commands, logged(&self->reader, "apdu"));
	EXPECT_FORGOTTEN(&self->me);
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
}

TEST_F_TIMEOUT(lease, stopped_beyond_the_hold_limit, 120)
{
	int *result = shared_int();
	double start;
	pid_t pid;
	int commands;

	NEEDS_VHCI();
	pid = holder(self, slow, sizeof(slow), result);
	ASSERT_GT(pid, 0);
	kill(pid, SIGSTOP);
	start = now();
	EXPECT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(self->me.card, SOON));
	TH_LOG("the next holder has the card %.0f ms after it asked", now() - start);
	EXPECT_LT(now() - start, SOON);
	EXPECT_FORGOTTEN(&self->me);
	commands = logged(&self->reader, "apdu");
	/* When it goes on, it is told, and the card does not hear of it. */
	kill(pid, SIGCONT);
	for (start = now(); !*result && now() - start < SOON; usleep(1000))
		;
	EXPECT_EQ(-ENODEV, *result);
	EXPECT_EQ(commands, logged(&self->reader, "apdu"));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	end(pid);
}

static int pass_fd(int sock, int fd)
{
	char buf[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = buf, .msg_controllen = sizeof(buf) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	if (fd < 0) {
		if (recvmsg(sock, &msg, 0) < 0)
			return -errno;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
		return fd;
	}
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(lease, lease_fd_kept_by_another_process, 120)
{
	struct tokmux_card *card = NULL;
	int socks[2], kept;
	double start;
	pid_t pid;

	NEEDS_VHCI();
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	pid = fork();
	if (!pid) {
		struct user user;

		user_close(&self->me);
		if (user_open(&user, self->token) ||
		    tokmux_acquire(user.caller, TOKMUX_EXCLUSIVE, SOON, NULL) ||
		    pass_fd(socks[1], tokmux_lease_fd(user.caller)))
			_exit(1);
		pause();
	}
	kept = pass_fd(socks[0], -1);
	ASSERT_GE(kept, 0);
	/* While its holder lives it is of no use here (R3), afterwards nowhere. */
	EXPECT_GT(0, tokmux_card_open_fd(kept, 0, &card));
	start = now();
	end(pid);
	EXPECT_LT(0, tokmux_card_begin(self->me.card, SOON));
	TH_LOG("the next holder has the card %.0f ms after the kill", now() - start);
	EXPECT_LT(now() - start, SOON);
	EXPECT_GT(0, tokmux_card_open_fd(kept, 0, &card));
	EXPECT_EQ(NULL, card);
	/* All that the card has seen is its next holder's. */
	EXPECT_EQ(0, logged(&self->reader, "apdu"));
	EXPECT_EQ(1, logged(&self->reader, "power on"));
	EXPECT_LE(0x6100, SEND(&self->me, select_applet));
	EXPECT_EQ(1, logged(&self->reader, "apdu"));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	close(kept);
}

TEST_F_TIMEOUT(lease, unplugged_and_plugged_back, 120)
{
	int *result = shared_int();
	double start;
	pid_t pid;

	NEEDS_VHCI();
	pid = holder(self, slow, sizeof(slow), result);
	ASSERT_GT(pid, 0);
	start = now();
	unplug(&self->reader);
	while (!*result && now() - start < SOON)
		usleep(1000);
	/* A transfer may fail before the bus knows why. */
	EXPECT_TRUE(*result == -ENODEV || *result == -EIO);
	TH_LOG("the holder is told after %.0f ms", now() - start);
	EXPECT_LT(now() - start, SOON);
	start = now();
	EXPECT_EQ(-ENODEV, tokmux_card_begin(self->me.card, SOON));
	TH_LOG("who asks for it then, after %.0f ms", now() - start);
	EXPECT_LT(now() - start, SOON);
	/* As udev does; the holder lives, with its lease fd and its command. */
	EXPECT_EQ(0, unmake_token(self));
	ASSERT_TRUE(plug(&self->reader, "extended"));
	ASSERT_EQ(0, make_token(self, LIMIT));
	start = now();
	EXPECT_LT(0, tokmux_card_begin(self->me.card, SOON));
	TH_LOG("plugged back, the next holder has the card after %.0f ms",
	       now() - start);
	EXPECT_LT(now() - start, SOON);
	end(pid);
	/* Its log is a new one. */
	EXPECT_EQ(0, logged(&self->reader, "apdu"));
	EXPECT_FORGOTTEN(&self->me);
	EXPECT_EQ(2, logged(&self->reader, "apdu"));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
}

/* ---- the PIN that a dead holder verified ------------------------------------ */

TEST_F_TIMEOUT(lease, a_verified_pin_is_not_the_next_holders, 120)
{
	const uint8_t nothing[] = { 0x80, 0x12, 0x00, 0x01 };
	int *result = shared_int();
	pid_t pid;

	NEEDS_VHCI();
	pid = holder(self, nothing, sizeof(nothing), result);
	ASSERT_GT(pid, 0);
	end(pid);
	EXPECT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(self->me.card, SOON));
	EXPECT_EQ(0x6985, SEND(&self->me, get_secret));
	EXPECT_FORGOTTEN(&self->me);
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
}

/* It stays as it was left, until another one wants it; and then it forgets. */
TEST_F_TIMEOUT(lease, a_card_that_is_kept_idle, 120)
{
	struct user other = {};
	int lines;

	NEEDS_VHCI();
	ASSERT_EQ(0, user_open(&other, self->token));
	EXPECT_EQ(-ENOLCK, tokmux_card_idle(self->me.card, 0));
	EXPECT_LT(0, tokmux_card_begin(self->me.card, SOON));
	EXPECT_LE(0x6100, SEND(&self->me, select_applet));
	EXPECT_EQ(0x9000, SEND(&self->me, verify_pin));
	EXPECT_EQ(0, tokmux_card_idle(self->me.card, 0));
	lines = logged(&self->reader, "");
	EXPECT_EQ(0, tokmux_card_begin(self->me.card, SOON));
	EXPECT_EQ(lines, logged(&self->reader, ""));
	EXPECT_LE(0x6100, SEND(&self->me, get_secret));
	EXPECT_EQ(0, tokmux_card_idle(self->me.card, 0));

	EXPECT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(other.card, SOON));
	EXPECT_EQ(0x6985, SEND(&other, get_secret));
	EXPECT_FORGOTTEN(&other);
	EXPECT_EQ(-EAGAIN, tokmux_card_begin(self->me.card, 0));
	EXPECT_EQ(0, tokmux_card_idle(other.card, 0));
	EXPECT_LT(0, tokmux_card_begin(self->me.card, SOON));
	EXPECT_FORGOTTEN(&self->me);
	/* what was lost has nothing to end */
	EXPECT_EQ(0, tokmux_card_end(other.card, TOKMUX_CARD_OFF));
	EXPECT_EQ(-ENOLCK, tokmux_card_end(other.card, TOKMUX_CARD_OFF));
	EXPECT_EQ(0, tokmux_card_idle(self->me.card, 0));
	EXPECT_EQ(0, tokmux_card_end(self->me.card, TOKMUX_CARD_OFF));
	user_close(&other);
}

/* Of a holder that lives, is logged in, and has given the lease back. */
TEST_F_TIMEOUT(lease, nor_is_one_of_a_holder_that_waits, 120)
{
	struct user other = {};
	uint32_t session;

	NEEDS_VHCI();
	ASSERT_EQ(0, user_open(&other, self->token));
	EXPECT_LT(0, tokmux_card_begin(other.card, SOON));
	EXPECT_LE(0x6100, SEND(&other, select_applet));
	EXPECT_EQ(0x9000, SEND(&other, verify_pin));
	EXPECT_EQ(0, tokmux_session_open(other.caller, 0, &session));
	EXPECT_EQ(0, tokmux_login(other.caller, TOKMUX_USER));
	EXPECT_EQ(0, tokmux_card_end(other.card, 0));
	EXPECT_EQ(TOKMUX_CARD_TOUCHED | TOKMUX_CARD_SCRUBBED,
		  tokmux_card_begin(self->me.card, SOON));
	EXPECT_FORGOTTEN(&self->me);
	EXPECT_EQ(0, tokmux_card_end(self->me.card, 0));
	user_close(&other);
}

/* ---- and through pcscd ------------------------------------------------------ */

FIXTURE(pcscd)
{
	struct usb_reader reader;
	pid_t daemon;
	SCARDCONTEXT context;
	char name[MAX_READERNAME];
	bool skip;
};

/* QEMU's may be there, too; its card is another one. */
static bool is_our_card(SCARDCONTEXT context, const char *name)
{
	SCARD_READERSTATE state = { .szReader = name };
	SCARDHANDLE card;
	DWORD protocol;

	if (SCardGetStatusChange(context, 1000, &state, 1) ||
	    !(state.dwEventState & SCARD_STATE_PRESENT))
		return false;
	/* On a slow machine its first look may come to nothing: have it look again. */
	if (state.dwEventState & SCARD_STATE_MUTE &&
	    !SCardConnect(context, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY,
			  &card, &protocol))
		SCardDisconnect(card, SCARD_LEAVE_CARD);
	return memmem(state.rgbAtr, state.cbAtr, "tokmux", 6);
}

static bool find_pcsc_reader(FIXTURE_DATA(pcscd) *self)
{
	double start = now();
	char names[1024];
	const char *name;
	DWORD len;

	while (now() - start < SOON) {
		len = sizeof(names);
		if (!self->context)
			SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL,
					      &self->context);
		if (!self->context ||
		    SCardListReaders(self->context, NULL, names, &len))
			*names = '\0';
		for (name = names; *name; name += strlen(name) + 1) {
			if (!is_our_card(self->context, name))
				continue;
			snprintf(self->name, sizeof(self->name), "%.100s", name);
			return true;
		}
		usleep(20000);
	}
	return false;
}

static bool start_pcscd(FIXTURE_DATA(pcscd) *self)
{
	mkdir("/run/pcscd", 0755);
	self->daemon = fork();
	if (!self->daemon) {
		freopen("/dev/null", "w", stdout);
		execl("/usr/sbin/pcscd", "pcscd", "--foreground", NULL);
		_exit(127);
	}
	return find_pcsc_reader(self);
}

static void stop_pcscd(FIXTURE_DATA(pcscd) *self)
{
	if (!self->daemon)
		return;
	if (self->context)
		SCardReleaseContext(self->context);
	self->context = 0;
	kill(self->daemon, SIGTERM);
	waitpid(self->daemon, NULL, 0);
	self->daemon = 0;
}

FIXTURE_SETUP(pcscd)
{
	memset(self, 0, sizeof(*self));
	self->skip = !have_vhci() || access("/usr/sbin/pcscd", X_OK);
	if (self->skip)
		return;
	ASSERT_TRUE(make_reader(&self->reader, "extended"));
	ASSERT_TRUE(start_pcscd(self));
}

FIXTURE_TEARDOWN(pcscd)
{
	if (self->skip)
		return;
	stop_pcscd(self);
	destroy_reader(&self->reader);
}

static int pcsc_send(SCARDHANDLE card, DWORD protocol, const uint8_t *apdu, size_t len)
{
	uint8_t answer[300];
	DWORD size = sizeof(answer);
	LONG ret = SCardTransmit(card, protocol == SCARD_PROTOCOL_T0 ?
				 SCARD_PCI_T0 : SCARD_PCI_T1, apdu, len, NULL,
				 answer, &size);

	return ret || size < 2 ? -EIO : answer[size - 2] << 8 | answer[size - 1];
}

/* On a slow machine pcscd's first look at the card may come to nothing. */
static LONG pcsc_connect(SCARDCONTEXT context, const char *name,
			 SCARDHANDLE *card, DWORD *protocol)
{
	double start = now();
	LONG ret;

	do {
		ret = SCardConnect(context, name, SCARD_SHARE_SHARED,
				   SCARD_PROTOCOL_ANY, card, protocol);
		if (ret)
			usleep(20000);
	} while (ret && now() - start < SOON);
	if (ret)
		fprintf(stderr, "# SCardConnect: %s\n", pcsc_stringify_error(ret));
	return ret;
}

/* The same script as above. Nobody does wrong here: it is how PC/SC works. */
TEST_F_TIMEOUT(pcscd, a_verified_pin_is_the_next_users, 120)
{
	const uint8_t nothing[] = { 0x80, 0x12, 0x00, 0x01 };
	SCARDHANDLE card;
	DWORD protocol;
	pid_t pid;

	if (self->skip)
		SKIP(return, "not in a guest, no vhci_hcd, or no pcscd");
	pid = fork();
	if (!pid) {
		SCARDCONTEXT context;

		if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) ||
		    pcsc_connect(context, self->name, &card, &protocol) ||
		    pcsc_send(card, protocol, select_applet, sizeof(select_applet)) < 0 ||
		    pcsc_send(card, protocol, verify_pin, sizeof(verify_pin)) != 0x9000)
			_exit(1);
		pcsc_send(card, protocol, nothing, sizeof(nothing));
		pause();
	}
	ASSERT_TRUE(await_log(&self->reader, "apdu 80120001"));
	ASSERT_EQ(0, pcsc_connect(self->context, self->name, &card, &protocol));
	/* It is killed, and this is how long the next one waits for it. */
	end(pid);
	EXPECT_EQ(0, SCardBeginTransaction(card));
	EXPECT_EQ(0x9000, pcsc_send(card, protocol, get_secret, sizeof(get_secret)));
	SCardEndTransaction(card, SCARD_LEAVE_CARD);
	SCardDisconnect(card, SCARD_LEAVE_CARD);
}

/* ---- what it costs ------------------------------------------------------------ */

#define TURNS	5
#define TIMES	20

/* Milliseconds for begin, a command and end; negative: it failed. */
static double time_pcscd(FIXTURE_DATA(pcscd) *self)
{
	SCARDHANDLE card;
	DWORD protocol;
	double start;
	int i;

	if (pcsc_connect(self->context, self->name, &card, &protocol))
		return -1;
	start = now();
	for (i = 0; i < TIMES; i++) {
		if (SCardBeginTransaction(card) ||
		    pcsc_send(card, protocol, select_applet, sizeof(select_applet)) < 0x6100 ||
		    SCardEndTransaction(card, SCARD_LEAVE_CARD))
			return -1;
	}
	start = now() - start;
	SCardDisconnect(card, SCARD_LEAVE_CARD);
	return start / TIMES;
}

static double time_tokmux(const char *name)
{
	struct user user = {};
	double start = 0;
	int i, ret;

	ret = user_open(&user, name);
	/* The first one resets the card, as connecting to pcscd did. */
	for (i = -1; ret >= 0 && i < TIMES; i++) {
		if (!i)
			start = now();
		ret = tokmux_card_begin(user.card, SOON);
		if (ret >= 0 && SEND(&user, select_applet) < 0x6100)
			ret = -EIO;
		if (ret >= 0)
			ret = tokmux_card_end(user.card, 0);
	}
	start = now() - start;
	user_close(&user);
	return ret < 0 ? ret : start / TIMES;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The same reader in turn: pcscd leaves it before it is a token. */
TEST_F_TIMEOUT(pcscd, begin_a_command_and_end, 180)
{
	double ratio[TURNS], theirs, ours;
	char name[TOKMUX_NAME_SIZE];
	unsigned int index;
	int i;

	if (self->skip || tokmux_present() != 1)
		SKIP(return, "not in a guest, no vhci_hcd, or no pcscd");
	snprintf(name, sizeof(name), "ratio-%d", getpid());
	for (i = 0; i < TURNS; i++) {
		if (!self->daemon)
			ASSERT_TRUE(start_pcscd(self));
		theirs = time_pcscd(self);
		stop_pcscd(self);
		ASSERT_EQ(0, tokmux_create_device(name, 0, 0, 0, self->reader.node,
						  -1, &index));
		ours = time_tokmux(name);
		EXPECT_EQ(0, tokmux_remove_system(index));
		ASSERT_LT(0, theirs);
		ASSERT_LT(0, ours) TH_LOG("%s", tokmux_strerror(ours));
		TH_LOG("pcscd %.2f ms, tokmux %.2f ms", theirs, ours);
		ratio[i] = ours / theirs;
	}
	qsort(ratio, TURNS, sizeof(ratio[0]), compare);
	TH_LOG("tokmux / pcscd: %.2f (median of %d)", ratio[TURNS / 2], TURNS);
}

TEST_HARNESS_MAIN
