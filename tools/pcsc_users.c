// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * OpenSC, scdaemon and the linker: their files, and what those say for our
 * libpcsclite.so.1.
 */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pcsc_library.h"
#include "pcsc_users.h"
#include "tool.h"

#define LINKER_CONF	"/etc/ld.so.conf.d/00-tokmux-pcsc.conf"

extern char **environ;

static char *file_of(const char *variable, const char *file, const char *home_file)
{
	const char *dir = getenv(variable), *home = getenv("HOME");
	char *path = NULL;

	if (dir && *dir) {
		if (asprintf(&path, "%s%s", dir, file) < 0)
			path = NULL;
	} else if (*home_file == '/') {
		path = strdup(home_file);
	} else if (!home || !*home) {
		complain("HOME is not set");
		return NULL;
	} else if (asprintf(&path, "%s/%s", home, home_file) < 0) {
		path = NULL;
	}
	if (!path)
		complain("%s", strerror(ENOMEM));
	return path;
}

static char *opensc_file(void)
{
	return file_of("OPENSC_CONF", "", "/etc/opensc/opensc.conf");
}

static char *scdaemon_file(void)
{
	return file_of("GNUPGHOME", "/scdaemon.conf", ".gnupg/scdaemon.conf");
}

static char *system_file(void)
{
	return strdup(LINKER_CONF);
}

static int run_program(char **argv)
{
	int status = -1, err;
	pid_t pid;

	err = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (!err && waitpid(pid, &status, 0) == pid && !status)
		return STATUS_OK;
	complain("%s: %s", argv[0], err ? strerror(err) : "it failed");
	return STATUS_FAILED;
}

static int restart_scdaemon(void)
{
	puts("A running scdaemon reads this file after \"gpgconf --kill scdaemon\".");
	return STATUS_OK;
}

static int rebuild_linker_cache(void)
{
	char *argv[] = { "/sbin/ldconfig", NULL };

	return run_program(argv);
}

const struct pcsc_user pcsc_users[] = {
	{
		.name = "opensc",
		.file = opensc_file,
		.lines = "\treader_driver pcsc {\n"
			 "\t\tprovider_library = %s/" PCSC_LIBRARY ";\n"
			 "\t}\n",
		.after = "app default",
		.before_it = "app default {\n",
		.behind_it = "}\n",
		.rival = "reader_driver pcsc",
	},
	{
		.name = "scdaemon",
		.file = scdaemon_file,
		/* Its own driver would want the reader for itself. */
		.lines = "pcsc-driver %s/" PCSC_LIBRARY "\n"
			 "disable-ccid\n",
		.rival = "pcsc-driver",
		.take_up = restart_scdaemon,
	},
	{
		.name = "system",
		.file = system_file,
		/* The first directory has it: 00- comes before all others. */
		.lines = "%s\n",
		.take_up = rebuild_linker_cache,
	},
	{}
};
