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
 * @since_us: when udev first saw the token, 0 if it has not yet. An index and a
 *	name are used again by later tokens: index and @since_us tell two apart.
 */
struct tokmux_token {
	atomic_uint refs;
	unsigned int index;
	uint64_t since_us;
	struct udev_device *device;
	char name[TOKMUX_NAME_SIZE];
};

/*
 * The token owns @device then. On failure @device is freed; -ENOENT means that
 * it is not a token's.
 */
int token_from_udev(struct udev_device *device, struct tokmux_token **token);
struct tokmux_token *token_get(struct tokmux_token *token);
int token_list(struct udev *udev, struct tokmux_token ***tokens);

#endif /* TOKMUX_LIB_TOKEN_H */
