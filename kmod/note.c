// SPDX-License-Identifier: GPL-2.0-only
/*
 * The note of a token: what the holder of an exclusive lease lets all others know,
 * for example what is in the slot of a reader. Reading it takes no lease, so the
 * holder and the device notice nothing of it.
 *
 * To the kernel it is a few bytes without a meaning, and a claim of the holder:
 * nothing in here depends on them. Its size is fixed, and a caller that watches
 * it gets one event until it reads it again (R8).
 */
#include <linux/string.h>
#include "internal.h"

int tokmux_note_get(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_note_get *arg = argp;

	if (arg->flags & TOKMUX_NOTE_WATCH) {
		/* Only a bound caller can read events. */
		if (!caller->tgid)
			return -ENOTCONN;
		list_move_tail(&caller->watch, &token->watchers);
	}
	if (token->note_by)
		arg->noted |= TOKMUX_NOTED_HELD;
	arg->time_ns = token->note_ns;
	memcpy(arg->note, token->note, sizeof(arg->note));
	return 0;
}

int tokmux_note_set(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	const struct tokmux_note_set *arg = argp;
	int ret = tokmux_lease_need_exclusive(caller);

	if (ret)
		return ret;
	token->note_by = caller;
	token->note_ns = ktime_get_ns();
	if (!memcmp(token->note, arg->note, sizeof(token->note)))
		return 0;
	memcpy(token->note, arg->note, sizeof(token->note));
	tokmux_event_tell_watchers(token);
	return 0;
}
