// SPDX-License-Identifier: GPL-2.0-only
/*
 * R1, R2, R3, R8: a parked lease is an idle one. Its holder leaves it and uses it
 * again by a word that it shares with the kernel, without a system call. Whatever
 * an ioctl would tell, the word makes the holder ask.
 */
#include <pthread.h>
#include "uhid.h"
#include "kselftest_harness.h"

#define PAGE	4096

static struct tokmux_park *map(int fd)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

static bool exchange(struct tokmux_park *park, uint32_t bits, uint32_t new)
{
	uint32_t word = __atomic_load_n(&park->word, __ATOMIC_RELAXED);

	return (word & TOKMUX_PARK_BITS) == bits &&
	       __atomic_compare_exchange_n(&park->word, &word,
					   (word & ~TOKMUX_PARK_BITS) | new, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* By the word; false if that is for the ioctls. */
static bool use(struct tokmux_park *park, unsigned int mode)
{
	if (!exchange(park, mode | TOKMUX_PARK_IDLE, mode))
		return false;
	__atomic_store_n(&park->thread, gettid(), __ATOMIC_RELAXED);
	return true;
}

static bool park(struct tokmux_park *park, unsigned int mode)
{
	return exchange(park, mode, mode | TOKMUX_PARK_IDLE);
}

FIXTURE(park)
{
	int fd;
	struct tokmux_park *park;
	int other;		/* has no word */
};

FIXTURE_SETUP(park)
{
	self->fd = open_bound(own_name(), 0);
	ASSERT_GE(self->fd, 0);
	self->park = map(self->fd);
	ASSERT_TRUE(self->park);
	self->other = open_bound(own_name(), 0);
	ASSERT_GE(self->other, 0);
}

FIXTURE_TEARDOWN(park)
{
	munmap(self->park, PAGE);
	close(self->fd);
	close(self->other);
}

/* A child that does what it is told by @steps, and then waits: a use, i idle by the word. */
static pid_t parker(unsigned int mode, const char *steps, int sig)
{
	pid_t pid = child();
	struct tokmux_park *word;
	int fd;

	if (pid)
		return pid;
	fd = open_bound(own_name(), 0);
	word = map(fd);
	if (!word || acquire(fd, mode, FOREVER))
		_exit(1);
	for (; *steps; steps++)
		if (*steps == 'i' ? !park(word, mode) : !use(word, mode))
			_exit(2);
	raise(sig);
	stop_here();
	return 0;
}

TEST_F(park, r1_by_the_word)
{
	struct tokmux_acquire told;
	int i;

	EXPECT_EQ(0, self->park->word);
	EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(told.epoch, self->park->epoch);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, info(self->other).idle);
		EXPECT_EQ(0, info(self->fd).flags & TOKMUX_INFO_IDLE);
		EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
		ASSERT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
		EXPECT_EQ(1, info(self->other).idle);
		EXPECT_TRUE(info(self->fd).flags & TOKMUX_INFO_IDLE);
		EXPECT_EQ(1, info(self->other).holders);
		EXPECT_FALSE(use(self->park, TOKMUX_SHARED));
		ASSERT_TRUE(use(self->park, TOKMUX_EXCLUSIVE));
	}
	EXPECT_EQ(1, info(self->other).grants);
	EXPECT_EQ(-EALREADY, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(0, release(self->fd));
	EXPECT_EQ(0, self->park->word & TOKMUX_PARK_MODE);
	EXPECT_EQ(0, info(self->other).holders);
}

TEST_F(park, r1_in_use_is_not_taken)
{
	pid_t pid;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
	ASSERT_TRUE(use(self->park, TOKMUX_EXCLUSIVE));
	pid = child();
	if (!pid)
		_exit(acquire(open_bound(own_name(), 0), TOKMUX_EXCLUSIVE, SOON));
	ASSERT_TRUE(EVENTUALLY(info(self->other).waiters == 1));
	/* it has to be given back by the ioctl, and nobody has it before */
	EXPECT_FALSE(park(self->park, TOKMUX_EXCLUSIVE));
	EXPECT_EQ(1, info(self->other).waiters);
	EXPECT_EQ(0, release(self->fd));
	EXPECT_EQ(0, reap(pid));
}

/* With and without a wait. */
TEST_F(park, r1_parked_is_taken_at_once)
{
	struct tokmux_event event;
	struct tokmux_acquire told;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
		ASSERT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
		ASSERT_EQ(0, acquire_told(self->other, TOKMUX_SHARED, i * SOON, &told));
		EXPECT_EQ(0, told.granted);
		EXPECT_EQ(0, self->park->word & TOKMUX_PARK_MODE);
		EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
		EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, next_event(self->fd, &event));
		EXPECT_EQ(1, event.arg);
		ASSERT_EQ(0, release(self->other));
	}
}

