// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux scrub: take the power from the card in a token's reader, so that another
 * user may have it. udev's rule runs it when the kernel asks.
 */
#include <errno.h>
#include <tokmux-card.h>
#include <getopt.h>
#include "subject.h"

static int scrub(const char *what)
{
	struct tokmux_caller *caller;
	struct subject *subject;
	int ret, status;

	status = subject_find(what, &subject);
	if (status)
		return status;
	status = subject_open(subject, &caller);
	subject_free(subject);
	if (status)
		return status;
	ret = tokmux_bind(caller, 0);
	if (!ret)
		ret = tokmux_card_scrub(caller);
	tokmux_close(caller);
	if (!ret)
		return STATUS_OK;
	/* Nobody sees what udev's program writes. */
	complain_in_log("%s: not scrubbed, so no other user gets its card: %s", what,
			tokmux_strerror(ret));
	return STATUS_FAILED;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	int option;

	option = getopt_long(argc, argv, "h", long_options, NULL);
	if (option >= 0)
		return option_status(option);
	if (argc - optind != 1)
		return bad_usage("which TOKEN?");
	return scrub(argv[optind]);
}

const struct verb scrub_verb = {
	.name		= "scrub",
	.run		= run,
	.synopsis	= "TOKEN",
	.summary	= "reset a token's card for its next user",
	.options	= "",
};
