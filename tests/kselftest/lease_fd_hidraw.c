// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lease fd on a hidraw device: what it passes on, and that it is dead for
 * good when the lease ends, whatever ends it. The device is made with uhid, so
 * it is the kernel's own HID layer that is talked to.
 */
#include <linux/hidraw.h>
#include <grp.h>
#include <linux/netlink.h>
#include "uhid.h"
#include "kselftest_harness.h"

#define LIMIT	100	/* ms */

/* The first byte of the next output report. */
static int uhid_output(int uhid)
{
	struct uhid_event event;
	struct pollfd pfd = { .fd = uhid, .events = POLLIN };

	while (poll(&pfd, 1, SOON) == 1 && read(uhid, &event, sizeof(event)) > 0)
		if (event.type == UHID_OUTPUT)
			return event.u.output.data[1];
	return -ETIMEDOUT;
}

FIXTURE(hidraw)
{
	int uhid;
	char node[64];
	struct tokmux_create create;
	int index;
	int fd;		/* bound, in no group */
};

FIXTURE_SETUP(hidraw)
{
	if (!uhid_is_there())
		SKIP(return, "no uhid");
	self->uhid = uhid_plug(self->node, sizeof(self->node));
	ASSERT_GE(self->uhid, 0);
	self->index = register_hidraw(self->node, LIMIT, &self->create);
	ASSERT_GE(self->index, 0);
	self->fd = open_index_bound(self->index, 0);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(hidraw)
{
	close(self->fd);
	unregister_token(self->index);
	close(self->uhid);
}

TEST_F(hidraw, passes_on)
{
	unsigned char report[1 + REPORT] = { 0, 42 };
	struct hidraw_devinfo devinfo;
	int lfd = acquire_lease_fd(self->fd);

	ASSERT_GE(lfd, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(lfd, F_GETFD));
	EXPECT_EQ(POLLOUT, poll_now(lfd));
	ASSERT_EQ(0, uhid_input(self->uhid, 7));
	EXPECT_EQ(REPORT, read_errno(lfd, report, sizeof(report)));
	EXPECT_EQ(7, report[0]);
	report[0] = 0;
	report[1] = 42;
	ASSERT_EQ((int)sizeof(report), write(lfd, report, sizeof(report)));
	EXPECT_EQ(42, uhid_output(self->uhid));
	ASSERT_EQ(0, ioctl(lfd, HIDIOCGRAWINFO, &devinfo));
	EXPECT_EQ(BUS_USB, devinfo.bustype);
	EXPECT_EQ(-1, ioctl(lfd, _IO('x', 1)));
	/* on O_NONBLOCK as the caller has set it, not as the real file has */
	fcntl(lfd, F_SETFL, O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, read_errno(lfd, report, sizeof(report)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, lfd, 0));
}

struct blocked {
	int fd;
	int result;
	atomic_int tid;
};

static void *read_blocked(void *arg)
{
	struct blocked *blocked = arg;
	char report[REPORT];

	blocked->tid = syscall(SYS_gettid);
	blocked->result = read_errno(blocked->fd, report, sizeof(report));
	return NULL;
}

TEST_F(hidraw, a_blocked_read_is_woken_by_input)
{
	int lfd = acquire_lease_fd(self->fd);
	struct blocked blocked = { .fd = lfd };
	struct pollfd pfd = { .fd = lfd, .events = POLLIN };
	pthread_t thread;

	ASSERT_GE(lfd, 0);
	pthread_create(&thread, NULL, read_blocked, &blocked);
	ASSERT_TRUE(EVENTUALLY(sleeps(&blocked.tid)));
	ASSERT_EQ(0, uhid_input(self->uhid, 1));
	pthread_join(thread, NULL);
	EXPECT_EQ(REPORT, blocked.result);
	ASSERT_EQ(0, uhid_input(self->uhid, 1));
	ASSERT_EQ(1, poll(&pfd, 1, SOON));
	EXPECT_EQ(POLLIN, pfd.revents);
}

TEST_F(hidraw, needs_the_exclusive_lease)
{
	struct tokmux_lease_fd arg = { .flags = 1 << 1 };
	struct tokmux_create user = { .flags = TOKMUX_CREATE_USER };
	int other, lfd;

	EXPECT_EQ(-ENOLCK, lease_fd(self->fd));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
	EXPECT_EQ(-ENOLCK, lease_fd(self->fd));
	ASSERT_EQ(0, release(self->fd));
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-EINVAL, verb(self->fd, TOKMUX_LEASE_FD, &arg));
	lfd = lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	EXPECT_EQ(-EALREADY, lease_fd(self->fd));
	/* closed, it can be had again under the same lease */
	close(lfd);
	lfd = lease_fd(self->fd);
	EXPECT_GE(lfd, 0);
	ASSERT_EQ(0, release(self->fd));
	EXPECT_EQ(-ENOLCK, lease_fd(self->fd));

	other = open_index(self->index);
	ASSERT_GE(other, 0);
	EXPECT_EQ(-ENOTCONN, lease_fd(other));

	ASSERT_EQ(0, create("no-device", &user));
	ASSERT_EQ(0, bind_token(user.fd, 0));
	ASSERT_EQ(0, acquire(user.fd, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-EOPNOTSUPP, lease_fd(user.fd));
}

TEST_F(hidraw, one_in_a_thread_group)
{
	int a = open_index_bound(self->index, TOKMUX_BIND_GROUP);
	int b = open_index_bound(self->index, TOKMUX_BIND_GROUP);
	int lfd;

	ASSERT_GE(acquire_lease_fd(a), 0);
	ASSERT_EQ(0, acquire(b, TOKMUX_EXCLUSIVE, 0));
	EXPECT_EQ(-EBUSY, lease_fd(b));
	ASSERT_EQ(0, release(a));
	lfd = lease_fd(b);
	EXPECT_GE(lfd, 0);
	EXPECT_EQ(POLLOUT, poll_now(lfd));
}

/* R3: a copy that came to another process, while the lease lasts. */
TEST_F(hidraw, a_stranger_is_refused)
{
	int lfd = acquire_lease_fd(self->fd);
	char buf[REPORT];
	pid_t pid;

	ASSERT_GE(lfd, 0);
	pid = child();
	if (!pid) {
		if (read_errno(lfd, buf, sizeof(buf)) != -EPERM ||
		    write(lfd, buf, 1) != -1 || errno != EPERM ||
		    ioctl(lfd, HIDIOCGRDESCSIZE, buf) != -1 || errno != EPERM ||
		    poll_now(lfd) != POLLERR)
			_exit(1);
		close(lfd);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(POLLOUT, poll_now(lfd));
}

/* ---- the ends ---- */

enum end { RELEASE, CLOSE, EJECT, REMOVAL, HOLD_LIMIT, DEATH, NR_ENDS };

static const char * const end_names[] = {
	"release", "close", "eject", "removal", "hold limit", "death",
};

/* In the holder's process. */
static void end_it(enum end end, int index, int fd)
{
	struct tokmux_eject arg;
	int other;

	switch (end) {
	case RELEASE:
		release(fd);
		break;
	case CLOSE:
		close(fd);
		break;
	case EJECT:
		eject(fd, &arg);
		break;
	case REMOVAL:
		unregister_token(index);
		break;
	case HOLD_LIMIT:
		other = open_index_bound(index, 0);
		acquire(other, TOKMUX_EXCLUSIVE, SOON);
		close(other);
		break;
	case DEATH:
		raise(SIGKILL);
		break;
	default:
		break;
	}
}

/*
 * The holder has a read in flight, an epoll entry, a dup, and a forked child
 * with copies; another process has one that was sent. All are dead.
 */
static int hold_and_end(enum end end, int index, int sock)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = open_index_bound(index, 0);
	int lfd = acquire_lease_fd(fd);
	struct blocked blocked = { .fd = lfd };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	pthread_t thread;
	int copy;

	if (lfd < 0)
		return 1;
	copy = dup(lfd);
	if (send_fd(sock, lfd))
		return 2;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, lfd, &event))
		return 3;
	pthread_create(&thread, NULL, read_blocked, &blocked);
	if (!EVENTUALLY(sleeps(&blocked.tid)))
		return 4;
	end_it(end, index, fd);
	pthread_join(thread, NULL);
	if (blocked.result != -ENODEV)
		return 5;
	if (epoll_wait(epoll, &event, 1, SOON) != 1 ||
	    !(event.events & EPOLLHUP))
		return 6;
	if (!is_dead(lfd) || !is_dead(copy))
		return 7;
	return 0;
}

