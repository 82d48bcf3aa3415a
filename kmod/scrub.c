// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scrubs: the device of a token is reset before another user can use it.
 *
 * Keeps R2 between users: a card stays PIN-verified when its holder ends, and
 * the next holder need not be polite enough to reset it. So the kernel remembers
 * which user has had the device. Another user gets no lease fd until a
 * privileged process has reset the device, and said so by TOKMUX_MARK_CLEAN.
 * The module knows no card: it asks for such a process by a uevent.
 */
#include <linux/kobject.h>
#include "internal.h"

/* How long the ioctl waits. A reader gives up on a mute card after some 5 s. */
#define TOKMUX_SCRUB_TIME	(20 * HZ)

/* @user may have left something in the device. */
void tokmux_scrub_touch(struct tokmux_token *token, const struct tokmux_user *user)
{
	lockdep_assert_held(&token->lock);
	if (token->touched && !uid_eq(token->touched_by, user->uid))
		token->touched_by = INVALID_UID;	/* several: equal to none */
	else
		token->touched_by = user->uid;
	WRITE_ONCE(token->touched, true);
}

/* The device was scrubbed. */
void tokmux_scrub_done(struct tokmux_token *token)
{
	lockdep_assert_held(&token->lock);
	WRITE_ONCE(token->touched, false);
	token->scrub_until = 0;
	WRITE_ONCE(token->scrub_failed, false);
	wake_up_all(&token->lease_file_closed);
}

/* A scrub has ended, or none has come: threads that wait for it stop waiting. */
void tokmux_scrub_over(struct tokmux_token *token)
{
	lockdep_assert_held(&token->lock);
	WRITE_ONCE(token->scrub_failed, token->touched);
	wake_up_all(&token->lease_file_closed);
}

static void tokmux_scrub_ask(struct tokmux_token *token)
{
	char name[sizeof("TOKMUX_NAME=") + TOKMUX_NAME_SIZE];
	char *envp[3] = { "TOKMUX_SCRUB=1", name };

	snprintf(name, sizeof(name), "TOKMUX_NAME=%s", token->name);
	kobject_uevent_env(&token->dev.kobj, KOBJ_CHANGE, envp);
}

/**
 * tokmux_scrub_wait() - wait until a caller's user may use the device
 * @caller: the holder of an exclusive lease; token->lock is held
 *
 * A scrub that has failed is asked for again by the next one that wants the
 * device, which does not wait for it.
 *
 * Return: 0; -EUCLEAN if nobody scrubs the device; -EAGAIN after a wait, during
 * which the lock was dropped; -ERESTARTSYS.
 */
int tokmux_scrub_wait(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	bool failed = token->scrub_failed, ask;
	long ret;

	lockdep_assert_held(&token->lock);
	if (!token->touched || token->no_scrub ||
	    uid_eq(token->touched_by, caller->party->user->uid))
		return 0;
	ask = !token->scrub_until || (failed && time_after(jiffies, token->scrub_until));
	if (ask)
		token->scrub_until = (jiffies + TOKMUX_SCRUB_TIME) | 1;
	ret = max_t(long, token->scrub_until - jiffies, 1);

	mutex_unlock(&token->lock);
	if (ask)
		tokmux_scrub_ask(token);
	if (!failed)
		ret = wait_event_interruptible_timeout(token->lease_file_closed,
						       !READ_ONCE(token->touched) ||
						       READ_ONCE(token->scrub_failed) ||
						       !READ_ONCE(caller->held), ret);
	mutex_lock(&token->lock);
	if (failed)
		return -EUCLEAN;
	if (ret)
		return ret < 0 ? ret : -EAGAIN;
	if (!token->scrub_failed)
		pr_warn_ratelimited("tokmux: %s: nobody scrubs the device for its next user: see 'tokmux scrub'\n",
				    token->name);
	tokmux_scrub_over(token);
	return -EUCLEAN;
}
