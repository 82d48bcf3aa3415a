// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The control device: makes, finds and removes tokens.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "token.h"

#define CONTROL	"/dev/tokmux-control"

/* A sandbox hides /dev first, /sys often, and /proc seldom. */
static bool is_loaded(void)
{
	char line[64];
	bool found = !access(TOKMUX_SYSFS, F_OK);
	FILE *misc = found ? NULL : fopen("/proc/misc", "re");

	if (!misc)
		return found;
	while (!found && fgets(line, sizeof(line), misc))
		found = strstr(line, " tokmux-control\n");
	fclose(misc);
	return found;
}

/* -ENODEV: the module is not loaded. -ENXIO: it is, but not for this process. */
int tokmux_control_open(void)
{
	int saved = errno;
	int fd = tokmux_node_open(CONTROL);

	if (fd == -ENOENT)
		fd = is_loaded() ? -ENXIO : -ENODEV;
	errno = saved;
	return fd;
}

static void control_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

static int control_ioctl(unsigned long cmd, void *arg)
{
	int fd = tokmux_control_open();
	int ret = fd;

	if (fd >= 0)
		ret = tokmux_ioctl(fd, cmd, arg);
	control_close(fd);
	return ret;
}

int tokmux_present(void)
{
	int fd = tokmux_control_open();

	control_close(fd);
	if (fd == -ENODEV)
		return 0;
	return fd < 0 ? fd : 1;
}

int tokmux_control_open_user(const char *name, int *fd)
{
	struct tokmux_open arg = {};
	int ret;

	strcpy(arg.name, name);
	ret = control_ioctl(TOKMUX_CTL_OPEN, &arg);
	if (!ret)
		*fd = arg.fd;
	return ret;
}

/* If the token is to have a real device, @arg describes it already. */
static int fill_in(const char *name, unsigned int flags,
		   unsigned int hold_limit_ms, unsigned int max_sessions,
		   struct tokmux_create *arg)
{
	int ret;

	ret = tokmux_check_name(name);
	if (ret)
		return ret;
	arg->flags = flags;
	arg->hold_limit_ms = hold_limit_ms;
	arg->max_sessions = max_sessions;
	strcpy(arg->name, name);
	return 0;
}

static int control_create(const char *name, unsigned int flags,
			  unsigned int hold_limit_ms, unsigned int max_sessions,
			  struct tokmux_create *arg)
{
	int ret = fill_in(name, flags, hold_limit_ms, max_sessions, arg);

	return ret ? ret : control_ioctl(TOKMUX_CTL_CREATE, arg);
}

int tokmux_open_user_at(int control, const char *name,
			unsigned int hold_limit_ms, unsigned int max_sessions,
			struct tokmux_caller **caller)
{
	struct tokmux_create arg = {};
	int ret;

	ret = fill_in(name, TOKMUX_CREATE_USER, hold_limit_ms, max_sessions,
		      &arg);
	if (!ret)
		ret = tokmux_ioctl(control, TOKMUX_CTL_CREATE, &arg);
	if (!ret)
		ret = tokmux_caller_from_fd(arg.fd, caller);
	return ret ? ret : (int)arg.created;
}

int tokmux_open_user(const char *name, unsigned int hold_limit_ms,
		     unsigned int max_sessions, struct tokmux_caller **caller)
{
	int ret = tokmux_check_name(name);
	int control;

	if (ret)
		return ret;
	control = tokmux_control_open();
	if (control < 0)
		return control;
	ret = tokmux_open_user_at(control, name, hold_limit_ms, max_sessions,
				  caller);
	control_close(control);
	return ret;
}

int tokmux_create_system(const char *name, unsigned int hold_limit_ms,
			 unsigned int max_sessions, unsigned int *index)
{
	struct tokmux_create arg = {};
	int ret;

	ret = control_create(name, 0, hold_limit_ms, max_sessions, &arg);
	if (!ret && index)
		*index = arg.index;
	return ret;
}

int tokmux_create_device_fd(const char *name, unsigned int flags,
			    unsigned int hold_limit_ms, unsigned int max_sessions,
			    int fd, int interface, unsigned int *index)
{
	struct tokmux_create arg = {};
	int saved = errno;
	int ret;

	if (flags & ~TOKMUX_CREATE_NO_SCRUB)
		return -EINVAL;
	ret = tokmux_device_describe(fd, interface, &arg);
	errno = saved;
	if (!ret)
		ret = control_create(name, flags, hold_limit_ms, max_sessions,
				     &arg);
	if (!ret && index)
		*index = arg.index;
	return ret;
}

int tokmux_create_device(const char *name, unsigned int flags,
			 unsigned int hold_limit_ms, unsigned int max_sessions,
			 const char *node, int interface, unsigned int *index)
{
	int saved = errno;
	int fd, ret;

	fd = open(node, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ret = fd < 0 ? -errno : 0;
	errno = saved;
	if (ret)
		return ret;
	ret = tokmux_create_device_fd(name, flags, hold_limit_ms, max_sessions,
				      fd, interface, index);
	close(fd);
	return ret;
}

int tokmux_remove_system(unsigned int index)
{
	struct tokmux_remove arg = { .index = index };

	return control_ioctl(TOKMUX_CTL_REMOVE, &arg);
}

int tokmux_remove_token(const struct tokmux_token *token)
{
	int saved = errno;
	bool there = token_exists(token);

	errno = saved;
	return there ? tokmux_remove_system(token->index) : -ENODEV;
}
