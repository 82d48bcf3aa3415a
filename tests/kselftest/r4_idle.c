// SPDX-License-Identifier: GPL-2.0-only
/*
 * R1, R2, R4: a lease can be idle. Its holder keeps it for as long as no other
 * holder wants it, and loses it to the first one that does, after a bounded time
 * and without any help of its own. It is told so, and the token is clean.
 */
#include <pthread.h>
#include "token.h"
#include "kselftest_harness.h"

#define LINGER	200	/* ms */

FIXTURE(idle)
{
	int fd;
	int other;
};

FIXTURE_SETUP(idle)
{
	self->fd = open_bound(own_name(), 0);
	self->other = open_bound(own_name(), 0);
	ASSERT_GE(self->other, 0);
}

FIXTURE_TEARDOWN(idle)
{
	close(self->fd);
	close(self->other);
}

/* A child that leaves its lease idle, and does nothing more. */
static pid_t idler(unsigned int mode, unsigned int linger_ms, bool stopped)
{
	pid_t pid = child();
	int fd;

	if (!pid) {
		fd = open_bound(own_name(), 0);
		if (acquire(fd, mode, FOREVER) || leave(fd, linger_ms))
			_exit(1);
		if (stopped)
			raise(SIGSTOP);
		stop_here();
	}
	return pid;
}

static bool no_events(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return !poll(&pfd, 1, 0);
}

TEST_F(idle, r1_is_kept_while_nobody_wants_it)
{
	struct tokmux_acquire first, again;

	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &first));
	ASSERT_EQ(0, leave(self->fd, 0));
	EXPECT_EQ(1, info(self->other).holders);
	EXPECT_EQ(1, info(self->other).idle);
	EXPECT_TRUE(info(self->fd).flags & TOKMUX_INFO_HOLDING);
	EXPECT_TRUE(info(self->fd).flags & TOKMUX_INFO_IDLE);
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &again));
	EXPECT_EQ(first.epoch, again.epoch);
	EXPECT_EQ(0, again.granted);
	EXPECT_EQ(0, info(self->other).idle);
	EXPECT_EQ(-EALREADY, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	/* it is in use again, so nobody gets it */
	EXPECT_EQ(-EAGAIN, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(0, release(self->fd));
}

TEST_F(idle, r1_ends_at_once_without_linger)
{
	struct tokmux_acquire told;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, leave(self->fd, 0));
	ASSERT_EQ(0, acquire_told(self->other, TOKMUX_SHARED, 0, &told));
	EXPECT_EQ(0, told.granted);
	EXPECT_EQ(0, release(self->other));

	/* also if the other one waits before */
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	pid_t pid = child();

	if (!pid)
		_exit(acquire(open_bound(own_name(), 0), TOKMUX_EXCLUSIVE, SOON));
	ASSERT_TRUE(EVENTUALLY(info(self->fd).waiters == 1));
	ASSERT_EQ(0, leave(self->fd, 0));
	EXPECT_EQ(0, reap(pid));
}

/* A stopped holder is of no use, and is not needed. */
TEST_F(idle, r4_lingers_and_ends_by_itself)
{
	pid_t pid = idler(TOKMUX_EXCLUSIVE, LINGER, true);
	struct tokmux_acquire told;
	int64_t start = now_ms();
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(-EAGAIN, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, SOON, &told));
	EXPECT_GE(now_ms() - start, LINGER - 10);
	EXPECT_LT(now_ms() - start, SOON / 2);
	EXPECT_EQ(0, told.granted & TOKMUX_GRANT_UNCLEAN);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_EQ(0, info(self->fd).flags & TOKMUX_INFO_UNCLEAN);
}

/* A holder that is there can put the device in order, and give its lease back. */
TEST_F(idle, r4_is_told_that_others_wait)
{
	struct tokmux_event event;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, leave(self->fd, LINGER));
	EXPECT_TRUE(no_events(self->fd));
	ASSERT_EQ(0, acquire(self->other, TOKMUX_EXCLUSIVE, SOON));
	EXPECT_EQ(TOKMUX_EVENT_WANTED, next_event(self->fd, &event));
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, next_event(self->fd, &event));
	EXPECT_TRUE(no_events(self->fd));
}

