// SPDX-License-Identifier: GPL-2.0-only
/*
 * R8, what user space can see of it: privilege, other users' tokens, limits,
 * removal under users. (That no input harms the kernel is for the fuzzer and
 * the debug kernels.)
 */
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include "token.h"
#include "kselftest_harness.h"

#define OTHER_UID	65534

static int create_system(const char *name, unsigned int *index)
{
	struct tokmux_create arg = {};
	int ret = create(name, &arg);

	*index = arg.index;
	return ret;
}

static int remove_system(unsigned int index)
{
	struct tokmux_remove arg = { .index = index };

	return control_verb(TOKMUX_CTL_REMOVE, &arg);
}

static int open_system(unsigned int index)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/tokmux%u", index);
	/* devtmpfs makes the node before the ioctl returns */
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static long sysfs_value(unsigned int index, const char *attr)
{
	char path[128], line[128] = "-1";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/tokmux/tokmux%u/%s", index, attr);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (!fgets(line, sizeof(line), f))
		strcpy(line, "-1");
	fclose(f);
	return strtol(line, NULL, 10);
}

/* With its groups: udev may let root's group have what root's is. */
static int become_another_user(void)
{
	return setgroups(0, NULL) || setresgid(OTHER_UID, OTHER_UID, OTHER_UID) ||
	       setresuid(OTHER_UID, OTHER_UID, OTHER_UID);
}

TEST(another_user_finds_no_token_of_ours)
{
	int fd = open_bound(own_name(), 0);
	pid_t pid;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	pid = child();
	if (!pid) {
		struct tokmux_open arg = {};
		struct tokmux_create make = { .flags = TOKMUX_CREATE_USER };

		if (become_another_user())
			_exit(1);
		strcpy(arg.name, own_name());
		if (control_verb(TOKMUX_CTL_OPEN, &arg) != -ENOENT)
			_exit(2);
		/* the same name is another token, which nobody holds */
		if (create(own_name(), &make) || !make.created)
			_exit(3);
		if (bind_token(make.fd, 0) || acquire(make.fd, TOKMUX_EXCLUSIVE, 0))
			_exit(4);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	close(fd);
}

TEST(user_token_goes_with_its_last_file)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER | TOKMUX_CREATE_EXCL };
	int second;

	ASSERT_EQ(0, create(own_name(), &arg));
	EXPECT_EQ(1, arg.created);
	second = open_token(own_name());
	close(arg.fd);
	arg = (struct tokmux_create){ .flags = TOKMUX_CREATE_USER | TOKMUX_CREATE_EXCL };
	EXPECT_EQ(-EEXIST, create(own_name(), &arg));
	close(second);
	EXPECT_EQ(0, create(own_name(), &arg));
	close(arg.fd);
}

TEST(number_of_user_tokens)
{
	pid_t pid = child();

	if (!pid) {
		char name[TOKMUX_NAME_SIZE];
		int i, fd;

		if (become_another_user())
			_exit(1);
		for (i = 0; ; i++) {
			snprintf(name, sizeof(name), "limit-%d", i);
			fd = open_token(name);
			if (fd < 0)
				break;
		}
		_exit(fd == -EDQUOT && i == 64 ? 0 : 2);
	}
	EXPECT_EQ(0, reap(pid));
}

TEST(system_tokens_need_privilege)
{
	unsigned int index;
	pid_t pid;

	ASSERT_EQ(0, create_system(own_name(), &index));
	EXPECT_EQ(-EEXIST, create_system(own_name(), &(unsigned int){ 0 }));
	pid = child();
	if (!pid) {
		unsigned int other;

		if (become_another_user())
			_exit(1);
		if (create_system("mine", &other) != -EPERM)
			_exit(2);
		if (remove_system(index) != -EPERM)
			_exit(3);
		if (open_system(index) != -EACCES)
			_exit(4);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, remove_system(index));
	EXPECT_EQ(-ENOENT, remove_system(index));
}

