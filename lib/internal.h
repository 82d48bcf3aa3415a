/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libtokmux's files share: the opaque struct, and the one way to an ioctl.
 */
#ifndef TOKMUX_LIB_INTERNAL_H
#define TOKMUX_LIB_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "tokmux.h"

struct tokmux_caller {
	int fd;
	bool group;		/* bound as one of its thread group's */
};

/*
 * ioctl.c: ioctl() as this library reports errors: 0 or a negative errno, errno
 * kept.
 */
int tokmux_ioctl(int fd, unsigned long cmd, void *arg);

/* caller.c: takes over @fd, also where it fails. */
int tokmux_caller_from_fd(int fd, struct tokmux_caller **caller);

/* name.c */
int tokmux_check_name(const char *name);
/* Is it "tokmux" and a number? */
bool tokmux_parse_sysname(const char *sysname, unsigned int *index);

/* control.c */
int tokmux_control_open_user(const char *name, int *fd);

/*
 * device.c: opens @node and fills in what @arg says of a device. The file in it
 * is the caller's to close.
 */
int tokmux_device_describe(const char *node, int interface,
			   struct tokmux_create *arg);

#endif /* TOKMUX_LIB_INTERNAL_H */
