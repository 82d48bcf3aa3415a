// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux list: the system tokens, and the user tokens that can be seen.
 */
#include <getopt.h>
#include "tokens.h"

static int list(const struct view_options *options)
{
	int status = STATUS_OK;
	struct view *view;
	int ret;

	view = tokens_view(view_columns(options,
			"name,device,owner,state,unclean,holder,command,waiters,sessions",
			"name,owner,state,holder,command,waiters,sessions"),
			   options, &status);
	if (!view)
		return status;
	ret = tokens_all(view);
	status = ret ? failed("tokens", ret) : view_print(view);
	/* For a person: a program sees that there is nothing. */
	if (!status && !view_rows(view) && view_is_for_person(view))
		puts("There are no tokens. A reader becomes one when it is plugged in, if\n"
		     "readers.conf says so; a PKCS#11 token while a program uses it. See\n"
		     "tokmux check.");
	view_free(view);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = { VIEW_LONG, {} };
	struct view_options options = {};
	int option;

	while ((option = getopt_long(argc, argv, VIEW_SHORT, long_options,
				     NULL)) >= 0)
		if (!view_option(&options, option, optarg))
			return option_status(option);
	if (optind < argc)
		return bad_usage("what is '%s'?", argv[optind]);
	return list(&options);
}

const struct verb list_verb = {
	.name		= "list",
	.run		= run,
	.synopsis	= "[OPTION…]",
	.summary	= "the tokens",
	.options	= VIEW_HELP,
};
