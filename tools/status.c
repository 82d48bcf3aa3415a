// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux status: all there is to know of a token, or of all tokens.
 */
#include <getopt.h>
#include "tokens.h"

#define EVERYTHING							\
	"name,device,user_token,state,unclean,holder,command,holders,"	\
	"holder_pids,idle,waiters,waiter_pids,sessions,max_sessions,users,sos," \
	"owner,epoch,hold_limit_ms,grants,waits,longest_wait_us,revocations,uncleans," \
	"device_kind,real_device"

/* Takes over @subject. */
static int add(struct view *view, struct subject *subject)
{
	int ret = tokens_row(view, subject);

	if (ret)
		failed(subject_name(subject), ret);
	subject_free(subject);
	return ret ? STATUS_GONE : STATUS_OK;
}

static int add_named(struct view *view, char **names)
{
	struct subject *subject;
	int status = STATUS_OK;

	for (; !status && *names; names++) {
		status = subject_find(*names, &subject);
		if (!status)
			status = add(view, subject);
	}
	return status;
}

static int add_all(struct view *view)
{
	int ret = tokens_all(view);

	return ret ? failed("tokens", ret) : STATUS_OK;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = { VIEW_LONG, {} };
	struct view_options options = {};
	int status = STATUS_OK;
	struct view *view;
	int option;

	while ((option = getopt_long(argc, argv, VIEW_SHORT, long_options,
				     NULL)) >= 0)
		if (!view_option(&options, option, optarg))
			return option_status(option);
	view = tokens_view(EVERYTHING, &options, &status);
	if (!view)
		return status;
	status = optind < argc ? add_named(view, argv + optind) : add_all(view);
	if (!status)
		status = options.columns ? view_print(view) : view_print_tall(view);
	view_free(view);
	return status;
}

const struct verb status_verb = {
	.name		= "status",
	.run		= run,
	.synopsis	= "[OPTION…] [TOKEN…]",
	.summary	= "everything about a token",
	.options	= VIEW_HELP,
};
