// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux monitor: system tokens as they come, go and change; of one token,
 * until it goes.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>
#include "subject.h"
#include "view.h"

enum { TIME, EVENT, SYSNAME, NAME, DEVICE };

static const struct column columns[] = {
	[TIME] = { "time", TEXT, "when it was told, UTC" },
	[EVENT] = { "event", TEXT, "present (at the start), added, removed, changed" },
	[SYSNAME] = { "sysname", TEXT, "tokmuxN" },
	[NAME] = { "name", TEXT, "the token's name" },
	[DEVICE] = { "device", TEXT, "its device" },
};

static const char *event_name(int change, bool beginning)
{
	switch (change) {
	case TOKMUX_TOKEN_ADDED:
		return beginning ? "present" : "added";
	case TOKMUX_TOKEN_REMOVED:
		return "removed";
	default:
		return "changed";
	}
}

static void show(struct view *view, int change, bool beginning,
		 const struct tokmux_token *token)
{
	struct timespec now;
	char text[64];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	view_row(view);
	view_setf(view, TIME, "%s.%06ldZ", text, now.tv_nsec / 1000);
	view_set(view, EVENT, event_name(change, beginning));
	view_set(view, SYSNAME, tokmux_token_sysname(token));
	if (*tokmux_token_name(token))
		view_set(view, NAME, tokmux_token_name(token));
	view_set(view, DEVICE, tokmux_token_devnode(token));
	view_print_row(view);
}

/* @only: the one that is watched, or NULL. */
static int watch(struct tokmux_monitor *monitor, const struct tokmux_token *only,
		 struct view *view)
{
	struct tokmux_token *token;
	bool beginning = true;
	int change;

	for (;;) {
		change = tokmux_monitor_next(monitor, beginning ? 0 : -1, &token);
		if (change == -EAGAIN) {
			beginning = false;
			continue;
		}
		if (change == -EINTR)
			continue;
		if (change < 0)
			return failed("tokens", change);
		if (!only || !strcmp(tokmux_token_name(only),
				     tokmux_token_name(token)))
			show(view, change, beginning, token);
		if (ferror(stdout)) {
			tokmux_token_free(token);
			return cannot_write();
		}
		if (only && change == TOKMUX_TOKEN_REMOVED &&
		    !strcmp(tokmux_token_name(only), tokmux_token_name(token))) {
			tokmux_token_free(token);
			return failed(tokmux_token_name(only), -ENODEV);
		}
		tokmux_token_free(token);
	}
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = { VIEW_LONG, {} };
	struct view_options options = {};
	struct subject *subject = NULL;
	struct tokmux_monitor *monitor;
	int option, ret, status = STATUS_OK;
	struct view *view;

	while ((option = getopt_long(argc, argv, VIEW_SHORT, long_options,
				     NULL)) >= 0)
		if (!view_option(&options, option, optarg))
			return option_status(option);
	view = view_new(columns, ARRAY_SIZE(columns),
			"time,event,sysname,name,device", "events", &options,
			&status);
	if (!view)
		return status;
	if (argc - optind > 1) {
		status = bad_usage("one TOKEN at most");
		goto out;
	}
	/* Before it is looked for, so that its end isn't missed. */
	ret = tokmux_monitor_open(&monitor);
	if (ret) {
		status = failed("tokens", ret);
		goto out;
	}
	if (optind < argc)
		status = subject_find(argv[optind], &subject);
	if (!status && subject && !subject_token(subject)) {
		complain("%s: a user token has no events; monitor works on system tokens",
			 argv[optind]);
		status = STATUS_USAGE;
	}
	if (!status)
		status = watch(monitor, subject ? subject_token(subject) : NULL,
			       view);
	subject_free(subject);
	tokmux_monitor_close(monitor);
out:
	view_free(view);
	return status;
}

const struct verb monitor_verb = {
	.name		= "monitor",
	.run		= run,
	.synopsis	= "[OPTION…] [TOKEN]",
	.summary	= "tokens as they come, go and change",
	.options	= VIEW_HELP,
};
