/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A subject: the token that an argument names. A system token, of which sysfs
 * tells, or a user token, of which only the kernel module does.
 */
#ifndef TOKMUX_TOOL_SUBJECT_H
#define TOKMUX_TOOL_SUBJECT_H

#include <sys/types.h>
#include "tool.h"
#include "user_tokens.h"

struct subject;

/*
 * Finds the token and says what is wrong if it can't. Returns the exit status.
 * @what is a name, a device, or an RFC 7512 URI, which must fit one token. Of a
 * system token token= is the name, and serial=, model= and manufacturer= are
 * udev's ID_SERIAL_SHORT, ID_MODEL and ID_VENDOR. If none fits, they are what
 * tokmux-pkcs11.so says of its tokens.
 */
int subject_find(const char *what, struct subject **subject);
/* Takes over @token. */
struct subject *subject_of(struct tokmux_token *token);
/* 0 or a negative errno. */
int subject_of_user(const struct user_token *token, struct subject **subject);
void subject_free(struct subject *subject);

const char *subject_name(const struct subject *subject);
/* NULL for a user token. */
struct tokmux_token *subject_token(const struct subject *subject);
/* Of its device, 0 for a user token. */
dev_t subject_rdev(const struct subject *subject);
/* Of the real device behind it; false if there is none. */
bool subject_real_device(const struct subject *subject, dev_t *rdev);
bool token_real_device(const struct tokmux_token *token, dev_t *rdev);

/*
 * What sysfs calls @key, for either kind of token: 0, or -ENOENT if it isn't
 * known, -ENODEV if the token is gone.
 */
int subject_value(struct subject *subject, const char *key, char *value,
		  size_t size);
/* An unbound caller on it, for tokmux_close(). Says what is wrong. */
int subject_open(struct subject *subject, struct tokmux_caller **caller);

#define VALUE_SIZE	4097

#endif /* TOKMUX_TOOL_SUBJECT_H */
