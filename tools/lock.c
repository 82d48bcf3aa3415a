// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux lock: hold a token while a command runs, with flock(1)'s habits.
 *
 * The lease is this process' (R2, R3), the command is its child and has none of
 * it. So this one waits for the child, passes signals on, and tells when the
 * lease is lost meanwhile.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <paths.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "process.h"
#include "subject.h"

struct lock {
	const char *what;
	unsigned int mode;
	int timeout_ms;
	int conflict;
	bool make, kill, clean, verbose;
	char **command;
	/* Of -c: for a shell. */
	char *script;
	/* As it was when we came; its own handlers go with exec. */
	struct sigaction child_signal;
	struct tokmux_caller *caller;
	struct tokmux_grant grant;
};

/* ---- "waiting for firefox[812], 3 s" ---------------------------------------- */

struct progress {
	struct tokmux_caller *caller;
	int done;
	pthread_t thread;
};

/* A job in the background leaves the terminal to the one in the foreground. */
static bool in_foreground(void)
{
	pid_t group = tcgetpgrp(STDERR_FILENO);

	/* -1: it isn't the terminal that controls us, so there are no jobs on it. */
	return group < 0 || group == getpgrp();
}

/*
 * A thread, since the wait itself must not be interrupted: it would lose its
 * place in the queue. Nothing is said about a wait shorter than a second.
 */
static void *show_progress(void *arg)
{
	struct progress *progress = arg;
	struct pollfd done = { .fd = progress->done, .events = POLLIN };
	struct tokmux_state info = {};
	unsigned int seconds = 0;
	bool shown = false;
	char title[64];

	while (poll(&done, 1, 1000) == 0) {
		seconds++;
		if (!in_foreground())
			continue;
		if (tokmux_info(progress->caller, &info, sizeof(info)))
			continue;
		snprintf(title, sizeof(title), "somebody");
		if (info.holder_pid)
			process_title(info.holder_pid, title, sizeof(title));
		fprintf(stderr, "\r\033[Kwaiting for %s, %u s", title, seconds);
		fflush(stderr);
		shown = true;
	}
	if (shown && in_foreground())
		fputs("\r\033[K", stderr);
	return NULL;
}

static int acquire(struct lock *lock)
{
	struct progress progress = { .caller = lock->caller, .done = -1 };
	bool shown = false;
	int ret;

	if (lock->timeout_ms && isatty(STDERR_FILENO)) {
		progress.done = eventfd(0, EFD_CLOEXEC);
		shown = progress.done >= 0 &&
			!pthread_create(&progress.thread, NULL, show_progress,
					&progress);
	}
	ret = tokmux_acquire(lock->caller, lock->mode, lock->timeout_ms,
			     &lock->grant);
	if (shown) {
		eventfd_write(progress.done, 1);
		pthread_join(progress.thread, NULL);
	}
	if (progress.done >= 0)
		close(progress.done);
	return ret;
}

/* ---- the command ------------------------------------------------------------ */

static const int passed_on[] = { SIGHUP, SIGTERM, SIGUSR1, SIGUSR2 };

/* What the terminal sends goes to the child as well: it is the child's to heed. */
static void catch_signals(struct lock *lock, sigset_t *caught, sigset_t *before)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	size_t i;

	/* Who started us may have ignored it, and then no child's end is told. */
	sigaction(SIGCHLD, &by_default, &lock->child_signal);

	sigemptyset(caught);
	sigaddset(caught, SIGCHLD);
	sigaddset(caught, SIGINT);
	sigaddset(caught, SIGQUIT);
	for (i = 0; i < ARRAY_SIZE(passed_on); i++)
		sigaddset(caught, passed_on[i]);
	sigprocmask(SIG_BLOCK, caught, before);
}

