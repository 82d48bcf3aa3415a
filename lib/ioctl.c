// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The one way to an ioctl of the module.
 */
#include <sys/ioctl.h>
#include "internal.h"

int tokmux_ioctl(int fd, unsigned long cmd, void *arg)
{
	int saved = errno;
	int ret = ioctl(fd, cmd, arg);

	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}
