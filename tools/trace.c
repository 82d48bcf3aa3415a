// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The use of tokens, from the kernel module's tracepoints.
 *
 * The events go to an instance of tracefs of our own, so that other users of tracing
 * are not disturbed. An instance stays when its process ends. So its name has the pid,
 * and the next process removes the instances of processes that were killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "trace.h"

#define PREFIX	"tokmux-"

struct trace {
	char instance[128];
	int fd;
	/* Text that was read. The first @at bytes of it have been told. */
	char text[8192];
	size_t length, at;
};

static const char *instances(void)
{
	static const char *const places[] = {
		"/sys/kernel/tracing/instances",
		"/sys/kernel/debug/tracing/instances",
	};

	/* Where only the second one is mounted, the first is an empty directory. */
	return access(places[0], F_OK) ? places[1] : places[0];
}

static void remove_stale(void)
{
	DIR *dir = opendir(instances());
	struct dirent *entry;
	int pid;

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, PREFIX "%d", &pid) == 1 && pid > 0 &&
		    kill(pid, 0) && errno == ESRCH)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	if (dir)
		closedir(dir);
}

static int set(const struct trace *trace, const char *file, const char *value)
{
	char path[256];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", trace->instance, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int start(struct trace *trace)
{
	char path[256];
	int ret;

	snprintf(path, sizeof(path), "%s/trace_pipe", trace->instance);
	trace->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (trace->fd < 0)
		return -errno;
	/* Each line is told at once, also if there are few. */
	set(trace, "buffer_percent", "0");
	ret = set(trace, "events/tokmux/enable", "1");
	return ret;
}

int trace_open(struct trace **trace)
{
	struct trace *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return -ENOMEM;
	t->fd = -1;
	remove_stale();
	snprintf(t->instance, sizeof(t->instance), "%s/" PREFIX "%d",
		 instances(), getpid());
	ret = mkdir(t->instance, 0700) ? -errno : start(t);
	if (ret) {
		trace_close(t);
		free(t);
	} else {
		*trace = t;
	}
	return ret;
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	if (trace->fd >= 0)
		close(trace->fd);
	trace->fd = -1;
	rmdir(trace->instance);
}

int trace_fd(const struct trace *trace)
{
	return trace->fd;
}

/* The last one: what comes before it is a process' name, which it chooses. */
static const char *last(const char *line, const char *what)
{
	const char *found = NULL, *next = line;

	while ((next = strstr(next, what)))
		found = next++;
	return found;
}

/* "CPU:1 [LOST 42 EVENTS]"; the kernel may not know how many. */
static bool parse_lost(const char *line, struct use *use)
{
	const char *text = strstr(line, " [LOST ");

	if (!text || strncmp(line, "CPU:", strlen("CPU:")))
		return false;
	strcpy(use->event, "lost");
	if (sscanf(text, " [LOST %u EVENTS]", &use->arg) != 1)
		use->arg = 0;
	return true;
}

/* As TP_printk() has it in kmod/trace.h. */
static bool parse(const char *line, struct use *use)
{
	const char *text = last(line, ": tokmux_");
	int index;

	if (!text)
		return parse_lost(line, use);
	if (sscanf(text, ": tokmux_%15[a-z_]: token=%d name=%63s caller=%*s owner=%d epoch=%*u waiters=%u arg=%u",
			    use->event, &index, use->name, &use->pid,
			    &use->waiters, &use->arg) != 6)
		return false;
	use->system = index >= 0;
	use->index = use->system ? (unsigned int)index : 0;
	return true;
}

/* The next line, without its end; NULL if there is none. */
static char *next_line(struct trace *trace)
{
	char *line, *end;
	ssize_t length;

	for (;;) {
		line = trace->text + trace->at;
		end = memchr(line, '\n', trace->length - trace->at);
		if (end) {
			*end = '\0';
			trace->at = end + 1 - trace->text;
			return line;
		}
		trace->length -= trace->at;
		memmove(trace->text, line, trace->length);
		trace->at = 0;
		/* No line is as long. */
		if (trace->length == sizeof(trace->text))
			trace->length = 0;
		length = read(trace->fd, trace->text + trace->length,
			      sizeof(trace->text) - trace->length);
		if (length <= 0)
			return NULL;
		trace->length += length;
	}
}

bool trace_next(struct trace *trace, struct use *use)
{
	char *line;

	while ((line = next_line(trace))) {
		*use = (struct use){};
		if (parse(line, use))
			return true;
	}
	return false;
}