TEST_F(hidraw, dead_for_good_whatever_ends_it)
{
	unsigned char report[REPORT];
	enum end end;

	for (end = 0; end < NR_ENDS; end++) {
		int socks[2], stray, lfd, expected = end == DEATH ? 128 + SIGKILL : 0;
		pid_t pid;

		TH_LOG("%s", end_names[end]);
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
		pid = child();
		if (!pid) {
			/* what keeps a copy open; it goes with the test's group */
			_exit(hold_and_end(end, self->index, socks[1]));
		}
		stray = receive_fd(socks[0]);
		ASSERT_GE(stray, 0);
		EXPECT_EQ(expected, reap(pid));
		EXPECT_TRUE(is_dead(stray));

		if (end == REMOVAL) {
			close(self->fd);
			self->index = register_hidraw(self->node, LIMIT,
						      &self->create);
			ASSERT_GE(self->index, 0);
			self->fd = open_index_bound(self->index, 0);
		}
		/* what came for the last holder is not for the next */
		ASSERT_EQ(0, uhid_input(self->uhid, 1));
		lfd = acquire_lease_fd(self->fd);
		ASSERT_GE(lfd, 0);
		EXPECT_EQ(POLLOUT, poll_now(lfd));
		ASSERT_EQ(0, uhid_input(self->uhid, 2));
		EXPECT_EQ(REPORT, read_errno(lfd, report, sizeof(report)));
		EXPECT_EQ(2, report[0]);
		EXPECT_TRUE(is_dead(stray));
		close(lfd);
		close(stray);
		EXPECT_EQ(0, release(self->fd));
		close(socks[0]);
		close(socks[1]);
	}
}

