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
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "origin.h"

#define DIRECTORY	"/run/tokmux/tokens"
#define LOCK		"/run/tokmux/lock"
#define INTERFACE	"TOKMUX_INTERFACE"
#define IDENTITY	"TOKMUX_IDENTITY"

/* More than anything takes that is done under the lock. */
#define LOCK_SECONDS	30

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

static void interrupt(int signal) {}

/* As flock(), but not for ever. */
static int lock_file(int fd)
{
	const struct itimerval time = { { 1, 0 }, { LOCK_SECONDS, 0 } }, none = {};
	const struct sigaction wake = { .sa_handler = interrupt };
	struct sigaction before;
	int ret;

	sigaction(SIGALRM, &wake, &before);
	setitimer(ITIMER_REAL, &time, NULL);
	ret = flock(fd, LOCK_EX) ? -errno : 0;
	setitimer(ITIMER_REAL, &none, NULL);
	sigaction(SIGALRM, &before, NULL);
	return ret == -EINTR ? -ETIMEDOUT : ret;
}

int origin_lock(void)
{
	int fd, ret;

	mkdir("/run/tokmux", 0755);
	fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = lock_file(fd);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

void origin_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

void origin_id(const struct reader *reader, char id[static ORIGIN_ID_SIZE])
{
	snprintf(id, ORIGIN_ID_SIZE, "%s-if%02x", reader->id, reader->number);
}

int origin_write(const char *name, const struct reader *reader)
{
	static const char * const keys[] = {
		"ID_VENDOR", "ID_VENDOR_ID", "ID_MODEL", "ID_MODEL_ID",
		"ID_SERIAL", "ID_SERIAL_SHORT", "ID_PATH",
	};
	char path[PATH_MAX], id[ORIGIN_ID_SIZE];
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
	origin_id(reader, id);
	put(f, IDENTITY, id);
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

/* What the file of the token @name has of @key. */
static bool get(const char *name, const char *key, char value[static PATH_MAX])
{
	char path[PATH_MAX], line[PATH_MAX];
	size_t length = strlen(key);
	bool found = false;
	FILE *f;

	f = path_of(name, path) ? fopen(path, "re") : NULL;
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, key, length) && line[length] == '=';
	}
	fclose(f);
	if (found)
		strcpy(value, line + length + 1);
	return found;
}

/* The token for which @is says so. */
static bool find(bool (*is)(const char *name, const void *data),
		 const void *data, char name[static TOKMUX_NAME_SIZE])
{
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	dir = opendir(DIRECTORY);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = strlen(entry->d_name) < TOKMUX_NAME_SIZE &&
			is(entry->d_name, data);
		if (found)
			strcpy(name, entry->d_name);
	}
	closedir(dir);
	return found;
}

static bool is_at(const char *name, const void *devpath)
{
	char value[PATH_MAX];

	return get(name, INTERFACE, value) && !strcmp(value, devpath);
}

bool origin_find(const char *devpath, char name[static TOKMUX_NAME_SIZE])
{
	return find(is_at, devpath, name);
}

bool origin_exists(const char *name)
{
	char devpath[PATH_MAX], path[PATH_MAX + 4];

	if (!get(name, INTERFACE, devpath))
		return true;
	snprintf(path, sizeof(path), "/sys%s", devpath);
	return !access(path, F_OK);
}

static bool is_twin(const char *name, const void *data)
{
	const struct reader *reader = data;
	char value[PATH_MAX], id[ORIGIN_ID_SIZE];

	origin_id(reader, id);
	return get(name, IDENTITY, value) && !strcmp(value, id) &&
	       !is_at(name, udev_device_get_devpath(reader->interface)) &&
	       origin_exists(name);
}

bool origin_twin(const struct reader *reader, char name[static TOKMUX_NAME_SIZE],
		 char devpath[static PATH_MAX])
{
	return find(is_twin, reader, name) && get(name, INTERFACE, devpath);
}
