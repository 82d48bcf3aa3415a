// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux eject: end everybody's leases, sessions and logins on a token, after
 * naming whom it hits and asking.
 */
#include <getopt.h>
#include <string.h>
#include <unistd.h>
#include "who.h"

enum { LEASES, SESSIONS, LOGINS };

static const struct column columns[] = {
	[LEASES] = { "leases", NUMBER, "leases taken" },
	[SESSIONS] = { "sessions", NUMBER, "sessions closed" },
	[LOGINS] = { "logins", NUMBER, "logins ended" },
};

static bool sure(const char *name)
{
	char answer[16];

	fprintf(stderr, "End all of this on %s? [y/N] ", name);
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) &&
	       (!strcasecmp(answer, "y\n") || !strcasecmp(answer, "yes\n"));
}

/*
 * The processes that it hits, on stderr: on stdout the result alone is wanted.
 * That there are none is of interest to somebody who is asked.
 */
static int name_them(struct subject *subject, struct who *who, bool ask)
{
	struct view_options options = {};
	int status = STATUS_OK;
	struct view *view;

	view = who_view(&options, &status);
	if (!view)
		return status;
	if (who_finish(who, view))
		view_print_to(view, stderr);
	else if (ask)
		fprintf(stderr, "%s: nobody uses it\n", subject_name(subject));
	view_free(view);
	return status;
}

static int begin(struct subject *subject, struct who **who)
{
	int ret = who_begin(subject, who);

	return ret ? failed(subject_name(subject), ret) : STATUS_OK;
}

static int ask(struct subject *subject)
{
	struct who *who;
	int status;

	status = begin(subject, &who);
	if (!status)
		status = name_them(subject, who, true);
	if (!status && !sure(subject_name(subject))) {
		complain("%s: not ejected", subject_name(subject));
		status = STATUS_NO;
	}
	return status;
}

static int eject(struct subject *subject, struct tokmux_caller *caller,
		 struct tokmux_ejected *counts)
{
	int ret;

	ret = tokmux_bind(caller, 0);
	if (!ret)
		ret = tokmux_eject(caller, counts);
	return ret ? failed(subject_name(subject), ret) : STATUS_OK;
}

/* Ends everything first. To find the processes that had the token may take its time. */
static int force(struct subject *subject, struct tokmux_caller *caller,
		 struct tokmux_ejected *counts)
{
	struct who *who;
	int status;

	status = begin(subject, &who);
	if (status)
		return status;
	status = eject(subject, caller, counts);
	name_them(subject, who, false);
	return status;
}

/* It is opened before anybody is asked: the answer is for this token. */
static int name_and_eject(const char *what, bool forced, struct view *view)
{
	struct tokmux_ejected counts = {};
	struct tokmux_caller *caller;
	struct subject *subject;
	int status;

	status = subject_find(what, &subject);
	if (status)
		return status;
	status = subject_open(subject, &caller);
	if (status)
		goto out;
	if (forced) {
		status = force(subject, caller, &counts);
	} else {
		status = ask(subject);
		if (!status)
			status = eject(subject, caller, &counts);
	}
	tokmux_close(caller);
	if (status)
		goto out;
	view_row(view);
	view_setf(view, LEASES, "%u", counts.leases);
	view_setf(view, SESSIONS, "%u", counts.sessions);
	view_setf(view, LOGINS, "%u", counts.logins);
	status = view_print(view);
out:
	subject_free(subject);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		VIEW_LONG,
		{ "force",	no_argument,	NULL, 'f' },
		{}
	};
	struct view_options options = {};
	int option, status = STATUS_OK;
	bool forced = false;
	struct view *view;

	while ((option = getopt_long(argc, argv, VIEW_SHORT "f", long_options,
				     NULL)) >= 0) {
		if (option == 'f')
			forced = true;
		else if (!view_option(&options, option, optarg))
			return option_status(option);
	}
	view = view_new(columns, ARRAY_SIZE(columns), "leases,sessions,logins",
			"ejected", &options, &status);
	if (!view)
		return status;
	if (argc - optind != 1)
		status = bad_usage("one TOKEN is needed");
	else if (!forced && !isatty(STDIN_FILENO))
		status = bad_usage("without a terminal to ask on, --force is needed");
	else
		status = name_and_eject(argv[optind], forced, view);
	view_free(view);
	return status;
}

const struct verb eject_verb = {
	.name		= "eject",
	.run		= run,
	.synopsis	= "[OPTION…] TOKEN",
	.summary	= "end everybody's leases, sessions and logins",
	.options	=
	"  -f, --force           don't ask\n"
	VIEW_HELP,
};
