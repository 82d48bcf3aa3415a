// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opens a token by any of its names, and closes it in good order.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "park.h"
#include "token.h"

/*
 * Opens @path and compares the token that was opened with @name: what led from
 * the name to the path may be out of date. All that is opened by a name comes
 * through here. @name is NULL for a token that is called by its device.
 */
static int open_device(const char *path, const char *name, int *fd)
{
	struct tokmux_info info = {};
	int ret;

	*fd = tokmux_node_open(path);
	if (*fd < 0)
		return *fd;
	/* Is it a token's device at all? */
	ret = tokmux_ioctl(*fd, TOKMUX_INFO, &info);
	if (ret == -ENOTTY)
		ret = -EINVAL;
	if (!ret && name && strcmp(info.name, name))
		ret = -ENOENT;
	if (ret)
		close(*fd);
	return ret;
}

static int open_sysname(const char *sysname, const char *name, int *fd)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/%s", sysname);
	return open_device(path, name, fd);
}

/* Does the kernel have the token whose node there is not? */
static int without_node(const char *sysname)
{
	ino_t id = 0;
	int dir = tokmux_sysfs_open(sysname, &id);

	if (dir < 0)
		return -ENOENT;
	close(dir);
	return -ENXIO;
}

static int open_system(const char *name, int *fd)
{
	char found[TOKMUX_NAME_SIZE];
	struct dirent *entry;
	int ret = -ENOENT;
	char again[TOKMUX_NAME_SIZE];
	ino_t id;
	DIR *dir;

	dir = opendir(TOKMUX_SYSFS);
	if (!dir)
		return -ENOENT;
	while (ret == -ENOENT && (entry = readdir(dir))) {
		id = 0;
		if (entry->d_name[0] == '.' ||
		    tokmux_sysfs_name(entry->d_name, &id, found) ||
		    strcmp(found, name))
			continue;
		ret = open_sysname(entry->d_name, name, fd);
		/* Is it gone, or can only this process not reach it (R18)? */
		if (ret == -ENOENT &&
		    !tokmux_sysfs_name(entry->d_name, &id, again) &&
		    !strcmp(again, name))
			ret = -ENXIO;
	}
	closedir(dir);
	return ret;
}

static int open_path(const char *path, int *fd)
{
	int ret = open_device(path, tokmux_link_name(path), fd);
	unsigned int index;

	if (ret == -ENOENT && !strncmp(path, "/dev/", 5) &&
	    tokmux_parse_sysname(path + 5, &index))
		ret = without_node(path + 5);
	return ret;
}

/* By its sysname first: that can be another token's name, too. */
static int open_name(const char *name, int *fd)
{
	bool is_sysname;
	unsigned int index;
	int ret = -ENOENT;

	is_sysname = tokmux_parse_sysname(name, &index);
	if (is_sysname)
		ret = open_sysname(name, NULL, fd);
	if (ret == -ENOENT && is_sysname)
		ret = without_node(name);
	if (ret == -ENOENT)
		ret = open_system(name, fd);
	if (ret == -ENOENT)
		ret = tokmux_control_open_user(name, fd);
	return ret;
}

int tokmux_open(const char *token, struct tokmux_caller **caller)
{
	int saved = errno;
	int ret, fd;

	if (strchr(token, '/')) {
		ret = open_path(token, &fd);
		goto out;
	}
	ret = tokmux_check_name(token);
	if (ret)
		goto out;
	ret = open_name(token, &fd);
	/* A system token of that name: made just now, or out of reach (R18). */
	if (ret == -EEXIST) {
		ret = open_system(token, &fd);
		if (ret == -ENOENT)
			ret = -ENXIO;
	}
out:
	if (!ret)
		ret = tokmux_caller_from_fd(fd, caller);
	errno = saved;
	return ret;
}

int tokmux_open_token(const struct tokmux_token *token,
		      struct tokmux_caller **caller)
{
	int saved = errno;
	int ret, fd;

	ret = open_sysname(tokmux_token_sysname(token), token->name, &fd);
	if (ret)
		goto out;
	/*
	 * One after the other, two tokens may have the same name and index. The
	 * one that is there all the time is the one that was opened.
	 */
	if (token_exists(token)) {
		ret = tokmux_caller_from_fd(fd, caller);
	} else {
		close(fd);
		ret = -ENODEV;
	}
out:
	errno = saved;
	return ret == -ENOENT ? -ENODEV : ret;
}

void tokmux_close(struct tokmux_caller *caller)
{
	int saved = errno;

	if (!caller)
		return;
	if (tokmux_caller_leave_fd(caller)) {
		/*
		 * A file that is closed with a lease or a login leaves the token
		 * unclean. Errors don't matter: there was nothing to end, or the
		 * caller is another process'.
		 */
		tokmux_session_close_all(caller);
		tokmux_release(caller);
		close(caller->fd);
	}
	tokmux_park_unmap(caller);
	free(caller);
	errno = saved;
}
