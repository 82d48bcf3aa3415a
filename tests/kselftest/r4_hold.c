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
	EXPECT_EQ(TOKMUX_GRANT_LOST | TOKMUX_GRANT_UNCLEAN | TOKMUX_GRANT_EVENTS,
		  told.granted);
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

/* Who waits for less than the limit, and again, has waited for it all the same. */
TEST_F(r4, short_waits_add_up)
{
	/* Far above a wait that a busy machine makes longer. */
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER,
				     .hold_limit_ms = 10 * LIMIT };
	char name[TOKMUX_NAME_SIZE];
	int64_t end = now_ms() + SOON;
	int fd, ret;
	pid_t pid;

	snprintf(name, sizeof(name), "%.59s-10", own_name());
	ASSERT_EQ(0, create(name, &arg));
	fd = open_bound(name, 0);
	pid = holder(name, TOKMUX_EXCLUSIVE, 0);
	ASSERT_GT(pid, 0);
	do {
		ret = acquire(fd, TOKMUX_EXCLUSIVE, LIMIT / 3);
	} while (ret == -ETIMEDOUT && now_ms() < end);
	EXPECT_EQ(0, ret);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	close(fd);
	close(arg.fd);
}

/* A party is not thrown out for its own sake. */
TEST_F(r4, own_files_that_wait_are_no_others)
{
	int a = open_bound(own_name(), TOKMUX_BIND_GROUP);
	int b = open_bound(own_name(), TOKMUX_BIND_GROUP);
	struct tokmux_event event;

	ASSERT_GE(b, 0);
	ASSERT_EQ(0, acquire(a, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	/* the file alone is in the way, and loses its lease */
	EXPECT_EQ(0, acquire(b, TOKMUX_EXCLUSIVE, SOON));
	EXPECT_EQ(-ESTALE, release(self->fd));
	EXPECT_EQ(0, release(a));
	ASSERT_EQ(0, fcntl(a, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-1, read(a, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
	close(a);
	close(b);
}

/* It goes for the party: another file of it than the one that holds is logged in. */
TEST_F(r4, login_of_another_file_leaves_it_unclean)
{
	int a = open_bound(own_name(), TOKMUX_BIND_GROUP);
	int b = open_bound(own_name(), TOKMUX_BIND_GROUP);
	struct tokmux_acquire told;

	ASSERT_EQ(0, acquire(a, TOKMUX_SHARED, 0));
	ASSERT_GT(session_open(b, 0), 0);
	ASSERT_EQ(0, login(b, TOKMUX_USER));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, SOON, &told));
	EXPECT_TRUE(told.granted & TOKMUX_GRANT_UNCLEAN);
	EXPECT_EQ(-ESTALE, release(a));
	close(a);
	close(b);
}

/* What a party has waited itself does not count against it. */
TEST_F(r4, own_waiting_counts_for_nothing)
{
	int a = open_bound(own_name(), TOKMUX_BIND_GROUP);
	int b = open_bound(own_name(), TOKMUX_BIND_GROUP);
	pid_t pid = holder(own_name(), TOKMUX_SHARED, 0);
	pid_t waiter;
	int64_t start;

	ASSERT_GT(pid, 0);
	ASSERT_EQ(0, acquire(a, TOKMUX_SHARED, 0));
	/* the holder is in the way for the whole limit, and thrown out */
	ASSERT_EQ(0, acquire(b, TOKMUX_EXCLUSIVE, SOON));
	start = now_ms();
	waiter = child();
	if (!waiter)
		_exit(acquire(open_bound(own_name(), 0), TOKMUX_EXCLUSIVE, SOON));
	EXPECT_EQ(0, reap(waiter));
	EXPECT_GE(now_ms() - start, LIMIT - 10);
	EXPECT_EQ(-ESTALE, release(b));
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	close(a);
	close(b);
}

TEST_HARNESS_MAIN
