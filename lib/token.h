/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside struct tokmux_token, for who makes them: token.c and monitor.c.
 */
#ifndef TOKMUX_LIB_TOKEN_H
#define TOKMUX_LIB_TOKEN_H

#include <libudev.h>
#include <stdatomic.h>
#include "internal.h"

#define TOKEN_SUBSYSTEM		"tokmux"
#define TOKEN_NAME_PROPERTY	"TOKMUX_NAME"

/*
 * @since_us: when udev first saw it, 0 if it has not yet. With the index it says
 *	which token this is: an index is used again, a name too.
 */
struct tokmux_token {
	atomic_uint refs;
	unsigned int index;
	uint64_t since_us;
	struct udev_device *device;
	char name[TOKMUX_NAME_SIZE];
};

/* Takes over @device, also where it fails; -ENOENT if it is not a token's. */
int token_from_udev(struct udev_device *device, struct tokmux_token **token);
struct tokmux_token *token_get(struct tokmux_token *token);
int token_list(struct udev *udev, struct tokmux_token ***tokens);

#endif /* TOKMUX_LIB_TOKEN_H */