static _Noreturn void run_command(const struct lock *lock, const sigset_t *mask)
{
	char epoch[32];

	snprintf(epoch, sizeof(epoch), "%" PRIu64, lock->grant.epoch);
	setenv("TOKMUX_EPOCH", epoch, 1);
	setenv("TOKMUX_UNCLEAN",
	       lock->grant.flags & TOKMUX_GRANT_UNCLEAN ? "1" : "0", 1);
	sigaction(SIGCHLD, &lock->child_signal, NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(lock->command[0], lock->command);
	complain("%s: %s", lock->command[0], strerror(errno));
	_exit(errno == ENOENT ? STATUS_NOCMD : STATUS_NOEXEC);
}

static void lost(const struct lock *lock, pid_t child)
{
	struct tokmux_state info;
	const char *why;

	why = tokmux_info(lock->caller, &info, sizeof(info)) == -ENODEV ?
	      "the token is gone" : "the lease was taken away";
	if (!lock->kill)
		complain("%s: %s; its command goes on without it", lock->what,
			 why);
	else if (!kill(child, SIGTERM))
		complain("%s: %s; its command is terminated", lock->what, why);
	else	/* It may have become another user's. */
		complain("%s: %s; its command goes on without it, it can't be terminated: %s",
			 lock->what, why, strerror(errno));
}

/* false when there is nothing more to be told. */
static bool take_event(const struct lock *lock, pid_t child)
{
	struct tokmux_event event;

	switch (tokmux_read_event(lock->caller, 0, &event)) {
	case 0:
		if (event.type != TOKMUX_EVENT_LEASE_LOST &&
		    event.type != TOKMUX_EVENT_REMOVED)
			return true;
		lost(lock, child);
		return false;
	case -EAGAIN:
	case -EINTR:
		return true;
	default:
		return false;
	}
}

/* Returns the child's status as wait() has it. */
static int attend(const struct lock *lock, pid_t child, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = tokmux_fd(lock->caller), .events = POLLIN },
	};
	struct signalfd_siginfo info;
	int status;
	size_t i;

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents && !take_event(lock, child))
			fds[1].fd = -1;
		if (!(fds[0].revents & POLLIN) ||
		    read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		for (i = 0; i < ARRAY_SIZE(passed_on); i++)
			if ((int)info.ssi_signo == passed_on[i])
				kill(child, passed_on[i]);
	}
	waitpid(child, &status, 0);
	return status;
}

