// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Names: a token is called by its own name or by its device's.
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include "internal.h"

#define DEVICE_PREFIX	"tokmux"
#define BY_NAME		"tokmux/by-name"
#define BY_ID		"tokmux/by-id"

/* As the kernel has it. */
int tokmux_check_name(const char *name)
{
	const char *p;

	if (strlen(name) >= TOKMUX_NAME_SIZE)
		return -ENAMETOOLONG;
	for (p = name; *p; p++)
		if (!isascii((unsigned char)*p) ||
		    (!isalnum((unsigned char)*p) &&
		     !strchr(p > name ? TOKMUX_NAME_PUNCTUATION : "_", *p)))
			return -EINVAL;
	return *name ? 0 : -EINVAL;
}

bool tokmux_parse_sysname(const char *sysname, unsigned int *index)
{
	const char *digits = sysname + strlen(DEVICE_PREFIX);
	unsigned long value;
	char *end;

	if (strncmp(sysname, DEVICE_PREFIX, strlen(DEVICE_PREFIX)) ||
	    !isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	value = strtoul(digits, &end, 10);
	if (errno || *end || value >= UINT_MAX)
		return false;
	*index = value;
	return true;
}

static bool ends_with(const char *path, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(path + len - n, end, n);
}

/* udev's rules give both kinds of links the token's name. */
const char *tokmux_link_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash || !(ends_with(path, slash - path, BY_NAME) ||
			ends_with(path, slash - path, BY_ID)))
		return NULL;
	return slash + 1;
}
