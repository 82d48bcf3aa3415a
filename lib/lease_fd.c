// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The lease fd: a way to the real device that ends with the exclusive lease.
 */
#include "internal.h"

int tokmux_lease_fd(struct tokmux_caller *caller)
{
	struct tokmux_lease_fd arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_LEASE_FD, &arg);
	return ret ? ret : arg.fd;
}
