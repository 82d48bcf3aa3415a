/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Real devices behind tokens: a system token with one, and the ways in which a
 * lease ends.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <dirent.h>
#include <stdatomic.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "token.h"

/* Registers @arg's device with a token of this test's own. Returns its index. */
static inline int register_token(struct tokmux_create *arg)
{
	int ret = create(own_name(), arg);

	return ret ? ret : (int)arg->index;
}

static inline int unregister_token(unsigned int index)
{
	struct tokmux_remove arg = { .index = index };

	return control_verb(TOKMUX_CTL_REMOVE, &arg);
}

/* A file of the token, not bound; devtmpfs makes the node without udev. */
static inline int open_index(unsigned int index)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/tokmux%u", index);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static inline int open_index_bound(unsigned int index, unsigned int flags)
{
	int fd = open_index(index);
	int ret;

	if (fd < 0)
		return fd;
	ret = bind_token(fd, flags);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

/* Returns the lease fd. */
static inline int lease_fd(int fd)
{
	struct tokmux_lease_fd arg = {};
	int ret = verb(fd, TOKMUX_LEASE_FD, &arg);

	return ret ? ret : arg.fd;
}

static inline int acquire_lease_fd(int fd)
{
	int ret = acquire(fd, TOKMUX_EXCLUSIVE, SOON);

	return ret ? ret : lease_fd(fd);
}

static inline int poll_now(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLOUT };

	if (poll(&pfd, 1, 0) < 0)
		return -errno;
	return pfd.revents;
}

static inline int read_errno(int fd, void *buf, size_t size)
{
	int ret = read(fd, buf, size);

	return ret < 0 ? -errno : ret;
}

/* Dead for good: no call is passed on, poll() says so. */
static inline bool is_dead(int fd)
{
	char buf[64];

	return read_errno(fd, buf, sizeof(buf)) == -ENODEV &&
	       write(fd, buf, 1) < 0 && errno == ENODEV &&
	       ioctl(fd, FIONREAD, buf) < 0 && errno == ENODEV &&
	       poll_now(fd) & POLLHUP;
}

/* What a file under /sys/… says, without its newline. */
static inline const char *sysfs_read(const char *path)
{
	static char text[4096];
	FILE *file = fopen(path, "re");
	size_t size = 0;

	if (file) {
		size = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[size] = 0;
	text[strcspn(text, "\n")] = 0;
	return text;
}

static inline int sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text));
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* Has a thread that will call the kernel, and tells its number, come to wait? */
static inline bool sleeps(atomic_int *tid)
{
	char path[64];

	if (!*tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", *tid);
	return strstr(sysfs_read(path), "tokmux");
}

/*
 * An ioctl as a 32-bit program makes it: what @arg points to must be in memory
 * that such a program can have. -ENOSYS where the kernel runs none.
 */
static inline int verb32(int fd, unsigned int cmd, void *arg)
{
#ifdef __x86_64__
	long ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (54), "b" (fd), "c" (cmd), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
#else
	return -ENOSYS;
#endif
}

static inline void *memory32(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
}

/* ---- a call that never ends ---- */

static inline bool waits_for_a_page(atomic_int *tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", *tid);
	return *tid && strstr(sysfs_read(path), "userfault");
}

/* A page of memory whose content nobody ever delivers. */
static inline void *undelivered_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	void *page;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return NULL;
	page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)page;
	range.range.len = getpagesize();
	return ioctl(fd, UFFDIO_REGISTER, &range) ? NULL : page;
}

/* What the thread of a holder needs for a call of the driver that reads such a page. */
struct hung {
	unsigned int index;		/* of the token */
	void *(*call)(void *hung);
	int lfd;
	const void *device;
	void *page;
	atomic_int tid;
};

static inline bool hangs(void *of)
{
	struct hung *hung = of;
	pthread_t thread;

	hung->page = undelivered_page();
	hung->lfd = acquire_lease_fd(open_index_bound(hung->index, 0));
	pthread_create(&thread, NULL, hung->call, hung);
	return EVENTUALLY(waits_for_a_page(&hung->tid));
}

/* A child that has the lease of a token, and hangs in @call. -1 if it doesn't. */
static inline pid_t hung_holder(unsigned int index, const void *device,
				void *(*call)(void *hung))
{
	struct hung hung = { .index = index, .call = call, .device = device };

	return child_that_stays(hangs, &hung);
}

#endif /* DEVICE_H */
