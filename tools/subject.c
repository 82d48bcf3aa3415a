// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A subject: the token that an argument names, of either kind.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "subject.h"
#include "uri.h"

struct subject {
	/* One of these is NULL. */
	struct tokmux_token *token;
	struct tokmux_caller *caller;
	char name[TOKMUX_NAME_SIZE];
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

/* A user's token is found by its name only. */
static int find_user(const char *what, struct subject **subject)
{
	struct tokmux_state info = {};
	struct tokmux_caller *caller;
	int ret;

	ret = tokmux_open(what, &caller);
	if (ret)
		return failed(what, ret);
	ret = tokmux_info(caller, &info, sizeof(info));
	if (ret) {
		tokmux_close(caller);
		return failed(what, ret);
	}
	*subject = subject_of(NULL);
	(*subject)->caller = caller;
	snprintf((*subject)->name, sizeof((*subject)->name), "%s", info.name);
	return STATUS_OK;
}

int subject_find(const char *what, struct subject **subject)
{
	struct tokmux_token *token;
	int ret;

	ret = tokmux_token_find(what, &token);
	/*
	 * A name may look like a URI, too: by default, PKCS#11 tokens' do. But not
	 * each URI could be a name.
	 */
	if (ret && uri_is_one(what)) {
		struct tokmux_caller *caller;

		if (!tokmux_open(what, &caller)) {
			tokmux_close(caller);
			return find_user(what, subject);
		}
		ret = uri_find(what, &token);
		if (ret > 0)
			return ret;
	} else if (ret == -ENOENT && !strchr(what, '/')) {
		return find_user(what, subject);
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

	if (subject->token)
		ret = tokmux_open_token(subject->token, caller);
	else
		ret = tokmux_open(subject->name, caller);
	return ret ? failed(subject->name, ret) : STATUS_OK;
}
