// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where a token comes from: /run/tokmux/tokens/NAME.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "origin.h"

#define DIRECTORY	"/run/tokmux/tokens"
#define LOCK		"/run/tokmux/lock"
#define INTERFACE	"TOKMUX_INTERFACE"

/* false for what may be a token's name, and no file's. */
static bool path_of(const char *name, char path[static PATH_MAX])
{
	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") ||
	    strchr(name, '/'))
		return false;
	return snprintf(path, PATH_MAX, DIRECTORY "/%s", name) < PATH_MAX;
}

static void put(FILE *f, const char *key, const char *value)
{
	if (value)
		fprintf(f, "%s=%s\n", key, value);
}

int origin_lock(void)
{
	int fd;

	mkdir("/run/tokmux", 0755);
	fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX))
		if (errno != EINTR) {
			close(fd);
			return -ENOLCK;
		}
	return fd;
}

void origin_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

int origin_write(const char *name, const struct reader *reader)
{
	static const char * const keys[] = {
		"ID_VENDOR", "ID_VENDOR_ID", "ID_MODEL", "ID_MODEL_ID",
		"ID_SERIAL", "ID_SERIAL_SHORT", "ID_PATH",
	};
	char path[PATH_MAX];
	size_t i;
	FILE *f;
	int ret;

	if (!path_of(name, path))
		return -EINVAL;
	if ((mkdir("/run/tokmux", 0755) && errno != EEXIST) ||
	    (mkdir(DIRECTORY, 0755) && errno != EEXIST))
		return -errno;
	f = fopen(path, "we");
	if (!f)
		return -errno;
	put(f, "TOKMUX_ID", name);
	put(f, "TOKMUX_DEVICE", reader->node);
	put(f, INTERFACE, udev_device_get_devpath(reader->interface));
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		put(f, keys[i], udev_device_get_property_value(reader->device,
							       keys[i]));
	ret = ferror(f) ? -EIO : 0;
	if (fclose(f) && !ret)
		ret = -errno;
	if (ret)
		unlink(path);
	return ret;
}

void origin_remove(const char *name)
{
	char path[PATH_MAX];

	if (path_of(name, path))
		unlink(path);
}

static bool is_of(const char *name, const char *devpath)
{
	char path[PATH_MAX], line[PATH_MAX];
	bool found = false;
	FILE *f;

	f = path_of(name, path) ? fopen(path, "re") : NULL;
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, INTERFACE "=", sizeof(INTERFACE)) &&
			!strcmp(line + sizeof(INTERFACE), devpath);
	}
	fclose(f);
	return found;
}

bool origin_find(const char *devpath, char name[static TOKMUX_NAME_SIZE])
{
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	dir = opendir(DIRECTORY);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = strlen(entry->d_name) < TOKMUX_NAME_SIZE &&
			is_of(entry->d_name, devpath);
		if (found)
			strcpy(name, entry->d_name);
	}
	closedir(dir);
	return found;
}
