// SPDX-License-Identifier: GPL-2.0-only
/*
 * R1: no two exclusive holders, no exclusive and shared one; first come first
 * served; a wait has a timeout, can be non-blocking, is interruptible, and
 * leaves nothing behind.
 */
#include <pthread.h>
#include "device.h"
#include "kselftest_harness.h"

FIXTURE(r1)
{
	int a, b, c;
	int watch;	/* not bound: looks on */
};

FIXTURE_SETUP(r1)
{
	self->a = open_bound(own_name(), 0);
	self->b = open_bound(own_name(), 0);
	self->c = open_bound(own_name(), 0);
	self->watch = open_token(own_name());
	ASSERT_GE(self->a, 0);
	ASSERT_GE(self->b, 0);
	ASSERT_GE(self->c, 0);
	ASSERT_GE(self->watch, 0);
}

FIXTURE_TEARDOWN(r1)
{
	close(self->a);
	close(self->b);
	close(self->c);
	close(self->watch);
}

TEST_F(r1, exclusive_excludes)
{
	ASSERT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-EAGAIN, acquire(self->b, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-EAGAIN, acquire(self->b, TOKMUX_SHARED, 0));
	EXPECT_EQ(1, info(self->watch).holders);
	EXPECT_EQ(TOKMUX_INFO_EXCLUSIVE,
		  info(self->watch).flags & TOKMUX_INFO_EXCLUSIVE);
	EXPECT_EQ(getpid(), info(self->watch).holder_pid);
	ASSERT_EQ(0, release(self->a));
	EXPECT_EQ(0, info(self->watch).holders);
	EXPECT_EQ(0, acquire(self->b, TOKMUX_EXCLUSIVE, 0));
}

TEST_F(r1, shared_is_shared)
{
	ASSERT_EQ(0, acquire(self->a, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, acquire(self->b, TOKMUX_SHARED, 0));
	EXPECT_EQ(-EAGAIN, acquire(self->c, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(2, info(self->watch).holders);
	ASSERT_EQ(0, release(self->a));
	EXPECT_EQ(-EAGAIN, acquire(self->c, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, release(self->b));
	EXPECT_EQ(0, acquire(self->c, TOKMUX_EXCLUSIVE, 0));
}

TEST_F(r1, one_lease_a_caller)
{
	EXPECT_EQ(-ENOLCK, release(self->a));
	ASSERT_EQ(0, acquire(self->a, TOKMUX_SHARED, 0));
	EXPECT_EQ(-EALREADY, acquire(self->a, TOKMUX_SHARED, 0));
	EXPECT_EQ(-EALREADY, acquire(self->a, TOKMUX_EXCLUSIVE, FOREVER));
	ASSERT_EQ(0, release(self->a));
	EXPECT_EQ(-ENOLCK, release(self->a));
}

TEST_F(r1, timeout)
{
	int64_t start;

	ASSERT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));
	start = now_ms();
	EXPECT_EQ(-ETIMEDOUT, acquire(self->b, TOKMUX_EXCLUSIVE, 50));
	EXPECT_GE(now_ms() - start, 49);
	EXPECT_EQ(0, info(self->watch).waiters);
	ASSERT_EQ(0, release(self->a));
	EXPECT_EQ(0, acquire(self->b, TOKMUX_EXCLUSIVE, 50));
}

static pid_t waiter(int watch, unsigned int mode, int timeout_ms, int *result)
{
	unsigned int before = info(watch).waiters;
	pid_t pid = child();

	if (!pid) {
		int fd = open_bound(own_name(), 0);

		*result = acquire(fd, mode, timeout_ms);
		release(fd);
		_exit(0);
	}
	return EVENTUALLY(info(watch).waiters == before + 1) ? pid : -1;
}

TEST_F(r1, shared_does_not_overtake_waiting_exclusive)
{
	int *result = shared_memory(sizeof(int));
	pid_t pid;

	own_name();
	ASSERT_EQ(0, acquire(self->a, TOKMUX_SHARED, 0));
	pid = waiter(self->watch, TOKMUX_EXCLUSIVE, FOREVER, result);
	ASSERT_GT(pid, 0);
	EXPECT_EQ(-EAGAIN, acquire(self->b, TOKMUX_SHARED, 0));
	EXPECT_EQ(-ETIMEDOUT, acquire(self->b, TOKMUX_SHARED, 20));
	ASSERT_EQ(0, release(self->a));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, *result);
	EXPECT_EQ(0, acquire(self->b, TOKMUX_SHARED, SOON));
}

/* Who came behind a waiter that gave up must be looked at. */
TEST_F(r1, shared_goes_on_when_exclusive_gives_up)
{
	int *result = shared_memory(2 * sizeof(int));
	pid_t pids[2];

	own_name();
	ASSERT_EQ(0, acquire(self->a, TOKMUX_SHARED, 0));
	pids[0] = waiter(self->watch, TOKMUX_EXCLUSIVE, FOREVER, &result[0]);
	ASSERT_GT(pids[0], 0);
	pids[1] = waiter(self->watch, TOKMUX_SHARED, FOREVER, &result[1]);
	ASSERT_GT(pids[1], 0);
	result[1] = -1;
	kill(pids[0], SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pids[0]));
	EXPECT_EQ(0, reap(pids[1]));
	EXPECT_EQ(0, result[1]);
}

