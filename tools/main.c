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
	&unregister_verb, &scrub_verb, &check_verb, &run_verb,
	&pcsc_verb, &remote_verb,
};

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

#define LONGEST	16

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * How many letters are to be put in, left out, changed, or swapped with their
 * neighbour, to make @typed into @verb.
 */
static size_t mistakes(const char *typed, const char *verb)
{
	size_t rows = strlen(typed), columns = strlen(verb), i, j;
	size_t d[LONGEST + 1][LONGEST + 1];

	if (rows > LONGEST || columns > LONGEST)
		return LONGEST;
	for (i = 0; i <= rows; i++)
		for (j = 0; j <= columns; j++) {
			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1,
					d[i - 1][j - 1] +
					(typed[i - 1] != verb[j - 1]));
			if (i > 1 && j > 1 && typed[i - 1] == verb[j - 2] &&
			    typed[i - 2] == verb[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[rows][columns];
}

static int no_verb(const char *typed)
{
	const char *nearest = NULL;
	size_t i, n, fewest = 3;

	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		n = mistakes(typed, verbs[i]->name);
		/* Not all of a short one is a mistake. */
		if (n < fewest && n < strlen(verbs[i]->name) / 2 + 1) {
			fewest = n;
			nearest = verbs[i]->name;
		}
	}
	if (nearest)
		return bad_usage("there is no verb '%s'; did you mean '%s'?",
				 typed, nearest);
	return bad_usage("there is no verb '%s'", typed);
}

/* Options of a verb may stand before it, too: then they are moved behind it. */
static void verb_first(int argc, char **argv)
{
	char *verb;
	int at = 0;

	while (at < argc && argv[at][0] == '-' && strcmp(argv[at], "--")) {
		if ((!strcmp(argv[at], "-o") || !strcmp(argv[at], "--output")) &&
		    at + 1 < argc)
			at++;
		at++;
	}
	if (at == argc)
		return;
	verb = argv[at];
	memmove(argv + 1, argv, at * sizeof(*argv));
	argv[0] = verb;
}

static int help(int argc, char **argv)
{
	const struct verb *verb;
	size_t i;

	if (argc > 1) {
		verb = find_verb(argv[1]);
		if (!verb)
			return no_verb(argv[1]);
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
	if (strcmp(argv[0], "--help") && strcmp(argv[0], "-h"))
		verb_first(argc, argv);
	if (!strcmp(argv[0], "help") || !strcmp(argv[0], "--help") ||
	    !strcmp(argv[0], "-h")) {
		status = help(argc, argv);
	} else if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V")) {
		puts("tokmux " VERSION);
		status = STATUS_OK;
	} else {
		the_verb = find_verb(argv[0]);
		if (!the_verb)
			return no_verb(argv[0]);
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
