// SPDX-License-Identifier: GPL-2.0-only
/*
 * R8: the note of a token. Only the holder of the exclusive lease writes it, and all who
 * may look read it; the holder notices nothing of that. It is what was written and no
 * other memory, and however often it changes, those who watch are told once.
 *
 * R2: that its writer's lease goes on is the kernel's word, and ends with the lease.
 */
#include "device.h"
#include "kselftest_harness.h"

static int set(int fd, char byte)
{
	struct tokmux_note_set arg = {};

	memset(arg.note, byte, sizeof(arg.note));
	return verb(fd, TOKMUX_NOTE_SET, &arg);
}

static struct tokmux_note_get get(int fd, unsigned int flags)
{
	struct tokmux_note_get arg = { .flags = flags };

	if (verb(fd, TOKMUX_NOTE_GET, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

static bool says(const struct tokmux_note_get *arg, char byte)
{
	size_t i;

	for (i = 0; i < sizeof(arg->note); i++)
		if (arg->note[i] != (unsigned char)byte)
			return false;
	return true;
}

/* The events that have come, without waiting for any. */
static int events(int fd)
{
	struct tokmux_event event[16];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int notes = 0;
	ssize_t len;

	if (poll(&pfd, 1, 0) != 1)
		return 0;
	len = read(fd, event, sizeof(event));
	for (ssize_t i = 0; i < len / (ssize_t)sizeof(*event); i++)
		notes += event[i].type == TOKMUX_EVENT_NOTE;
	return notes;
}

FIXTURE(note)
{
	int holder, watch, unbound;
};

FIXTURE_SETUP(note)
{
	begin_group();
	self->holder = open_bound(own_name(), 0);
	self->watch = open_bound(own_name(), 0);
	self->unbound = open_token(own_name());
	ASSERT_GE(self->holder, 0);
	ASSERT_GE(self->watch, 0);
	ASSERT_GE(self->unbound, 0);
}

FIXTURE_TEARDOWN(note)
{
	close(self->holder);
	close(self->watch);
	close(self->unbound);
	end_group();
}

TEST_F(note, is_empty_at_first)
{
	struct tokmux_note_get n = get(self->unbound, 0);

	EXPECT_EQ(0, n.noted);
	EXPECT_EQ(0, n.time_ns);
	EXPECT_TRUE(says(&n, 0));
}

TEST_F(note, only_the_exclusive_holder_writes)
{
	struct tokmux_note_get n;
	struct tokmux_eject hit;
	pid_t pid;

	EXPECT_EQ(-ENOTCONN, set(self->unbound, 'u'));
	EXPECT_EQ(-ENOLCK, set(self->watch, 'w'));
	ASSERT_EQ(0, acquire(self->holder, TOKMUX_SHARED, 0));
	EXPECT_EQ(-ENOLCK, set(self->holder, 's'));
	ASSERT_EQ(0, release(self->holder));
	ASSERT_EQ(0, acquire(self->holder, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(0, set(self->holder, 'h'));
	EXPECT_EQ(-ENOLCK, set(self->watch, 'w'));
	pid = child();
	if (!pid)
		_exit(set(self->holder, 'c') != -EPERM);
	EXPECT_EQ(0, reap(pid));
	n = get(self->unbound, 0);
	EXPECT_TRUE(says(&n, 'h'));
	ASSERT_EQ(0, eject(self->watch, &hit));
	EXPECT_EQ(-ESTALE, set(self->holder, 'e'));
	EXPECT_EQ(-ENOLCK, set(self->holder, 'e'));
	n = get(self->unbound, 0);
	EXPECT_TRUE(says(&n, 'h'));
}

/* No lease, no epoch, no wait, no word to the holder. */
TEST_F(note, reading_costs_the_holder_nothing)
{
	struct tokmux_acquire before, after;
	struct tokmux_note_get n;
	struct tokmux_info was, is;
	int i;

	ASSERT_EQ(0, acquire_told(self->holder, TOKMUX_EXCLUSIVE, 0, &before));
	EXPECT_EQ(0, set(self->holder, 'h'));
	was = info(self->unbound);
	for (i = 0; i < 100; i++) {
		n = get(i % 2 ? self->unbound : self->watch,
			i % 2 ? 0 : TOKMUX_NOTE_WATCH);
		EXPECT_EQ(TOKMUX_NOTED_HELD, n.noted);
		EXPECT_TRUE(says(&n, 'h'));
	}
	is = info(self->unbound);
	EXPECT_EQ(0, memcmp(&was, &is, sizeof(is)));
	EXPECT_EQ(0, poll_now(self->holder));
	ASSERT_EQ(0, release(self->holder));
	ASSERT_EQ(0, acquire_told(self->holder, TOKMUX_EXCLUSIVE, 0, &after));
	EXPECT_EQ(before.epoch, after.epoch);
	EXPECT_EQ(0, after.granted);
	/* It may read its own as well. */
	n = get(self->holder, 0);
	EXPECT_TRUE(says(&n, 'h'));
}

TEST_F(note, is_held_while_the_lease_goes_on)
{
	struct tokmux_note_get n;
	uint64_t written;

	ASSERT_EQ(0, acquire(self->holder, TOKMUX_EXCLUSIVE, 0));
	n = get(self->watch, 0);
	EXPECT_EQ(0, n.noted);
	EXPECT_EQ(0, set(self->holder, 'a'));
	n = get(self->watch, TOKMUX_NOTE_WATCH);
	EXPECT_EQ(TOKMUX_NOTED_HELD, n.noted);
	written = n.time_ns;
	EXPECT_LT(0, written);
	ASSERT_EQ(0, release(self->holder));
	EXPECT_EQ(1, events(self->watch));
	/* It stays, and so does its time. */
	n = get(self->watch, 0);
	EXPECT_EQ(0, n.noted);
	EXPECT_EQ(written, n.time_ns);
	EXPECT_TRUE(says(&n, 'a'));
	/* Another lease is not the one in which it was written. */
	ASSERT_EQ(0, acquire(self->holder, TOKMUX_EXCLUSIVE, 0));
	n = get(self->watch, 0);
	EXPECT_EQ(0, n.noted);
	EXPECT_EQ(0, set(self->holder, 'a'));
	n = get(self->watch, 0);
	EXPECT_EQ(TOKMUX_NOTED_HELD, n.noted);
	EXPECT_LT(written, n.time_ns);
}

/* R2: the holder dies. */
TEST_F(note, is_not_held_by_the_dead)
{
	struct tokmux_event event;
	struct tokmux_note_get n;
	pid_t pid = child();

	if (!pid) {
		int fd = open_bound(own_name(), 0);

		if (acquire(fd, TOKMUX_EXCLUSIVE, FOREVER) || set(fd, 'd'))
			_exit(1);
		stop_here();
	}
	ASSERT_TRUE(EVENTUALLY(get(self->unbound, 0).noted == TOKMUX_NOTED_HELD));
	n = get(self->watch, TOKMUX_NOTE_WATCH);
	EXPECT_TRUE(says(&n, 'd'));
	kill(pid, SIGKILL);
	EXPECT_EQ(TOKMUX_EVENT_NOTE, next_event(self->watch, &event));
	n = get(self->watch, 0);
	EXPECT_EQ(0, n.noted);
	EXPECT_TRUE(says(&n, 'd'));
	reap(pid);
}

TEST_F(note, watchers_are_told_once)
{
	struct tokmux_note_get arg = { .flags = TOKMUX_NOTE_WATCH };
	struct tokmux_event event;
	int i;

	EXPECT_EQ(-ENOTCONN, verb(self->unbound, TOKMUX_NOTE_GET, &arg));
	ASSERT_EQ(0, acquire(self->holder, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(0, set(self->holder, 'a'));
	/* This one was refused the token, and must not lose that event. */
	EXPECT_EQ(-EAGAIN, acquire(self->watch, TOKMUX_EXCLUSIVE, 0));
	get(self->watch, TOKMUX_NOTE_WATCH);
	get(self->watch, TOKMUX_NOTE_WATCH);
	/* The same once more is no news. */
	EXPECT_EQ(0, set(self->holder, 'a'));
	EXPECT_EQ(0, events(self->watch));
	for (i = 0; i < 1000; i++)
		EXPECT_EQ(0, set(self->holder, i % 2 ? 'b' : 'c'));
	EXPECT_EQ(1, events(self->watch));
	EXPECT_EQ(0, set(self->holder, 'd'));
	EXPECT_EQ(0, events(self->watch));
	/* Read again: watched again. */
	get(self->watch, TOKMUX_NOTE_WATCH);
	EXPECT_EQ(0, set(self->holder, 'e'));
	EXPECT_EQ(1, events(self->watch));
	ASSERT_EQ(0, release(self->holder));
	EXPECT_EQ(TOKMUX_EVENT_FREE, next_event(self->watch, &event));
	EXPECT_EQ(0, event.flags);
}

/* A file that can only be read can look. */
TEST_F(note, on_a_file_for_reading)
{
	struct tokmux_create arg = {};
	struct tokmux_note_get n;
	char path[32];
	int index, fd, reader;

	index = register_token(&arg);
	if (index == -EPERM)
		SKIP(return, "needs root");
	/* The name is this test's own, and the user token of that name has gone. */
	ASSERT_GE(index, 0);
	fd = open_index_bound(index, 0);
	snprintf(path, sizeof(path), "/dev/tokmux%d", index);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(reader, 0);
	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(0, set(fd, 'r'));
	n = get(reader, 0);
	EXPECT_TRUE(says(&n, 'r'));
	close(reader);
	close(fd);
	EXPECT_EQ(0, unregister_token(index));
}

TEST_HARNESS_MAIN
