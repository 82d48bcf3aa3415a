// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A token as the kernel shows it: its directory in sysfs.
 *
 * An index and a name are used again by later tokens, also while somebody looks.
 * The directory's inode number is not: it tells two tokens apart, and a file that
 * is read below the open directory is that token's or -ENOENT.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "internal.h"

int tokmux_sysfs_open(const char *sysname, ino_t *id)
{
	char path[PATH_MAX];
	struct stat st;
	int dir, ret = 0;

	snprintf(path, sizeof(path), TOKMUX_SYSFS "/%s", sysname);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (fstat(dir, &st))
		ret = -errno;
	else if (*id && *id != st.st_ino)
		ret = -ENOENT;
	if (ret) {
		close(dir);
		return ret;
	}
	*id = st.st_ino;
	return dir;
}

int tokmux_sysfs_read(int dir, const char *key, char *value, size_t size)
{
	ssize_t len = -1;
	int fd, ret;

	fd = openat(dir, key, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		len = read(fd, value, size);
	ret = len < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (ret)
		return ret == -EISDIR ? -ENOENT : ret;
	if ((size_t)len == size)
		return -ENOBUFS;
	while (len && value[len - 1] == '\n')
		len--;
	value[len] = '\0';
	return len;
}

int tokmux_sysfs_name(const char *sysname, ino_t *id,
		      char name[static TOKMUX_NAME_SIZE])
{
	char line[TOKMUX_NAME_SIZE + 1];
	int dir, ret;

	dir = tokmux_sysfs_open(sysname, id);
	if (dir < 0)
		return dir;
	ret = tokmux_sysfs_read(dir, "name", line, sizeof(line));
	close(dir);
	if (ret < 0)
		return ret;
	if (!ret || ret >= TOKMUX_NAME_SIZE)
		return -ENOENT;
	memcpy(name, line, ret + 1);
	return 0;
}
