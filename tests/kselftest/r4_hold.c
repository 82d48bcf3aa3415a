// SPDX-License-Identifier: GPL-2.0-only
/*
 * R4: a holder that exceeds the hold limit while others wait loses the lease,
 * is told so, the token is unclean, and the next in line goes on.
 */
#include "token.h"
#include "kselftest_harness.h"

#define LIMIT	100	/* ms */

FIXTURE(r4)
{
	int fd;
	int watch;
};

FIXTURE_SETUP(r4)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER,
				     .hold_limit_ms = LIMIT };

	ASSERT_EQ(0, create(own_name(), &arg));
	self->watch = arg.fd;
	self->fd = open_bound(own_name(), 0);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(LIMIT, info(self->watch).hold_limit_ms);
}

FIXTURE_TEARDOWN(r4)
{
	close(self->fd);
	close(self->watch);
}

TEST_F(r4, stopped_holder_is_thrown_out)
{
	pid_t pid = holder(own_name(), TOKMUX_EXCLUSIVE, 0);
	struct tokmux_acquire told;
	int64_t start;

	ASSERT_GT(pid, 0);
	kill(pid, SIGSTOP);
	start = now_ms();
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, SOON, &told));
	EXPECT_GE(now_ms() - start, LIMIT - 10);
	EXPECT_EQ(TOKMUX_GRANT_UNCLEAN, told.granted);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	/* its death takes nothing from the new holder */
	EXPECT_EQ(getpid(), info(self->watch).holder_pid);
}

TEST_F(r4, nobody_waits_nobody_is_thrown_out)
{
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	usleep(3 * LIMIT * 1000);	/* time itself is what is tested */
	EXPECT_EQ(1, info(self->watch).holders);
	EXPECT_EQ(0, release(self->fd));
}

TEST_F(r4, loser_is_told)
{
	struct tokmux_acquire told;
	struct tokmux_event event;
	int other = open_bound(own_name(), 0);

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, acquire(other, TOKMUX_EXCLUSIVE, SOON));
	EXPECT_EQ(TOKMUX_EVENT_WANTED, next_event(self->fd, &event));
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, next_event(self->fd, &event));
	EXPECT_EQ(-ESTALE, release(self->fd));
	EXPECT_EQ(-ENOLCK, release(self->fd));
	ASSERT_EQ(0, mark_clean(other));
	ASSERT_EQ(0, release(other));

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, acquire(other, TOKMUX_EXCLUSIVE, SOON));
	ASSERT_EQ(0, release(other));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_LOST | TOKMUX_GRANT_UNCLEAN, told.granted);
}

/* Sharers too, and only those whose time is over. */
TEST_F(r4, shared_holders_in_the_way_of_an_exclusive_one)
{
	int other = open_bound(own_name(), 0);
	int writer = open_bound(own_name(), 0);

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, acquire(other, TOKMUX_SHARED, 0));
	EXPECT_EQ(0, acquire(writer, TOKMUX_EXCLUSIVE, SOON));
	EXPECT_EQ(-ESTALE, release(self->fd));
	EXPECT_EQ(-ESTALE, release(other));
}

TEST_HARNESS_MAIN
