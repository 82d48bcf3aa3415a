// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A trial: something is tried in a child.
 *
 * Its pipes have no end that could be waited for: what the child has started may
 * keep them. So it is the child that is waited for, and not for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "trial.h"

/* ---- the last line of what comes in pieces ------------------------------------ */

struct listener {
	int fd;
	char *last;
	size_t size, length;
	char line[1024];
};

static void take_line(struct listener *listener)
{
	listener->line[listener->length] = '\0';
	if (listener->length)
		snprintf(listener->last, listener->size, "%s", listener->line);
	listener->length = 0;
}

/* All that is there now; false if no more will come. */
static bool hear(struct listener *listener)
{
	char text[4096];
	ssize_t length, i;

	length = read(listener->fd, text, sizeof(text));
	for (i = 0; i < length; i++) {
		if (text[i] == '\n')
			take_line(listener);
		else if (listener->length < sizeof(listener->line) - 1)
			listener->line[listener->length++] = text[i];
	}
	return length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR));
}

/* What was in the pipe when the child ended, and not what others add to it. */
static void hear_the_rest(struct listener *listener)
{
	struct pollfd pipe = { .fd = listener->fd, .events = POLLIN };
	int pieces = 65536 / 4096 + 1;

	while (pieces-- && poll(&pipe, 1, 0) > 0 && hear(listener))
		;
	take_line(listener);
}

/* ---- the child ---------------------------------------------------------------- */

static _Noreturn void run(int (*try)(FILE *result, const void *data),
			  const void *data, int result_fd, int said_fd)
{
	FILE *result = fdopen(result_fd, "w");
	int status;

	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDOUT_FILENO);
	dup2(said_fd, STDERR_FILENO);
	if (!result || null < 0)
		_exit(1);
	status = try(result, data);
	fclose(result);
	_exit(status);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* true if it has ended by then. */
static bool attend(struct listener *listeners, int child, unsigned int seconds)
{
	struct pollfd fds[] = {
		{ .fd = child, .events = POLLIN },
		{ .fd = listeners[0].fd, .events = POLLIN },
		{ .fd = listeners[1].fd, .events = POLLIN },
	};
	long long left, end = now_ms() + seconds * 1000LL;
	size_t i;

	while ((left = end - now_ms()) > 0) {
		if (poll(fds, ARRAY_SIZE(fds), left) < 0 && errno != EINTR)
			return false;
		if (fds[0].revents)
			return true;
		for (i = 1; i < ARRAY_SIZE(fds); i++)
			if (fds[i].revents && !hear(&listeners[i - 1]))
				fds[i].fd = -1;
	}
	return false;
}

static int try_in_child(struct trial *trial, const int *result, const int *said,
			int (*try)(FILE *result, const void *data),
			const void *data, unsigned int seconds)
{
	struct listener listeners[] = {
		{ .fd = result[0], .last = trial->result,
		  .size = sizeof(trial->result) },
		{ .fd = said[0], .last = trial->said,
		  .size = sizeof(trial->said) },
	};
	int child_fd, err;
	pid_t child;
	size_t i;

	fflush(stdout);
	child = fork();
	if (child < 0)
		return -errno;
	if (!child)
		run(try, data, result[1], said[1]);
	child_fd = pidfd_open(child, 0);
	err = child_fd < 0 ? -errno : 0;
	trial->late = err || !attend(listeners, child_fd, seconds);
	/* Nobody else's: it is not collected yet. */
	if (trial->late)
		kill(child, SIGKILL);
	if (waitpid(child, &trial->status, 0) < 0 && !err)
		err = -errno;
	for (i = 0; i < ARRAY_SIZE(listeners); i++)
		hear_the_rest(&listeners[i]);
	if (child_fd >= 0)
		close(child_fd);
	return err;
}

static void close_pipe(const int *fds)
{
	close(fds[0]);
	close(fds[1]);
}

int trial_run(struct trial *trial, int (*try)(FILE *result, const void *data),
	      const void *data, unsigned int seconds)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	struct sigaction before;
	int result[2], said[2], ret;

	*trial = (struct trial){};
	if (pipe2(result, O_CLOEXEC))
		return -errno;
	if (pipe2(said, O_CLOEXEC)) {
		ret = -errno;
		close_pipe(result);
		return ret;
	}
	/* Our ends only: the other ones' files are the child's. */
	fcntl(result[0], F_SETFL, O_NONBLOCK);
	fcntl(said[0], F_SETFL, O_NONBLOCK);
	/* Ignored, there would be no status to collect. */
	sigaction(SIGCHLD, &by_default, &before);
	ret = try_in_child(trial, result, said, try, data, seconds);
	sigaction(SIGCHLD, &before, NULL);
	close_pipe(result);
	close_pipe(said);
	return ret;
}