TEST_F(hidraw, unplugged)
{
	int lfd = acquire_lease_fd(self->fd);
	struct blocked blocked = { .fd = lfd };
	struct tokmux_create create = {
		.name = "too-late", .device_kind = TOKMUX_DEVICE_HIDRAW,
		.device_fd = open(self->node, O_RDWR | O_CLOEXEC),
	};
	pthread_t thread;
	int other;

	ASSERT_GE(lfd, 0);
	ASSERT_GE(create.device_fd, 0);
	pthread_create(&thread, NULL, read_blocked, &blocked);
	ASSERT_TRUE(EVENTUALLY(sleeps(&blocked.tid)));
	uhid_unplug(self->uhid);
	pthread_join(thread, NULL);
	EXPECT_EQ(-EIO, blocked.result);
	EXPECT_TRUE(EVENTUALLY(poll_now(lfd) & POLLHUP));
	/* Nobody can register it any more, ... */
	EXPECT_EQ(-ENODEV, control_verb(TOKMUX_CTL_CREATE, &create));
	close(create.device_fd);
	/* and another one in its place is not it. */
	close(lfd);
	other = uhid_plug(self->node, sizeof(self->node));
	ASSERT_GE(other, 0);
	EXPECT_EQ(-ENODEV, lease_fd(self->fd));
	EXPECT_EQ(0, release(self->fd));
	close(other);
}

/* ---- a holder that does not let go ---- */

static void *write_from(void *arg)
{
	struct hung *hung = arg;

	hung->tid = syscall(SYS_gettid);
	if (write(hung->lfd, hung->page, 1 + REPORT) < 0)
		perror("write");
	return NULL;
}

/*
 * R4: the driver has begun to read what is to be written, and would wait for ever;
 * the real file cannot be closed meanwhile. The process is killed, 10 s after its
 * lease ended.
 */
TEST_F_TIMEOUT(hidraw, who_stays_in_a_call_is_killed, 120)
{
	int64_t start;
	pid_t pid;
	int lfd;

	if (!undelivered_page())
		SKIP(return, "no userfaultfd");
	pid = hung_holder(self->index, NULL, write_from);
	ASSERT_LT(0, pid);
	start = now_ms();
	/* the hold limit ends its lease at once */
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, SOON));
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	lfd = lease_fd(self->fd);
	EXPECT_GE(lfd, 0);
	TH_LOG("%lld ms from asking to the lease fd", (long long)(now_ms() - start));
	EXPECT_GE(now_ms() - start, 9000);
	EXPECT_LT(now_ms() - start, 60000);
	EXPECT_EQ(128 + SIGKILL, reap(pid));
	EXPECT_EQ(POLLOUT, poll_now(lfd));
}

