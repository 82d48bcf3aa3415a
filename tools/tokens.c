// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A token as a row of a view. Most columns are files of sysfs, by their name;
 * each of those is a snapshot of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "process.h"
#include "tokens.h"

enum {
	NAME, DEVICE, USER_TOKEN, STATE, UNCLEAN, HOLDER, COMMAND, HOLDERS,
	HOLDER_PIDS, IDLE, WAITERS, WAITER_PIDS, SESSIONS, MAX_SESSIONS, USERS, SOS,
	OWNER, EPOCH, HOLD_LIMIT_MS, GRANTS, WAITS, LONGEST_WAIT_US, REVOCATIONS,
	UNCLEANS, DEVICE_KIND, REAL_DEVICE, LONGEST_WAIT,
};

static const struct column columns[] = {
	[NAME] = { "name", LONG_TEXT, "the token's name" },
	[DEVICE] = { "device", TEXT, "its device; none for a user's token" },
	[USER_TOKEN] = { "user_token", FLAG, "is it a user's own?" },
	[STATE] = { "state", TEXT, "free, shared or exclusive" },
	[UNCLEAN] = { "unclean", FLAG, "was it left in an unknown state?" },
	[HOLDER] = { "holder", NUMBER, "pid of the (first) holder" },
	[COMMAND] = { "command", LONG_TEXT, "what the (first) holder runs" },
	[HOLDERS] = { "holders", NUMBER, "how many hold it" },
	[HOLDER_PIDS] = { "holder_pids", NUMBERS, "pids of all holders" },
	[IDLE] = { "idle", NUMBER, "leases that are kept, but not used" },
	[WAITERS] = { "waiters", NUMBER, "how many requests wait" },
	[WAITER_PIDS] = { "waiter_pids", NUMBERS, "their pids, in order" },
	[SESSIONS] = { "sessions", NUMBER, "open sessions of all callers" },
	[MAX_SESSIONS] = { "max_sessions", NUMBER, "their quota" },
	[USERS] = { "users", NUMBER, "callers logged in as user" },
	[SOS] = { "sos", NUMBER, "callers logged in as security officer" },
	[OWNER] = { "owner", TEXT, "who made it" },
	[EPOCH] = { "epoch", NUMBER, "changes when it passes to another" },
	[HOLD_LIMIT_MS] = { "hold_limit_ms", NUMBER, "how long one may keep others waiting, 0: for ever" },
	[GRANTS] = { "grants", NUMBER, "leases granted so far" },
	[WAITS] = { "waits", NUMBER, "requests that had to wait" },
	[LONGEST_WAIT_US] = { "longest_wait_us", NUMBER, "the longest wait for a grant" },
	[REVOCATIONS] = { "revocations", NUMBER, "holders thrown out for the hold limit" },
	[UNCLEANS] = { "uncleans", NUMBER, "how many times it was left unclean" },
	[DEVICE_KIND] = { "device_kind", TEXT, "of the real device behind it" },
	[REAL_DEVICE] = { "real_device", TEXT, "its major and minor number" },
	[LONGEST_WAIT] = { "longest_wait", DURATION, "the longest wait for a grant, in seconds" },
};

struct view *tokens_view(const char *fallback, const struct view_options *options,
			 int *status)
{
	return view_new(columns, ARRAY_SIZE(columns), fallback, TOKENS, options,
			status);
}

/* Those that are a file of sysfs as it is. */
static bool is_attribute(size_t column)
{
	switch (column) {
	case NAME:
	case DEVICE:
	case USER_TOKEN:
	case STATE:
	case COMMAND:
	case OWNER:
	case REAL_DEVICE:
	case LONGEST_WAIT:
		return false;
	default:
		return true;
	}
}

/* These are always found out: the holder's command, and the totals, need them. */
static bool is_summed(size_t column)
{
	return column == HOLDER || column == HOLDERS || column == WAITERS ||
	       column == SESSIONS || column == USERS || column == SOS;
}

