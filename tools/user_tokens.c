// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * User tokens that are in use, as the open files of processes show them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user_tokens.h"

struct found {
	struct user_token *tokens;
	size_t count;
};

bool user_token_of(const struct open_file *file, struct user_token *token)
{
	if (!file->is_caller || file->rdev ||
	    !process_uid(file->pid, &token->owner))
		return false;
	snprintf(token->name, sizeof(token->name), "%s", file->token);
	return true;
}

bool user_token_is(const struct user_token *token, const char *name, uid_t owner)
{
	return token->owner == owner && !strcmp(token->name, name);
}

static void see(const struct open_file *file, void *data)
{
	struct found *found = data;
	struct user_token token;
	size_t i;

	if (file->pid == getpid() || !user_token_of(file, &token))
		return;
	for (i = 0; i < found->count; i++)
		if (user_token_is(&found->tokens[i], token.name, token.owner))
			return;
	found->tokens = reallocarray(found->tokens, found->count + 1,
				     sizeof(token));
	if (!found->tokens) {
		complain("out of memory");
		exit(STATUS_FAILED);
	}
	found->tokens[found->count++] = token;
}

static int compare(const void *a, const void *b)
{
	const struct user_token *one = a, *two = b;

	if (one->owner != two->owner)
		return one->owner < two->owner ? -1 : 1;
	return strcmp(one->name, two->name);
}

size_t user_tokens_find(struct user_token **tokens)
{
	struct found found = {};

	for_each_open_file(see, &found);
	if (found.count)
		qsort(found.tokens, found.count, sizeof(*found.tokens), compare);
	*tokens = found.tokens;
	return found.count;
}

/* As its owner: the kernel looks among the tokens of the effective uid. */
int user_token_open(const struct user_token *token, struct tokmux_caller **caller)
{
	struct tokmux_state state;
	uid_t self = geteuid();
	int ret;

	if (token->owner != self && seteuid(token->owner))
		return -errno;
	ret = tokmux_open(token->name, caller);
	if (token->owner != self && seteuid(self)) {
		complain("cannot be root again: %s", strerror(errno));
		exit(STATUS_FAILED);
	}
	if (ret)
		return ret;
	/* The name of a system token, or of a device, goes before a user's. */
	ret = tokmux_info(*caller, &state, sizeof(state));
	if (!ret && (!(state.flags & TOKMUX_INFO_USER) ||
		     strcmp(state.name, token->name)))
		ret = -ENOENT;
	if (ret)
		tokmux_close(*caller);
	return ret;
}
