/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's tests share: each ioctl as a function that returns 0 (or an
 * answer) or a negative errno, and children that do one thing.
 *
 * The ioctls are called bare: these are tests of the UAPI, libtokmux has its
 * own.
 */
#ifndef TOKEN_H
#define TOKEN_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/tokmux.h>

#define CONTROL		"/dev/tokmux-control"
#define FOREVER		(-1)
#define SOON		20000	/* ms: what must happen has happened by then */

#define UNUSED		__attribute__((unused))

static inline int verb(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

static inline int control_verb(unsigned long cmd, void *arg)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = verb(fd, cmd, arg);
	close(fd);
	return ret;
}

/* How much is to be done, or with which seed. */
static inline unsigned int env(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

/* A token name of this test's own: tests run in parallel or after a crash. */
static inline const char *own_name(void)
{
	static char name[TOKMUX_NAME_SIZE];

	if (!*name)
		snprintf(name, sizeof(name), "test-%d", getpid());
	return name;
}

static inline int create(const char *name, struct tokmux_create *arg)
{
	snprintf(arg->name, sizeof(arg->name), "%s", name);
	return control_verb(TOKMUX_CTL_CREATE, arg);
}

/* The user's token of that name, made if need be. Returns a file, not bound. */
static inline int open_token(const char *name)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER };
	int ret = create(name, &arg);

	return ret ? ret : arg.fd;
}

static inline int bind_token(int fd, unsigned int flags)
{
	struct tokmux_bind arg = { .flags = flags };

	return verb(fd, TOKMUX_BIND, &arg);
}

static inline int open_bound(const char *name, unsigned int flags)
{
	int fd = open_token(name);
	int ret;

	if (fd < 0)
		return fd;
	ret = bind_token(fd, flags);
	return ret ? ret : fd;
}

static inline struct tokmux_info info(int fd)
{
	struct tokmux_info arg = {};

	if (verb(fd, TOKMUX_INFO, &arg))
		arg.holders = arg.waiters = ~0;
	return arg;
}

static inline int acquire_told(int fd, unsigned int mode, int timeout_ms,
			       struct tokmux_acquire *arg)
{
	*arg = (struct tokmux_acquire){ .mode = mode, .timeout_ms = timeout_ms };
	return verb(fd, TOKMUX_ACQUIRE, arg);
}

static inline int acquire(int fd, unsigned int mode, int timeout_ms)
{
	struct tokmux_acquire arg;

	return acquire_told(fd, mode, timeout_ms, &arg);
}

static inline int release(int fd)
{
	struct tokmux_release arg = {};

	return verb(fd, TOKMUX_RELEASE, &arg);
}

/* The lease is kept, and idle. */
static inline int leave(int fd, unsigned int linger_ms)
{
	struct tokmux_release arg = { .flags = TOKMUX_RELEASE_IDLE,
				      .linger_ms = linger_ms };

	return verb(fd, TOKMUX_RELEASE, &arg);
}

/* Returns how many waits were cancelled. */
static inline int cancel(int fd)
{
	struct tokmux_cancel arg = {};
	int ret = verb(fd, TOKMUX_CANCEL, &arg);

	return ret ? ret : (int)arg.requests;
}

static inline int mark_clean(int fd)
{
	struct tokmux_mark_clean arg = {};

	return verb(fd, TOKMUX_MARK_CLEAN, &arg);
}

/* Returns the id. */
static inline int session_open(int fd, int timeout_ms)
{
	struct tokmux_session_open arg = { .timeout_ms = timeout_ms };
	int ret = verb(fd, TOKMUX_SESSION_OPEN, &arg);

	return ret ? ret : (int)arg.id;
}

/* Returns TOKMUX_CLOSED_*. */
static inline int session_close(int fd, unsigned int id)
{
	struct tokmux_session_close arg = { .id = id };
	int ret = verb(fd, TOKMUX_SESSION_CLOSE, &arg);

	return ret ? ret : (int)arg.closed;
}

/* Returns TOKMUX_CLOSED_*. */
static inline int session_close_all(int fd)
{
	struct tokmux_session_close_all arg = {};
	int ret = verb(fd, TOKMUX_SESSION_CLOSE_ALL, &arg);

	return ret ? ret : (int)arg.closed;
}

