// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The one way to the module's devices, and to their ioctls.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include "internal.h"

int tokmux_node_open(const char *path)
{
	int saved = errno;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = errno == ENXIO ? -ENODEV : errno == EPERM ? -ENXIO : -errno;
	errno = saved;
	return fd;
}

int tokmux_ioctl(int fd, unsigned long cmd, void *arg)
{
	int saved = errno;
	int ret = ioctl(fd, cmd, arg);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}