/* Also when it lives on: its time ran out. */
TEST_F(r1, shared_goes_on_when_exclusive_times_out)
{
	int *result = shared_memory(sizeof(int));
	pid_t late, pid;

	own_name();
	ASSERT_EQ(0, acquire(self->a, TOKMUX_SHARED, 0));
	late = child();
	if (!late) {
		/* long enough to be seen to wait, also on a busy machine */
		acquire(open_bound(own_name(), 0), TOKMUX_EXCLUSIVE, 2000);
		stop_here();
	}
	ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 1));
	*result = -1;
	pid = child();
	if (!pid) {
		*result = acquire(open_bound(own_name(), 0), TOKMUX_SHARED, FOREVER);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, *result);
	kill(late, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(late));
}

#define FIFO_PROCESSES 16

TEST_F(r1, first_come_first_served)
{
	struct {
		int next;
		int order[FIFO_PROCESSES];
	} *log = shared_memory(sizeof(*log));
	pid_t pids[FIFO_PROCESSES];
	int i;

	own_name();
	ASSERT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));
	for (i = 0; i < FIFO_PROCESSES; i++) {
		pids[i] = child();
		if (!pids[i]) {
			int fd = open_bound(own_name(), 0);

			if (acquire(fd, TOKMUX_EXCLUSIVE, FOREVER))
				_exit(1);
			log->order[log->next++] = i;
			_exit(release(fd) ? 2 : 0);
		}
		ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == i + 1U));
	}
	ASSERT_EQ(0, release(self->a));
	for (i = 0; i < FIFO_PROCESSES; i++)
		EXPECT_EQ(0, reap(pids[i]));
	for (i = 0; i < FIFO_PROCESSES; i++)
		EXPECT_EQ(i, log->order[i]);
}

static void nothing(UNUSED int sig)
{
}

TEST_F(r1, signal_interrupts_and_leaves_nothing)
{
	struct sigaction act = { .sa_handler = nothing };
	int *result = shared_memory(sizeof(int));
	pid_t pid;

	own_name();
	sigaction(SIGUSR1, &act, NULL);
	ASSERT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));

	/* with and without a timeout: no SA_RESTART */
	for (int timeout = FOREVER; timeout <= 3600000; timeout += 3600001) {
		*result = 1;
		pid = waiter(self->watch, TOKMUX_EXCLUSIVE, timeout, result);
		ASSERT_GT(pid, 0);
		kill(pid, SIGUSR1);
		EXPECT_EQ(0, reap(pid));
		EXPECT_EQ(-EINTR, *result);
		EXPECT_EQ(0, info(self->watch).waiters);
	}

	/* with SA_RESTART and no timeout it goes on waiting */
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	*result = 1;
	pid = waiter(self->watch, TOKMUX_EXCLUSIVE, FOREVER, result);
	ASSERT_GT(pid, 0);
	kill(pid, SIGUSR1);
	ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 1));
	ASSERT_EQ(0, release(self->a));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, *result);
}