TEST(eject_needs_the_owner)
{
	unsigned int index;
	pid_t pid;
	int fd;

	ASSERT_EQ(0, create_system(own_name(), &index));
	/* Opened for the child: the node's mode is udev's, at any moment. */
	fd = open_system(index);
	ASSERT_GE(fd, 0);
	pid = child();
	if (!pid) {
		struct tokmux_eject hit;

		if (become_another_user())
			_exit(1);
		if (bind_token(fd, 0))
			_exit(2);
		_exit(eject(fd, &hit) == -EPERM ? 0 : 3);
	}
	EXPECT_EQ(0, reap(pid));
	close(fd);
	EXPECT_EQ(0, remove_system(index));
}

TEST(sysfs_shows_what_is)
{
	unsigned int index;
	int fd;

	ASSERT_EQ(0, create_system(own_name(), &index));
	fd = open_system(index);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, bind_token(fd, 0));
	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_GT(session_open(fd, 0), 0);
	ASSERT_EQ(0, login(fd, TOKMUX_SO));
	EXPECT_EQ(getpid(), sysfs_value(index, "holder"));
	EXPECT_EQ(1, sysfs_value(index, "exclusive"));
	EXPECT_EQ(1, sysfs_value(index, "holders"));
	EXPECT_EQ(0, sysfs_value(index, "waiters"));
	EXPECT_EQ(1, sysfs_value(index, "sessions"));
	EXPECT_EQ(0, sysfs_value(index, "users"));
	EXPECT_EQ(1, sysfs_value(index, "sos"));
	EXPECT_EQ(1, sysfs_value(index, "epoch"));
	EXPECT_EQ(1, sysfs_value(index, "grants"));
	EXPECT_EQ(0, sysfs_value(index, "unclean"));
	close(fd);
	EXPECT_EQ(0, sysfs_value(index, "holder"));
	EXPECT_EQ(0, sysfs_value(index, "sessions"));
	EXPECT_EQ(1, sysfs_value(index, "unclean"));
	EXPECT_EQ(1, sysfs_value(index, "uncleans"));
	EXPECT_EQ(0, remove_system(index));
	EXPECT_EQ(-1, sysfs_value(index, "holder"));
}

/* Removed with users still on it: everybody is told, nobody is stuck. */
TEST(removal_under_users)
{
	struct tokmux_event event;
	struct pollfd pfd;
	unsigned int index;
	int fd, unbound;
	pid_t pid;

	ASSERT_EQ(0, create_system(own_name(), &index));
	fd = open_system(index);
	unbound = open_system(index);
	ASSERT_GE(fd, 0);
	ASSERT_GE(unbound, 0);
	ASSERT_EQ(0, bind_token(fd, 0));
	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_GT(session_open(fd, 0), 0);
	pid = child();
	if (!pid) {
		int other = open_system(index);

		if (bind_token(other, 0))
			_exit(1);
		_exit(acquire(other, TOKMUX_SHARED, FOREVER) == -ENODEV ? 0 : 2);
	}
	ASSERT_TRUE(EVENTUALLY(sysfs_value(index, "waiters") == 1));
	EXPECT_EQ(getpid(), sysfs_value(index, "holder_pids"));
	EXPECT_EQ(pid, sysfs_value(index, "waiter_pids"));
	EXPECT_EQ(0, remove_system(index));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(TOKMUX_EVENT_WANTED, next_event(fd, &event));
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, next_event(fd, &event));
	EXPECT_EQ(TOKMUX_EVENT_REMOVED, next_event(fd, &event));
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENODEV, release(fd));
	EXPECT_EQ(-ENODEV, acquire(fd, TOKMUX_EXCLUSIVE, FOREVER));
	EXPECT_EQ(-ENODEV, session_open(fd, FOREVER));
	EXPECT_EQ(-ENODEV, bind_token(unbound, 0));
	pfd = (struct pollfd){ .fd = fd };
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLHUP, pfd.revents);
	EXPECT_EQ(-ENOENT, open_system(index));

	/* its index and its name are free again */
	EXPECT_EQ(0, create_system(own_name(), &index));
	EXPECT_EQ(0, remove_system(index));
	close(fd);
	close(unbound);
}

