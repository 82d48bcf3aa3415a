// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux top: the tokens again and again; on a terminal in place, until q.
 */
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "ending.h"
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

static void enter(void)
{
	struct termios keys;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return;
	in_place = true;
	ending_catch(leave);
	keys = saved;
	/* ^C is a key then, as q is. */
	keys.c_lflag &= ~(ICANON | ECHO | ISIG);
	tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	fputs("\033[?1049h\033[?25l", stdout);
}

/* By which column the tokens are in order; -1: as they are found. */
struct order {
	int column;
	bool reverse;
};

/*
 * Each key sorts by the column that it is for, and typed again, the other way
 * round.
 */
static const struct {
	char key;
	const char *column;
} sort_keys[] = {
	{ 'n', "name" },
	{ 's', "sessions" },
	{ 'w', "waiters" },
	{ 'g', "grants" },
	{ 'l', "longest_wait" },
};

static void sort_by(struct order *order, int column)
{
	order->reverse = order->column == column && !order->reverse;
	order->column = column;
}

/* true: to the end. */
static bool pause_for(const struct view *view, int ms, struct order *order)
{
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;
	size_t i;

	if (!in_place) {
		poll(NULL, 0, ms);
		return false;
	}
	if (poll(&keys, 1, ms) <= 0)
		return false;
	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 3)
		return true;
	for (i = 0; i < ARRAY_SIZE(sort_keys); i++)
		if (key == sort_keys[i].key)
			sort_by(order, view_column(view, sort_keys[i].column,
						   strlen(sort_keys[i].column)));
	return false;
}

static void print_totals(const struct view *view)
{
	struct totals totals = tokens_totals(view);
	time_t now = time(NULL);
	char clock[16];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%s  tokens %zu, holders %llu, waiters %llu, sessions %llu, logins %llu\n\n",
	       clock, view_rows(view), totals.holders, totals.waiters,
	       totals.sessions, totals.logins);
}

static int top(struct view *view, struct subject *subject, bool json, int ms,
	       unsigned long frames, struct order order)
{
	int ret;

	if (!json && isatty(STDOUT_FILENO))
		enter();
	for (;;) {
		ret = subject ? tokens_row(view, subject) : tokens_all(view);
		if (ret)
			break;
		if (order.column >= 0)
			view_sort(view, order.column, order.reverse);
		if (in_place) {
			fputs("\033[H\033[J", stdout);
			print_totals(view);
		}
		view_print_frame(view);
		if (ferror(stdout) || !--frames || pause_for(view, ms, &order))
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
		{ "sort",	required_argument,	NULL, 's' },
		{}
	};
	struct view_options options = {};
	struct order order = { .column = -1 };
	struct subject *subject = NULL;
	const char *sort = NULL;
	unsigned long frames = 0;
	int option, status = STATUS_OK, ms = 1000;
	struct view *view;

	while ((option = getopt_long(argc, argv, VIEW_SHORT "d:n:s:",
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
		} else if (option == 's') {
			order.reverse = *optarg == '-';
			sort = optarg + order.reverse;
		} else if (!view_option(&options, option, optarg)) {
			return option_status(option);
		}
	}
	view = tokens_view(view_columns(&options,
			"name,state,unclean,holder,command,waiters,sessions,grants,waits,longest_wait",
			"name,state,holder,command,waiters,sessions,grants"),
			   &options, &status);
	if (!view)
		return status;
	if (sort)
		order.column = view_column(view, sort, strlen(sort));
	if (sort && order.column < 0)
		status = bad_usage("no column '%s' to sort by, see -o help", sort);
	else if (argc - optind > 1)
		status = bad_usage("one TOKEN at most");
	else if (optind < argc)
		status = subject_find(argv[optind], &subject);
	if (!status)
		status = top(view, subject, options.json, ms, frames, order);
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
	"  -s, --sort COLUMN     in this order; -COLUMN: the other way round\n"
	VIEW_HELP,
};
