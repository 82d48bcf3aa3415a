// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux apdu: commands to the card in a token's reader, under one lease.
 *
 * All of them are read before the lease is asked for: nobody waits for who types
 * them, and what is wrong with the last one is said before the first one is sent.
 *
 * A command may hold a PIN and an answer a key. Neither is ever part of what we
 * say is wrong, and no copy of them is left in memory: so JSON is written here, and
 * not by a library that would keep its text.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "card.h"
#include "status_word.h"

/* ISO/IEC 7816-3, 12.1.3: a header, two extended lengths, 65535 bytes. */
#define APDU_SIZE	(4 + 3 + 65535 + 2)
/* A card may make an RSA key in between. */
#define COMMAND_MS	180000

#define SW_OK		0x9000
/* 61xx: that was it, and there is more to be fetched. */
#define SW1_MORE	0x61

struct command {
	struct command *next;
	/* The line of the script, or which argument. */
	unsigned int number;
	size_t len;
	uint8_t apdu[];
};

struct script {
	struct card_options options;
	bool json, keep_going, explain;
	unsigned int flags;
	/* What @number of a command counts. */
	const char *unit;
	struct command *first, **last;
	/* While it is read, and while it is sent. */
	uint8_t apdu[APDU_SIZE];
	uint8_t answer[TOKMUX_ANSWER_SIZE];
	char hex[2 * TOKMUX_ANSWER_SIZE + 1];
	char in[BUFSIZ], out[BUFSIZ];
};

/* One process, one script; and malloc() would not know to wipe it. */
static struct script script = { .options = CARD_OPTIONS };

static void script_wipe(void)
{
	struct command *command;

	while ((command = script.first)) {
		script.first = command->next;
		explicit_bzero(command, sizeof(*command) + command->len);
		free(command);
	}
	explicit_bzero(&script, sizeof(script));
}

/* ---- reading ---------------------------------------------------------------- */

static int add(unsigned int number, size_t len)
{
	struct command *command = malloc(sizeof(*command) + len);

	if (!command) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	command->next = NULL;
	command->number = number;
	command->len = len;
	memcpy(command->apdu, script.apdu, len);
	*script.last = command;
	script.last = &command->next;
	return STATUS_OK;
}

static int bad_digits(unsigned int number, const char *why)
{
	return bad_usage("%s %u: %s", script.unit, number, why);
}

/* From an argument, or from stdin. */
struct text {
	const char *argument;
	FILE *file;
};

static int next_char(struct text *text)
{
	if (text->file)
		return getc_unlocked(text->file);
	return *text->argument ? (unsigned char)*text->argument++ : EOF;
}

static int digit(int c)
{
	return isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
}

/*
 * A line: pairs of hex digits, with blanks or colons between bytes, then perhaps
 * a comment; or nothing at all. *@end is set at the end of the text.
 */
static int read_line(struct text *text, unsigned int number, bool *end)
{
	bool comment = false;
	int c, high = -1;
	size_t len = 0;

	while ((c = next_char(text)) != EOF && c != '\n') {
		comment |= c == '#';
		if (comment)
			continue;
		if (high < 0 && (isblank(c) || c == ':' || c == '\r'))
			continue;
		if (!isxdigit(c))
			return bad_digits(number, "these are no pairs of hex digits");
		if (high < 0) {
			high = digit(c);
			continue;
		}
		if (len == sizeof(script.apdu))
			return bad_digits(number, "no APDU is as long");
		script.apdu[len++] = high << 4 | digit(c);
		high = -1;
	}
	*end = c == EOF;
	if (high >= 0)
		return bad_digits(number, "a hex digit is missing");
	return len ? add(number, len) : STATUS_OK;
}

static int read_stdin(void)
{
	struct text text = { .file = stdin };
	unsigned int number = 0;
	bool end = false;
	int status = STATUS_OK;

	script.unit = "line";
	/* Not one that the C library would leave as it is. */
	setvbuf(stdin, script.in, _IOFBF, sizeof(script.in));
	if (isatty(STDIN_FILENO))
		fputs("Commands in hex, one a line; ^D sends them, ^C does not.\n",
		      stderr);
	while (!status && !end) {
		if (isatty(STDIN_FILENO))
			fputs("apdu> ", stderr);
		status = read_line(&text, ++number, &end);
	}
	if (isatty(STDIN_FILENO))
		fputc('\n', stderr);
	if (!status && ferror(stdin)) {
		complain("cannot read standard input: %s", strerror(errno));
		return STATUS_FAILED;
	}
	return status;
}

static int read_arguments(char **arguments)
{
	unsigned int number = 0;
	bool end;
	int status;

	script.unit = "APDU";
	for (; *arguments; arguments++) {
		struct text text = { .argument = *arguments };

		status = read_line(&text, ++number, &end);
		/* ps has seen it; from here on it does not any more. */
		explicit_bzero(*arguments, strlen(*arguments));
		if (status)
			return status;
		if (!end)
			return bad_digits(number, "these are several lines");
	}
	return STATUS_OK;
}

