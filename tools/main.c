// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux(8): the table of verbs, and its help.
 */
#include <locale.h>
#include <string.h>
#include "tool.h"

static const struct verb *const verbs[] = {
	&list_verb, &status_verb, &who_verb, &lock_verb, &monitor_verb,
	&top_verb, &eject_verb, &atr_verb, &apdu_verb, &register_verb,
	&unregister_verb, &check_verb,
};

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

static int help(int argc, char **argv)
{
	const struct verb *verb;
	size_t i;

	if (argc > 1) {
		verb = find_verb(argv[1]);
		if (!verb)
			return bad_usage("there is no verb '%s'", argv[1]);
		return print_help(verb, stdout);
	}
	puts("usage: tokmux VERB [OPTION…] [ARGUMENT…]\n\n"
	     "See which processes use a token that is shared through the kernel module\n"
	     "tokmux.\n");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
	puts("  help [VERB]  this, or a verb's options\n\n"
	     "A TOKEN is a system token's name, its device or an RFC 7512 URI, or the name\n"
	     "of a token of yours. See tokmux(8).");
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	static char title[32];
	int status;

	setlocale(LC_CTYPE, "");
	if (argc < 2)
		return bad_usage("which verb?");
	argv++;
	argc--;
	if (!strcmp(argv[0], "help") || !strcmp(argv[0], "--help") ||
	    !strcmp(argv[0], "-h")) {
		status = help(argc, argv);
	} else if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V")) {
		puts("tokmux " VERSION);
		status = STATUS_OK;
	} else {
		the_verb = find_verb(argv[0]);
		if (!the_verb)
			return bad_usage("there is no verb '%s'", argv[0]);
		/* As what getopt complains. */
		snprintf(title, sizeof(title), "tokmux %s", the_verb->name);
		argv[0] = title;
		status = the_verb->run(argc, argv);
	}
	/* A no that nobody could read is none. */
	if (status <= STATUS_NO && (fflush(stdout) || ferror(stdout)))
		status = cannot_write();
	return status;
}
