// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Regions in configuration files. The rest of a file stays as it is, byte for
 * byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf_region.h"

#define FIRST	"# tokmux: from here on written by tokmux(8)\n"
#define LAST	"# tokmux: up to here\n"

/* More is no configuration. */
#define TEXT_MAX	(1 << 20)

static int read_text(FILE *file, char **text)
{
	size_t len;

	*text = malloc(TEXT_MAX + 1);
	if (!*text)
		return -ENOMEM;
	len = fread(*text, 1, TEXT_MAX + 1, file);
	if (ferror(file))
		return -EIO;
	if (len > TEXT_MAX)
		return -EFBIG;
	(*text)[len] = '\0';
	return strlen(*text) == len ? 0 : -EINVAL;
}

int conf_read(struct conf *conf, const char *path)
{
	FILE *file;
	int ret;

	conf->text = NULL;
	conf->path = realpath(path, NULL);
	if (!conf->path)
		conf->path = strdup(path);
	if (!conf->path)
		return -ENOMEM;
	file = fopen(conf->path, "re");
	if (!file && errno == ENOENT) {
		conf->text = strdup("");
		return conf->text ? 0 : -ENOMEM;
	}
	if (!file)
		return -errno;
	ret = read_text(file, &conf->text);
	fclose(file);
	return ret;
}

void conf_free(struct conf *conf)
{
	free(conf->path);
	free(conf->text);
}

/* The line behind @line, or the end of the text. */
static char *next_line(char *line)
{
	char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

unsigned int conf_find(const struct conf *conf, const char *what)
{
	unsigned int number = 1;
	char *line;

	for (line = conf->text; *line; line = next_line(line), number++)
		if (!strncmp(line + strspn(line, " \t"), what, strlen(what)))
			return number;
	return 0;
}

static int replace_text(struct conf *conf, size_t at, size_t len,
			const char *with)
{
	char *text;

	if (asprintf(&text, "%.*s%s%s", (int)at, conf->text, with,
		     conf->text + at + len) < 0)
		return -ENOMEM;
	free(conf->text);
	conf->text = text;
	return 0;
}

int conf_insert(struct conf *conf, unsigned int number, const char *lines)
{
	char *at = conf->text, *region;
	const char *newline;
	int ret;

	if (!number)
		at += strlen(at);
	while (number--)
		at = next_line(at);
	/* The line before may be the last one, without an end. */
	newline = at > conf->text && at[-1] != '\n' ? "\n" : "";
	if (asprintf(&region, "%s" FIRST "%s" LAST, newline, lines) < 0)
		return -ENOMEM;
	ret = replace_text(conf, (size_t)(at - conf->text), 0, region);
	free(region);
	return ret;
}

int conf_remove(struct conf *conf, char **old)
{
	char *first = strstr(conf->text, FIRST), *last;

	*old = NULL;
	if (!first)
		return 0;
	last = strstr(first, LAST);
	if (!last)
		return -EINVAL;
	last += strlen(LAST);
	*old = strndup(first, (size_t)(last - first));
	if (!*old)
		return -ENOMEM;
	return replace_text(conf, (size_t)(first - conf->text),
			    (size_t)(last - first), "");
}

/* A reader of the file sees the old one or the new one. */
static int write_beside(const struct conf *conf, const char *beside, int fd)
{
	size_t len = strlen(conf->text);
	ssize_t written;
	struct stat st;

	if (stat(conf->path, &st))
		st.st_mode = 0644;
	else if (fchown(fd, st.st_uid, st.st_gid) && !geteuid())
		return -errno;
	if (fchmod(fd, st.st_mode & 07777))
		return -errno;
	written = write(fd, conf->text, len);
	/* A disk that fills up meanwhile: errno says nothing then. */
	if (written >= 0 && (size_t)written != len)
		return -ENOSPC;
	if (written < 0 || fsync(fd) || rename(beside, conf->path))
		return -errno;
	return 0;
}

int conf_write(const struct conf *conf)
{
	char *beside;
	int fd, ret;

	if (!*conf->text)
		return unlink(conf->path) && errno != ENOENT ? -errno : 0;
	if (asprintf(&beside, "%s.XXXXXX", conf->path) < 0)
		return -ENOMEM;
	fd = mkostemp(beside, O_CLOEXEC);
	ret = fd < 0 ? -errno : write_beside(conf, beside, fd);
	if (fd >= 0) {
		close(fd);
		if (ret)
			unlink(beside);
	}
	free(beside);
	return ret;
}
