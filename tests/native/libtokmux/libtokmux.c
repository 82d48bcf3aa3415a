// SPDX-License-Identifier: GPL-2.0-only
/*
 * libtokmux: every function, and each error that its header promises. What
 * needs the kernel module is skipped where there is none; the guest has it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <tokmux.h>
#include "kselftest_harness.h"

#define NEEDS_KERNEL() do {						\
	if (tokmux_present() != 1)					\
		SKIP(return, "the kernel module is not loaded");	\
} while (0)

TEST(without_the_module)
{
	struct tokmux_caller *caller = (void *)-1;
	int err = errno = ERANGE;

	if (tokmux_present())
		SKIP(return, "the kernel module is loaded");
	EXPECT_EQ(-ENODEV, tokmux_open_user("name", 0, 0, &caller));
	EXPECT_EQ(-ENODEV, tokmux_open("name", &caller));
	EXPECT_EQ(-ENODEV, tokmux_create_system("name", 0, 0, NULL));
	EXPECT_EQ(-ENODEV, tokmux_remove_system(0));
	EXPECT_EQ((void *)-1, caller);
	EXPECT_EQ(err, errno);
}

TEST(names_that_cannot_be)
{
	struct tokmux_caller *caller;
	char name[65] = "";

	EXPECT_EQ(-EINVAL, tokmux_open("", &caller));
	EXPECT_EQ(-EINVAL, tokmux_open_user("", 0, 0, &caller));
	memset(name, 'x', 64);
	EXPECT_EQ(-ENAMETOOLONG, tokmux_open(name, &caller));
	EXPECT_EQ(-ENAMETOOLONG, tokmux_open_user(name, 0, 0, &caller));
	EXPECT_EQ(-ENAMETOOLONG, tokmux_create_system(name, 0, 0, NULL));
	EXPECT_EQ(-ENOENT, tokmux_open("/no/such/device", &caller));
	EXPECT_EQ(-EINVAL, tokmux_open("/dev/null", &caller));
}

TEST(every_error_has_its_sentence)
{
	EXPECT_STREQ("no error", tokmux_strerror(0));
	EXPECT_STREQ("the lease was taken away", tokmux_strerror(-ESTALE));
	EXPECT_STREQ(strerrordesc_np(EXDEV), tokmux_strerror(-EXDEV));
	EXPECT_STREQ("an unknown error", tokmux_strerror(-99999));
}

TEST(close_null)
{
	tokmux_close(NULL);
}

FIXTURE(lib)
{
	struct tokmux_caller *a, *b;
	char name[TOKMUX_NAME_SIZE];
};

FIXTURE_SETUP(lib)
{
	self->a = NULL;
	self->b = NULL;
	snprintf(self->name, sizeof(self->name), "libtokmux-%d", getpid());
	if (tokmux_present() != 1)
		return;	/* each test says so */
	ASSERT_EQ(1, tokmux_open_user(self->name, 0, 2, &self->a));
	ASSERT_EQ(0, tokmux_open(self->name, &self->b));
	ASSERT_EQ(0, tokmux_bind(self->a, 0));
	ASSERT_EQ(0, tokmux_bind(self->b, 0));
}

FIXTURE_TEARDOWN(lib)
{
	tokmux_close(self->a);
	tokmux_close(self->b);
}

TEST_F(lib, open_and_bind)
{
	struct tokmux_caller *c;
	struct tokmux_state info;

	NEEDS_KERNEL();
	EXPECT_EQ(0, tokmux_open_user(self->name, 0, 0, &c));
	EXPECT_EQ(0, tokmux_info(c, &info, sizeof(info)));
	EXPECT_STREQ(self->name, info.name);
	EXPECT_EQ(TOKMUX_INFO_USER, info.flags);
	EXPECT_EQ(2, info.max_sessions);
	EXPECT_EQ(-ENOTCONN, tokmux_release(c));
	EXPECT_EQ(-EINVAL, tokmux_bind(c, ~0U));
	EXPECT_EQ(0, tokmux_bind(c, TOKMUX_BIND_GROUP));
	EXPECT_EQ(-EISCONN, tokmux_bind(c, TOKMUX_BIND_GROUP));
	EXPECT_GE(tokmux_fd(c), 0);
	tokmux_close(c);
	EXPECT_EQ(-EINVAL, tokmux_open("a name", &c));
	EXPECT_EQ(-ENOENT, tokmux_open("no-such-token", &c));
}

