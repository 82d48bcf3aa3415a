// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A subject: the token that an argument names, of either kind.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "subject.h"
#include "uri.h"
#include "user_tokens.h"

struct subject {
	/* One of these is NULL. */
	struct tokmux_token *token;
	struct tokmux_caller *caller;
	char name[TOKMUX_NAME_SIZE];
	/* Of a user token. */
	uid_t owner;
};

struct subject *subject_of(struct tokmux_token *token)
{
	struct subject *subject = calloc(1, sizeof(*subject));

	if (!subject) {
		complain("out of memory");
		exit(STATUS_FAILED);
	}
	subject->token = token;
	if (token)
		snprintf(subject->name, sizeof(subject->name), "%s",
			 tokmux_token_name(token));
	return subject;
}

int subject_of_user(const struct user_token *token, struct subject **subject)
{
	struct tokmux_caller *caller;
	int ret;

	ret = user_token_open(token, &caller);
	if (ret)
		return ret;
	*subject = subject_of(NULL);
	(*subject)->caller = caller;
	(*subject)->owner = token->owner;
	snprintf((*subject)->name, sizeof((*subject)->name), "%s", token->name);
	return 0;
}

/*
 * Root's own goes before others'; of several others' none is meant. Returns a
 * negative errno, or an exit status when it has said what is wrong.
 */
static int find_others(const char *name, struct subject **subject)
{
	struct user_token *tokens, *found = NULL;
	size_t count = user_tokens_find(&tokens), i;
	int ret = -ENOENT;
	char user[64];

	for (i = 0; i < count; i++) {
		if (strcmp(tokens[i].name, name))
			continue;
		if (found) {
			user_name(found->owner, user, sizeof(user));
			complain("%s: more than one user has a token of that name, %s among them; as that user: runuser -u %s tokmux %s %s",
				 name, user, user, the_verb->name, name);
			free(tokens);
			return STATUS_USAGE;
		}
		found = &tokens[i];
	}
	if (found)
		ret = subject_of_user(found, subject);
	free(tokens);
	return ret;
}

/* A token of this user; or for root, of any user. Returns as find_others(). */
static int find_user(const char *name, struct subject **subject)
{
	struct user_token token = { .owner = geteuid() };
	int ret;

	if (strlen(name) >= sizeof(token.name))
		return -ENAMETOOLONG;
	snprintf(token.name, sizeof(token.name), "%s", name);
	ret = subject_of_user(&token, subject);
	if (ret == -ENOENT && !geteuid())
		return find_others(name, subject);
	return ret;
}

/*
 * What is no device's property may be a PKCS#11 token's: tokmux-pkcs11.so knows
 * which, and by which name the kernel knows that.
 */
static int find_by_module(const char *uri, struct subject **subject)
{
	char name[TOKMUX_NAME_SIZE];
	struct tokmux_token *token;
	int ret;

	ret = uri_name(uri, name);
	if (ret)
		return ret;
	if (!tokmux_token_find(name, &token)) {
		*subject = subject_of(token);
		return STATUS_OK;
	}
	ret = find_user(name, subject);
	if (ret != -ENOENT)
		return ret < 0 ? failed(name, ret) : ret;
	complain("%s: that is token %s, but nobody uses it now", uri, name);
	return STATUS_NOTOKEN;
}

int subject_find(const char *what, struct subject **subject)
{
	struct tokmux_token *token;
	int ret;

	ret = tokmux_token_find(what, &token);
	if (ret && uri_is_one(what)) {
		ret = uri_find(what, &token);
		if (ret == -ENOENT)
			return find_by_module(what, subject);
		if (ret > 0)
			return ret;
	} else if (ret == -ENOENT && !strchr(what, '/')) {
		ret = find_user(what, subject);
		if (ret >= 0)
			return ret;
	}
	if (ret)
		return failed(what, ret);
	*subject = subject_of(token);
	return STATUS_OK;
}

void subject_free(struct subject *subject)
{
	if (!subject)
		return;
	tokmux_token_free(subject->token);
	tokmux_close(subject->caller);
	free(subject);
}

const char *subject_name(const struct subject *subject)
{
	return subject->name;
}

struct tokmux_token *subject_token(const struct subject *subject)
{
	return subject->token;
}

dev_t subject_rdev(const struct subject *subject)
{
	unsigned int major_, minor_;
	char value[VALUE_SIZE];

	if (!subject->token ||
	    tokmux_token_attribute(subject->token, "dev", value,
				   sizeof(value)) < 0 ||
	    sscanf(value, "%u:%u", &major_, &minor_) != 2)
		return 0;
	return makedev(major_, minor_);
}

bool token_real_device(const struct tokmux_token *token, dev_t *rdev)
{
	char value[VALUE_SIZE];
	unsigned int major_, minor_;

	if (tokmux_token_attribute(token, "real_device", value,
				   sizeof(value)) < 0 ||
	    sscanf(value, "%u:%u", &major_, &minor_) != 2 || !major_)
		return false;
	*rdev = makedev(major_, minor_);
	return true;
}

bool subject_real_device(const struct subject *subject, dev_t *rdev)
{
	return subject->token && token_real_device(subject->token, rdev);
}

static int user_value(struct subject *subject, const char *key, char *value,
		      size_t size)
{
	struct tokmux_state info;
	size_t i;
	int ret;

	ret = tokmux_info(subject->caller, &info, sizeof(info));
	if (ret)
		return ret;
	const struct {
		const char *key;
		uint64_t value;
	} values[] = {
		{ "owner",		info.owner_uid },
		{ "epoch",		info.epoch },
		{ "unclean",		!!(info.flags & TOKMUX_INFO_UNCLEAN) },
		{ "exclusive",		!!(info.flags & TOKMUX_INFO_EXCLUSIVE) },
		{ "holder",		info.holder_pid },
		{ "holders",		info.holders },
		{ "idle",		info.idle },
		{ "waiters",		info.waiters },
		{ "hold_limit_ms",	info.hold_limit_ms },
		{ "sessions",		info.sessions },
		{ "max_sessions",	info.max_sessions },
		{ "users",		info.users },
		{ "sos",		info.sos },
		{ "grants",		info.grants },
	};

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		if (strcmp(values[i].key, key))
			continue;
		snprintf(value, size, "%" PRIu64, values[i].value);
		return 0;
	}
	return -ENOENT;
}

int subject_value(struct subject *subject, const char *key, char *value,
		  size_t size)
{
	char name[VALUE_SIZE];
	int ret;

	if (!subject->token)
		return user_value(subject, key, value, size);
	ret = tokmux_token_attribute(subject->token, key, value, size);
	if (ret >= 0)
		return 0;
	/* Is it the file that isn't there, or all of them? */
	if (ret == -ENOENT &&
	    tokmux_token_attribute(subject->token, "name", name,
				   sizeof(name)) >= 0)
		return -ENOENT;
	return -ENODEV;
}

int subject_open(struct subject *subject, struct tokmux_caller **caller)
{
	int ret;

	if (subject->token) {
		ret = tokmux_open_token(subject->token, caller);
	} else {
		struct user_token token = { .owner = subject->owner };

		snprintf(token.name, sizeof(token.name), "%s", subject->name);
		ret = user_token_open(&token, caller);
	}
	return ret ? failed(subject->name, ret) : STATUS_OK;
}
