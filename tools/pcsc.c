// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux pcsc: lets OpenSC, scdaemon or all programs of the system have our
 * libpcsclite.so.1, or pcsc-lite's again.
 */
#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "conf_region.h"
#include "pcsc_library.h"
#include "tool.h"

#define LINKER_CONF	"/etc/ld.so.conf.d/00-tokmux-pcsc.conf"

extern char **environ;

/* What has a configuration of its own for the library. */
struct user {
	const char *name;
	/* Its file, for free(); NULL and a complaint if there is none. */
	char *(*file)(void);
	/* What the file says then, with the library's directory. */
	const char *lines;
	/* The line behind which it is said, or NULL for the file's end. */
	const char *after;
	/* What stands for @after where there is no such line. */
	const char *before_it, *behind_it;
	/* A line that says something else. */
	const char *rival;
	/* What has to be done then. */
	int (*take_up)(void);
};

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
	puts("A running scdaemon takes it up after \"gpgconf --kill scdaemon\".");
	return STATUS_OK;
}

static int rebuild_linker_cache(void)
{
	char *argv[] = { "/sbin/ldconfig", NULL };

	return run_program(argv);
}

static const struct user users[] = {
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
};

static const struct user *find_user(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(users); i++)
		if (!strcmp(users[i].name, name))
			return &users[i];
	return NULL;
}

static int show(const char *file, const char *text, bool removed)
{
	printf("%s %s:\n%s", file, removed ? "would lose" : "would get", text);
	return STATUS_OK;
}

/* Puts the region into the file's text, which has none. */
static int insert(const struct user *user, struct conf *conf, const char *lines)
{
	unsigned int line = user->rival ? conf_find(conf, user->rival) : 0;
	char *whole = NULL;
	int ret;

	if (line) {
		complain("%s:%u: it says already which library to use; remove that first",
			 conf->path, line);
		return -EEXIST;
	}
	line = user->after ? conf_find(conf, user->after) : 0;
	if (line || !user->after)
		return conf_insert(conf, line, lines);
	if (asprintf(&whole, "%s%s%s", user->before_it, lines,
		     user->behind_it) < 0)
		return -ENOMEM;
	ret = conf_insert(conf, 0, whole);
	free(whole);
	return ret;
}

static int write_it(const struct user *user, const struct conf *conf)
{
	int ret = conf_write(conf);

	if (ret)
		return failed(conf->path, ret);
	return user->take_up ? user->take_up() : STATUS_OK;
}

static int change(const struct user *user, const char *file, bool enable,
		  bool dry_run)
{
	char dir[PCSC_PATH_SIZE], *lines = NULL, *old = NULL;
	struct conf conf;
	int ret;

	if (!pcsc_directory(dir) && enable) {
		complain("%s/%s is not there; is the package libtokmux-pcsc1 installed?",
			 dir, PCSC_LIBRARY);
		return STATUS_FAILED;
	}
	ret = conf_read(&conf, file);
	if (!ret)
		ret = conf_remove(&conf, &old);
	if (!ret && enable) {
		if (asprintf(&lines, user->lines, dir) < 0)
			ret = -ENOMEM;
		else
			ret = insert(user, &conf, lines);
	}
	if (ret == -EEXIST)
		ret = STATUS_FAILED;
	else if (ret)
		ret = failed(file, ret);
	else if (dry_run && (lines || old))
		ret = show(file, enable ? lines : old, !enable);
	else if (!dry_run && (enable || old))
		ret = write_it(user, &conf);
	free(lines);
	free(old);
	conf_free(&conf);
	return ret;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dry-run", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	const struct user *user;
	bool dry_run = false, enable;
	int option, status;
	char *file;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (option != 'd')
			return option_status(option);
		dry_run = true;
	}
	if (argc - optind != 2)
		return bad_usage("enable or disable it, and for what?");
	enable = !strcmp(argv[optind], "enable");
	if (!enable && strcmp(argv[optind], "disable"))
		return bad_usage("'%s' is neither enable nor disable", argv[optind]);
	user = find_user(argv[optind + 1]);
	if (!user)
		return bad_usage("'%s' is none of opensc, scdaemon and system",
				 argv[optind + 1]);
	file = user->file();
	if (!file)
		return STATUS_FAILED;
	status = change(user, file, enable, dry_run);
	free(file);
	return status;
}

const struct verb pcsc_verb = {
	.name = "pcsc",
	.run = run,
	.synopsis = "enable|disable opensc|scdaemon|system [--dry-run]",
	.summary = "let PC/SC programs use tokens, without pcscd",
	.options =
	"      --dry-run         only say what would be done\n",
};