TEST_F(idle, r4_loser_is_told)
{
	struct tokmux_acquire first, again;
	struct tokmux_event event;

	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &first));
	ASSERT_EQ(0, leave(self->fd, 0));
	ASSERT_EQ(0, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, next_event(self->fd, &event));
	EXPECT_EQ(1, event.arg);
	EXPECT_EQ(0, info(self->fd).flags & TOKMUX_INFO_HOLDING);
	/* as if it had given it back */
	EXPECT_EQ(-ENOLCK, release(self->fd));
	ASSERT_EQ(0, release(self->other));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &again));
	EXPECT_EQ(0, again.granted);
	EXPECT_NE(first.epoch, again.epoch);
}

/* The idle lease of one that dies, is thrown out or ejected leaves the token clean. */
TEST_F(idle, r2_death_is_clean)
{
	pid_t pid = idler(TOKMUX_EXCLUSIVE, 0, false);
	struct tokmux_acquire told;
	struct tokmux_eject ejected;

	ASSERT_TRUE(EVENTUALLY(info(self->fd).idle == 1));
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_EQ(0, info(self->fd).holders);
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	ASSERT_EQ(0, leave(self->fd, 0));
	ASSERT_EQ(0, eject(self->other, &ejected));
	EXPECT_EQ(1, ejected.leases);
	EXPECT_EQ(0, info(self->fd).holders);
	EXPECT_EQ(0, info(self->fd).flags & TOKMUX_INFO_UNCLEAN);
}