/* A slow reader loses the oldest events, with a mark, and no memory. */
TEST(events_overflow)
{
	int fd = open_bound(own_name(), 0), other = open_bound(own_name(), 0);
	struct tokmux_event events[64];
	ssize_t len;
	int i;

	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-1, read(fd, events, sizeof(events)));
	EXPECT_EQ(EAGAIN, errno);
	for (i = 0; i < 20; i++) {
		struct tokmux_eject hit;

		ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
		ASSERT_EQ(0, eject(other, &hit));
	}
	len = read(fd, events, sizeof(events));
	ASSERT_GT(len, 0);
	EXPECT_EQ(0, len % sizeof(events[0]));
	EXPECT_LT(len / sizeof(events[0]), 20);
	EXPECT_EQ(TOKMUX_EVENT_OVERFLOW, events[0].flags);
	EXPECT_EQ(0, events[1].flags);
	EXPECT_LE(events[0].time_ns, events[1].time_ns);
	close(fd);
	close(other);
}

TEST(event_free)
{
	int fd = open_bound(own_name(), 0), other = open_bound(own_name(), 0);
	struct tokmux_event event;

	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-EAGAIN, acquire(other, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, release(fd));
	EXPECT_EQ(TOKMUX_EVENT_FREE, next_event(other, &event));
	EXPECT_EQ(0, acquire(other, TOKMUX_EXCLUSIVE, 0));
	close(fd);
	close(other);
}

/* A request that was refused once, and granted since, is told of nothing. */
TEST(no_event_free_after_a_grant)
{
	int fd = open_bound(own_name(), 0), other = open_token(own_name());
	struct tokmux_event event;
	pid_t pid;

	pid = holder(own_name(), TOKMUX_EXCLUSIVE, 0);
	ASSERT_GT(pid, 0);
	EXPECT_EQ(-EAGAIN, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	if (!child()) {
		EVENTUALLY(info(other).waiters == 1);
		kill(pid, SIGKILL);
		_exit(0);
	}
	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, SOON));
	ASSERT_EQ(0, release(fd));
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
	EXPECT_EQ(EAGAIN, errno);
	while (wait(NULL) > 0)
		;
	close(fd);
	close(other);
}

/* No waiter goes unnoticed because another one had been before and gave up. */
TEST(event_wanted)
{
	int fd = open_bound(own_name(), 0), other = open_bound(own_name(), 0);
	struct tokmux_event event;
	int i;

	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ETIMEDOUT, acquire(other, TOKMUX_EXCLUSIVE, 1));
		EXPECT_EQ(TOKMUX_EVENT_WANTED, next_event(fd, &event));
		ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
		EXPECT_EQ(-1, read(fd, &event, sizeof(event)));
		EXPECT_EQ(EAGAIN, errno);
		ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
	}
	close(fd);
	close(other);
}