/* ---- what a registrar may say ---- */

TEST_F(hidraw, what_is_not_a_device_is_refused)
{
	struct tokmux_create arg = { .name = "refused" };
	int fd = open(self->node, O_RDWR | O_CLOEXEC);
	char path[64];

	ASSERT_GE(fd, 0);
#define REFUSED(_errno, ...) ({						\
	struct tokmux_create arg_ = { .name = "refused", __VA_ARGS__ };	\
	EXPECT_EQ(-(_errno), control_verb(TOKMUX_CTL_CREATE, &arg_));	\
})
	REFUSED(EINVAL, .device_kind = 3, .device_fd = fd);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_NONE, .device_fd = fd);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_NONE, .usb_interface = 1);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_HIDRAW, .device_fd = fd,
		.usb_endpoints = 1);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_HIDRAW, .device_fd = fd,
		.reserved = 1);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_HIDRAW, .device_fd = fd,
		.flags = TOKMUX_CREATE_USER);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_USB, .device_fd = fd);
	REFUSED(EBADF, .device_kind = TOKMUX_DEVICE_HIDRAW, .device_fd = -1);
	close(fd);
	fd = open(self->node, O_RDONLY | O_CLOEXEC);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_HIDRAW, .device_fd = fd);
	close(fd);
	fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_HIDRAW, .device_fd = fd);
	close(fd);
	/* a token behind a token */
	fd = open_index(self->index);
	REFUSED(EINVAL, .device_kind = TOKMUX_DEVICE_HIDRAW, .device_fd = fd);
	close(fd);
	EXPECT_EQ(-ENOENT, unregister_token(self->index + 1));

	snprintf(path, sizeof(path), "/sys/class/tokmux/tokmux%d/device_kind",
		 self->index);
	EXPECT_STREQ("hidraw", sysfs_read(path));
	/* a program that is older than devices: its struct ends before them */
	EXPECT_EQ(0, control_verb(_IOC(_IOC_READ | _IOC_WRITE, TOKMUX_IOC_MAGIC,
				       0, 88), &arg));
	EXPECT_EQ(0, unregister_token(arg.index));
}

/* ---- many ---- */

struct storm {
	int uhid;
	atomic_int lfd;
	atomic_bool stop;
	atomic_uint reads;
};

static void *storm_reader(void *arg)
{
	struct storm *storm = arg;
	char report[REPORT];
	struct pollfd pfd = { .events = POLLIN };
	unsigned int seed = syscall(SYS_gettid);

	while (!storm->stop) {
		int ret;

		pfd.fd = storm->lfd;
		if (rand_r(&seed) & 1)
			poll(&pfd, 1, 1);
		ret = read_errno(pfd.fd, report, sizeof(report));
		if (ret == REPORT)
			storm->reads++;
		else if (ret != -ENODEV && ret != -EBADF && ret != -EINTR)
			abort();
	}
	return NULL;
}

static void *storm_device(void *arg)
{
	struct storm *storm = arg;

	while (!storm->stop)
		uhid_input(storm->uhid, 3);
	return NULL;
}

TEST_F_TIMEOUT(hidraw, revoked_at_random_moments, 300)
{
	struct storm storm = { .uhid = self->uhid, .lfd = -1 };
	unsigned int rounds = env("TOKMUX_REVOKE_ROUNDS", 300);
	pthread_t threads[4];
	struct tokmux_eject arg;
	unsigned int i;

	pthread_create(&threads[3], NULL, storm_device, &storm);
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, storm_reader, &storm);
	for (i = 0; i < rounds; i++) {
		int lfd = acquire_lease_fd(self->fd);

		ASSERT_GE(lfd, 0);
		storm.lfd = lfd;
		usleep(rand() % 2000);
		ASSERT_EQ(0, i & 1 ? eject(self->fd, &arg) : release(self->fd));
		storm.lfd = -1;
		/* half of them are closed dead, half with readers in them */
		if (i & 2)
			ASSERT_TRUE(poll_now(lfd) & POLLHUP);
		close(lfd);
	}
	storm.stop = true;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	TH_LOG("%u revocations, %u reports read", rounds, (unsigned int)storm.reads);
	EXPECT_GT((unsigned int)storm.reads, 0);
}

/* ---- between users ---- */

