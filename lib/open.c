// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opens a token by any of its names, and closes it in good order.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "internal.h"

#define SYSFS_CLASS	"/sys/class/tokmux"

static int open_device(const char *path, int *fd)
{
	struct tokmux_info info = {};
	int ret;

	*fd = open(path, O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		return errno == ENXIO ? -ENODEV : -errno;
	/* Is it a token's device at all? */
	ret = tokmux_ioctl(*fd, TOKMUX_INFO, &info);
	if (ret) {
		close(*fd);
		return ret == -ENOTTY ? -EINVAL : ret;
	}
	return 0;
}

static bool device_has_name(const char *device, const char *name)
{
	char path[PATH_MAX], line[TOKMUX_NAME_SIZE + 1];
	bool same = false;
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_CLASS "/%s/name", device);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		same = !strcmp(line, name);
	}
	fclose(f);
	return same;
}

static int open_system(const char *name, int *fd)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int ret = -ENOENT;
	DIR *dir;

	dir = opendir(SYSFS_CLASS);
	if (!dir)
		return -ENOENT;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    !device_has_name(entry->d_name, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		ret = open_device(path, fd);
		break;
	}
	closedir(dir);
	return ret;
}

int tokmux_open(const char *token, struct tokmux_caller **caller)
{
	int saved = errno;
	char path[PATH_MAX];
	unsigned int index;
	int ret, fd;

	if (strchr(token, '/')) {
		ret = open_device(token, &fd);
		goto out;
	}
	ret = tokmux_check_name(token);
	if (ret)
		goto out;
	ret = -ENOENT;
	if (tokmux_parse_sysname(token, &index)) {
		snprintf(path, sizeof(path), "/dev/%s", token);
		ret = open_device(path, &fd);
	}
	if (ret == -ENOENT)
		ret = open_system(token, &fd);
	if (ret == -ENOENT)
		ret = tokmux_control_open_user(token, &fd);
out:
	if (!ret)
		ret = tokmux_caller_from_fd(fd, caller);
	errno = saved;
	return ret;
}

void tokmux_close(struct tokmux_caller *caller)
{
	int saved = errno;

	if (!caller)
		return;
	/*
	 * A file that is closed with a lease or a login leaves the token
	 * unclean. Errors don't matter: there was nothing to end, or the
	 * caller is another process'.
	 */
	tokmux_session_close_all(caller);
	tokmux_release(caller);
	close(caller->fd);
	free(caller);
	errno = saved;
}
