// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The eventfd that the keeper waits on, beside other files.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "wake.h"

static int fd = -1;

int wake_open(void)
{
	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd < 0 ? -errno : 0;
}

void wake_close(void)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
}

void wake_keeper(void)
{
	if (fd >= 0)
		eventfd_write(fd, 1);
}

int wake_fd(void)
{
	return fd;
}

void wake_drain(void)
{
	eventfd_t count;

	eventfd_read(fd, &count);
}