#define OTHER_UID	65534

/* What the other user's process is told, in order, and says. */
struct user {
	pid_t pid;
	int sock;
};

static int user_answer(const struct user *user)
{
	int answer;

	return read(user->sock, &answer, sizeof(answer)) == sizeof(answer) ?
	       answer : -EPIPE;
}

static int user_ask(const struct user *user, char what)
{
	return write(user->sock, &what, 1) == 1 ? 0 : -EPIPE;
}

/* a: acquire and ask for a lease fd, r: release, c: mark clean, s: try to scrub */
static void user_run(int sock, int fd)
{
	int answer = 0;
	char what;

	if (setgroups(0, NULL) || setresgid(OTHER_UID, OTHER_UID, OTHER_UID) ||
	    setresuid(OTHER_UID, OTHER_UID, OTHER_UID) || bind_token(fd, 0))
		_exit(1);
	while (read(sock, &what, 1) == 1) {
		struct tokmux_lease_fd scrub = { .flags = TOKMUX_LEASE_FD_SCRUB };

		switch (what) {
		case 'a':
			answer = acquire_lease_fd(fd);
			break;
		case 'r':
			answer = release(fd);
			break;
		case 'c':
			answer = mark_clean(fd);
			break;
		case 's':
			answer = verb(fd, TOKMUX_LEASE_FD, &scrub);
			break;
		}
		answer = answer > 0 ? 0 : answer;
		if (write(sock, &answer, sizeof(answer)) != sizeof(answer))
			_exit(2);
	}
	_exit(0);
}

static struct user user_new(unsigned int index)
{
	struct user user = { .pid = -1 };
	int sock[2];

	/* Opened for the child: the node's mode is udev's. */
	int fd = open_index(index);

