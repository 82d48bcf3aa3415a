// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What readers.conf says of PC/SC programs. The file is the administrator's: no
 * program and no user has another one.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy.h"

#define FILE_NAME	"/etc/tokmux/readers.conf"

struct policy policy = {
#define POLICY(field, key, by_default, least, most) .field = by_default,
#include "policies.def"
#undef POLICY
};

static const struct key {
	const char *name;
	int64_t *value;
	long least, most;
} keys[] = {
#define POLICY(field, key, by_default, least, most) \
	{ key, &policy.field, least, most },
#include "policies.def"
#undef POLICY
};

static void set(const char *name, const char *value)
{
	const struct key *key;
	char *end;
	long ms;

	for (key = keys; key < keys + sizeof(keys) / sizeof(keys[0]); key++) {
		if (strcmp(name, key->name))
			continue;
		errno = 0;
		ms = strtol(value, &end, 10);
		end += strspn(end, " \t\n");
		if (end != value && !errno && (!*end || *end == '#') &&
		    ms >= key->least && ms <= key->most)
			*key->value = ms;
	}
}

void policy_read(void)
{
	char line[1024], name[32], value[32];
	static bool was_read;
	FILE *f;

	if (was_read)
		return;
	was_read = true;
	f = fopen(FILE_NAME, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %31[a-z-] = %31[^\n]", name, value) == 2)
			set(name, value);
	if (f)
		fclose(f);
}
