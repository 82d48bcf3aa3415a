// SPDX-License-Identifier: GPL-2.0-only
/*
 * R2: when an owner's thread group dies, its lease, sessions, logins and queue
 * place are gone, also when a forked child still holds a copy of the fd. The
 * next grant carries unclean if it had an exclusive lease or a login.
 */
#include <pthread.h>
#include <sched.h>
#include "token.h"
#include "kselftest_harness.h"

FIXTURE(r2)
{
	int fd;		/* who comes next */
	int watch;
};

FIXTURE_SETUP(r2)
{
	begin_group();
	own_name();
	self->fd = open_bound(own_name(), 0);
	ASSERT_GE(self->fd, 0);
	self->watch = open_token(own_name());
	ASSERT_GE(self->watch, 0);
}

FIXTURE_TEARDOWN(r2)
{
	end_group();
	close(self->fd);
	close(self->watch);
}

/* What the owner has when it goes. */
#define HAS_LEASE	1
#define HAS_LOGIN	2

static int owner(int has)
{
	int fd = open_bound(own_name(), 0);

	if (fd < 0)
		_exit(100);
	if (has & HAS_LEASE && acquire(fd, TOKMUX_EXCLUSIVE, FOREVER))
		_exit(101);
	if (has & HAS_LOGIN && (session_open(fd, 0) <= 0 || login(fd, TOKMUX_USER)))
		_exit(102);
	return fd;
}

/* The next one is granted, and told. */
static int next_is_granted(int fd, bool unclean)
{
	struct tokmux_acquire told;
	int ret = acquire_told(fd, TOKMUX_EXCLUSIVE, SOON, &told);

	if (ret)
		return ret;
	if (!!(told.granted & TOKMUX_GRANT_UNCLEAN) != unclean)
		return 1;
	return 0;
}

#define EXPECT_ALL_GONE() do {						\
	struct tokmux_info i_ = info(self->watch);			\
									\
	EXPECT_EQ(0, i_.holders);					\
	EXPECT_EQ(0, i_.waiters);					\
	EXPECT_EQ(0, i_.sessions);					\
	EXPECT_EQ(0, i_.users);						\
} while (0)

/* Once it is reaped nothing is left: asked without waiting. */
#define EXPECT_GONE_AND_UNCLEAN(had) do {				\
	struct tokmux_acquire told_;					\
									\
	EXPECT_ALL_GONE();						\
	EXPECT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &told_)); \
	EXPECT_EQ(TOKMUX_GRANT_UNCLEAN |				\
		  ((had) & HAS_LOGIN ? TOKMUX_GRANT_LOGIN : 0),		\
		  told_.granted);					\
} while (0)