/* Returns how many others are. */
static inline int login(int fd, unsigned int user_type)
{
	struct tokmux_login arg = { .user_type = user_type };
	int ret = verb(fd, TOKMUX_LOGIN, &arg);

	return ret ? ret : (int)arg.others;
}

/* Returns TOKMUX_CLOSED_*. */
static inline int logout(int fd)
{
	struct tokmux_logout arg = {};
	int ret = verb(fd, TOKMUX_LOGOUT, &arg);

	return ret ? ret : (int)arg.closed;
}

static inline int eject(int fd, struct tokmux_eject *arg)
{
	*arg = (struct tokmux_eject){};
	return verb(fd, TOKMUX_EJECT, arg);
}

static inline int next_event(int fd, struct tokmux_event *event)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	memset(event, 0, sizeof(*event));
	if (poll(&pfd, 1, SOON) != 1)
		return -ETIMEDOUT;
	if (read(fd, event, sizeof(*event)) < 0)
		return -errno;
	return event->type;
}

/* ---- waiting for what another process does ---- */

static inline int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

#define EVENTUALLY(_condition) ({				\
	int64_t end_ = now_ms() + SOON;				\
	bool met_;						\
								\
	while (!(met_ = (_condition)) && now_ms() < end_)	\
		usleep(1000);					\
	met_;							\
})

/* ---- children ---- */

/* A child that dies with its parent, so that no test leaves one behind. */
static inline pid_t child(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Its exit status, or 128 and the signal. */
static inline int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * For children that outlive theirs: a process group for the test, and its end.
 */
static inline void begin_group(void)
{
	setpgid(0, 0);
}

static inline void end_group(void)
{
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	signal(SIGTERM, SIG_DFL);
}

static inline void stop_here(void)
{
	for (;;)
		pause();
}

/* A child that has got ready, and stays until it is killed. -1 if it didn't get ready. */
static inline pid_t child_that_stays(bool (*get_ready)(void *of), void *of)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = child();
	if (!pid) {
		if (!get_ready(of))
			_exit(1);
		if (write(ready[1], "", 1) != 1)
			_exit(2);
		stop_here();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

struct holding {
	const char *name;
	unsigned int mode, flags;
};

static inline bool gets_the_lease(void *of)
{
	const struct holding *holding = of;
	int fd = open_bound(holding->name, holding->flags);

	return fd >= 0 && !acquire(fd, holding->mode, FOREVER);
}

/* A child that holds the token, alive until it is killed. */
static inline pid_t holder(const char *name, unsigned int mode, unsigned int flags)
{
	struct holding holding = { name, mode, flags };

	return child_that_stays(gets_the_lease, &holding);
}

static inline void *shared_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/*
 * What is in the caches that accounted objects of any kind come from. Only the
 * caches of one size are shared with others, who do nothing meanwhile.
 */
static inline int64_t accounted_bytes(void)
{
	char line[512], cache[64];
	int64_t bytes = 0, nr, size;
	FILE *f = fopen("/proc/slabinfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %ld %*d %ld", cache, &nr, &size) == 3 &&
		    !strncmp(cache, "kmalloc-cg-", strlen("kmalloc-cg-")))
			bytes += nr * size;
	if (f)
		fclose(f);
	return bytes;
}

/* A number in a file of sysfs or sysctl, 0 if it can't be read. */
static inline unsigned int get_number(const char *path)
{
	unsigned int number = 0;
	FILE *f = fopen(path, "r");

	if (f) {
		if (fscanf(f, "%u", &number) != 1)
			number = 0;
		fclose(f);
	}
	return number;
}

static inline int put_number(const char *path, unsigned int number)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -errno;
	fprintf(f, "%u\n", number);
	return fclose(f) ? -errno : 0;
}

static inline int send_fd(int sock, int fd)
{
	char buf[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = buf, .msg_controllen = sizeof(buf) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) < 0 ? -errno : 0;
}

static inline int receive_fd(int sock)
{
	char buf[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = buf, .msg_controllen = sizeof(buf) };
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, 0) < 0)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

#endif /* TOKEN_H */
