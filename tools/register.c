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

/* What create() would come to, as far as that can be seen. */
static int look(const char *name, const struct registration *with)
{
	struct tokmux_token *token;
	bool exists;
	int ret;

	ret = tokmux_present();
	if (ret != 1)
		return ret ? ret : -ENODEV;
	if (!is_name(name))
		return -EINVAL;
	ret = tokmux_token_find(name, &token);
	if (!ret) {
		/* It may be another one's device that is called so. */
		exists = !strcmp(tokmux_token_name(token), name);
		tokmux_token_free(token);
		if (exists)
			return -EEXIST;
	} else if (ret != -ENOENT) {
		return ret;
	}
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

static int by_hand(const char *name, const struct registration *with,
		   struct view *view)
{
	unsigned int index = 0;
	int ret, lock;

	if (with->dry_run) {
		ret = look(name, with);
	} else {
		lock = origin_lock();
		ret = create(name, with, &index);
		origin_unlock(lock);
	}
	if (ret)
		return create_failed(name, with, ret);
	view_row(view);
	view_set(view, NAME, name);
	view_set(view, CREATED, with->dry_run ? "0" : "1");
	if (!with->dry_run)
		view_setf(view, DEVICE, "/dev/tokmux%u", index);
	return view_print(view);
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

static int register_reader(const struct reader *reader, const char *name,
			   const struct registration *with)
{
	struct tokmux_token *token;
	int ret;

	if (!tokmux_token_find(name, &token)) {
		tokmux_token_free(token);
		return -EEXIST;
	}
	/* First: when the token appears, udev takes it in. */
	ret = origin_write(name, reader);
	if (ret)
		return ret;
	ret = create(name, with, NULL);
	if (ret)
		origin_remove(name);
	return ret;
}

static int register_as(const struct reader *reader, char *name,
		       const struct registration *with)
{
	int ret;

	make_name(reader, false, name);
	if (with->dry_run)
		return 0;
	ret = register_reader(reader, name, with);
	if (ret != -EEXIST)
		return ret;
	make_name(reader, true, name);
	return register_reader(reader, name, with);
}

/*
 * udev may tell of a reader again, and then it passes on what it knows of it. The
 * token may have gone since, and another reader's be called so now.
 */
static bool is_registered(const struct reader *reader)
{
	const char *name = getenv("TOKMUX_TOKEN");
	struct tokmux_token *token;
	struct subject *subject;
	dev_t rdev;
	bool same;

	if (!name || tokmux_token_find(name, &token))
		return false;
	subject = subject_of(token);
	same = subject_real_device(subject, &rdev) && rdev == reader->rdev;
	subject_free(subject);
	if (same)
		printf("TOKMUX_TOKEN=%s\n", name);
	return same;
}

/* On stdout what udev takes in: the rule is IMPORT{program}. */
static int by_udev(const char *devpath, struct registration *with)
{
	struct udev *udev;
	char name[TOKMUX_NAME_SIZE];
	struct reader reader;
	int ret, lock;

	udev = udev_new();
	if (!reader_from_devpath(udev, devpath, &reader)) {
		udev_unref(udev);
		complain("%s: there is no smartcard reader", devpath);
		return STATUS_NOTOKEN;
	}
	if (is_registered(&reader)) {
		reader_put(&reader);
		udev_unref(udev);
		return STATUS_OK;
	}
	with->node = reader.node;
	with->interface = reader.number;
	/* Another one just like it may be plugged in at the same moment. */
	lock = origin_lock();
	ret = lock < 0 ? lock : register_as(&reader, name, with);
	origin_unlock(lock);
	reader_put(&reader);
	udev_unref(udev);
	if (ret)
		return failed(devpath, ret);
	printf("TOKMUX_TOKEN=%s\n", name);
	return STATUS_OK;
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
		status = by_udev(argv[optind], &with);
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
	"                        who keeps others waiting for longer is thrown out\n"
	"      --max-sessions N  the quota of sessions\n"
	"      --device PATH     the real device: a USB device's node, or a hidraw; close\n"
	"                        it to others, and only holders of the lease reach it\n"
	"      --interface N     of a USB device; by default its smartcard interface\n"
	"      --dry-run         only say what would be done\n"
	"      --udev            for udev's rules: of the reader at DEVPATH\n"
	VIEW_HELP,
};