TEST_F(lib, lease)
{
	struct tokmux_grant grant = { .reserved = 1 };

	NEEDS_KERNEL();
	EXPECT_EQ(-EINVAL, tokmux_acquire(self->a, 7, 0, NULL));
	EXPECT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, -1, &grant));
	EXPECT_EQ(1, grant.epoch);
	EXPECT_EQ(0, grant.flags);
	EXPECT_EQ(0, grant.reserved);
	EXPECT_EQ(-EALREADY, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, -1, NULL));
	grant.epoch = 77;
	EXPECT_EQ(-EAGAIN, tokmux_acquire(self->b, TOKMUX_SHARED, 0, &grant));
	EXPECT_EQ(-ETIMEDOUT, tokmux_acquire(self->b, TOKMUX_SHARED, 10, &grant));
	EXPECT_EQ(77, grant.epoch);
	EXPECT_EQ(-ENOLCK, tokmux_mark_clean(self->b));
	EXPECT_EQ(0, tokmux_mark_clean(self->a));
	EXPECT_EQ(0, tokmux_release(self->a));
	EXPECT_EQ(-ENOLCK, tokmux_release(self->a));
	EXPECT_EQ(0, tokmux_acquire(self->b, TOKMUX_SHARED, 0, &grant));
	EXPECT_EQ(2, grant.epoch);
}

TEST_F(lib, idle)
{
	struct tokmux_grant first, again;
	struct tokmux_state state;
	struct tokmux_event event;

	NEEDS_KERNEL();
	EXPECT_EQ(-ENOLCK, tokmux_idle(self->a, 0));
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, &first));
	EXPECT_EQ(-EINVAL, tokmux_idle(self->a, TOKMUX_MAX_LINGER_MS + 1));
	ASSERT_EQ(0, tokmux_idle(self->a, 50));
	ASSERT_EQ(0, tokmux_info(self->a, &state, sizeof(state)));
	EXPECT_EQ(1, state.idle);
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, &again));
	EXPECT_EQ(first.epoch, again.epoch);
	ASSERT_EQ(0, tokmux_idle(self->a, 50));
	EXPECT_EQ(-EAGAIN, tokmux_acquire(self->b, TOKMUX_EXCLUSIVE, 0, NULL));
	EXPECT_EQ(0, tokmux_acquire(self->b, TOKMUX_EXCLUSIVE, 20000, NULL));
	/* It lingered while B waited. */
	ASSERT_EQ(0, tokmux_read_event(self->a, 0, &event));
	EXPECT_EQ(TOKMUX_EVENT_WANTED, event.type);
	ASSERT_EQ(0, tokmux_read_event(self->a, 0, &event));
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, event.type);
	EXPECT_EQ(1, event.arg);
	EXPECT_EQ(0, tokmux_release(self->b));
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, &again));
	EXPECT_NE(first.epoch, again.epoch);
	EXPECT_EQ(0, again.flags);
}

/* Only what the kernel grants is counted as a grant. */
TEST_F(lib, park)
{
	struct tokmux_grant first, again;
	struct tokmux_state state;
	int i, status;
	pid_t pid;

	NEEDS_KERNEL();
	ASSERT_EQ(0, tokmux_park(self->a));
	EXPECT_EQ(0, tokmux_park(self->a));
	EXPECT_EQ(-EAGAIN, tokmux_reuse(self->a, TOKMUX_EXCLUSIVE, NULL));
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, &first));
	EXPECT_EQ(-EAGAIN, tokmux_reuse(self->a, TOKMUX_EXCLUSIVE, NULL));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, tokmux_release(self->a));
		EXPECT_EQ(-EAGAIN, tokmux_reuse(self->a, TOKMUX_SHARED, NULL));
		ASSERT_EQ(0, i % 2 ? tokmux_reuse(self->a, TOKMUX_EXCLUSIVE, &again) :
				     tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, &again));
		EXPECT_EQ(first.epoch, again.epoch);
	}
	ASSERT_EQ(0, tokmux_release(self->a));
	ASSERT_EQ(0, tokmux_info(self->a, &state, sizeof(state)));
	EXPECT_EQ(1, state.grants);
	EXPECT_TRUE(state.flags & TOKMUX_INFO_IDLE);
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	EXPECT_EQ(-EALREADY, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	/* that was an ioctl, and the next one is told */
	ASSERT_EQ(0, tokmux_release(self->a));
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	ASSERT_EQ(0, tokmux_release(self->a));
	/* in another process there is no lease, and nothing to use it by */
	pid = fork();
	if (!pid)
		_exit(tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL) != -EPERM ||
		      tokmux_release(self->a) != -EPERM);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	EXPECT_EQ(-EAGAIN, tokmux_acquire(self->b, TOKMUX_EXCLUSIVE, 0, NULL));
	ASSERT_EQ(0, tokmux_release(self->a));
	ASSERT_EQ(0, tokmux_acquire(self->b, TOKMUX_EXCLUSIVE, 0, NULL));
	EXPECT_EQ(-EAGAIN, tokmux_reuse(self->a, TOKMUX_EXCLUSIVE, NULL));
	EXPECT_EQ(-EAGAIN, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	ASSERT_EQ(0, tokmux_release(self->b));
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_SHARED, 0, &again));
	EXPECT_NE(first.epoch, again.epoch);
}

