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
#define yes	true
#define no	false
#define POLICY(field, key, by_default, least, most) .field = by_default,
#define POLICY_SWITCH(field, key, by_default) .field = by_default,
#include "policies.def"
#undef POLICY
#undef POLICY_SWITCH
#undef yes
#undef no
};

/* Where a value ends, there may be a comment. */
static bool is_end(const char *at)
{
	at += strspn(at, " \t\n");
	return !*at || *at == '#';
}

static void set_time(int64_t *time, long least, long most, const char *value)
{
	char *end;
	long ms;

	errno = 0;
	ms = strtol(value, &end, 10);
	if (end != value && !errno && is_end(end) && ms >= least && ms <= most)
		*time = ms;
}

static void set_switch(bool *on, const char *value)
{
	if (!strncmp(value, "yes", 3) && is_end(value + 3))
		*on = true;
	else if (!strncmp(value, "no", 2) && is_end(value + 2))
		*on = false;
}

static void set(const char *name, const char *value)
{
#define POLICY(field, key, by_default, least, most)			\
	if (!strcmp(name, key))						\
		set_time(&policy.field, least, most, value);
#define POLICY_SWITCH(field, key, by_default)				\
	if (!strcmp(name, key))						\
		set_switch(&policy.field, value);
#include "policies.def"
#undef POLICY
#undef POLICY_SWITCH
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