	if (fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return user;
	user.sock = sock[0];
	user.pid = child();
	if (!user.pid) {
		close(sock[0]);
		user_run(sock[1], fd);
	}
	close(sock[1]);
	close(fd);
	return user;
}

static int scrub_fd(int fd)
{
	struct tokmux_lease_fd arg = { .flags = TOKMUX_LEASE_FD_SCRUB };
	int ret = verb(fd, TOKMUX_LEASE_FD, &arg);

	return ret ? ret : arg.fd;
}

/* The kernel's messages to udev. */
static int listen_to_uevents(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return fd;
}

/* Waits until the kernel asks for a scrub. */
static bool scrub_is_asked_for(int uevents, unsigned int index)
{
	struct pollfd pfd = { .fd = uevents, .events = POLLIN };
	char message[8192], head[64];
	ssize_t len;

	snprintf(head, sizeof(head), "/tokmux%u", index);
	while (poll(&pfd, 1, SOON) == 1) {
		len = recv(uevents, message, sizeof(message) - 1, 0);
		if (len <= 0)
			return false;
		message[len] = 0;
		if (!strncmp(message, "change@", 7) && strstr(message, head) &&
		    memmem(message, len, "\0TOKMUX_SCRUB=1", 15))
			return true;
	}
	return false;
}

/* It goes on while the lease is idle, dies with it, and the next holder is told. */
TEST_F(hidraw, idle)
{
	int other = open_index_bound(self->index, 0);
	struct tokmux_acquire told;
	int lfd = acquire_lease_fd(self->fd);

	ASSERT_GE(lfd, 0);
	ASSERT_EQ(0, leave(self->fd, 0));
	EXPECT_EQ(POLLOUT, poll_now(lfd));
	EXPECT_EQ(-ENOLCK, lease_fd(self->fd));
	ASSERT_EQ(0, acquire_told(self->fd, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	EXPECT_EQ(-EALREADY, lease_fd(self->fd));
	ASSERT_EQ(0, leave(self->fd, 0));
	ASSERT_EQ(0, acquire_told(other, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_RESET, told.granted);
	EXPECT_TRUE(poll_now(lfd) & POLLHUP);
	EXPECT_EQ(0, release(other));
	/* as long as nobody has said that it was reset */
	ASSERT_EQ(0, acquire_told(other, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_RESET, told.granted);
	ASSERT_EQ(0, mark_clean(other));
	ASSERT_EQ(0, release(other));
	close(lfd);

	/* a holder that gives it back has put the device in order */
	lfd = acquire_lease_fd(other);
	ASSERT_GE(lfd, 0);
	ASSERT_EQ(0, leave(other, 0));
	ASSERT_EQ(0, release(other));
	ASSERT_EQ(0, acquire_told(other, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	close(lfd);
	close(other);
}

/* A polite holder is not to be believed: only a privileged one that scrubs. */
TEST_F(hidraw, another_user_waits_for_a_scrub)
{
	int scrubber = open_index_bound(self->index, 0);
	int uevents = listen_to_uevents();
	struct user user = user_new(self->index);
	int lfd;

	ASSERT_GT(user.pid, 0);
	ASSERT_GE(uevents, 0);
	lfd = acquire_lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	close(lfd);
	EXPECT_EQ(0, mark_clean(self->fd));
	ASSERT_EQ(0, release(self->fd));
	/* the same user needs none */
	lfd = acquire_lease_fd(self->fd);
	ASSERT_GE(lfd, 0);
	EXPECT_EQ(-EBUSY, scrub_fd(scrubber));
	close(lfd);
	ASSERT_EQ(0, release(self->fd));

	ASSERT_EQ(0, user_ask(&user, 'a'));
	ASSERT_TRUE(scrub_is_asked_for(uevents, self->index));
	lfd = scrub_fd(scrubber);
	ASSERT_GE(lfd, 0);
	EXPECT_EQ(POLLOUT, poll_now(lfd));
	/* its lease is not the holder's, who waits for it */
	EXPECT_EQ(-ENOLCK, release(scrubber));
	EXPECT_EQ(0, mark_clean(scrubber));
	EXPECT_EQ(0, poll_now(user.sock) & POLLIN);
	close(lfd);
	EXPECT_EQ(0, user_answer(&user));
	EXPECT_EQ(-ENOLCK, mark_clean(scrubber));

	ASSERT_EQ(0, user_ask(&user, 's'));
	EXPECT_EQ(-EPERM, user_answer(&user));
	ASSERT_EQ(0, user_ask(&user, 'r'));
	EXPECT_EQ(0, user_answer(&user));
	close(user.sock);
	EXPECT_EQ(0, reap(user.pid));
	close(uevents);
	close(scrubber);
}

static bool scrub_has_failed(unsigned int index)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/tokmux/tokmux%u/scrub_failed", index);
	return !strcmp(sysfs_read(path), "1");
}

/* A scrub that did not succeed lets nobody through, and nobody waits for it. */
TEST_F(hidraw, a_failed_scrub_is_told)
{
	int scrubber = open_index_bound(self->index, 0);
	int uevents = listen_to_uevents();
	struct user user = user_new(self->index);
	int lfd;

	ASSERT_GT(user.pid, 0);
	ASSERT_GE(acquire_lease_fd(self->fd), 0);
	ASSERT_EQ(0, release(self->fd));
	ASSERT_EQ(0, user_ask(&user, 'a'));
	ASSERT_TRUE(scrub_is_asked_for(uevents, self->index));
	lfd = scrub_fd(scrubber);
	ASSERT_GE(lfd, 0);
	close(scrubber);	/* as if it died */
	EXPECT_TRUE(is_dead(lfd));
	EXPECT_EQ(-EUCLEAN, user_answer(&user));
	EXPECT_TRUE(scrub_has_failed(self->index));
	ASSERT_EQ(0, user_ask(&user, 'c'));
	EXPECT_EQ(0, user_answer(&user));
	ASSERT_EQ(0, user_ask(&user, 'r'));
	EXPECT_EQ(0, user_answer(&user));
	ASSERT_EQ(0, user_ask(&user, 'a'));
	EXPECT_EQ(-EUCLEAN, user_answer(&user));
	ASSERT_EQ(0, user_ask(&user, 'r'));
	EXPECT_EQ(0, user_answer(&user));
	/* the first user goes on */
	EXPECT_GE(acquire_lease_fd(self->fd), 0);
	ASSERT_EQ(0, release(self->fd));
	/* and it can be done later */
	scrubber = open_index_bound(self->index, 0);
	ASSERT_GE(scrub_fd(scrubber), 0);
	EXPECT_TRUE(scrub_has_failed(self->index));
	EXPECT_EQ(0, mark_clean(scrubber));
	EXPECT_FALSE(scrub_has_failed(self->index));
	close(user.sock);
	EXPECT_EQ(0, reap(user.pid));
	close(uevents);
	close(scrubber);
}

/* Bounded, and the hold limit waits for it: the other user did not use the device. */
TEST_F_TIMEOUT(hidraw, nobody_scrubs, 60)
{
	struct user user = user_new(self->index);
	int64_t start;

	ASSERT_GT(user.pid, 0);
	ASSERT_GE(acquire_lease_fd(self->fd), 0);
	ASSERT_EQ(0, release(self->fd));
	start = now_ms();
	ASSERT_EQ(0, user_ask(&user, 'a'));
	ASSERT_TRUE(EVENTUALLY(info(self->fd).holders == 1));
	EXPECT_EQ(-ETIMEDOUT, acquire(self->fd, TOKMUX_EXCLUSIVE, 5 * LIMIT));
	EXPECT_EQ(-EUCLEAN, user_answer(&user));
	EXPECT_LT(now_ms() - start, 25000);
	/* now its time counts */
	EXPECT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, SOON));
	close(user.sock);
	EXPECT_EQ(0, reap(user.pid));
}

TEST_F(hidraw, a_device_may_need_no_scrub)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_NO_SCRUB,
				     .device_kind = TOKMUX_DEVICE_HIDRAW };
	struct user user;

	/* and no token without a device */
	EXPECT_EQ(-EINVAL, create("none", &(struct tokmux_create){
						.flags = TOKMUX_CREATE_NO_SCRUB }));
	ASSERT_EQ(0, unregister_token(self->index));
	arg.device_fd = open(self->node, O_RDWR | O_CLOEXEC);
	self->index = register_token(&arg);
	ASSERT_GE(self->index, 0);
	close(self->fd);
	self->fd = open_index_bound(self->index, 0);
	user = user_new(self->index);
	ASSERT_GT(user.pid, 0);
	ASSERT_GE(acquire_lease_fd(self->fd), 0);
	ASSERT_EQ(0, release(self->fd));
	ASSERT_EQ(0, user_ask(&user, 'a'));
	EXPECT_EQ(0, user_answer(&user));
	close(user.sock);
	EXPECT_EQ(0, reap(user.pid));
}

/* Two holders of one device: each would have the lease of its own token. */
TEST_F(hidraw, belongs_to_one_token)
{
	struct tokmux_create arg = { .device_kind = TOKMUX_DEVICE_HIDRAW };
	struct tokmux_remove gone;

	arg.device_fd = open(self->node, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-EBUSY, create("second", &arg));
	ASSERT_EQ(0, unregister_token(self->index));
	ASSERT_EQ(0, create("second", &arg));
	gone = (struct tokmux_remove){ .index = arg.index };
	EXPECT_EQ(0, control_verb(TOKMUX_CTL_REMOVE, &gone));
	close(arg.device_fd);
}

/* How many wait, or have the lease after @hung. */
static unsigned int have_come(int fd, pid_t hung)
{
	return info(fd).waiters + (info(fd).holder_pid != hung);
}

/* Waits for its turn. Returns 0 if the lease then lasts for a moment, as the others wait. */
static int have_a_turn(int fd)
{
	struct pollfd pfd = { .fd = acquire_lease_fd(fd), .events = POLLPRI };

	return pfd.fd < 0 || poll(&pfd, 1, 50);
}

/* The next holders do not pay for a predecessor that hangs. */
TEST_F_TIMEOUT(hidraw, its_clock_starts_with_the_device, 60)
{
	pid_t hung, next[3];
	int i;

	if (!undelivered_page())
		SKIP(return, "no userfaultfd");
	/* What they wait for is longer than this limit, and their turns are shorter. */
	close(self->fd);
	unregister_token(self->index);
	self->index = register_hidraw(self->node, 20 * LIMIT, &self->create);
	ASSERT_GE(self->index, 0);
	self->fd = open_index_bound(self->index, 0);
	hung = hung_holder(self->index, NULL, write_from);
	ASSERT_LT(0, hung);
	for (i = 0; i < 3; i++) {
		next[i] = child();
		if (!next[i])
			_exit(have_a_turn(open_index_bound(self->index, 0)));
		ASSERT_TRUE(EVENTUALLY(have_come(self->fd, hung) == i + 1));
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, reap(next[i]));
	EXPECT_EQ(128 + SIGKILL, reap(hung));
}

TEST_HARNESS_MAIN
