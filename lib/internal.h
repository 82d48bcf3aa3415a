/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of libtokmux share.
 */
#ifndef TOKMUX_LIB_INTERNAL_H
#define TOKMUX_LIB_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>
#include "tokmux.h"

#define TOKMUX_SYSFS	"/sys/class/tokmux"

struct card_reader;

struct tokmux_caller {
	int fd;
	bool group;		/* bound with TOKMUX_BIND_GROUP */
	struct tokmux_park *park;	/* NULL if leases aren't parked */
	dev_t dev, rdev;	/* of the file that @fd was at first */
	ino_t ino;
	/* Of the cards on this caller, while there are any: card_lease.c. */
	struct card_reader *reader;
};

/*
 * ioctl.c: both return a negative errno if they fail, and leave errno as it was.
 * tokmux_node_open(): -ENODEV is a node without its device; -ENXIO a device that the
 * cgroup of this process may not open, as with a service's DevicePolicy=.
 */
int tokmux_node_open(const char *path);
int tokmux_ioctl(int fd, unsigned long cmd, void *arg);

/* caller.c: @fd belongs to the caller then, and is closed on failure. */
int tokmux_caller_from_fd(int fd, struct tokmux_caller **caller);
/*
 * Is @fd still the caller's? A program may close every descriptor that it doesn't know,
 * and use the numbers for its own files.
 */
bool tokmux_caller_has_fd(const struct tokmux_caller *caller);
/* The caller leaves its descriptor. Return: is it to be closed? */
bool tokmux_caller_leave_fd(struct tokmux_caller *caller);

/* name.c */
/* Is it "tokmux" and a number? */
bool tokmux_parse_sysname(const char *sysname, unsigned int *index);
/*
 * The token's name if @path is a link of udev's that has it, else NULL. udev may be
 * behind: the link may lead to another token by now.
 */
const char *tokmux_link_name(const char *path);

/*
 * sysfs.c: opens the token's directory and returns it. *@id is 0 or the token's
 * inode number as of before: -ENOENT if it is another token's by now.
 */
int tokmux_sysfs_open(const char *sysname, ino_t *id);
/* As tokmux_token_attribute(), of the token whose directory @dir is. */
int tokmux_sysfs_read(int dir, const char *key, char *value, size_t size);
/* The name that the kernel has. */
int tokmux_sysfs_name(const char *sysname, ino_t *id,
		      char name[static TOKMUX_NAME_SIZE]);

/* control.c */
int tokmux_control_open_user(const char *name, int *fd);

/*
 * device.c: fills in the part of @arg that describes the real device of which @fd
 * is an open file.
 */
int tokmux_device_describe(int fd, int interface, struct tokmux_create *arg);

#endif /* TOKMUX_LIB_INTERNAL_H */
