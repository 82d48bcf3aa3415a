// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux register: make a system token; by hand, or for a reader, by udev.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "device.h"
#include "origin.h"
#include "readers_conf.h"
#include "subject.h"
#include "view.h"

/* Readers of several slots have one interface, or a few. */
#define MAX_INTERFACES	8u

struct registration {
	unsigned int hold_limit_ms;
	bool has_hold_limit;		/* as an option */
	unsigned long max_sessions;
	bool dry_run;
	/* Another user may have the device as the one before left it. */
	bool no_scrub;
	/* The real device, or NULL; of USB: -1 for the smartcard's interface. */
	const char *node;
	int interface;
	/* Its node, open; -1 for none. */
	int fd;
};

static int create(const char *name, const struct registration *with,
		  unsigned int *index)
{
	if (with->fd < 0)
		return tokmux_create_system(name, with->hold_limit_ms,
					    with->max_sessions, index);
	return tokmux_create_device_fd(name, with->no_scrub ?
				       TOKMUX_CREATE_NO_SCRUB : 0,
				       with->hold_limit_ms, with->max_sessions,
				       with->fd, with->interface, index);
}

/* Its real device was unplugged, and nobody removed it. */
static bool is_dead(const struct tokmux_token *token)
{
	char path[64];
	dev_t rdev;

	if (!token_real_device(token, &rdev))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major(rdev),
		 minor(rdev));
	return access(path, F_OK) || !origin_exists(tokmux_token_name(token));
}

/* Unless @look_only, one that is dead makes room. */
static int exists(const char *name, bool look_only)
{
	struct tokmux_token *token;
	int ret;

	ret = tokmux_token_find(name, &token);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	/* It may be another one's device that is called so. */
	if (!strcmp(tokmux_token_name(token), name)) {
		ret = -EEXIST;
		if (is_dead(token))
			ret = look_only ? 0 : tokmux_remove_token(token);
	}
	tokmux_token_free(token);
	return ret == -ENODEV ? 0 : ret;
}

