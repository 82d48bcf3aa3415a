// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux top: the tokens again and again; on a terminal in place, until q.
 */
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>
#include "tokens.h"

static struct termios saved;
static volatile sig_atomic_t in_place;

/* Also from a signal's handler. The main screen again, with its cursor. */
static void leave(void)
{
	static const char text[] = "\033[?25h\033[?1049l";

	if (!in_place)
		return;
	in_place = false;
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		return;
}

static void end(int signal)
{
	leave();
	/* Reset by then, see below. */
	raise(signal);
}

/* All that ends it from outside; but what is ignored, as by nohup, stays so. */
static void catch_signals(void)
{
	static const int ending[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };
	struct sigaction action = {
		.sa_handler = end,
		.sa_flags = SA_RESETHAND | SA_NODEFER,
	};
	struct sigaction before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ending); i++)
		if (!sigaction(ending[i], NULL, &before) &&
		    before.sa_handler != SIG_IGN)
			sigaction(ending[i], &action, NULL);
}

static void enter(void)
{
	struct termios keys;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return;
	in_place = true;
	catch_signals();
	keys = saved;
	/* ^C is a key then, as q is. */
	keys.c_lflag &= ~(ICANON | ECHO | ISIG);
	tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	fputs("\033[?1049h\033[?25l", stdout);
}

/* true: to the end. */
static bool pause_for(int ms)
{
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	if (!in_place) {
		poll(NULL, 0, ms);
		return false;
	}
	if (poll(&keys, 1, ms) <= 0)
		return false;
	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 3;
}

static int top(struct view *view, struct subject *subject, bool json, int ms,
	       unsigned long frames)
{
	int ret;

	if (!json && isatty(STDOUT_FILENO))
		enter();
	for (;;) {
		ret = subject ? tokens_row(view, subject) : tokens_all(view);
		if (ret)
			break;
		if (in_place)
			fputs("\033[H\033[J", stdout);
		view_print_frame(view);
		if (ferror(stdout) || !--frames || pause_for(ms))
			break;
	}
	fflush(stdout);
	leave();
	return ret ? failed(subject ? subject_name(subject) : "tokens", ret) :
	       STATUS_OK;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		VIEW_LONG,
		{ "delay",	required_argument,	NULL, 'd' },
		{ "iterations",	required_argument,	NULL, 'n' },
		{}
	};
	struct view_options options = {};
	struct subject *subject = NULL;
	unsigned long frames = 0;
	int option, status = STATUS_OK, ms = 1000;
	struct view *view;

	while ((option = getopt_long(argc, argv, VIEW_SHORT "d:n:",
				     long_options, NULL)) >= 0) {
		if (option == 'd') {
			ms = parse_seconds(optarg);
			if (ms < 10)
				return bad_usage("-d wants seconds, not '%s'",
						 optarg);
		} else if (option == 'n') {
			if (!parse_number(optarg, ULONG_MAX, &frames) || !frames)
				return bad_usage("-n wants a number, not '%s'",
						 optarg);
		} else if (!view_option(&options, option, optarg)) {
			return option_status(option);
		}
	}
	view = tokens_view("name,state,unclean,holder,command,waiters,sessions,grants,waits,longest_wait_us",
			   &options, &status);
	if (!view)
		return status;
	if (argc - optind > 1)
		status = bad_usage("one TOKEN at most");
	else if (optind < argc)
		status = subject_find(argv[optind], &subject);
	if (!status)
		status = top(view, subject, options.json, ms, frames);
	subject_free(subject);
	view_free(view);
	return status;
}

const struct verb top_verb = {
	.name		= "top",
	.run		= run,
	.synopsis	= "[OPTION…] [TOKEN]",
	.summary	= "the tokens again and again, until q",
	.options	=
	"  -d, --delay SECONDS   between two looks (1)\n"
	"  -n, --iterations N    look N times\n"
	VIEW_HELP,
};