/* So nobody has to ask at each grant. */
TEST(a_grant_tells_of_events)
{
	int fd = open_bound(own_name(), 0), other = open_bound(own_name(), 0);
	struct tokmux_acquire told;
	struct tokmux_event event;

	ASSERT_EQ(0, acquire_told(fd, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	EXPECT_EQ(-ETIMEDOUT, acquire(other, TOKMUX_EXCLUSIVE, 1));
	ASSERT_EQ(0, release(fd));
	ASSERT_EQ(0, acquire_told(fd, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_EVENTS, told.granted);
	EXPECT_EQ(TOKMUX_EVENT_WANTED, next_event(fd, &event));
	ASSERT_EQ(0, release(fd));
	ASSERT_EQ(0, acquire_told(fd, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	close(fd);
	close(other);
}

/* Who may only read a device's node may look at the token, and not take it. */
TEST(a_file_for_reading_can_only_look)
{
	unsigned int index;
	char path[64];
	int fd;

	ASSERT_EQ(0, create_system(own_name(), &index));
	snprintf(path, sizeof(path), "/dev/tokmux%u", index);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(index, info(fd).index);
	EXPECT_EQ(-EBADF, bind_token(fd, 0));
	EXPECT_EQ(-ENOTCONN, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	close(fd);
	EXPECT_EQ(0, remove_system(index));
}

struct listener {
	int fd;
	bool poll;
	atomic_uint heard;
};

static void *listen_to_losses(void *arg)
{
	struct listener *listener = arg;
	struct pollfd pfd = { .fd = listener->fd, .events = POLLIN };
	struct tokmux_event event;

	for (;;) {
		if (listener->poll && poll(&pfd, 1, -1) != 1)
			return NULL;
		if (read(listener->fd, &event, sizeof(event)) < 0)
			return NULL;
		if (event.type == TOKMUX_EVENT_LEASE_LOST)
			listener->heard++;
	}
}

#define LOSSES	2000

/*
 * However it falls: a thread that is about to sleep, in read() or poll(), is woken. A
 * machine that is busy does it less often in the time that there is.
 */
TEST(no_event_is_slept_through)
{
	for (int i = 0; i < 2; i++) {
		int fd = open_bound(own_name(), 0), other = open_bound(own_name(), 0);
		struct listener listener = { .fd = fd, .poll = i };
		int64_t last = now_ms() + 10000;
		pthread_t thread;

		ASSERT_EQ(0, pthread_create(&thread, NULL, listen_to_losses, &listener));
		for (unsigned int losses = 0; losses < LOSSES && now_ms() < last; losses++) {
			struct tokmux_eject hit;

			ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
			ASSERT_EQ(0, eject(other, &hit));
			/* without a pause: the next comes as it goes to sleep */
			for (int64_t end = now_ms() + SOON; listener.heard != losses + 1;)
				ASSERT_LT(now_ms(), end);
		}
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		close(fd);
		close(other);
	}
}

/* Who looks from another pid namespace sees its own pids, and 0 for others. */
TEST(pids_are_the_readers)
{
	unsigned int index;
	pid_t pid;
	int fd;

	ASSERT_EQ(0, create_system(own_name(), &index));
	fd = open_system(index);
	ASSERT_EQ(0, bind_token(fd, 0));
	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	pid = child();
	if (!pid) {
		pid_t inner;

		if (unshare(CLONE_NEWPID))
			_exit(errno == EINVAL ? 77 : 1);
		inner = child();
		if (!inner) {
			struct tokmux_info look = {};
			int other = open_system(index);

			if (other < 0 || getpid() != 1)
				_exit(2);
			if (info(other).holder_pid || info(other).holders != 1)
				_exit(3);
			if (sysfs_value(index, "holder") || sysfs_value(index, "holder_pids"))
				_exit(4);
			other = open_bound("pids", 0);
			if (other < 0 || acquire(other, TOKMUX_SHARED, 0))
				_exit(5);
			look = info(other);
			_exit(look.holder_pid == 1 ? 0 : 6);
		}
		_exit(reap(inner));
	}
	switch (reap(pid)) {
	case 0:
		break;
	case 77:
		SKIP(break, "this kernel has no pid namespaces");
	default:
		EXPECT_TRUE(false);
	}
	EXPECT_EQ(getpid(), sysfs_value(index, "holder"));
	close(fd);
	EXPECT_EQ(0, remove_system(index));
}

/* What was counted: a wait, how long it was, a lease that was taken. */
TEST(sysfs_counts)
{
	struct tokmux_create arg = { .hold_limit_ms = 20 };
	int fd, other;

	ASSERT_EQ(0, create(own_name(), &arg));
	fd = open_system(arg.index);
	other = open_system(arg.index);
	ASSERT_EQ(0, bind_token(fd, 0));
	ASSERT_EQ(0, bind_token(other, 0));
	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(0, sysfs_value(arg.index, "waits"));
	EXPECT_EQ(0, sysfs_value(arg.index, "longest_wait_us"));
	EXPECT_EQ(0, sysfs_value(arg.index, "revocations"));
	ASSERT_EQ(0, acquire(other, TOKMUX_EXCLUSIVE, SOON));
	EXPECT_EQ(1, sysfs_value(arg.index, "waits"));
	EXPECT_GE(sysfs_value(arg.index, "longest_wait_us"), 15000);
	EXPECT_LT(sysfs_value(arg.index, "longest_wait_us"), SOON * 1000);
	EXPECT_EQ(1, sysfs_value(arg.index, "revocations"));
	EXPECT_EQ(2, sysfs_value(arg.index, "grants"));
	EXPECT_EQ(20, sysfs_value(arg.index, "hold_limit_ms"));
	close(fd);
	close(other);
	EXPECT_EQ(0, remove_system(arg.index));
}

/* Root of a container, say, is not to meet the tokens of the host's root. */
TEST(a_user_token_belongs_to_a_pid_namespace)
{
	int fd = open_bound(own_name(), 0);
	pid_t pid;

	ASSERT_GE(fd, 0);
	pid = child();
	if (!pid) {
		if (unshare(CLONE_NEWPID))
			_exit(errno == EINVAL ? 77 : 1);
		pid = child();
		if (!pid) {
			struct tokmux_open arg = {};
			struct tokmux_create make = { .flags = TOKMUX_CREATE_USER };

			strcpy(arg.name, own_name());
			if (control_verb(TOKMUX_CTL_OPEN, &arg) != -ENOENT)
				_exit(2);
			_exit(create(own_name(), &make) || !make.created ? 3 : 0);
		}
		_exit(reap(pid));
	}
	switch (reap(pid)) {
	case 0:
		break;
	case 77:
		SKIP(break, "this kernel has no pid namespaces");
	default:
		EXPECT_TRUE(false);
	}
	close(fd);
}

/* One name is one token: a system token ends the user tokens, and bars new ones. */
TEST(one_name_is_one_token)
{
	int fd = open_bound(own_name(), 0), to_child[2];
	struct tokmux_create make = { .flags = TOKMUX_CREATE_USER };
	struct tokmux_open arg = {};
	struct tokmux_event event;
	unsigned int index;
	char byte = 0;
	pid_t pid;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, acquire(fd, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, to_child));
	pid = child();
	if (!pid) {
		int other, waits;

		if (become_another_user())
			_exit(1);
		other = open_bound(own_name(), 0);
		waits = open_bound(own_name(), 0);
		if (acquire(other, TOKMUX_EXCLUSIVE, 0) ||
		    write(to_child[1], &byte, 1) != 1)
			_exit(2);
		_exit(acquire(waits, TOKMUX_SHARED, FOREVER) ==
		      -ENODEV && release(other) == -ENODEV ? 0 : 3);
	}
	ASSERT_EQ(1, read(to_child[0], &byte, 1));
	ASSERT_EQ(0, create_system(own_name(), &index));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(-ENODEV, release(fd));
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, next_event(fd, &event));
	EXPECT_EQ(TOKMUX_EVENT_REMOVED, next_event(fd, &event));
	strcpy(arg.name, own_name());
	EXPECT_EQ(-EEXIST, control_verb(TOKMUX_CTL_OPEN, &arg));
	EXPECT_EQ(-EEXIST, create(own_name(), &make));
	EXPECT_EQ(0, remove_system(index));
	EXPECT_EQ(0, create(own_name(), &make));
	close(make.fd);
	close(fd);
}

/* ---- a token that is held, and a crowd that waits for it ---- */

#define PARTY_REQUESTS	1024	/* what one party may have in line */
#define TOO_MANY	76	/* requests beyond these */
#define USER_REQUESTS	4096	/* what one user may have in line */
#define CROWDS		5	/* processes of one user */
#define CROWD		1000	/* what each of them has in line */
#define PIDS		16384	/* with CONFIG_BASE_SMALL there are 4096 */

#define PID_MAX		"/proc/sys/kernel/pid_max"

FIXTURE(crowd)
{
	unsigned int index;
	unsigned int pid_max;
	int fd;
};

FIXTURE_SETUP(crowd)
{
	self->pid_max = get_number(PID_MAX);
	if (self->pid_max < PIDS)
		ASSERT_EQ(0, put_number(PID_MAX, PIDS));
	ASSERT_EQ(0, create_system(own_name(), &self->index));
	self->fd = open_system(self->index);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, bind_token(self->fd, 0));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
}

FIXTURE_TEARDOWN(crowd)
{
	put_number(PID_MAX, self->pid_max);
	close(self->fd);
	EXPECT_EQ(0, remove_system(self->index));
}

static void *wait_in_line(void *fd)
{
	return (void *)(long)acquire(*(int *)fd, TOKMUX_EXCLUSIVE, FOREVER);
}

static bool crowd_in(int *fd, pthread_t *threads, unsigned int nr)
{
	pthread_attr_t attr;
	unsigned int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], &attr, wait_in_line, fd))
			return false;
	return true;
}