static void *wait_for_it(void *caller)
{
	return (void *)(long)tokmux_acquire(caller, TOKMUX_EXCLUSIVE, -1, NULL);
}

TEST_F(lib, cancel)
{
	struct tokmux_state state = {};
	pthread_t thread;
	void *ret;
	int i;

	NEEDS_KERNEL();
	EXPECT_EQ(0, tokmux_cancel(self->b));
	ASSERT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_it, self->b));
	for (i = 0; i < 20000 && !state.waiters; i++) {
		usleep(1000);
		ASSERT_EQ(0, tokmux_info(self->a, &state, sizeof(state)));
	}
	EXPECT_EQ(1, tokmux_cancel(self->b));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(-ECANCELED, (long)ret);
}

TEST_F(lib, sessions_and_logins)
{
	uint32_t one, two, three = 33;

	NEEDS_KERNEL();
	EXPECT_EQ(-ENOLINK, tokmux_login(self->a, TOKMUX_USER));
	EXPECT_EQ(0, tokmux_session_open(self->a, 0, &one));
	EXPECT_EQ(0, tokmux_session_open(self->b, 0, &two));
	EXPECT_EQ(-EAGAIN, tokmux_session_open(self->b, 0, &three));
	EXPECT_EQ(-ETIMEDOUT, tokmux_session_open(self->b, 10, &three));
	EXPECT_EQ(33, three);
	EXPECT_EQ(0, tokmux_login(self->a, TOKMUX_USER));
	EXPECT_EQ(-EBUSY, tokmux_login(self->b, TOKMUX_SO));
	EXPECT_EQ(1, tokmux_login(self->b, TOKMUX_USER));
	EXPECT_EQ(-EINVAL, tokmux_login(self->b, 0));
	EXPECT_EQ(TOKMUX_CLOSED_LOGIN, tokmux_logout(self->b));
	EXPECT_EQ(-ENOENT, tokmux_logout(self->b));
	EXPECT_EQ(-ENOENT, tokmux_session_close(self->b, one));
	EXPECT_EQ(0, tokmux_session_close_all(self->b));
	EXPECT_EQ(TOKMUX_CLOSED_LOGIN | TOKMUX_CLOSED_LAST_LOGIN,
		  tokmux_session_close(self->a, one));
}

TEST_F(lib, events_and_eject)
{
	struct tokmux_event event = { .type = 99 };
	struct tokmux_ejected counts;
	struct pollfd pfd;
	uint32_t id;

	NEEDS_KERNEL();
	EXPECT_EQ(-EAGAIN, tokmux_read_event(self->a, 0, &event));
	EXPECT_EQ(-ETIMEDOUT, tokmux_read_event(self->a, 10, &event));
	EXPECT_EQ(99, event.type);
	EXPECT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	EXPECT_EQ(0, tokmux_session_open(self->a, 0, &id));
	EXPECT_EQ(0, tokmux_eject(self->b, &counts));
	EXPECT_EQ(1, counts.leases);
	EXPECT_EQ(1, counts.sessions);
	EXPECT_EQ(0, tokmux_eject(self->b, NULL));
	pfd = (struct pollfd){ .fd = tokmux_fd(self->a), .events = POLLIN };
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(0, tokmux_read_event(self->a, -1, &event));
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, event.type);
	EXPECT_EQ(0, tokmux_read_event(self->a, 0, &event));
	EXPECT_EQ(TOKMUX_EVENT_SESSIONS_ENDED, event.type);
	EXPECT_EQ(-ESTALE, tokmux_release(self->a));
}

/* Left in good order, unlike by death. */
TEST_F(lib, close_leaves_clean)
{
	struct tokmux_grant grant;
	uint32_t id;

	NEEDS_KERNEL();
	EXPECT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	EXPECT_EQ(0, tokmux_session_open(self->a, 0, &id));
	EXPECT_EQ(0, tokmux_login(self->a, TOKMUX_USER));
	tokmux_close(self->a);
	self->a = NULL;
	EXPECT_EQ(0, tokmux_acquire(self->b, TOKMUX_EXCLUSIVE, 0, &grant));
	EXPECT_EQ(TOKMUX_GRANT_LOGIN, grant.flags);
}