/* What create() would come to, as far as that can be seen. */
static int look(const char *name, const struct registration *with)
{
	int ret;

	ret = tokmux_present();
	if (ret != 1)
		return ret ? ret : -ENODEV;
	ret = tokmux_check_name(name);
	if (ret)
		return ret;
	ret = exists(name, true);
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
	case -EBUSY:
		complain("%s: another token leads to this device; see 'tokmux list -o +real_device'",
			 with->node);
		return STATUS_FAILED;
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
	ret = exists(name, false);
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

static void add_row(struct view *view, const char *name,
		    const struct registration *with, unsigned int index)
{
	view_row(view);
	view_set(view, NAME, name);
	view_set(view, CREATED, with->dry_run ? "0" : "1");
	if (!with->dry_run)
		view_setf(view, DEVICE, "/dev/tokmux%u", index);
}

/*
 * Before the lock is taken: to open a device may wake it, and it may be in no hurry.
 */
static int open_device(struct registration *with)
{
	if (!with->node || with->dry_run)
		return 0;
	with->fd = open(with->node, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return with->fd < 0 ? -errno : 0;
}

static void close_device(struct registration *with)
{
	if (with->fd >= 0)
		close(with->fd);
	with->fd = -1;
}

static int by_hand(const char *name, struct registration *with,
		   struct view *view)
{
	unsigned int index = 0;
	int ret, lock = -1;

	ret = open_device(with);
	if (!ret && !with->dry_run) {
		lock = origin_lock();
		if (lock == -ETIMEDOUT)
			ret = lock;
	}
	if (!ret)
		ret = make(name, NULL, with, &index);
	origin_unlock(lock);
	close_device(with);
	if (ret)
		return create_failed(name, with, ret);
	add_row(view, name, with, index);
	return view_print(view);
}

/* ---- for udev ---------------------------------------------------------------- */

/* FNV-1a: no more than to tell long identities apart. */
static uint64_t hash(const char *text)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return value;
}

/* No name looks like an option, or like a comment. */
static void begin_name(char *name)
{
	if (!isalnum((unsigned char)*name))
		*name = '_';
}

/* The identity, whole; one that is too long is cut and hashed: serials differ last. */
static void plain_name(const struct reader *reader, char *name)
{
	const char *id = reader->id;
	size_t length = strlen(id);

	if (length <= TOKMUX_NAME_SIZE - sizeof("-if00"))
		snprintf(name, TOKMUX_NAME_SIZE, "%.*s-if%02x", (int)length, id,
			 reader->number & 0xff);
	else
		snprintf(name, TOKMUX_NAME_SIZE, "%.19s-%s-%016" PRIx64 "-if%02x",
			 id, id + length - 20, hash(id), reader->number & 0xff);
	begin_name(name);
}

/* Two readers may be alike, but not on the same port. */
static void port_name(const struct reader *reader, char *name)
{
	snprintf(name, TOKMUX_NAME_SIZE, "%.38s-%.24s", reader->id,
		 udev_device_get_sysname(reader->interface));
	begin_name(name);
}

/*
 * udev may tell of a reader again. A token of another device that was at the same
 * port is removed: nobody else does it any more.
 */
static bool is_registered(const struct reader *reader, bool look_only)
{
	const char *devpath = udev_device_get_devpath(reader->interface);
	char name[TOKMUX_NAME_SIZE], last[TOKMUX_NAME_SIZE] = "";
	struct tokmux_token *token;
	bool same = false;
	dev_t rdev;

	/* One that is found again could not be removed. */
	while (!same && origin_find(devpath, name) && strcmp(name, last)) {
		strcpy(last, name);
		if (!tokmux_token_find(name, &token)) {
			same = token_real_device(token, &rdev) &&
			       rdev == reader->rdev;
			if (!same && !look_only)
				tokmux_remove_token(token);
			tokmux_token_free(token);
		}
		if (!same && !look_only)
			origin_remove(name);
	}
	return same;
}

/*
 * Two readers that say the same of themselves can't be told apart: one may be made
 * to look like the other. So neither has the plain name, whichever came first. A
 * token can't be renamed: if the twin has the plain name, that token goes, and
 * @twin, its reader's path, is to be registered anew.
 */
static int part_twins(const struct reader *reader, const char *plain,
		      bool dry_run, char twin[static PATH_MAX])
{
	char name[TOKMUX_NAME_SIZE];
	struct tokmux_token *token;
	int ret;

	if (!origin_twin(reader, name, twin)) {
		*twin = '\0';
		return 0;
	}
	complain_in_log("the readers at %s and %s both say that they are %s: neither has that name; a device can say what it likes",
			udev_device_get_devpath(reader->interface), twin, plain);
	if (dry_run || strcmp(name, plain)) {
		*twin = '\0';
		return 1;
	}
	ret = tokmux_token_find(name, &token);
	if (!ret) {
		ret = tokmux_remove_token(token);
		tokmux_token_free(token);
	}
	if (ret && ret != -ENOENT && ret != -ENODEV)
		return ret;
	origin_remove(name);
	return 1;
}

/* Under origin_lock(). */
static int make_reader(const struct reader *reader,
		       const struct registration *with, struct view *view,
		       char twin[static PATH_MAX])
{
	char name[TOKMUX_NAME_SIZE];
	unsigned int index = 0;
	int ret;

	*twin = '\0';
	if (is_registered(reader, with->dry_run))
		return 0;
	plain_name(reader, name);
	ret = part_twins(reader, name, with->dry_run, twin);
	if (ret < 0)
		return ret;
	ret = ret ? -EEXIST : make(name, reader, with, &index);
	if (ret == -EEXIST) {
		port_name(reader, name);
		ret = make(name, reader, with, &index);
	}
	if (!ret)
		add_row(view, name, with, index);
	return ret;
}

/* One device's interfaces don't keep udev busy for ever. */
static bool may_be_token(struct udev *udev, const char *devpath)
{
	if (reader_position(udev, devpath) < MAX_INTERFACES)
		return true;
	complain_in_log("%s: no device gets more than %u tokens", devpath,
			MAX_INTERFACES);
	return false;
}

static int register_reader(const struct reader *reader,
			   struct registration *with, struct view *view,
			   char twin[static PATH_MAX])
{
	const char *devpath = udev_device_get_devpath(reader->interface);
	const char *why_not = reader_why_not(reader);
	int ret, lock = -1;

	if (why_not) {
		complain_in_log("%s: %s, which tokmux does not drive: it gets no token and is left to others",
				devpath, why_not);
		return STATUS_NO;
	}
	/* A token that others can get past would promise what it can't keep. */
	if (!reader_is_closed(reader)) {
		complain_in_log("%s: %s is not closed to others, so it gets no token",
				devpath, reader->node);
		return STATUS_NO;
	}
	with->node = reader->node;
	with->interface = reader->number;
	ret = open_device(with);
	if (!ret && !with->dry_run) {
		lock = origin_lock();
		if (lock < 0)
			ret = lock;
	}
	if (!ret)
		ret = make_reader(reader, with, view, twin);
	origin_unlock(lock);
	close_device(with);
	if (ret)
		complain_in_log("%s: %s", devpath, tokmux_strerror(ret));
	return ret ? status_of(ret) : STATUS_OK;
}

/* In the words of udev's IMPORT{program}. */
static int say_for_others(const char *devpath)
{
	if (device_is_for_others(devpath))
		puts("TOKMUX_FOR_OTHERS=yes");
	return STATUS_OK;
}

static int by_udev(const char *devpath, struct registration *with,
		   struct view *view)
{
	char twin[PATH_MAX] = "", again[PATH_MAX];
	struct readers_conf conf;
	struct reader reader;
	struct udev *udev;
	int status;

	if (!with->has_hold_limit) {
		readers_conf_read(&conf);
		with->hold_limit_ms = conf.hold_limit_ms;
	}
	udev = udev_new();
	if (!may_be_token(udev, devpath)) {
		status = STATUS_NO;
	} else if (!reader_from_devpath(udev, devpath, &reader)) {
		complain("%s: there is no smartcard reader", devpath);
		status = STATUS_NOTOKEN;
	} else {
		status = register_reader(&reader, with, view, twin);
		reader_put(&reader);
	}
	if (*twin && reader_from_devpath(udev, twin, &reader)) {
		register_reader(&reader, with, view, again);
		reader_put(&reader);
	}
	udev_unref(udev);
	return status ? status : view_print(view);
}

/* ---- the verb ---------------------------------------------------------------- */

enum { HOLD_LIMIT = 256, MAX_SESSIONS, DEVICE_PATH, INTERFACE, NO_SCRUB, DRY_RUN, UDEV, FOR_OTHERS };

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		VIEW_LONG,
		{ "hold-limit",		required_argument,	NULL, HOLD_LIMIT },
		{ "max-sessions",	required_argument,	NULL, MAX_SESSIONS },
		{ "device",		required_argument,	NULL, DEVICE_PATH },
		{ "interface",		required_argument,	NULL, INTERFACE },
		{ "no-scrub",		no_argument,		NULL, NO_SCRUB },
		{ "dry-run",		no_argument,		NULL, DRY_RUN },
		{ "udev",		no_argument,		NULL, UDEV },
		{ "for-others",		no_argument,		NULL, FOR_OTHERS },
		{}
	};
	struct view_options options = {};
	struct registration with = { .interface = -1, .fd = -1 };
	int option, ms, status = STATUS_OK;
	unsigned long number;
	struct view *view;
	bool udev = false, for_others = false;

	while ((option = getopt_long(argc, argv, VIEW_SHORT, long_options,
				     NULL)) >= 0) {
		switch (option) {
		case HOLD_LIMIT:
			ms = parse_seconds(optarg);
			if (ms < 0)
				return bad_usage("--hold-limit wants seconds, not '%s'",
						 optarg);
			with.hold_limit_ms = ms;
			with.has_hold_limit = true;
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
		case NO_SCRUB:
			with.no_scrub = true;
			break;
		case DRY_RUN:
			with.dry_run = true;
			break;
		case UDEV:
			udev = true;
			break;
		case FOR_OTHERS:
			for_others = true;
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
		status = bad_usage(udev || for_others ? "which DEVPATH?" :
						       "which NAME?");
	else if (with.interface >= 0 && !with.node)
		status = bad_usage("--interface of which --device?");
	else if (with.no_scrub && !with.node)
		status = bad_usage("--no-scrub of which --device?");
	else if (udev && with.node)
		status = bad_usage("--udev finds the device itself");
	else if (for_others)
		status = say_for_others(argv[optind]);
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
	.synopsis	= "[OPTION…] NAME | --udev DEVPATH | --for-others DEVPATH",
	.summary	= "make a system token",
	.options	=
	"      --hold-limit SECONDS\n"
	"                        a holder that keeps others waiting for longer\n"
	"                        loses the lease\n"
	"      --max-sessions N  how many sessions may be open\n"
	"      --device PATH     the real device: a USB device's node, or a hidraw; close\n"
	"                        it to others, and only holders of the lease reach it\n"
	"      --interface N     which one of a USB device (the smartcard's)\n"
	"      --no-scrub        other users get it as it was left: what can't be reset\n"
	"      --dry-run         only say what would be done\n"
	"      --udev            for udev's rules: the reader at DEVPATH\n"
	"      --for-others      for udev's rules: can no reader of the device at DEVPATH\n"
	"                        be driven?\n"
	VIEW_HELP,
};