TEST_F_TIMEOUT(crowd, a_party_fills_no_queue, 120)
{
	int fd = open_system(self->index), other = open_system(self->index);
	static pthread_t threads[PARTY_REQUESTS], late[TOO_MANY];
	struct tokmux_eject hit;
	void *ret;
	int i;

	ASSERT_EQ(0, bind_token(fd, 0));
	ASSERT_EQ(0, bind_token(other, 0));
	ASSERT_TRUE(crowd_in(&fd, threads, PARTY_REQUESTS));
	EXPECT_TRUE(EVENTUALLY(info(self->fd).waiters == PARTY_REQUESTS));
	ASSERT_TRUE(crowd_in(&fd, late, TOO_MANY));
	for (i = 0; i < TOO_MANY; i++) {
		pthread_join(late[i], &ret);
		EXPECT_EQ(-ENOBUFS, (long)ret);
	}
	EXPECT_EQ(-ENOBUFS, acquire(fd, TOKMUX_EXCLUSIVE, SOON));
	EXPECT_EQ(-ETIMEDOUT, acquire(other, TOKMUX_EXCLUSIVE, 1));
	close(fd);
	for (i = 0; i < PARTY_REQUESTS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, eject(self->fd, &hit));
	close(other);
}

static bool has_a_crowd(void *index)
{
	static pthread_t threads[CROWD];
	static int fd;

	fd = open_system(*(unsigned int *)index);
	return !bind_token(fd, 0) && crowd_in(&fd, threads, CROWD);
}