/* A lease that is used again after it was idle is a lease like any other. */
TEST_F(idle, r2_death_after_that_is_not)
{
	pid_t pid = child();

	if (!pid) {
		int fd = open_bound(own_name(), 0);

		if (acquire(fd, TOKMUX_EXCLUSIVE, 0) || leave(fd, 0) ||
		    acquire(fd, TOKMUX_EXCLUSIVE, 0))
			_exit(1);
		raise(SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_TRUE(info(self->fd).flags & TOKMUX_INFO_UNCLEAN);
}

/* Each use is followed by a linger, and yet the one that waits has its turn. */
TEST_F_TIMEOUT(idle, r4_lingers_do_not_add_up, 60)
{
	pid_t pid = child();
	int64_t start;
	int ret;

	if (!pid) {
		int fd = open_bound(own_name(), 0);

		start = now_ms();
		if (acquire(fd, TOKMUX_EXCLUSIVE, SOON))
			_exit(1);
		_exit(now_ms() - start > TOKMUX_MAX_LINGER_MS + 2000 ? 2 : 0);
	}
	do {
		ret = acquire(self->fd, TOKMUX_EXCLUSIVE, SOON) ?:
		      leave(self->fd, TOKMUX_MAX_LINGER_MS);
		usleep(1000);
	} while (!ret && waitpid(pid, &ret, WNOHANG) != pid);
	EXPECT_EQ(0, ret);
}

TEST_F(idle, r7_values)
{
	struct tokmux_release odd = { .flags = TOKMUX_RELEASE_IDLE << 1 };
	struct tokmux_release late = { .linger_ms = 1 };

	EXPECT_EQ(-ENOLCK, leave(self->fd, 0));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-EINVAL, leave(self->fd, TOKMUX_MAX_LINGER_MS + 1));
	EXPECT_EQ(-EINVAL, verb(self->fd, TOKMUX_RELEASE, &odd));
	EXPECT_EQ(-EINVAL, verb(self->fd, TOKMUX_RELEASE, &late));
	EXPECT_EQ(0, leave(self->fd, TOKMUX_MAX_LINGER_MS));
	/* what needs a lease needs one that is in use */
	EXPECT_EQ(-ENOLCK, mark_clean(self->fd));
	EXPECT_EQ(0, release(self->fd));
	EXPECT_EQ(0, info(self->fd).holders);
}

TEST_F(idle, r1_other_mode_is_a_new_request)
{
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, acquire(self->other, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, leave(self->fd, TOKMUX_MAX_LINGER_MS));
	EXPECT_EQ(-EAGAIN, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(1, info(self->fd).holders);
	ASSERT_EQ(0, leave(self->other, 0));
	EXPECT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
}

/* Only a lease that is in the way ends. */
TEST_F(idle, r1_sharers_stay)
{
	int third = open_bound(own_name(), 0);

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, acquire(self->other, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, leave(self->fd, 0));
	ASSERT_EQ(0, leave(self->other, 0));
	ASSERT_EQ(0, acquire(third, TOKMUX_SHARED, 0));
	EXPECT_EQ(3, info(third).holders);
	EXPECT_EQ(2, info(third).idle);
	ASSERT_EQ(0, release(third));
	ASSERT_EQ(0, acquire(third, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(1, info(third).holders);
	close(third);
}

/* The files of one party are no others to each other. */
TEST_F(idle, r1_own_party_is_not_in_the_way)
{
	int a = open_bound(own_name(), TOKMUX_BIND_GROUP);
	int b = open_bound(own_name(), TOKMUX_BIND_GROUP);

	ASSERT_EQ(0, acquire(a, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, leave(a, 0));
	ASSERT_EQ(0, acquire(b, TOKMUX_EXCLUSIVE, 0));
	EXPECT_TRUE(info(a).flags & TOKMUX_INFO_HOLDING);
	EXPECT_TRUE(no_events(a));
	EXPECT_EQ(0, release(b));
	EXPECT_EQ(1, info(a).holders);
	EXPECT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_FALSE(info(a).flags & TOKMUX_INFO_HOLDING);
	close(a);
	close(b);
}

/* A try does not wait for the linger, but it is told when that is over. */
TEST_F(idle, r1_free_is_told)
{
	struct tokmux_event event;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, leave(self->fd, LINGER));
	ASSERT_EQ(-EAGAIN, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(TOKMUX_EVENT_FREE, next_event(self->other, &event));
	EXPECT_EQ(0, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-EAGAIN, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	/* also if the lease becomes idle only after the try */
	EXPECT_EQ(0, leave(self->other, LINGER));
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, next_event(self->fd, &event));
	EXPECT_EQ(TOKMUX_EVENT_FREE, next_event(self->fd, &event));
}

/* The hold limit goes on while the lease is idle, and does not make it unclean. */
TEST_F(idle, r4_hold_limit_is_clean)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER,
				     .hold_limit_ms = LINGER / 2 };
	struct tokmux_acquire told;
	char name[TOKMUX_NAME_SIZE];
	int a, b;

	snprintf(name, sizeof(name), "%.59s-lim", own_name());
	ASSERT_EQ(0, create(name, &arg));
	a = open_bound(name, 0);
	b = open_bound(name, 0);
	ASSERT_EQ(0, acquire(a, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, leave(a, TOKMUX_MAX_LINGER_MS));
	ASSERT_EQ(0, acquire_told(b, TOKMUX_EXCLUSIVE, SOON, &told));
	EXPECT_EQ(0, told.granted);
	close(a);
	close(b);
	close(arg.fd);
}

/* ---- TOKMUX_CANCEL ---- */

static void *wait_for_it(void *arg)
{
	return (void *)(long)acquire(*(int *)arg, TOKMUX_EXCLUSIVE, FOREVER);
}

TEST_F(idle, r1_wait_is_cancelled)
{
	int third = open_bound(own_name(), 0);
	pthread_t thread;
	void *ret;
	pid_t pid;

	EXPECT_EQ(0, cancel(self->other));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_it, &self->other));
	ASSERT_TRUE(EVENTUALLY(info(self->fd).waiters == 1));
	/* it is behind that one, and not behind the sharer */
	pid = child();
	if (!pid)
		_exit(acquire(open_bound(own_name(), 0), TOKMUX_SHARED, SOON));
	ASSERT_TRUE(EVENTUALLY(info(self->fd).waiters == 2));
	EXPECT_EQ(0, cancel(third));
	EXPECT_EQ(2, info(self->fd).waiters);
	/* another process has nothing to cancel */
	pid_t stranger = child();

	if (!stranger)
		_exit(cancel(self->other) == -EPERM ? 0 : 1);
	EXPECT_EQ(0, reap(stranger));
	EXPECT_EQ(1, cancel(self->other));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(-ECANCELED, (long)ret);
	EXPECT_EQ(0, reap(pid));
	/* the next wait is a new one */
	EXPECT_EQ(-EAGAIN, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	close(third);
}

TEST_HARNESS_MAIN
