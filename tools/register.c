// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux register: make a system token; by hand, or for a reader, by udev.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "device.h"
#include "origin.h"
#include "subject.h"
#include "view.h"

struct registration {
	unsigned int hold_limit_ms;
	unsigned long max_sessions;
	bool dry_run;
	/* The real device, or NULL; of USB: -1 for the smartcard's interface. */
	const char *node;
	int interface;
};

static int create(const char *name, const struct registration *with,
		  unsigned int *index)
{
	if (!with->node)
		return tokmux_create_system(name, with->hold_limit_ms,
					    with->max_sessions, index);
	return tokmux_create_device(name, with->hold_limit_ms,
				    with->max_sessions, with->node,
				    with->interface, index);
}

/* As the kernel has it. */
static bool is_name(const char *name)
{
	const char *p;

	for (p = name; *p; p++)
		if (!isascii((unsigned char)*p) || !isgraph((unsigned char)*p) ||
		    *p == '/')
			return false;
	return *name;
}

static int exists(const char *name)
{
	struct tokmux_token *token;
	bool same;
	int ret;

	ret = tokmux_token_find(name, &token);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	/* It may be another one's device that is called so. */
	same = !strcmp(tokmux_token_name(token), name);
	tokmux_token_free(token);
	return same ? -EEXIST : 0;
}

/* What create() would come to, as far as that can be seen. */
static int look(const char *name, const struct registration *with)
{
	int ret;

	ret = tokmux_present();
	if (ret != 1)
		return ret ? ret : -ENODEV;
	if (!is_name(name))
		return -EINVAL;
	ret = exists(name);
	if (ret)
		return ret;
	return with->node ? device_look(with->node, with->interface) : 0;
}

enum { NAME, DEVICE, CREATED };

static const struct column columns[] = {
	[NAME] = { "name", TEXT, "the token's name" },
	[DEVICE] = { "device", TEXT, "its device" },
	[CREATED] = { "created", FLAG, "was it made? not with --dry-run" },
};

/* What is wrong with the device is said of the device. */
static int create_failed(const char *name, const struct registration *with,
			 int err)
{
	switch (with->node ? err : 0) {
	case -EOPNOTSUPP:
		if (with->interface >= 0)
			complain("%s: it is no USB device with an interface %d",
				 with->node, with->interface);
		else
			complain("%s: it is neither a USB smartcard reader nor a hidraw",
				 with->node);
		return STATUS_USAGE;
	case -ENOENT:
	case -ENODEV:
		if (tokmux_present() != 1)
			break;
		complain("%s: there is no such device", with->node);
		return STATUS_USAGE;
	}
	return failed(name, err);
}

/* Under origin_lock(), unless it is a dry run. */
static int make(const char *name, const struct reader *reader,
		const struct registration *with, unsigned int *index)
{
	int ret;

	if (with->dry_run)
		return look(name, with);
	ret = exists(name);
	if (ret)
		return ret;
	/* First: when the token appears, udev takes it in. */
	if (reader)
		ret = origin_write(name, reader);
	else
		origin_remove(name);	/* of one that went with the module */
	if (ret)
		return ret;
	ret = create(name, with, index);
	if (ret)
		origin_remove(name);
	return ret;
}

static int say(const char *name, const struct registration *with,
	       unsigned int index, struct view *view)
{
	view_row(view);
	view_set(view, NAME, name);
	view_set(view, CREATED, with->dry_run ? "0" : "1");
	if (!with->dry_run)
		view_setf(view, DEVICE, "/dev/tokmux%u", index);
	return view_print(view);
}

static int by_hand(const char *name, const struct registration *with,
		   struct view *view)
{
	unsigned int index = 0;
	int ret, lock = -1;

	if (!with->dry_run)
		lock = origin_lock();
	ret = make(name, NULL, with, &index);
	origin_unlock(lock);
	return ret ? create_failed(name, with, ret) : say(name, with, index, view);
}

/* ---- for udev ---------------------------------------------------------------- */

/* What the kernel takes as a name, and udev as a link, comes through. */
static void make_name(const struct reader *reader, bool unique, char *name)
{
	char *p;

	/* Two readers may be alike, but not on the same port. */
	if (unique)
		snprintf(name, TOKMUX_NAME_SIZE, "%.38s-%.24s",
			 reader_id(reader),
			 udev_device_get_sysname(reader->interface));
	else
		snprintf(name, TOKMUX_NAME_SIZE, "%.56s-if%02x",
			 reader_id(reader), reader->number);
	for (p = name; *p; p++)
		if (!isascii((unsigned char)*p) ||
		    (!isalnum((unsigned char)*p) && !strchr("#+-.:=@_", *p)))
			*p = '_';
	/* Nor does it look like an option. */
	if (*name == '-')
		*name = '_';
}

