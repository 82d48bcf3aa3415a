// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The findings of tokmux check: printed one by one, or as a table.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include "finding.h"

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
	bool as_list;		/* kept until all of them are there */
	bool coloured;
	unsigned int bad;
};

struct findings *findings_new(const struct view_options *options, int *status)
{
	struct findings *findings = calloc(1, sizeof(*findings));

	if (!findings) {
		*status = failed("the findings", -ENOMEM);
		return NULL;
	}
	findings->view = view_new(columns, ARRAY_SIZE(columns),
				  "check,verdict,found,advice", "checks", options,
				  status);
	if (!findings->view) {
		free(findings);
		return NULL;
	}
	findings->as_list = options->json || options->columns;
	findings->coloured = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	return findings;
}

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

int findings_end(struct findings *findings)
{
	int status = findings->bad ? STATUS_NO : STATUS_OK;

	if (findings->as_list)
		view_print(findings->view);
	view_free(findings->view);
	free(findings);
	return status;
}