static void set_state(struct view *view, struct subject *subject)
{
	char exclusive[VALUE_SIZE], holders[VALUE_SIZE];

	if (subject_value(subject, "exclusive", exclusive, sizeof(exclusive)) ||
	    subject_value(subject, "holders", holders, sizeof(holders)))
		return;
	if (*exclusive == '1')
		view_set(view, STATE, "exclusive");
	else
		view_set(view, STATE, strcmp(holders, "0") ? "shared" : "free");
}

static void set_command(struct view *view, const char *holder)
{
	char name[PROCESS_NAME_SIZE];

	if (process_command(strtol(holder, NULL, 10), name, sizeof(name)))
		view_set(view, COMMAND, name);
}

static void set_computed(struct view *view, struct subject *subject)
{
	char value[VALUE_SIZE];
	dev_t rdev;

	view_set(view, NAME, subject_name(subject));
	if (!subject_value(subject, "longest_wait_us", value, sizeof(value)))
		view_setf(view, LONGEST_WAIT, "%.6f",
			  strtoull(value, NULL, 10) / 1e6);
	if (subject_token(subject))
		view_set(view, DEVICE,
			 tokmux_token_devnode(subject_token(subject)));
	view_set(view, USER_TOKEN, subject_token(subject) ? "0" : "1");
	set_state(view, subject);
	if (!subject_value(subject, "owner", value, sizeof(value))) {
		char name[64];

		user_name(strtoul(value, NULL, 10), name, sizeof(name));
		view_set(view, OWNER, name);
	}
	if (subject_real_device(subject, &rdev))
		view_setf(view, REAL_DEVICE, "%u:%u", major(rdev), minor(rdev));
}

int tokens_row(struct view *view, struct subject *subject)
{
	char value[VALUE_SIZE];
	size_t i;

	if (subject_value(subject, "epoch", value, sizeof(value)))
		return -ENODEV;
	view_row(view);
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		if (is_attribute(i) && (view_wants(view, i) || is_summed(i)) &&
		    !subject_value(subject, columns[i].name, value, sizeof(value)))
			view_set(view, i, value);
	/* Nobody, or one that can't be seen from here. */
	if (view_get(view, HOLDER) && !strcmp(view_get(view, HOLDER), "0"))
		view_set(view, HOLDER, NULL);
	if (view_get(view, HOLDER))
		set_command(view, view_get(view, HOLDER));
	set_computed(view, subject);
	return 0;
}

static void user_tokens_all(struct view *view)
{
	struct user_token *tokens;
	size_t count = user_tokens_find(&tokens), i;
	struct subject *subject;

	for (i = 0; i < count; i++) {
		if (subject_of_user(&tokens[i], &subject))
			continue;
		tokens_row(view, subject);
		subject_free(subject);
	}
	free(tokens);
}

struct totals tokens_totals(const struct view *view)
{
	struct totals totals = {
		.waiters = view_sum(view, WAITERS),
		.sessions = view_sum(view, SESSIONS),
		.logins = view_sum(view, USERS) + view_sum(view, SOS),
		.holders = view_sum(view, HOLDERS),
	};

	return totals;
}

int tokens_all(struct view *view)
{
	struct tokmux_token **tokens, **t;
	struct subject *subject;
	int ret;

	/* No token, or nobody to know of one? */
	ret = tokmux_present();
	if (!ret)
		return -ENODEV;
	ret = tokmux_list(&tokens);
	if (ret < 0)
		return ret;
	for (t = tokens; *t; t++) {
		subject = subject_of(*t);
		/* One that went meanwhile is not there. */
		tokens_row(view, subject);
		subject_free(subject);
	}
	/* Each has gone with its subject. */
	*tokens = NULL;
	tokmux_list_free(tokens);
	user_tokens_all(view);
	return 0;
}
