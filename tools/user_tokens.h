/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * User tokens that are in use: one's own, and for root everybody's.
 *
 * The kernel lists them to nobody. But a user token is there only as long as a
 * process has it open, and the open files of a process are shown to its user and
 * to root.
 */
#ifndef TOKMUX_TOOL_USER_TOKENS_H
#define TOKMUX_TOOL_USER_TOKENS_H

#include <sys/types.h>
#include "process.h"
#include "tool.h"

struct user_token {
	char name[TOKMUX_NAME_SIZE];
	uid_t owner;
};

/* Is @file a caller on a user token? On which? */
bool user_token_of(const struct open_file *file, struct user_token *token);
bool user_token_is(const struct user_token *token, const char *name, uid_t owner);

/* By owner and name; for free(). Returns how many there are. */
size_t user_tokens_find(struct user_token **tokens);

/*
 * An unbound caller on it, for tokmux_close(); a negative errno. Root reaches
 * other users' tokens in its own namespaces only.
 */
int user_token_open(const struct user_token *token, struct tokmux_caller **caller);

#endif /* TOKMUX_TOOL_USER_TOKENS_H */