TEST_F(r2, exit_before_reaped)
{
	pid_t pid = child();

	if (!pid) {
		owner(HAS_LEASE | HAS_LOGIN);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_GONE_AND_UNCLEAN(HAS_LEASE | HAS_LOGIN);
}

TEST_F(r2, kill_before_reaped)
{
	pid_t pid = holder(own_name(), TOKMUX_EXCLUSIVE, 0);

	ASSERT_GT(pid, 0);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_GONE_AND_UNCLEAN(HAS_LEASE);
}

TEST_F(r2, login_alone_leaves_unclean)
{
	pid_t pid = child();

	if (!pid) {
		owner(HAS_LOGIN);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_GONE_AND_UNCLEAN(HAS_LOGIN);
}

TEST_F(r2, shared_lease_and_sessions_leave_clean)
{
	pid_t pid = child();

	if (!pid) {
		int fd = owner(0);

		if (acquire(fd, TOKMUX_SHARED, 0) || session_open(fd, 0) <= 0)
			_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_ALL_GONE();
	EXPECT_EQ(0, next_is_granted(self->fd, false));
}

TEST_F(r2, unclean_until_marked)
{
	pid_t pid = holder(own_name(), TOKMUX_EXCLUSIVE, 0);

	ASSERT_GT(pid, 0);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_EQ(-ENOLCK, mark_clean(self->fd));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	EXPECT_EQ(-ENOLCK, mark_clean(self->fd));
	ASSERT_EQ(0, release(self->fd));
	EXPECT_EQ(0, next_is_granted(self->fd, true));
	ASSERT_EQ(0, release(self->fd));
	EXPECT_EQ(0, next_is_granted(self->fd, true));
	ASSERT_EQ(0, mark_clean(self->fd));
	ASSERT_EQ(0, release(self->fd));
	EXPECT_EQ(0, next_is_granted(self->fd, false));
}

/* An owner with a forked child, which has a copy of all its files. */
static pid_t owner_with_heir(int has, pid_t *heir, int sock[2])
{
	pid_t pid;

	pid = child();
	if (!pid) {
		owner(has);
		pid = fork();
		if (!pid)
			stop_here();
		if (write(sock[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(103);
		stop_here();
	}
	if (read(sock[0], heir, sizeof(*heir)) != sizeof(*heir))
		return -1;
	return pid;
}

TEST_F(r2, killed_while_a_forked_child_holds_a_copy)
{
	pid_t pid, heir;
	int sock[2];

	ASSERT_EQ(0, pipe(sock));
	pid = owner_with_heir(HAS_LEASE | HAS_LOGIN, &heir, sock);
	ASSERT_GT(pid, 0);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_GONE_AND_UNCLEAN(HAS_LEASE | HAS_LOGIN);
	EXPECT_EQ(0, kill(heir, 0));	/* it lives */
	kill(heir, SIGKILL);
}

TEST_F(r2, waiter_goes_on_when_the_holder_is_killed)
{
	pid_t pid, heir, next;
	int sock[2];

	ASSERT_EQ(0, pipe(sock));
	pid = owner_with_heir(HAS_LEASE, &heir, sock);
	ASSERT_GT(pid, 0);
	next = child();
	if (!next) {
		int fd = open_bound(own_name(), 0);

		_exit(next_is_granted(fd, true) ? 1 : 0);
	}
	ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 1));
	kill(pid, SIGKILL);
	EXPECT_EQ(0, reap(next));
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	kill(heir, SIGKILL);
}

TEST_F(r2, exec_with_close_on_exec_while_a_child_holds_a_copy)
{
	int sock[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(sock));
	pid = child();
	if (!pid) {
		owner(HAS_LEASE | HAS_LOGIN);
		if (!fork())
			stop_here();
		/* says when it is over, and lives on */
		dup2(sock[1], 1);
		execl("/bin/sh", "sh", "-c", "echo; exec sleep 1000", NULL);
		_exit(104);
	}
	ASSERT_EQ(1, read(sock[0], &(char){ 0 }, 1));
	EXPECT_GONE_AND_UNCLEAN(HAS_LEASE | HAS_LOGIN);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
}

TEST_F(r2, exec_without_close_on_exec_keeps_all)
{
	int sock[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(sock));
	pid = child();
	if (!pid) {
		int fd = owner(HAS_LEASE);

		fcntl(fd, F_SETFD, 0);
		dup2(sock[1], 1);
		execl("/bin/sh", "sh", "-c", "echo; exec sleep 1000", NULL);
		_exit(104);
	}
	ASSERT_EQ(1, read(sock[0], &(char){ 0 }, 1));
	EXPECT_EQ(pid, info(self->watch).holder_pid);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_GONE_AND_UNCLEAN(HAS_LEASE);
}

/* What the owner closes is closed, whoever has copies; a dup() is not closed. */
TEST_F(r2, close_of_the_last_descriptor)
{
	int fd = owner(HAS_LEASE), copy = dup(fd);
	pid_t heir = child();

	if (!heir)
		stop_here();
	close(fd);
	EXPECT_EQ(1, info(self->watch).holders);
	close(copy);
	EXPECT_ALL_GONE();
	kill(heir, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(heir));
}

/* It doesn't come back to life when a copy of it comes back. */
TEST_F(r2, closed_file_that_comes_back)
{
	int fd = owner(HAS_LEASE), sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_EQ(0, send_fd(sock[0], fd));
	close(fd);
	EXPECT_ALL_GONE();
	fd = receive_fd(sock[1]);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-ESHUTDOWN, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-ESHUTDOWN, bind_token(fd, 0));
	EXPECT_EQ(-ESHUTDOWN, session_open(fd, 0));
	close(fd);
	EXPECT_EQ(0, next_is_granted(self->fd, true));
}

/* No descriptor is closed: another process shares the table. wait_pidfd tells. */
static int stop_here_thread(UNUSED void *arg)
{
	stop_here();
	return 0;
}

TEST_F(r2, killed_while_another_process_shares_the_table)
{
	int *heir = shared_memory(sizeof(int));
	static char stack[65536];
	pid_t pid;

	pid = child();
	if (!pid) {
		owner(HAS_LEASE | HAS_LOGIN);
		*heir = clone(stop_here_thread, stack + sizeof(stack),
			      CLONE_FILES | SIGCHLD, NULL);
		stop_here();
	}
	ASSERT_TRUE(EVENTUALLY(*(volatile int *)heir > 0));
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_EQ(0, next_is_granted(self->fd, true));
	ASSERT_EQ(0, release(self->fd));
	EXPECT_ALL_GONE();
	kill(*heir, SIGKILL);
}

/* A thread group lives while one of its threads does. */
static void *outlive(void *arg)
{
	volatile int *stage = arg;

	EVENTUALLY(*stage == 2);
	syscall(SYS_exit_group, 0);
	return NULL;
}

TEST_F(r2, leader_exits_first)
{
	volatile int *stage = shared_memory(sizeof(int));
	pid_t pid;

	pid = child();
	if (!pid) {
		pthread_t thread;

		owner(HAS_LEASE);
		pthread_create(&thread, NULL, outlive, (void *)stage);
		*stage = 1;
		syscall(SYS_exit, 0);
	}
	ASSERT_TRUE(EVENTUALLY(*stage == 1));
	EXPECT_EQ(-ETIMEDOUT, acquire(self->fd, TOKMUX_EXCLUSIVE, 100));
	*stage = 2;
	EXPECT_EQ(0, reap(pid));
	EXPECT_GONE_AND_UNCLEAN(HAS_LEASE);
}

/* A child that waits for the token, alone. */
static pid_t waiter(int watch)
{
	pid_t pid = child();

	if (!pid) {
		int fd = open_bound(own_name(), 0);

		acquire(fd, TOKMUX_EXCLUSIVE, FOREVER);
		_exit(0);
	}
	return EVENTUALLY(info(watch).waiters == 1) ? pid : -1;
}

TEST_F(r2, killed_waiter_leaves_the_queue)
{
	pid_t pid;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	pid = waiter(self->watch);
	ASSERT_GT(pid, 0);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_EQ(0, info(self->watch).waiters);
	ASSERT_EQ(0, release(self->fd));
	EXPECT_EQ(0, next_is_granted(self->fd, false));
}

static int schedule(int policy)
{
	struct sched_param param = {
		.sched_priority = sched_get_priority_min(policy),
	};

	return sched_setscheduler(0, policy, &param);
}

/* It could do nothing with it, and would leave it unclean for nothing. */
TEST_F(r2, killed_waiter_is_not_granted)
{
	cpu_set_t first;
	pid_t pid;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(first), &first));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	pid = waiter(self->watch);
	ASSERT_GT(pid, 0);
	/* Of the one CPU the waiter gets nothing, until it is shared again. */
	ASSERT_EQ(0, schedule(SCHED_FIFO));
	/* It has been killed, and has not got to know of it. */
	kill(pid, SIGKILL);
	EXPECT_EQ(0, release(self->fd));
	EXPECT_EQ(0, info(self->watch).holders);
	EXPECT_EQ(0, schedule(SCHED_OTHER));
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_EQ(0, next_is_granted(self->fd, false));
}

/* One thread waits, another closes the file under it. */
static void *wait_for_it(void *arg)
{
	return (void *)(long)acquire(*(int *)arg, TOKMUX_EXCLUSIVE, FOREVER);
}

TEST_F(r2, closed_under_a_waiting_thread)
{
	int fd = open_bound(own_name(), 0);
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_it, &fd));
	ASSERT_TRUE(EVENTUALLY(info(self->watch).waiters == 1));
	close(fd);
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(-ESHUTDOWN, (long)result);
	EXPECT_EQ(0, info(self->watch).waiters);
}

TEST_HARNESS_MAIN
