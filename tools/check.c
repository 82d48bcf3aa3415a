// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: what is wrong with this installation, and what to do.
 */
#include <getopt.h>
#include "check.h"

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		VIEW_LONG,
		{ "module",	required_argument,	NULL, 'm' },
		{ "wait",	required_argument,	NULL, 'w' },
		{}
	};
	struct view_options options = {};
	const char *module = PKCS11DIR "/tokmux-pkcs11.so";
	struct findings *findings;
	int option, status, ms = 30000;

	while ((option = getopt_long(argc, argv, VIEW_SHORT "m:w:", long_options,
				     NULL)) >= 0) {
		if (option == 'm') {
			module = optarg;
		} else if (option == 'w') {
			ms = parse_seconds(optarg);
			if (ms < 1000)
				return bad_usage("-w wants seconds, one at least, not '%s'",
						 optarg);
		} else if (!view_option(&options, option, optarg)) {
			return option_status(option);
		}
	}
	if (optind < argc)
		return bad_usage("what is '%s'?", argv[optind]);
	findings = findings_new(&options, &status);
	if (!findings)
		return status;
	check_kernel(findings);
	check_udev(findings);
	check_readers(findings);
	check_tokens(findings);
	check_remote(findings);
	check_pcsc(findings);
	check_pkcs11(findings, module, ms / 1000);
	return findings_end(findings);
}

const struct verb check_verb = {
	.name		= "check",
	.run		= run,
	.synopsis	= "[OPTION…]",
	.summary	= "what is wrong with this installation, and what to do",
	.options	=
	"  -m, --module FILE     our PKCS#11 module (" PKCS11DIR "/tokmux-pkcs11.so)\n"
	"  -w, --wait SECONDS    how long its backends may take to answer (30)\n"
	VIEW_HELP,
};
