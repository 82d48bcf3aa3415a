// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: what is wrong with this installation, and what to do.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "check.h"
#include "view.h"

enum { WHAT, VERDICT, FOUND, ADVICE };

static const struct column columns[] = {
	[WHAT] = { "check", TEXT, "what was looked at" },
	[VERDICT] = { "verdict", TEXT, "ok, warning or bad" },
	[FOUND] = { "found", TEXT, "what there is" },
	[ADVICE] = { "advice", TEXT, "what to do" },
};

static const struct {
	const char *name, *colour;
} verdicts[] = {
	[GOOD]		= { "ok",	"\033[32m" },
	[WARNING]	= { "warning",	"\033[33m" },
	[BAD]		= { "bad",	"\033[31m" },
};

struct findings {
	struct view *view;
	bool as_list, coloured;
	unsigned int bad;
};

void finding(struct findings *findings, const char *what, enum verdict verdict,
	     const char *advice, const char *format, ...)
{
	char found[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(found, sizeof(found), format, args);
	va_end(args);
	findings->bad += verdict == BAD;
	view_row(findings->view);
	view_set(findings->view, WHAT, what);
	view_set(findings->view, VERDICT, verdicts[verdict].name);
	view_set(findings->view, FOUND, found);
	view_set(findings->view, ADVICE, advice);
	if (findings->as_list)
		return;
	printf("%s%-8s%s %s: %s\n",
	       findings->coloured ? verdicts[verdict].colour : "",
	       verdicts[verdict].name, findings->coloured ? "\033[m" : "",
	       view_get(findings->view, WHAT), view_get(findings->view, FOUND));
	if (advice)
		printf("         → %s\n", advice);
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		VIEW_LONG,
		{ "module",	required_argument,	NULL, 'm' },
		{}
	};
	struct view_options options = {};
	const char *module = PKCS11DIR "/tokmux-pkcs11.so";
	struct findings findings = {};
	int option, status = STATUS_OK;

	while ((option = getopt_long(argc, argv, VIEW_SHORT "m:", long_options,
				     NULL)) >= 0) {
		if (option == 'm')
			module = optarg;
		else if (!view_option(&options, option, optarg))
			return option_status(option);
	}
	if (optind < argc)
		return bad_usage("what is '%s'?", argv[optind]);
	findings.view = view_new(columns, ARRAY_SIZE(columns),
				 "check,verdict,found,advice", "checks", &options,
				 &status);
	if (!findings.view)
		return status;
	findings.as_list = options.json || options.columns;
	findings.coloured = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	check_kernel(&findings);
	check_udev(&findings);
	check_readers(&findings);
	check_pkcs11(&findings, module);
	if (findings.as_list)
		view_print(findings.view);
	view_free(findings.view);
	return findings.bad ? STATUS_NO : STATUS_OK;
}

const struct verb check_verb = {
	.name		= "check",
	.run		= run,
	.synopsis	= "[OPTION…]",
	.summary	= "what is wrong with this installation, and what to do",
	.options	=
	"  -m, --module FILE     our PKCS#11 module (" PKCS11DIR "/tokmux-pkcs11.so)\n"
	VIEW_HELP,
};
