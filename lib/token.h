/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct tokmux_token, inside: for token.c and monitor.c.
 */
#ifndef TOKMUX_LIB_TOKEN_H
#define TOKMUX_LIB_TOKEN_H

#include <libudev.h>
#include <stdatomic.h>
#include "internal.h"

#define TOKEN_SUBSYSTEM		"tokmux"
#define TOKEN_NAME_PROPERTY	"TOKMUX_NAME"

/*
 * @id: of its directory in sysfs, 0 if that was gone before we could look. An
 *	index and a name are used again by later tokens, this number is not.
 * @since_us: when udev first saw the token, 0 if it has not yet. The monitor
 *	goes by this: it has to tell tokens apart that are gone already.
 * @remembered: what udev remembers of the index is this token's
 */
struct tokmux_token {
	atomic_uint refs;
	unsigned int index;
	ino_t id;
	uint64_t since_us;
	bool remembered;
	struct udev_device *device;
	char name[TOKMUX_NAME_SIZE];
};

/*
 * The token of one of udev's messages, whether it is still there or not. It owns
 * @device then. On failure @device is freed; -ENOENT means that it is not a
 * token's.
 */
int token_from_message(struct udev_device *device, struct tokmux_token **token);
struct tokmux_token *token_get(struct tokmux_token *token);
/* It, and not another one of its index, perhaps of its name. */
bool token_exists(const struct tokmux_token *token);
int token_list(struct udev *udev, struct tokmux_token ***tokens);

#endif /* TOKMUX_LIB_TOKEN_H */