/* udev may tell of a reader again. */
static bool is_registered(const struct reader *reader)
{
	char name[TOKMUX_NAME_SIZE];
	struct tokmux_token *token;
	struct subject *subject;
	dev_t rdev;
	bool same;

	if (!origin_find(udev_device_get_devpath(reader->interface), name) ||
	    tokmux_token_find(name, &token))
		return false;
	subject = subject_of(token);
	same = subject_real_device(subject, &rdev) && rdev == reader->rdev;
	subject_free(subject);
	return same;
}

static int by_udev(const char *devpath, struct registration *with,
		   struct view *view)
{
	int ret, lock = -1, status = STATUS_OK;
	char name[TOKMUX_NAME_SIZE];
	struct reader reader;
	unsigned int index;
	struct udev *udev;

	udev = udev_new();
	if (!reader_from_devpath(udev, devpath, &reader)) {
		complain("%s: there is no smartcard reader", devpath);
		status = STATUS_NOTOKEN;
		goto out_udev;
	}
	with->node = reader.node;
	with->interface = reader.number;
	/* Another one just like it may be plugged in at the same moment. */
	if (!with->dry_run)
		lock = origin_lock();
	if (is_registered(&reader))
		goto out_lock;
	make_name(&reader, false, name);
	ret = make(name, &reader, with, &index);
	if (ret == -EEXIST) {
		make_name(&reader, true, name);
		ret = make(name, &reader, with, &index);
	}
	status = ret ? failed(devpath, ret) : say(name, with, index, view);
out_lock:
	origin_unlock(lock);
	reader_put(&reader);
out_udev:
	udev_unref(udev);
	return status;
}

/* ---- the verb ---------------------------------------------------------------- */

enum { HOLD_LIMIT = 256, MAX_SESSIONS, DEVICE_PATH, INTERFACE, DRY_RUN, UDEV };

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		VIEW_LONG,
		{ "hold-limit",		required_argument,	NULL, HOLD_LIMIT },
		{ "max-sessions",	required_argument,	NULL, MAX_SESSIONS },
		{ "device",		required_argument,	NULL, DEVICE_PATH },
		{ "interface",		required_argument,	NULL, INTERFACE },
		{ "dry-run",		no_argument,		NULL, DRY_RUN },
		{ "udev",		no_argument,		NULL, UDEV },
		{}
	};
	struct view_options options = {};
	struct registration with = { .interface = -1 };
	int option, ms, status = STATUS_OK;
	unsigned long number;
	struct view *view;
	bool udev = false;

	while ((option = getopt_long(argc, argv, VIEW_SHORT, long_options,
				     NULL)) >= 0) {
		switch (option) {
		case HOLD_LIMIT:
			ms = parse_seconds(optarg);
			if (ms < 0)
				return bad_usage("--hold-limit wants seconds, not '%s'",
						 optarg);
			with.hold_limit_ms = ms;
			break;
		case MAX_SESSIONS:
			if (!parse_number(optarg, 65536, &with.max_sessions))
				return bad_usage("--max-sessions wants 0 to 65536, not '%s'",
						 optarg);
			break;
		case DEVICE_PATH:
			with.node = optarg;
			break;
		case INTERFACE:
			if (!parse_number(optarg, 255, &number))
				return bad_usage("--interface wants 0 to 255, not '%s'",
						 optarg);
			with.interface = number;
			break;
		case DRY_RUN:
			with.dry_run = true;
			break;
		case UDEV:
			udev = true;
			break;
		default:
			if (!view_option(&options, option, optarg))
				return option_status(option);
		}
	}
	view = view_new(columns, ARRAY_SIZE(columns), "name,device,created",
			"registered", &options, &status);
	if (!view)
		return status;
	if (argc - optind != 1)
		status = bad_usage(udev ? "which DEVPATH?" : "which NAME?");
	else if (with.interface >= 0 && !with.node)
		status = bad_usage("--interface of which --device?");
	else if (udev && with.node)
		status = bad_usage("--udev finds the device itself");
	else if (udev)
		status = by_udev(argv[optind], &with, view);
	else
		status = by_hand(argv[optind], &with, view);
	view_free(view);
	return status;
}

const struct verb register_verb = {
	.name		= "register",
	.run		= run,
	.synopsis	= "[OPTION…] NAME | --udev DEVPATH",
	.summary	= "make a system token",
	.options	=
	"      --hold-limit SECONDS\n"
	"                        a holder that keeps others waiting for longer\n"
	"                        loses the lease\n"
	"      --max-sessions N  how many sessions may be open\n"
	"      --device PATH     the real device: a USB device's node, or a hidraw; close\n"
	"                        it to others, and only holders of the lease reach it\n"
	"      --interface N     which one of a USB device (the smartcard's)\n"
	"      --dry-run         only say what would be done\n"
	"      --udev            for udev's rules: the reader at DEVPATH\n"
	VIEW_HELP,
};