/* A user with many processes fills no queue either: another user gets in line. */
TEST_F_TIMEOUT(crowd, a_user_fills_no_queue, 300)
{
	int fd = open_system(self->index), other = open_system(self->index);
	pid_t crowds[CROWDS], pid;
	int i;

	ASSERT_EQ(0, bind_token(fd, 0));
	for (i = 0; i < CROWDS; i++) {
		unsigned int waiters = (i + 1) * CROWD;

		if (waiters > USER_REQUESTS)
			waiters = USER_REQUESTS;
		crowds[i] = child_that_stays(has_a_crowd, &self->index);
		ASSERT_LT(0, crowds[i]);
		EXPECT_TRUE(EVENTUALLY(info(self->fd).waiters == waiters));
	}
	EXPECT_EQ(-ENOBUFS, acquire(fd, TOKMUX_EXCLUSIVE, SOON));
	pid = child();
	if (!pid) {
		if (become_another_user())
			_exit(1);
		if (bind_token(other, 0))
			_exit(2);
		_exit(acquire(other, TOKMUX_EXCLUSIVE, 1) == -ETIMEDOUT ? 0 : 3);
	}
	EXPECT_EQ(0, reap(pid));
	for (i = 0; i < CROWDS; i++) {
		kill(crowds[i], SIGKILL);
		EXPECT_EQ(128 + SIGKILL, reap(crowds[i]));
	}
	EXPECT_EQ(0, info(self->fd).waiters);
	EXPECT_EQ(-ETIMEDOUT, acquire(fd, TOKMUX_EXCLUSIVE, 1));
	close(other);
	close(fd);
}

TEST_HARNESS_MAIN
