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

/*
 * The kernel's structs may grow with its header, and programs are built with the
 * library's: so one is not copied as the other, but member by member.
 */
int tokmux_info(struct tokmux_caller *caller, struct tokmux_state *state,
		size_t size)
{
	struct tokmux_state known = {};
	struct tokmux_info arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_INFO, &arg);
	if (ret)
		return ret;
	known.flags = arg.flags;
	known.index = arg.index;
	known.epoch = arg.epoch;
	known.owner_uid = arg.owner_uid;
	known.holder_pid = arg.holder_pid;
	known.holders = arg.holders;
	known.waiters = arg.waiters;
	known.sessions = arg.sessions;
	known.max_sessions = arg.max_sessions;
	known.users = arg.users;
	known.sos = arg.sos;
	known.hold_limit_ms = arg.hold_limit_ms;
	known.grants = arg.grants;
	memcpy(known.name, arg.name, sizeof(known.name));
	memset(state, 0, size);
	memcpy(state, &known, size < sizeof(known) ? size : sizeof(known));
	return 0;
}

int tokmux_eject(struct tokmux_caller *caller, struct tokmux_ejected *ejected)
{
	struct tokmux_eject arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_EJECT, &arg);
	if (!ret && ejected)
		*ejected = (struct tokmux_ejected){ .leases = arg.leases,
						    .sessions = arg.sessions,
						    .logins = arg.logins };
	return ret;
}