TEST_F(park, r1_sharers)
{
	int third = open_bound(own_name(), 0);
	struct tokmux_park *word = map(third);
	struct tokmux_acquire first, again;

	ASSERT_TRUE(word);
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_SHARED, 0, &first));
	ASSERT_TRUE(park(self->park, TOKMUX_SHARED));
	ASSERT_EQ(0, acquire(third, TOKMUX_SHARED, 0));
	/* it is told that it is not alone any more, and goes on */
	EXPECT_FALSE(use(self->park, TOKMUX_SHARED));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_SHARED, 0, &again));
	EXPECT_NE(first.epoch, again.epoch);
	ASSERT_TRUE(park(self->park, TOKMUX_SHARED));
	ASSERT_TRUE(park(word, TOKMUX_SHARED));
	ASSERT_TRUE(use(self->park, TOKMUX_SHARED));
	ASSERT_TRUE(use(word, TOKMUX_SHARED));
	ASSERT_TRUE(park(self->park, TOKMUX_SHARED));
	/* one of them uses it */
	EXPECT_EQ(-EAGAIN, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	EXPECT_FALSE(park(word, TOKMUX_SHARED));
	ASSERT_EQ(0, release(third));
	EXPECT_EQ(0, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(1, info(self->other).holders);
	munmap(word, PAGE);
	close(third);
}

/* A parked lease of a sharer does not overtake an exclusive request. */
TEST_F(park, r1_no_overtaking)
{
	pid_t pid, sharer = holder(own_name(), TOKMUX_SHARED, 0);

	ASSERT_GT(sharer, 0);
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	ASSERT_TRUE(park(self->park, TOKMUX_SHARED));
	pid = child();
	if (!pid)
		_exit(acquire(open_bound(own_name(), 0), TOKMUX_EXCLUSIVE, SOON));
	ASSERT_TRUE(EVENTUALLY(info(self->other).waiters == 1));
	EXPECT_FALSE(use(self->park, TOKMUX_SHARED));
	EXPECT_EQ(-EAGAIN, acquire(self->fd, TOKMUX_SHARED, 0));
	kill(sharer, SIGKILL);
	reap(sharer);
	EXPECT_EQ(0, reap(pid));
}

TEST_F(park, r1_other_mode_is_a_new_request)
{
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	ASSERT_TRUE(park(self->park, TOKMUX_SHARED));
	EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(TOKMUX_EXCLUSIVE, self->park->word & TOKMUX_PARK_BITS);
	EXPECT_EQ(-EAGAIN, acquire(self->other, TOKMUX_SHARED, 0));
}

/* Refused with timeout 0, it is told when the token is free, also by the word. */
TEST_F(park, r1_free_is_told)
{
	struct tokmux_event event;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(-EAGAIN, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	EXPECT_FALSE(park(self->park, TOKMUX_EXCLUSIVE));
	ASSERT_EQ(0, release(self->fd));
	EXPECT_EQ(TOKMUX_EVENT_FREE, next_event(self->other, &event));
	EXPECT_EQ(0, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
}

TEST_F(park, r4_stopped_parker)
{
	pid_t pid = parker(TOKMUX_EXCLUSIVE, "iai", SIGSTOP);
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(0, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_EQ(0, info(self->other).flags & TOKMUX_INFO_UNCLEAN);
}

TEST_F(park, r2_death)
{
	EXPECT_EQ(128 + SIGKILL, reap(parker(TOKMUX_EXCLUSIVE, "iai", SIGKILL)));
	EXPECT_EQ(0, info(self->other).holders);
	EXPECT_EQ(0, info(self->other).flags & TOKMUX_INFO_UNCLEAN);
	EXPECT_EQ(128 + SIGKILL, reap(parker(TOKMUX_EXCLUSIVE, "iaia", SIGKILL)));
	EXPECT_EQ(0, info(self->other).holders);
	EXPECT_TRUE(info(self->other).flags & TOKMUX_INFO_UNCLEAN);
}

/* ---- nothing is missed ---- */

static void end_badly(const char *name, bool after_logout)
{
	int fd = open_bound(name, 0);

	if (session_open(fd, 0) <= 0 || login(fd, TOKMUX_USER) ||
	    (after_logout && session_close_all(fd) < 0))
		_exit(1);
	raise(SIGKILL);
}

TEST_F(park, told_of_unclean_and_login)
{
	struct tokmux_acquire told;
	pid_t pid;
	int i;

	/* twice: after several logins one more is nothing new */
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
		pid = child();
		if (!pid)
			end_badly(own_name(), true);
		EXPECT_EQ(128 + SIGKILL, reap(pid));
		EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
		ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &told));
		EXPECT_EQ(TOKMUX_GRANT_LOGIN, told.granted);
	}

	ASSERT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
	pid = child();
	if (!pid)
		end_badly(own_name(), false);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_LOGIN | TOKMUX_GRANT_UNCLEAN, told.granted);

	/* which lasts, until the token is clean */
	ASSERT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
	ASSERT_TRUE(use(self->park, TOKMUX_EXCLUSIVE));
	EXPECT_EQ(told.granted, self->park->granted);
	ASSERT_EQ(0, mark_clean(self->fd));
	EXPECT_FALSE(park(self->park, TOKMUX_EXCLUSIVE));
	ASSERT_EQ(0, release(self->fd));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(0, self->park->granted);
}

