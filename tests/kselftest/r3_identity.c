// SPDX-License-Identifier: GPL-2.0-only
/*
 * R3: a file used from another thread group than the one bound to it gets
 * -EPERM for everything but close, and cannot disturb the owner.
 */
#include <pthread.h>
#include "token.h"
#include "kselftest_harness.h"

FIXTURE(r3)
{
	int fd;		/* bound, holding, with a session, logged in */
	int session;
	int watch;
};

FIXTURE_SETUP(r3)
{
	self->fd = open_bound(own_name(), 0);
	ASSERT_GE(self->fd, 0);
	self->watch = open_token(own_name());
	ASSERT_GE(self->watch, 0);
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	self->session = session_open(self->fd, 0);
	ASSERT_GT(self->session, 0);
	ASSERT_EQ(0, login(self->fd, TOKMUX_USER));
}

FIXTURE_TEARDOWN(r3)
{
	close(self->fd);
	close(self->watch);
}

/* Everything that a stranger may try. Returns the number of what went through. */
static int try_everything(int fd, int session)
{
	struct tokmux_info look = {};
	struct tokmux_eject hit;
	struct tokmux_event event;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (bind_token(fd, 0) != -EPERM)
		return 1;
	if (verb(fd, TOKMUX_INFO, &look) != -EPERM)
		return 2;
	if (acquire(fd, TOKMUX_EXCLUSIVE, 0) != -EPERM)
		return 3;
	if (acquire(fd, TOKMUX_SHARED, FOREVER) != -EPERM)
		return 4;
	if (release(fd) != -EPERM)
		return 5;
	if (mark_clean(fd) != -EPERM)
		return 6;
	if (session_open(fd, 0) != -EPERM)
		return 7;
	if (session_close(fd, session) != -EPERM)
		return 8;
	if (session_close_all(fd) != -EPERM)
		return 9;
	if (login(fd, TOKMUX_USER) != -EPERM)
		return 10;
	if (logout(fd) != -EPERM)
		return 11;
	if (eject(fd, &hit) != -EPERM)
		return 12;
	if (read(fd, &event, sizeof(event)) != -1 || errno != EPERM)
		return 13;
	if (poll(&pfd, 1, 0) != 1 || !(pfd.revents & POLLERR))
		return 14;
	return 0;
}

#define EXPECT_UNDISTURBED() do {					\
	struct tokmux_info i_ = info(self->watch);			\
									\
	EXPECT_EQ(1, i_.holders);					\
	EXPECT_EQ(getpid(), i_.holder_pid);				\
	EXPECT_EQ(1, i_.sessions);					\
	EXPECT_EQ(1, i_.users);						\
	EXPECT_EQ(0, i_.flags & TOKMUX_INFO_UNCLEAN);			\
} while (0)

TEST_F(r3, forked_child_is_refused)
{
	pid_t pid = child();

	if (!pid)
		_exit(try_everything(self->fd, self->session));
	EXPECT_EQ(0, reap(pid));
	EXPECT_UNDISTURBED();
	EXPECT_EQ(0, release(self->fd));
}

TEST_F(r3, passed_over_a_socket_is_refused)
{
	int sock[2], fd;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = child();
	if (!pid) {
		close(self->fd);
		fd = receive_fd(sock[1]);
		_exit(fd < 0 ? 100 : try_everything(fd, self->session));
	}
	ASSERT_EQ(0, send_fd(sock[0], self->fd));
	EXPECT_EQ(0, reap(pid));
	EXPECT_UNDISTURBED();
	EXPECT_EQ(0, release(self->fd));
}

TEST_F(r3, closing_dying_and_executing_in_the_child_disturb_nobody)
{
	pid_t pid = child();

	if (!pid) {
		close(self->fd);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_UNDISTURBED();

	pid = child();
	if (!pid)
		stop_here();
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_UNDISTURBED();

	pid = child();
	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(100);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_UNDISTURBED();
	EXPECT_EQ(0, release(self->fd));
}

/* vfork(): the child shares our memory, not our identity. */
TEST_F(r3, vforked_child_is_refused)
{
	static int result;
	static int fd;
	pid_t pid;

	fd = self->fd;
	result = -1;
	pid = vfork();
	if (!pid) {
		result = release(fd);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(-EPERM, result);
	EXPECT_UNDISTURBED();
}

/* What it asks for is not looked at: it is told nothing else than that. */
static int try_nonsense(int fd)
{
	static const unsigned long verbs[] = {
		TOKMUX_BIND, TOKMUX_ACQUIRE, TOKMUX_RELEASE, TOKMUX_MARK_CLEAN,
		TOKMUX_SESSION_OPEN, TOKMUX_SESSION_CLOSE,
		TOKMUX_SESSION_CLOSE_ALL, TOKMUX_LOGIN, TOKMUX_LOGOUT,
		TOKMUX_EJECT, TOKMUX_LEASE_FD, TOKMUX_NOTE_GET, TOKMUX_NOTE_SET,
	};
	unsigned char arg[256];
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		memset(arg, 0xff, sizeof(arg));
		if (verb(fd, verbs[i], arg) != -EPERM)
			return i + 1;
	}
	return 0;
}

TEST_F(r3, nonsense_is_refused_as_a_strangers_first)
{
	pid_t pid = child();

	if (!pid)
		_exit(try_nonsense(self->fd));
	EXPECT_EQ(0, reap(pid));
	EXPECT_UNDISTURBED();
}

static void *release_it(void *arg)
{
	return (void *)(long)release(*(int *)arg);
}

TEST_F(r3, thread_is_the_owner)
{
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, release_it, &self->fd));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(0, (long)result);
	EXPECT_EQ(0, info(self->watch).holders);
}

/* Not bound yet: it may be passed to who is to use it, who then binds it. */
TEST_F(r3, unbound_file_can_be_handed_over)
{
	int fd = open_token(own_name());
	pid_t pid;

	ASSERT_GE(fd, 0);
	own_name();
	pid = child();
	if (!pid) {
		if (bind_token(fd, 0))
			_exit(1);
		_exit(session_open(fd, 0) > 0 ? 0 : 2);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(-EPERM, bind_token(fd, 0));
	EXPECT_EQ(-EPERM, session_open(fd, 0));
	close(fd);
	EXPECT_UNDISTURBED();
}

TEST_HARNESS_MAIN