/* Stopped, it is out of the queue; it asks anew when it goes on. */
TEST_F(r1, stopped_waiter_does_not_wait)
{
	int *result = shared_memory(sizeof(int));
	pid_t pid;

	own_name();
	ASSERT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));
	for (int timeout = FOREVER; timeout <= 3600000; timeout += 3600001) {
		*result = 1;
		pid = waiter(self->watch, TOKMUX_EXCLUSIVE, timeout, result);
		ASSERT_GT(pid, 0);
		kill(pid, SIGSTOP);
		ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 0));
		kill(pid, SIGCONT);
		ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 1));
		ASSERT_EQ(0, release(self->a));
		EXPECT_EQ(0, reap(pid));
		EXPECT_EQ(0, *result);
		ASSERT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));
	}
}

static void *try_exclusive(void *arg)
{
	return (void *)(long)acquire(*(int *)arg, TOKMUX_EXCLUSIVE, 0);
}

/* Files of one thread group, bound so, are one holder; in turn like others. */
TEST_F(r1, group_is_one_holder)
{
	int g = open_bound(own_name(), TOKMUX_BIND_GROUP);
	int h = open_bound(own_name(), TOKMUX_BIND_GROUP);
	struct tokmux_acquire told;
	int *result = shared_memory(sizeof(int));
	pthread_t thread;
	uint64_t epoch;
	void *tried;
	pid_t pid;

	ASSERT_GE(g, 0);
	ASSERT_GE(h, 0);
	ASSERT_EQ(0, acquire_told(g, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	epoch = told.epoch;
	ASSERT_EQ(0, acquire_told(h, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_JOINED, told.granted);
	EXPECT_EQ(epoch, told.epoch);
	EXPECT_EQ(1, info(self->watch).holders);
	EXPECT_EQ(-EAGAIN, acquire(self->a, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, release(g));
	EXPECT_EQ(-EAGAIN, acquire(self->a, TOKMUX_SHARED, 0));

	/* another thread does not overtake who waits; this one has it already */
	pid = waiter(self->watch, TOKMUX_EXCLUSIVE, FOREVER, result);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, try_exclusive, &g));
	ASSERT_EQ(0, pthread_join(thread, &tried));
	EXPECT_EQ(-EAGAIN, (long)tried);
	EXPECT_EQ(0, acquire(g, TOKMUX_EXCLUSIVE, FOREVER));
	ASSERT_EQ(0, release(g));
	ASSERT_EQ(0, release(h));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, *result);
	EXPECT_EQ(0, acquire(self->a, TOKMUX_SHARED, SOON));
	close(g);
	close(h);
}

TEST_F(r1, epoch_tells_of_other_holders)
{
	struct tokmux_acquire told;
	uint64_t epoch;

	ASSERT_EQ(0, acquire_told(self->a, TOKMUX_EXCLUSIVE, 0, &told));
	epoch = told.epoch;
	ASSERT_EQ(0, release(self->a));
	ASSERT_EQ(0, acquire_told(self->a, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(epoch, told.epoch);
	ASSERT_EQ(0, release(self->a));
	ASSERT_EQ(0, acquire_told(self->b, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_NE(epoch, told.epoch);
	ASSERT_EQ(0, release(self->b));
	epoch = told.epoch;
	ASSERT_EQ(0, acquire_told(self->a, TOKMUX_SHARED, 0, &told));
	EXPECT_NE(epoch, told.epoch);
	epoch = told.epoch;

	/* b may have touched it while it and a held it, and after a */
	ASSERT_EQ(0, acquire(self->b, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, release(self->a));
	ASSERT_EQ(0, acquire_told(self->a, TOKMUX_SHARED, 0, &told));
	EXPECT_NE(epoch, told.epoch);
}

/* Also to a file that joins what its thread group holds already. */
TEST_F(r1, epoch_tells_who_joins_of_others)
{
	int g = open_bound(own_name(), TOKMUX_BIND_GROUP);
	int h = open_bound(own_name(), TOKMUX_BIND_GROUP);
	struct tokmux_acquire told;
	uint64_t epoch;

	ASSERT_GE(h, 0);
	ASSERT_EQ(0, acquire(g, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, acquire(self->a, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, acquire_told(h, TOKMUX_SHARED, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_JOINED, told.granted);
	epoch = told.epoch;
	ASSERT_EQ(0, release(h));
	/* here a may have touched it */
	ASSERT_EQ(0, acquire_told(h, TOKMUX_SHARED, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_JOINED, told.granted);
	EXPECT_NE(epoch, told.epoch);
	/* once more, since it may have since; then it has gone */
	ASSERT_EQ(0, release(self->a));
	ASSERT_EQ(0, release(h));
	ASSERT_EQ(0, acquire(h, TOKMUX_SHARED, 0));
	ASSERT_EQ(0, release(h));
	ASSERT_EQ(0, acquire_told(h, TOKMUX_SHARED, 0, &told));
	epoch = told.epoch;
	ASSERT_EQ(0, release(h));
	ASSERT_EQ(0, acquire_told(h, TOKMUX_SHARED, 0, &told));
	EXPECT_EQ(epoch, told.epoch);
	close(g);
	close(h);
}

struct nested {
	int first;
	int second;
	int result;
};

static void *nest(void *arg)
{
	struct nested *nested = arg;

	nested->result = acquire(nested->first, TOKMUX_EXCLUSIVE, FOREVER) ?:
			 acquire(nested->second, TOKMUX_EXCLUSIVE, SOON);
	return NULL;
}

static void *ask_in_vain(void *arg)
{
	return (void *)(long)acquire(*(int *)arg, TOKMUX_EXCLUSIVE, FOREVER);
}

/*
 * Two threads ask through one file: who gets the lease does not wait for itself
 * through another one, whoever asked last.
 */
TEST_F(r1, who_nests_is_who_was_granted)
{
	int g = open_bound(own_name(), TOKMUX_BIND_GROUP);
	int h = open_bound(own_name(), TOKMUX_BIND_GROUP);
	struct nested nested = { .first = g, .second = h, .result = -1 };
	int *result = shared_memory(sizeof(int));
	pthread_t holds, asks;
	void *refused;
	pid_t pid;

	ASSERT_GE(h, 0);
	ASSERT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, pthread_create(&holds, NULL, nest, &nested));
	ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 1));
	ASSERT_EQ(0, pthread_create(&asks, NULL, ask_in_vain, &g));
	ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 2));
	pid = waiter(self->watch, TOKMUX_EXCLUSIVE, FOREVER, result);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(0, release(self->a));
	pthread_join(holds, NULL);
	EXPECT_EQ(0, nested.result);
	pthread_join(asks, &refused);
	EXPECT_EQ(-EALREADY, (long)refused);
	ASSERT_EQ(0, release(g));
	ASSERT_EQ(0, release(h));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, *result);
	close(g);
	close(h);
}

/* Many processes at once: never two inside, nobody's grant is lost. */
#define RACERS 8
#define ROUNDS 200

TEST_F(r1, race)
{
	struct {
		int exclusive;
		int shared;
		int broken;
		int grants;
	} *inside = shared_memory(sizeof(*inside));
	pid_t pids[RACERS];
	int i, j;

	own_name();
	for (i = 0; i < RACERS; i++) {
		pids[i] = child();
		if (pids[i])
			continue;

		int fd = open_bound(own_name(), i % 3 ? 0 : TOKMUX_BIND_GROUP);

		for (j = 0; j < ROUNDS; j++) {
			bool shared = (i + j) % 3 == 0;

			if (acquire(fd, shared ? TOKMUX_SHARED : TOKMUX_EXCLUSIVE,
				    FOREVER))
				_exit(1);
			if (shared) {
				__sync_fetch_and_add(&inside->shared, 1);
				if (__sync_fetch_and_add(&inside->exclusive, 0))
					__sync_fetch_and_add(&inside->broken, 1);
				__sync_fetch_and_sub(&inside->shared, 1);
			} else {
				if (__sync_fetch_and_add(&inside->exclusive, 1) ||
				    __sync_fetch_and_add(&inside->shared, 0))
					__sync_fetch_and_add(&inside->broken, 1);
				if (j % 16 == 0)
					sched_yield();
				__sync_fetch_and_sub(&inside->exclusive, 1);
			}
			__sync_fetch_and_add(&inside->grants, 1);
			if (release(fd))
				_exit(2);
		}
		_exit(0);
	}
	for (i = 0; i < RACERS; i++)
		EXPECT_EQ(0, reap(pids[i]));
	EXPECT_EQ(0, inside->broken);
	EXPECT_EQ(RACERS * ROUNDS, inside->grants);
	EXPECT_EQ(0, info(self->watch).holders);
	EXPECT_EQ(0, info(self->watch).waiters);
}

/*
 * What is behind a token may have lost power. The kernel's own test of suspend
 * freezes all processes and thaws them, with the notifiers of a real one.
 */
TEST(a_suspend_changes_the_epoch)
{
	struct tokmux_create system = {}, user = { .flags = TOKMUX_CREATE_USER };
	struct tokmux_acquire before, after;
	int index, fds[2], i;

	if (sysfs_write("/sys/power/pm_test", "freezer"))
		SKIP(return, "this kernel has no test of suspend");
	sysfs_write("/sys/module/suspend/parameters/pm_test_delay", "0");
	index = register_token(&system);
	ASSERT_GE(index, 0);
	fds[0] = open_index_bound(index, 0);
	ASSERT_EQ(0, create("asleep", &user));
	fds[1] = user.fd;
	ASSERT_EQ(0, bind_token(fds[1], 0));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, acquire_told(fds[i], TOKMUX_EXCLUSIVE, 0, &before));
		ASSERT_EQ(0, release(fds[i]));
		EXPECT_EQ(0, sysfs_write("/sys/power/state", "freeze"));
		ASSERT_EQ(0, acquire_told(fds[i], TOKMUX_EXCLUSIVE, 0, &after));
		EXPECT_NE(before.epoch, after.epoch);
		/* and not at each grant from then on */
		ASSERT_EQ(0, release(fds[i]));
		ASSERT_EQ(0, acquire_told(fds[i], TOKMUX_EXCLUSIVE, 0, &before));
		EXPECT_EQ(after.epoch, before.epoch);
		close(fds[i]);
	}
	EXPECT_EQ(0, unregister_token(index));
}

/* Who waits is frozen with all others, and waits on; a holder holds on. */
TEST_F(r1, a_suspend_ends_no_wait)
{
	int *result = shared_memory(sizeof(int));
	pid_t pid;

	if (sysfs_write("/sys/power/pm_test", "freezer"))
		SKIP(return, "this kernel has no test of suspend");
	sysfs_write("/sys/module/suspend/parameters/pm_test_delay", "0");
	own_name();
	ASSERT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));
	pid = waiter(self->watch, TOKMUX_EXCLUSIVE, 10 * SOON, result);
	ASSERT_GT(pid, 0);
	EXPECT_EQ(0, sysfs_write("/sys/power/state", "freeze"));
	EXPECT_TRUE(EVENTUALLY(info(self->watch).waiters == 1));
	EXPECT_EQ(1, info(self->watch).holders);
	ASSERT_EQ(0, release(self->a));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, *result);
}

/* Each of two groups would wait for the shared lease of the other for ever. */
TEST_F(r1, second_upgrade_is_refused)
{
	int upgrade[2], i;
	pid_t pid[2];
	char byte = 0;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, upgrade));
	for (i = 0; i < 2; i++) {
		pid[i] = child();
		if (!pid[i]) {
			int f = open_bound(own_name(), TOKMUX_BIND_GROUP);
			int g = open_bound(own_name(), TOKMUX_BIND_GROUP);

			if (acquire(f, TOKMUX_SHARED, 0) || write(upgrade[1], &byte, 1) != 1 ||
			    read(upgrade[1], &byte, 1) != 1)
				_exit(1);
			_exit(-acquire(g, TOKMUX_EXCLUSIVE, SOON));
		}
		/* one after the other: so the first waits before the second asks */
		ASSERT_EQ(1, read(upgrade[0], &byte, 1));
	}
	ASSERT_EQ(1, write(upgrade[0], &byte, 1));
	ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 1));
	ASSERT_EQ(1, write(upgrade[0], &byte, 1));
	/* the second gives up its shared lease as it ends, and the first goes on */
	EXPECT_EQ(EDEADLK, reap(pid[0]) + reap(pid[1]));
}

TEST_HARNESS_MAIN
