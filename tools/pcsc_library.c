// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Our libpcsclite.so.1: where it was installed, or, for a tokmux that was built
 * and not installed, in the directory pcsc beside it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "pcsc_library.h"

static bool is_there(const char *dir)
{
	char path[PCSC_PATH_SIZE + sizeof(PCSC_LIBRARY)];

	snprintf(path, sizeof(path), "%s/%s", dir, PCSC_LIBRARY);
	return !access(path, R_OK);
}

bool pcsc_directory(char dir[static PCSC_PATH_SIZE])
{
	ssize_t len = readlink("/proc/self/exe", dir, PCSC_PATH_SIZE - 6);
	char *name = NULL;

	if (len > 0) {
		dir[len] = '\0';
		name = strrchr(dir, '/');
	}
	if (name) {
		strcpy(name, "/pcsc");
		if (is_there(dir))
			return true;
	}
	snprintf(dir, PCSC_PATH_SIZE, "%s", PCSCDIR);
	return is_there(dir);
}