TEST_F(lib, after_fork)
{
	struct tokmux_event event;
	int status;
	pid_t pid;

	NEEDS_KERNEL();
	EXPECT_EQ(0, tokmux_acquire(self->a, TOKMUX_EXCLUSIVE, 0, NULL));
	pid = fork();
	if (!pid) {
		bool refused = tokmux_release(self->a) == -EPERM &&
			tokmux_acquire(self->b, TOKMUX_SHARED, -1, NULL) == -EPERM &&
			tokmux_read_event(self->a, -1, &event) == -EPERM &&
			tokmux_read_event(self->a, 0, &event) == -EPERM;

		tokmux_close(self->a);
		_exit(!refused);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-EAGAIN, tokmux_acquire(self->b, TOKMUX_SHARED, 0, NULL));
	EXPECT_EQ(0, tokmux_release(self->a));
}

/* A daemon closes what it doesn't know, and opens files of its own instead. */
TEST_F(lib, a_descriptor_that_the_program_closed)
{
	struct tokmux_event event;
	char text[sizeof(event)] = "the program's own data", read_back[32];
	int fd, writes, ends[2];

	NEEDS_KERNEL();
	fd = tokmux_fd(self->a);
	close(fd);
	EXPECT_EQ(-EBADF, tokmux_release(self->a));
	EXPECT_EQ(-EBADF, tokmux_read_event(self->a, 0, &event));
	ASSERT_EQ(0, pipe(ends));
	writes = ends[1] == fd ? dup(fd) : ends[1];
	ASSERT_EQ(fd, dup2(ends[0], fd));
	ASSERT_EQ(sizeof(text), write(writes, text, sizeof(text)));
	EXPECT_EQ(-ENOTTY, tokmux_release(self->a));
	EXPECT_EQ(-EBADF, tokmux_read_event(self->a, 0, &event));
	tokmux_close(self->a);
	self->a = NULL;
	EXPECT_EQ(sizeof(text), read(fd, read_back, sizeof(read_back)));
	EXPECT_STREQ(text, read_back);
}

TEST_F(lib, a_descriptor_that_another_caller_has_now)
{
	struct tokmux_caller *c;
	int fd;

	NEEDS_KERNEL();
	fd = tokmux_fd(self->a);
	close(fd);
	ASSERT_EQ(0, tokmux_open(self->name, &c));
	ASSERT_EQ(fd, tokmux_fd(c));
	ASSERT_EQ(0, tokmux_bind(c, 0));
	tokmux_close(self->a);
	self->a = NULL;
	EXPECT_EQ(0, tokmux_acquire(c, TOKMUX_EXCLUSIVE, 0, NULL));
	tokmux_close(c);
}

TEST_F(lib, system_tokens)
{
	struct tokmux_caller *caller;
	struct tokmux_state info;
	unsigned int index;
	char device[32];

	NEEDS_KERNEL();
	EXPECT_EQ(0, tokmux_create_system("libtokmux-system", 1000, 5, &index));
	EXPECT_EQ(-EEXIST, tokmux_create_system("libtokmux-system", 0, 0, NULL));
	EXPECT_EQ(0, tokmux_open("libtokmux-system", &caller));
	EXPECT_EQ(0, tokmux_info(caller, &info, sizeof(info)));
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(index, info.index);
	EXPECT_EQ(1000, info.hold_limit_ms);
	EXPECT_EQ(5, info.max_sessions);
	tokmux_close(caller);
	snprintf(device, sizeof(device), "/dev/tokmux%u", index);
	EXPECT_EQ(0, tokmux_open(device, &caller));
	tokmux_close(caller);
	EXPECT_EQ(0, tokmux_open(device + strlen("/dev/"), &caller));
	EXPECT_EQ(0, tokmux_bind(caller, 0));
	EXPECT_EQ(0, tokmux_remove_system(index));
	EXPECT_EQ(-ENODEV, tokmux_acquire(caller, TOKMUX_SHARED, -1, NULL));
	EXPECT_EQ(-ENODEV, tokmux_info(caller, &info, sizeof(info)));
	tokmux_close(caller);
	EXPECT_EQ(-ENOENT, tokmux_remove_system(index));
	EXPECT_EQ(-ENOENT, tokmux_open("libtokmux-system", &caller));
}

TEST_HARNESS_MAIN