TEST_F(park, told_of_events)
{
	struct tokmux_acquire told;
	struct tokmux_eject ejected;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	ASSERT_GT(session_open(self->fd, 0), 0);
	ASSERT_TRUE(park(self->park, TOKMUX_SHARED));
	ASSERT_EQ(0, eject(self->other, &ejected));
	EXPECT_EQ(1, ejected.leases);
	EXPECT_FALSE(use(self->park, TOKMUX_SHARED));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_SHARED, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_EVENTS, told.granted);
	EXPECT_EQ(0, info(self->fd).flags & TOKMUX_INFO_UNCLEAN);
}

TEST_F(park, told_of_suspend)
{
	struct tokmux_acquire before, after;

	if (sysfs_write("/sys/power/pm_test", "freezer"))
		SKIP(return, "this kernel has no test of suspend");
	sysfs_write("/sys/module/suspend/parameters/pm_test_delay", "0");
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &before));
	ASSERT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
	EXPECT_EQ(0, sysfs_write("/sys/power/state", "freeze"));
	EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &after));
	EXPECT_NE(before.epoch, after.epoch);
	EXPECT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
}

/* ---- whose word it is ---- */

TEST_F(park, r3_forked_child)
{
	pid_t pid;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_TRUE(park(self->park, TOKMUX_EXCLUSIVE));
	pid = child();
	if (!pid) {
		struct tokmux_park *word = self->park;

		if (word->word || use(word, TOKMUX_EXCLUSIVE))
			_exit(1);
		word->word = ~0;
		if (acquire(self->fd, TOKMUX_EXCLUSIVE, 0) != -EPERM)
			_exit(2);
		if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0) != MAP_FAILED)
			_exit(3);
		/* and its own children */
		pid = child();
		if (!pid)
			_exit(!!word->word);
		_exit(reap(pid));
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(use(self->park, TOKMUX_EXCLUSIVE));
}

TEST_F(park, r7_mappings)
{
	int prot = PROT_READ | PROT_WRITE, fd = open_token(own_name());

	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, prot, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, prot, MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
	/* what is mapped is a file in use: the caller ends with its last descriptor */
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	close(self->fd);
	EXPECT_EQ(0, info(self->other).holders);
	EXPECT_EQ(0, self->park->word & TOKMUX_PARK_MODE);
	EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
	self->fd = fd;
}

