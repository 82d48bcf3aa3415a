// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * /etc/tokmux/readers.conf, each key as its reader takes it. udev reads enforce:
 * IMPORT{file} takes the lines apart, and 69-tokmux.rules knows the words. tokmux
 * register reads the hold limit. PC/SC programs read the keys of lib/pcsc/policies.def.
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

/* Times, and what they may be. */
static const struct key {
	const char *name;
	unsigned long least, most;
} times[] = {
	/* 0 is for ever. */
	{ "hold-limit", HOLD_LIMIT_LEAST_MS, HOLD_LIMIT_MOST_MS },
#define POLICY(field, key, by_default, least, most) { key, least, most },
#define POLICY_SWITCH(field, key, by_default)
#include "../lib/pcsc/policies.def"
#undef POLICY
#undef POLICY_SWITCH
};

static const char * const switches[] = {
#define POLICY(field, key, by_default, least, most)
#define POLICY_SWITCH(field, key, by_default) key,
#include "../lib/pcsc/policies.def"
#undef POLICY
#undef POLICY_SWITCH
};

static bool is_switch(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(switches); i++)
		if (!strcmp(name, switches[i]))
			return true;
	return false;
}

/* false if it is no such key, or its value can't be. */
static bool read_policy(const char *name, char *value, struct readers_conf *conf)
{
	const struct key *key = times;
	unsigned long ms;

	value[strcspn(value, "#")] = '\0';
	value = strip(value);
	if (is_switch(name)) {
		if (strcmp(value, "yes") && strcmp(value, "no"))
			return false;
		if (!strcmp(name, "isolate"))
			conf->isolate = *value == 'y';
		return true;
	}
	while (key < times + ARRAY_SIZE(times) && strcmp(key->name, name))
		key++;
	if (key == times + ARRAY_SIZE(times))
		return false;
	if (!parse_number(value, key->most, &ms) ||
	    (ms < key->least && !(key == times && !ms)))
		return false;
	if (key == times)
		conf->hold_limit_ms = ms;
	return true;
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
	value = strip(value);
	if (strcmp(strip(key), "enforce"))
		return read_policy(key, value, conf);
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

	*conf = (struct readers_conf){
		.hold_limit_ms = HOLD_LIMIT_MS,
		.isolate = true,
	};
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
