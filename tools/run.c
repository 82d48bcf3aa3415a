// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux run: a PC/SC program with our libpcsclite.so.1 in the place of
 * pcsc-lite's.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pcsc_library.h"
#include "tool.h"

/* It comes first, whatever else the linker is told. */
static bool put_first(const char *dir)
{
	const char *others = getenv("LD_LIBRARY_PATH");
	char *path;
	bool done;

	if (asprintf(&path, "%s%s%s", dir, others && *others ? ":" : "",
		     others && *others ? others : "") < 0)
		return false;
	done = !setenv("LD_LIBRARY_PATH", path, 1);
	free(path);
	return done;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	char dir[PCSC_PATH_SIZE];
	int option;

	/* Options behind the command are the command's. */
	option = getopt_long(argc, argv, "+h", options, NULL);
	if (option >= 0)
		return option_status(option);
	if (optind == argc)
		return bad_usage("which command?");
	if (!pcsc_directory(dir)) {
		complain("%s/%s is not there; is the package libtokmux-pcsc1 installed?",
			 dir, PCSC_LIBRARY);
		return STATUS_FAILED;
	}
	if (!put_first(dir)) {
		complain("%s", strerror(ENOMEM));
		return STATUS_FAILED;
	}
	execvp(argv[optind], argv + optind);
	complain("%s: %s", argv[optind], strerror(errno));
	return errno == ENOENT ? STATUS_NOCMD : STATUS_NOEXEC;
}

const struct verb run_verb = {
	.name = "run",
	.run = run,
	.synopsis = "[--] COMMAND [ARGUMENT…]",
	.summary = "run a PC/SC program on tokens, without pcscd",
	.options = "",
};
