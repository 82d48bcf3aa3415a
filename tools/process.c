// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Processes, as /proc shows them.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "process.h"

bool process_command(pid_t pid, char *name, size_t size)
{
	char path[64], *p;
	FILE *f;

	*name = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
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

bool process_uid(pid_t pid, uid_t *uid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &st))
		return false;
	*uid = st.st_uid;
	return true;
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

/* Of a user's token there is no device, but an anonymous inode of that name. */
static bool is_anonymous(const char *path)
{
	char target[64];
	ssize_t length = readlink(path, target, sizeof(target) - 1);

	if (length < 0)
		return false;
	target[length] = '\0';
	return !strcmp(target, "anon_inode:[tokmux]");
}

static void see_file(pid_t pid, const char *fd,
		     void (*see)(const struct open_file *file, void *data),
		     void *data)
{
	struct open_file file = { .pid = pid, .held_ms = -1 };
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, fd);
	if (stat(path, &st))
		return;
	if (S_ISSOCK(st.st_mode)) {
		file.socket = st.st_ino;
		see(&file, data);
		return;
	}
	if (S_ISCHR(st.st_mode))
		file.rdev = st.st_rdev;
	else if (!is_anonymous(path))
		return;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, fd);
	read_fdinfo(path, &file);
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