TEST(r7_not_with_a_device)
{
	struct tokmux_create arg;
	char node[64];
	int uhid, index, fd;

	if (!uhid_is_there())
		SKIP(return, "no uhid");
	uhid = uhid_plug(node, sizeof(node));
	ASSERT_GE(uhid, 0);
	index = register_hidraw(node, 0, &arg);
	ASSERT_GE(index, 0);
	fd = open_index(index);
	EXPECT_EQ(0, bind_token(fd, 0));
	EXPECT_FALSE(map(fd));
	EXPECT_EQ(EOPNOTSUPP, errno);
	close(fd);
	unregister_token(index);
	close(uhid);
}

/* Any value but the expected one counts as a lease in use. */
TEST_F(park, r8_garbage_and_lies)
{
	uint32_t words[4], i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
		words[i] = self->park->word;
		self->park->word = i == 0 ? ~0U : i == 1 ? 0 :
				   /* the last lease's, and the other mode's */
				   i == 2 ? words[1] | TOKMUX_PARK_IDLE :
				   (words[i] ^ TOKMUX_PARK_MODE) | TOKMUX_PARK_IDLE;
		EXPECT_EQ(-EAGAIN, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
		EXPECT_EQ(0, release(self->fd));
		EXPECT_EQ(0, self->park->word & TOKMUX_PARK_MODE);
	}
	/* one that says that it is idle while it is in use harms itself */
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	self->park->word |= TOKMUX_PARK_IDLE;
	EXPECT_EQ(0, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-ENOLCK, release(self->fd));
	/* one that says that it holds it does not */
	self->park->word = TOKMUX_EXCLUSIVE | TOKMUX_PARK_IDLE;
	EXPECT_TRUE(use(self->park, TOKMUX_EXCLUSIVE));
	EXPECT_EQ(0, info(self->fd).flags & TOKMUX_INFO_HOLDING);
	EXPECT_EQ(-EAGAIN, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
}

/* ---- idle by the ioctl: the word has nothing to say then ---- */

TEST_F(park, r1_idle_by_ioctl)
{
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, leave(self->fd, 200));
	EXPECT_FALSE(park(self->park, TOKMUX_EXCLUSIVE));
	EXPECT_FALSE(use(self->park, TOKMUX_EXCLUSIVE));
	EXPECT_EQ(-EAGAIN, acquire(self->other, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_TRUE(self->park->word & TOKMUX_PARK_LOOK);
	ASSERT_EQ(0, leave(self->fd, 200));
	EXPECT_EQ(0, acquire(self->other, TOKMUX_EXCLUSIVE, SOON));
}

/* ---- a thread never waits for itself ---- */

struct nested {
	int first, second;
	struct tokmux_park *park;
	int watch;
	bool used;
	long ret;
};

static void *take_by_ioctl(void *arg)
{
	struct nested *n = arg;

	n->used = !acquire(n->first, TOKMUX_SHARED, 0) && park(n->park, TOKMUX_SHARED);
	return NULL;
}

static void *use_and_nest(void *arg)
{
	struct nested *n = arg;

	n->used &= use(n->park, TOKMUX_SHARED);
	if (!EVENTUALLY(info(n->watch).waiters == 1))
		return NULL;
	n->ret = acquire(n->second, TOKMUX_SHARED, SOON);
	return NULL;
}

TEST_F(park, r1_nested_by_the_word)
{
	struct nested n = {
		.first = open_bound(own_name(), TOKMUX_BIND_GROUP),
		.second = open_bound(own_name(), TOKMUX_BIND_GROUP),
		.watch = self->other,
		.ret = -1,
	};
	pthread_t thread;
	pid_t pid;

	n.park = map(n.first);
	ASSERT_TRUE(n.park);
	pthread_create(&thread, NULL, take_by_ioctl, &n);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, use_and_nest, &n);
	ASSERT_TRUE(EVENTUALLY(!info(self->other).idle));
	pid = child();
	if (!pid)
		_exit(acquire(open_bound(own_name(), 0), TOKMUX_EXCLUSIVE, 2 * SOON));
	pthread_join(thread, NULL);
	EXPECT_TRUE(n.used);
	EXPECT_EQ(0, n.ret);
	EXPECT_EQ(0, release(n.first));
	EXPECT_EQ(0, release(n.second));
	EXPECT_EQ(0, reap(pid));
	munmap(n.park, PAGE);
	close(n.first);
	close(n.second);
}

TEST_HARNESS_MAIN
