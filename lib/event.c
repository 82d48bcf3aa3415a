// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Events: what happened to a caller.
 */
#include <poll.h>
#include <unistd.h>
#include "internal.h"

/* read() gives records of this size to programs of any age. */
_Static_assert(sizeof(struct tokmux_event) == 24, "an event's record cannot grow");

static int wait_readable(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret = poll(&pfd, 1, timeout_ms);

	if (ret < 0)
		return -errno;
	if (!ret)
		return timeout_ms ? -ETIMEDOUT : -EAGAIN;
	return 0;
}

int tokmux_read_event(struct tokmux_caller *caller, int timeout_ms,
		      struct tokmux_event *event)
{
	struct tokmux_event arg;
	int saved = errno;
	ssize_t len;
	int ret = 0;

	/*
	 * poll() does not tell another process, an unbound caller and a
	 * removed token apart. read() does, so its errno is the answer.
	 */
	if (timeout_ms >= 0)
		ret = wait_readable(caller->fd, timeout_ms);
	/* A program's own file, under the same number, isn't read. */
	if (!ret && !tokmux_caller_has_fd(caller))
		ret = -EBADF;
	if (ret)
		goto out;
	len = read(caller->fd, &arg, sizeof(arg));
	if (len < 0)
		ret = -errno;
	else if (len != sizeof(arg))
		ret = -EIO;
	else
		*event = arg;
out:
	errno = saved;
	return ret;
}
