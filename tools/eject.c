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
 * Whom it hits, on stderr: the result alone is what is wanted on stdout. That it is
 * nobody is of interest to who is asked.
 */
static int name_them(struct subject *subject, bool ask)
{
	struct view_options options = {};
	int status = STATUS_OK, ret;
	struct view *view;

	view = who_view(&options, &status);
	if (!view)
		return status;
	ret = who_rows(view, subject);
	if (ret < 0)
		status = failed(subject_name(subject), ret);
	else if (ret)
		view_print_to(view, stderr);
	else if (ask)
		fprintf(stderr, "%s: nobody uses it\n", subject_name(subject));
	view_free(view);
	return status;
}

static int eject(struct subject *subject, struct view *view)
{
	struct tokmux_caller *caller;
	struct tokmux_eject counts = {};
	int status, ret;

	status = subject_open(subject, &caller);
	if (!status) {
		ret = tokmux_bind(caller, 0);
		if (!ret)
			ret = tokmux_eject(caller, &counts);
		if (ret)
			status = failed(subject_name(subject), ret);
		tokmux_close(caller);
	}
	if (status)
		return status;
	view_row(view);
	view_setf(view, LEASES, "%u", counts.leases);
	view_setf(view, SESSIONS, "%u", counts.sessions);
	view_setf(view, LOGINS, "%u", counts.logins);
	return view_print(view);
}

static int name_and_eject(const char *what, bool force, struct view *view)
{
	struct subject *subject;
	int status;

	status = subject_find(what, &subject);
	if (status)
		return status;
	status = name_them(subject, !force);
	if (!status && !force && !sure(subject_name(subject))) {
		complain("%s: left alone", subject_name(subject));
		status = STATUS_NO;
	}
	if (!status)
		status = eject(subject, view);
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
	bool force = false;
	struct view *view;

	while ((option = getopt_long(argc, argv, VIEW_SHORT "f", long_options,
				     NULL)) >= 0) {
		if (option == 'f')
			force = true;
		else if (!view_option(&options, option, optarg))
			return option_status(option);
	}
	view = view_new(columns, ARRAY_SIZE(columns), "leases,sessions,logins",
			"ejected", &options, &status);
	if (!view)
		return status;
	if (argc - optind != 1)
		status = bad_usage("one TOKEN is needed");
	else if (!force && !isatty(STDIN_FILENO))
		status = bad_usage("without a terminal to ask on, --force is needed");
	else
		status = name_and_eject(argv[optind], force, view);
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
