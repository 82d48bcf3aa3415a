// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux unregister: remove a system token.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include "origin.h"
#include "who.h"

enum { NAME, DEVICE, REMOVED };

static const struct column columns[] = {
	[NAME] = { "name", TEXT, "the token's name" },
	[DEVICE] = { "device", TEXT, "what its device was" },
	[REMOVED] = { "removed", FLAG, "was it removed? not with --dry-run" },
};

/* Somebody who holds it, waits or has a session; not who just has it open. */
static bool in_use(struct subject *subject)
{
	static const char * const keys[] = { "holders", "waiters", "sessions" };
	char value[VALUE_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!subject_value(subject, keys[i], value, sizeof(value)) &&
		    value[0] != '0')
			return true;
	return false;
}

static int unregister(struct subject *subject, bool force, bool dry_run,
		      struct view *view)
{
	struct tokmux_token *token = subject_token(subject);
	int ret;

	if (!token) {
		complain("%s: a token of a user goes with the last program that has it open",
			 subject_name(subject));
		return STATUS_USAGE;
	}
	if (!force && in_use(subject)) {
		complain("%s: it is in use; see tokmux who, or --force",
			 subject_name(subject));
		return STATUS_NO;
	}
	ret = dry_run ? 0 : tokmux_remove_token(token);
	if (!ret && !dry_run)
		origin_remove(subject_name(subject));
	if (ret)
		return failed(subject_name(subject), ret);
	view_row(view);
	view_set(view, NAME, subject_name(subject));
	view_set(view, DEVICE, tokmux_token_devnode(token));
	view_set(view, REMOVED, dry_run ? "0" : "1");
	return STATUS_OK;
}

static int token_gone(const char *name, bool dry_run, struct view *view)
{
	struct tokmux_token *token;
	struct subject *subject;
	int ret;

	ret = tokmux_token_find(name, &token);
	if (ret == -ENOENT) {
		if (!dry_run)
			origin_remove(name);
		return STATUS_OK;
	}
	if (ret)
		return failed(name, ret);
	subject = subject_of(token);
	ret = unregister(subject, true, dry_run, view);
	subject_free(subject);
	return ret;
}

/* What is left of the reader that was at @devpath; nothing is no error. */
static int reader_gone(const char *devpath, bool dry_run, struct view *view)
{
	char name[TOKMUX_NAME_SIZE], last[TOKMUX_NAME_SIZE] = "";
	int status = STATUS_OK;

	/* One that is found again could not be removed. */
	while (!status && origin_find(devpath, name) && strcmp(name, last)) {
		status = token_gone(name, dry_run, view);
		strcpy(last, name);
	}
	return status;
}

static int by_name(const char *what, bool force, bool dry_run,
		   struct view *view)
{
	struct subject *subject;
	int status;

	status = subject_find(what, &subject);
	if (status)
		return status;
	status = unregister(subject, force, dry_run, view);
	subject_free(subject);
	return status;
}

enum { DRY_RUN = 256, UDEV };

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		VIEW_LONG,
		{ "force",	no_argument,	NULL, 'f' },
		{ "dry-run",	no_argument,	NULL, DRY_RUN },
		{ "udev",	no_argument,	NULL, UDEV },
		{}
	};
	struct view_options options = {};
	bool force = false, dry_run = false, udev = false;
	int option, lock = -1, status = STATUS_OK;
	struct view *view;

	while ((option = getopt_long(argc, argv, VIEW_SHORT "f", long_options,
				     NULL)) >= 0) {
		if (option == 'f')
			force = true;
		else if (option == UDEV)
			udev = true;
		else if (option == DRY_RUN)
			dry_run = true;
		else if (!view_option(&options, option, optarg))
			return option_status(option);
	}
	view = view_new(columns, ARRAY_SIZE(columns), "name,device,removed",
			"unregistered", &options, &status);
	if (!view)
		return status;
	if (argc - optind != 1) {
		status = bad_usage(udev ? "which DEVPATH?" : "one TOKEN is needed");
		goto out;
	}
	if (!dry_run)
		lock = origin_lock();
	if (lock == -ETIMEDOUT)
		status = failed(argv[optind], lock);
	else if (udev)
		status = reader_gone(argv[optind], dry_run, view);
	else
		status = by_name(argv[optind], force, dry_run, view);
	origin_unlock(lock);
	if (!status)
		status = view_print(view);
out:
	view_free(view);
	return status;
}

const struct verb unregister_verb = {
	.name		= "unregister",
	.run		= run,
	.synopsis	= "[OPTION…] TOKEN | --udev DEVPATH",
	.summary	= "remove a system token",
	.options	=
	"  -f, --force           even if it is in use\n"
	"      --dry-run         only say what would be done\n"
	"      --udev            for udev's rules: the reader at DEVPATH has gone\n"
	VIEW_HELP,
};
