// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sessions and logins of a caller. The kernel keeps R5 and R6.
 */
#include "internal.h"

int tokmux_session_open(struct tokmux_caller *caller, int timeout_ms,
			uint32_t *id)
{
	struct tokmux_session_open arg = { .timeout_ms = timeout_ms };
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_SESSION_OPEN, &arg);
	if (!ret)
		*id = arg.id;
	return ret;
}

int tokmux_session_close(struct tokmux_caller *caller, uint32_t id)
{
	struct tokmux_session_close arg = { .id = id };
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_SESSION_CLOSE, &arg);
	return ret ? ret : (int)arg.closed;
}

int tokmux_session_close_all(struct tokmux_caller *caller)
{
	struct tokmux_session_close_all arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_SESSION_CLOSE_ALL, &arg);
	return ret ? ret : (int)arg.closed;
}

int tokmux_login(struct tokmux_caller *caller, unsigned int user_type)
{
	struct tokmux_login arg = { .user_type = user_type };
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_LOGIN, &arg);
	return ret ? ret : (int)arg.others;
}

int tokmux_logout(struct tokmux_caller *caller)
{
	struct tokmux_logout arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_LOGOUT, &arg);
	return ret ? ret : (int)arg.closed;
}
