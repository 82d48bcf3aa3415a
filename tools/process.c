// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Processes, as /proc shows them.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "process.h"

FILE *process_file(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

bool process_command(pid_t pid, char *name, size_t size)
{
	FILE *f = process_file(pid, "comm");
	char *p;

	*name = '\0';
	if (!f)
		return false;
	if (!fgets(name, size, f))
		*name = '\0';
	fclose(f);
	name[strcspn(name, "\n")] = '\0';
	/* A process may call itself what it likes, also in escape sequences. */
	for (p = name; *p; p++)
		if (!isascii((unsigned char)*p) || !isprint((unsigned char)*p))
			*p = '?';
	return *name;
}

static bool effective_id(pid_t pid, const char *format, unsigned int *id)
{
	/* Not the directory's owner: of a process that may not be dumped it is root. */
	FILE *f = process_file(pid, "status");
	char line[256];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, format, id) == 1;
	fclose(f);
	return found;
}

bool process_uid(pid_t pid, uid_t *uid)
{
	return effective_id(pid, "Uid: %*u %u", uid);
}

bool process_gid(pid_t pid, gid_t *gid)
{
	return effective_id(pid, "Gid: %*u %u", gid);
}

void user_name(uid_t uid, char *name, size_t size)
{
	struct passwd *user = getpwuid(uid);

	if (user)
		snprintf(name, size, "%s", user->pw_name);
	else
		snprintf(name, size, "%u", uid);
}

void process_title(pid_t pid, char *title, size_t size)
{
	char name[PROCESS_NAME_SIZE];

	if (process_command(pid, name, sizeof(name)))
		snprintf(title, size, "%s[%d]", name, pid);
	else
		snprintf(title, size, "[%d]", pid);
}

static bool starts(const char *line, const char *key, const char **rest)
{
	size_t length = strlen(key);

	if (strncmp(line, key, length))
		return false;
	*rest = line + length;
	return true;
}

static void read_fdinfo(const char *path, struct open_file *file)
{
	char line[256];
	const char *rest;
	FILE *f = fopen(path, "re");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (starts(line, "token:\t", &rest)) {
			file->is_caller = true;
			snprintf(file->token, sizeof(file->token), "%.63s", rest);
		} else if (starts(line, "owner-pid:\t", &rest)) {
			file->owner = strtol(rest, NULL, 10);
		} else if (starts(line, "lease:\t", &rest)) {
			file->exclusive = !strcmp(rest, "exclusive");
			file->shared = !strcmp(rest, "shared");
		} else if (starts(line, "held-ms:\t", &rest)) {
			file->held_ms = strtoll(rest, NULL, 10);
			file->uses = true;
		} else if (starts(line, "idle:\t", &rest)) {
			file->uses = *rest == '0';
		} else if (starts(line, "waiting:\t", &rest)) {
			file->waiting = strtoul(rest, NULL, 10);
		} else if (starts(line, "sessions:\t", &rest)) {
			file->sessions = strtoul(rest, NULL, 10);
		} else if (starts(line, "login:\t", &rest)) {
			snprintf(file->login, sizeof(file->login), "%.7s", rest);
		}
	}
	fclose(f);
}

/*
 * What kind of file it is. Its file system is not asked: that may be a process of
 * whoever opened the file, and never answer. What it is and which device, the
 * kernel knows by itself.
 */
static bool look_at(const char *path, struct open_file *file)
{
	unsigned long long socket;
	char target[64];
	struct statx st;
	ssize_t length;

	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	if (sscanf(target, "socket:[%llu]", &socket) == 1) {
		file->socket = socket;
		return true;
	}
	/* Of a user's token there is no device, but an anonymous inode. */
	if (*target != '/')
		return !strcmp(target, "anon_inode:[tokmux]");
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		  STATX_TYPE, &st) || !S_ISCHR(st.stx_mode))
		return false;
	file->rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor);
	return true;
}

static void see_file(pid_t pid, const char *fd,
		     void (*see)(const struct open_file *file, void *data),
		     void *data)
{
	struct open_file file = { .pid = pid, .held_ms = -1 };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, fd);
	if (!look_at(path, &file))
		return;
	if (!file.socket) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, fd);
		read_fdinfo(path, &file);
	}
	see(&file, data);
}

static void see_process(pid_t pid,
			void (*see)(const struct open_file *file, void *data),
			void *data)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			see_file(pid, entry->d_name, see, data);
	closedir(dir);
}

void for_each_open_file(void (*see)(const struct open_file *file, void *data),
			void *data)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			see_process(strtol(entry->d_name, NULL, 10), see, data);
	closedir(dir);
}
