// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Callers: an open file of a token, bound, looked at, ejected.
 */
#include <stdlib.h>
#include <unistd.h>
#include "internal.h"

int tokmux_caller_from_fd(int fd, struct tokmux_caller **caller)
{
	struct tokmux_caller *c = malloc(sizeof(*c));

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	*c = (struct tokmux_caller){ .fd = fd };
	*caller = c;
	return 0;
}

int tokmux_fd(const struct tokmux_caller *caller)
{
	return caller->fd;
}

int tokmux_bind(struct tokmux_caller *caller, unsigned int flags)
{
	struct tokmux_bind arg = { .flags = flags };
	int ret = tokmux_ioctl(caller->fd, TOKMUX_BIND, &arg);

	if (!ret)
		caller->group = flags & TOKMUX_BIND_GROUP;
	return ret;
}

int tokmux_info(struct tokmux_caller *caller, struct tokmux_info *info)
{
	struct tokmux_info arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_INFO, &arg);
	if (!ret)
		*info = arg;
	return ret;
}

int tokmux_eject(struct tokmux_caller *caller, struct tokmux_eject *counts)
{
	struct tokmux_eject arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_EJECT, &arg);
	if (!ret && counts)
		*counts = arg;
	return ret;
}
