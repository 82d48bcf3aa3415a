// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /etc/tokmux/readers.conf, as udev's rules read it: IMPORT{file} takes the lines
 * apart, and 69-tokmux.rules knows the words.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include "readers_conf.h"
#include "text.h"
#include "tool.h"

/* The same patterns as in the rules. */
static const char * const yes[] = {
	"[yY][eE][sS]", "[tT][rR][uU][eE]", "[oO][nN]", "1",
	"[yY][eE][sS][ \t]*#*", "[tT][rR][uU][eE][ \t]*#*", "[oO][nN][ \t]*#*",
	"1[ \t]*#*",
};

static const char * const no[] = {
	"[nN][oO]", "[fF][aA][lL][sS][eE]", "[oO][fF][fF]", "0",
	"[nN][oO] #*", "[fF][aA][lL][sS][eE] #*", "[oO][fF][fF] #*", "0 #*",
};

static bool is_one_of(const char *value, const char * const *words, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!fnmatch(words[i], value, 0))
			return true;
	return false;
}

static char *strip(char *text)
{
	size_t length;

	while (isspace((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* false if the line is not understood. */
static bool read_line(char *line, struct readers_conf *conf)
{
	char *key = strip(line), *value;
	size_t length;

	if (!*key || *key == '#')
		return true;
	value = strchr(key, '=');
	if (!value)
		return false;
	*value++ = '\0';
	if (strcmp(strip(key), "enforce"))
		return false;
	value = strip(value);
	length = strlen(value);
	if (*value == '"' || *value == '\'') {
		if (length < 2 || value[length - 1] != *value)
			return false;
		value[length - 1] = '\0';
		value++;
	}
	if (is_one_of(value, yes, ARRAY_SIZE(yes)))
		conf->enforce = ENFORCE_YES;
	else if (is_one_of(value, no, ARRAY_SIZE(no)))
		conf->enforce = ENFORCE_NO;
	else
		return false;
	return true;
}

void readers_conf_read(struct readers_conf *conf)
{
	char line[1024], text[sizeof(conf->text)];
	unsigned int number = 0;
	FILE *f;

	*conf = (struct readers_conf){};
	f = fopen(READERS_CONF, "re");
	if (!f) {
		conf->error = errno;
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		number++;
		snprintf(text, sizeof(text), "%.79s", strip(line));
		if (read_line(line, conf) || conf->line)
			continue;
		conf->line = number;
		strcpy(conf->text, text);
		text_make_printable(conf->text);
	}
	if (ferror(f))
		conf->error = EIO;
	fclose(f);
}
