// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux pcsc: lets OpenSC, scdaemon or all programs of the system have our
 * libpcsclite.so.1, or pcsc-lite's again.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "conf_region.h"
#include "pcsc_library.h"
#include "pcsc_users.h"
#include "tool.h"

static const struct pcsc_user *find_user(const char *name)
{
	const struct pcsc_user *user = pcsc_users;

	while (user->name && strcmp(user->name, name))
		user++;
	return user->name ? user : NULL;
}

static int show(const char *file, const char *text, bool removed)
{
	printf("%s %s:\n%s", file, removed ? "would lose" : "would get", text);
	return STATUS_OK;
}

/* Puts the region into the file's text, which has none. */
static int insert(const struct pcsc_user *user, struct conf *conf, const char *lines)
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

static int write_it(const struct pcsc_user *user, const struct conf *conf)
{
	int ret = conf_write(conf);

	if (ret)
		return failed(conf->path, ret);
	return user->take_up ? user->take_up() : STATUS_OK;
}

static int change(const struct pcsc_user *user, const char *file, bool enable,
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
	const struct pcsc_user *user;
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
