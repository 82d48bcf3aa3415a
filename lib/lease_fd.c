// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The lease fd: the real device, for as long as the exclusive lease lasts.
 */
#include "internal.h"

int tokmux_lease_fd(struct tokmux_caller *caller)
{
	struct tokmux_lease_fd arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_LEASE_FD, &arg);
	return ret ? ret : arg.fd;
}