static int run_locked(struct lock *lock)
{
	sigset_t caught, before;
	int signals, status;
	pid_t child;

	catch_signals(lock, &caught, &before);
	signals = signalfd(-1, &caught, SFD_CLOEXEC);
	child = signals < 0 ? -1 : fork();
	if (child < 0) {
		complain("cannot start %s: %s", lock->command[0], strerror(errno));
		return STATUS_FAILED;
	}
	if (!child)
		run_command(lock, &before);
	status = attend(lock, child, signals);
	close(signals);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

/* ---- the verb ---------------------------------------------------------------- */

static int open_token(struct lock *lock)
{
	struct subject *subject;
	int ret, status;

	if (lock->make) {
		ret = tokmux_open_user(lock->what, 0, 0, &lock->caller);
		return ret < 0 ? failed(lock->what, ret) : STATUS_OK;
	}
	status = subject_find(lock->what, &subject);
	if (status)
		return status;
	status = subject_open(subject, &lock->caller);
	subject_free(subject);
	return status;
}

/*
 * The process that holds or waits is this one. Its name is what others see of
 * it: "tokmux" would tell them nothing.
 */
static void take_name(const struct lock *lock)
{
	char name[16];
	const char *command = lock->script ? lock->script : lock->command[0];
	size_t length = lock->script ? strcspn(command, " \t\n;&|()<>") :
			strlen(command);
	const char *slash = memrchr(command, '/', length);

	if (slash && slash + 1 < command + length) {
		length -= slash + 1 - command;
		command = slash + 1;
	}
	snprintf(name, sizeof(name), "%.*s", (int)length, command);
	if (*name)
		prctl(PR_SET_NAME, name);
}

static int locked(struct lock *lock)
{
	int ret, status;

	ret = tokmux_bind(lock->caller, 0);
	if (!ret)
		ret = acquire(lock);
	if (ret == -EAGAIN || ret == -ETIMEDOUT) {
		/* Silent, as flock is: the status says it. */
		if (lock->verbose)
			complain("%s: %s", lock->what, tokmux_strerror(ret));
		return lock->conflict;
	}
	if (ret)
		return failed(lock->what, ret);
	if (lock->verbose && lock->grant.flags & TOKMUX_GRANT_UNCLEAN)
		complain("%s: its last holder left it in an unknown state",
			 lock->what);
	status = run_locked(lock);
	if (!status && lock->clean) {
		ret = tokmux_mark_clean(lock->caller);
		if (ret)
			return failed(lock->what, ret);
	}
	return status;
}

enum { USER_TOKEN = 256, CLEAN, VERBOSE };

static const struct option long_options[] = {
	{ "help",		no_argument,		NULL, 'h' },
	{ "shared",		no_argument,		NULL, 's' },
	{ "exclusive",		no_argument,		NULL, 'x' },
	{ "nonblock",		no_argument,		NULL, 'n' },
	{ "wait",		required_argument,	NULL, 'w' },
	{ "timeout",		required_argument,	NULL, 'w' },
	{ "conflict-exit-code",	required_argument,	NULL, 'E' },
	{ "command",		required_argument,	NULL, 'c' },
	{ "kill",		no_argument,		NULL, 'k' },
	{ "user",		no_argument,		NULL, USER_TOKEN },
	{ "clean",		no_argument,		NULL, CLEAN },
	{ "verbose",		no_argument,		NULL, VERBOSE },
	{}
};

/* An exit status if this is all, else -1. */
static int parse(int argc, char **argv, struct lock *lock)
{
	unsigned long number;
	int option, ms;

	/* What comes after COMMAND is the command's. */
	while ((option = getopt_long(argc, argv, "+hsxnw:E:c:k", long_options,
				     NULL)) >= 0) {
		switch (option) {
		case 's':
			lock->mode = TOKMUX_SHARED;
			break;
		case 'x':
			lock->mode = TOKMUX_EXCLUSIVE;
			break;
		case 'n':
			lock->timeout_ms = 0;
			break;
		case 'w':
			ms = parse_seconds(optarg);
			if (ms < 0)
				return bad_usage("-w wants seconds, not '%s'",
						 optarg);
			lock->timeout_ms = ms;
			break;
		case 'E':
			if (!parse_number(optarg, 255, &number))
				return bad_usage("-E wants 0 to 255, not '%s'",
						 optarg);
			lock->conflict = number;
			break;
		case 'c':
			lock->script = optarg;
			break;
		case 'k':
			lock->kill = true;
			break;
		case USER_TOKEN:
			lock->make = true;
			break;
		case CLEAN:
			lock->clean = true;
			break;
		case VERBOSE:
			lock->verbose = true;
			break;
		default:
			return option_status(option);
		}
	}
	return -1;
}

/* Options may stand on either side of TOKEN, as the manual has them. */
static int run(int argc, char **argv)
{
	struct lock lock = {
		.mode = TOKMUX_EXCLUSIVE,
		.timeout_ms = -1,
		.conflict = STATUS_NO,
	};
	char *by_shell[] = { getenv("SHELL"), "-c", NULL, NULL };
	int status;

	status = parse(argc, argv, &lock);
	if (status >= 0)
		return status;
	if (optind >= argc)
		return bad_usage("which TOKEN?");
	lock.what = argv[optind];
	argc -= optind;
	argv[optind] = argv[0];
	argv += optind;
	optind = 0;
	status = parse(argc, argv, &lock);
	if (status >= 0)
		return status;
	lock.command = argv + optind;
	if (lock.script) {
		if (*lock.command)
			return bad_usage("-c takes COMMAND as one argument");
		if (!by_shell[0] || !*by_shell[0])
			by_shell[0] = _PATH_BSHELL;
		by_shell[2] = lock.script;
		lock.command = by_shell;
	}
	if (!*lock.command)
		return bad_usage("which COMMAND?");
	if (lock.clean && lock.mode == TOKMUX_SHARED)
		return bad_usage("--clean needs the exclusive lease");
	take_name(&lock);
	status = open_token(&lock);
	if (status)
		return status;
	status = locked(&lock);
	tokmux_close(lock.caller);
	return status;
}

const struct verb lock_verb = {
	.name		= "lock",
	.run		= run,
	.synopsis	= "TOKEN [OPTION…] [--] COMMAND [ARGUMENT…] | -c COMMAND",
	.summary	= "hold a token while a command runs",
	.options	=
	"  -s, --shared          together with other shared holders\n"
	"  -x, --exclusive       alone; the default\n"
	"  -n, --nonblock        fail instead of waiting\n"
	"  -w, --wait SECONDS    fail if the wait takes longer\n"
	"  -E, --conflict-exit-code NUMBER\n"
	"                        the exit status of such a failure (1)\n"
	"  -c, --command COMMAND run COMMAND by $SHELL, or sh\n"
	"  -k, --kill            terminate COMMAND if the lease is taken away\n"
	"      --user            a token of this user, made if it isn't there\n"
	"      --clean           COMMAND resets the token: if it succeeds, the token is clean\n"
	"      --verbose         say why it fails\n",
};