/* ---- sending ---------------------------------------------------------------- */

static int transmit(const struct held_card *held, const struct command *command)
{
	return tokmux_card_transmit(held->card, command->apdu, command->len,
				    script.answer, sizeof(script.answer),
				    script.flags, COMMAND_MS);
}

/* Each is an APDU: that is looked at first, with the card or without. */
static int check(const struct held_card *held)
{
	const struct command *command;

	for (command = script.first; command; command = command->next)
		if (transmit(held, command) == -EINVAL)
			return bad_digits(command->number,
					  "this is no APDU: its lengths don't fit");
	return STATUS_OK;
}

static uint16_t status_word(int len)
{
	return script.answer[len - 2] << 8 | script.answer[len - 1];
}

static void print(bool first, int len)
{
	card_hex(script.hex, script.answer, len - 2);
	if (script.json)
		printf("%s\n  {\"answer\": \"%s\", ", first ? "" : ",", script.hex);
	else if (len > 2)
		printf("%s ", script.hex);
	card_hex(script.hex, script.answer + len - 2, 2);
	printf(script.json ? "\"sw\": \"%s\"" : "%s", script.hex);
	if (script.explain)
		printf(script.json ? ", \"meaning\": \"%s\"" : "  %s",
		       status_word_meaning(status_word(len)));
	putchar(script.json ? '}' : '\n');
	if (!script.json)
		fflush(stdout);
}

static bool refused(int len)
{
	uint16_t sw = status_word(len);

	return sw != SW_OK && sw >> 8 != SW1_MORE;
}

static int send_all(const struct held_card *held)
{
	const struct command *command;
	int len, status = STATUS_OK;

	for (command = script.first; command; command = command->next) {
		len = transmit(held, command);
		if (len < 0) {
			complain("%s %u failed, the rest was not sent", script.unit,
				 command->number);
			return card_failed(held, len);
		}
		print(command == script.first, len);
		if (!refused(len))
			continue;
		status = STATUS_REFUSED;
		/* A second wrong PIN is one too many. */
		if (!script.keep_going)
			break;
	}
	return status;
}

static int send_script(const struct held_card *held)
{
	int status;

	setvbuf(stdout, script.out, _IOFBF, sizeof(script.out));
	if (script.json)
		fputs("{\"answers\": [", stdout);
	status = send_all(held);
	if (script.json)
		puts("\n]}");
	if (fflush(stdout) || ferror(stdout))
		status = cannot_write();
	/* Its buffer goes. */
	setvbuf(stdout, NULL, _IONBF, 0);
	return status;
}

/* ---- the verb ---------------------------------------------------------------- */

static int apdu(const char *what, char **arguments)
{
	struct held_card held;
	int status;

	script.last = &script.first;
	status = *arguments ? read_arguments(arguments) : read_stdin();
	if (status)
		return status;
	if (!script.first)
		return bad_usage("there is no APDU");
	status = card_find(what, &script.options, &held);
	if (status)
		return status;
	status = check(&held);
	if (!status)
		status = card_hold(&held, &script.options);
	if (!status)
		status = send_script(&held);
	card_let_go(&held);
	return status;
}

enum { CHAIN = 256, EXPLAIN };

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help",	no_argument,	NULL, 'h' },
		{ "json",	no_argument,	NULL, 'J' },
		{ "keep-going",	no_argument,	NULL, 'k' },
		{ "chain",	no_argument,	NULL, CHAIN },
		{ "explain",	no_argument,	NULL, EXPLAIN },
		CARD_LONG,
		{}
	};
	int option, status = STATUS_OK;

	while ((option = getopt_long(argc, argv, "hJk" CARD_SHORT, long_options,
				     NULL)) >= 0) {
		if (option == 'J')
			script.json = true;
		else if (option == 'k')
			script.keep_going = true;
		else if (option == CHAIN)
			script.flags |= TOKMUX_CARD_CHAIN;
		else if (option == EXPLAIN)
			script.explain = true;
		else if (!card_option(&script.options, option, optarg, &status))
			return option_status(option);
		if (status)
			return status;
	}
	if (optind == argc)
		return bad_usage("which TOKEN?");
	/* For a person. A program compares lines. */
	script.explain |= !script.json && isatty(STDOUT_FILENO);
	status = apdu(argv[optind], argv + optind + 1);
	script_wipe();
	return status;
}

const struct verb apdu_verb = {
	.name		= "apdu",
	.run		= run,
	.synopsis	= "[OPTION…] TOKEN [APDU…]",
	.summary	= "send commands to the card in a token's reader",
	.options	=
	"  -k, --keep-going      go on after an answer other than 9000 or 61xx\n"
	"      --chain           send a long command in several parts\n"
	"      --explain         say what a status word means; on a terminal always\n"
	CARD_HELP
	"  -J, --json            JSON instead of lines\n"
	"\n"
	"In hex, or one a line on standard input, with # comments. Give a PIN there only:\n"
	"arguments are seen by everybody.\n\n",
};
