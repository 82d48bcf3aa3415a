// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/tokmuxN: the file operations of a token, and its table of verbs. A
 * user's token has no device, but its files have the same operations.
 *
 * Keeps R3: all verbs are run from here, after a check of the caller.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/module.h>
#include "internal.h"

static int tokmux_info(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_info *info = argp;

	info->flags = (token->user ? TOKMUX_INFO_USER : 0) |
		      (token->unclean ? TOKMUX_INFO_UNCLEAN : 0) |
		      (token->exclusive ? TOKMUX_INFO_EXCLUSIVE : 0) |
		      (caller->tgid ? TOKMUX_INFO_BOUND : 0) |
		      (caller->held ? TOKMUX_INFO_HOLDING : 0) |
		      (tokmux_park_is_idle(caller, 0) ? TOKMUX_INFO_IDLE : 0);
	info->index = token->index;
	info->epoch = token->epoch;
	info->owner_uid = from_kuid_munged(current_user_ns(), token->owner);
	info->holder_pid = tokmux_party_pid(token);
	info->holders = token->nr_holders;
	info->waiters = token->lease_queue.length;
	info->sessions = token->nr_sessions;
	info->max_sessions = token->max_sessions;
	info->users = token->nr_logins[TOKMUX_USER];
	info->sos = token->nr_logins[TOKMUX_SO];
	info->hold_limit_ms = token->hold_limit_ms;
	info->idle = tokmux_lease_nr_idle(token);
	info->grants = token->grants;
	strscpy_pad(info->name, token->name, sizeof(info->name));
	return 0;
}

static int tokmux_token_open(struct inode *inode, struct file *file)
{
	struct tokmux_token *token =
		container_of(inode->i_cdev, struct tokmux_token, cdev);

	file->private_data = tokmux_caller_new(token, file->f_mode);
	return PTR_ERR_OR_ZERO(file->private_data);
}

static int tokmux_token_release(struct inode *inode, struct file *file)
{
	tokmux_caller_free(file->private_data);
	return 0;
}

static const struct tokmux_verb tokmux_token_verbs[] = {
	{ TOKMUX_VERB(TOKMUX_BIND, bind, flags, reserved),
	  .flags = TOKMUX_BIND_GROUP, .unbound = true },
	{ TOKMUX_VERB(TOKMUX_INFO, info, flags, name), .unbound = true },
	{ TOKMUX_VERB(TOKMUX_ACQUIRE, acquire, timeout_ms, epoch) },
	{ TOKMUX_VERB(TOKMUX_RELEASE, release, linger_ms, linger_ms),
	  .flags = TOKMUX_RELEASE_IDLE },
	{ TOKMUX_VERB(TOKMUX_MARK_CLEAN, mark_clean, flags, reserved) },
	{ TOKMUX_VERB(TOKMUX_SESSION_OPEN, session_open, timeout_ms, reserved) },
	{ TOKMUX_VERB(TOKMUX_SESSION_CLOSE, session_close, id, sessions) },
	{ TOKMUX_VERB(TOKMUX_SESSION_CLOSE_ALL, session_close_all, flags, reserved) },
	{ TOKMUX_VERB(TOKMUX_LOGIN, login, user_type, reserved) },
	{ TOKMUX_VERB(TOKMUX_LOGOUT, logout, flags, closed) },
	{ TOKMUX_VERB(TOKMUX_EJECT, eject, flags, logins) },
	{ TOKMUX_VERB(TOKMUX_NOTE_GET, note_get, flags, note),
	  .flags = TOKMUX_NOTE_WATCH, .unbound = true },
	{ TOKMUX_VERB(TOKMUX_NOTE_SET, note_set, note, reserved) },
	{ TOKMUX_VERB(TOKMUX_LEASE_FD, lease_fd, flags, fd),
	  .flags = TOKMUX_LEASE_FD_SCRUB },
	{ TOKMUX_VERB(TOKMUX_CANCEL, cancel, flags, requests) },
	{}
};

/* Check the caller (R3), then run the verb. */
static int tokmux_token_run(struct tokmux_call *call)
{
	struct mutex *lock = &call->caller->token->lock;
	int ret;

	mutex_lock(lock);
	ret = tokmux_caller_check(call->caller);
	if (!ret || (ret == -ENOTCONN && call->verb->unbound))
		ret = tokmux_call_run(call);
	if (call->withdrew)
		tokmux_caller_withdrew(call->caller);
	mutex_unlock(lock);
	return ret;
}

static long tokmux_token_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct tokmux_call call = { .caller = file->private_data };
	int ret;

	ret = tokmux_call_begin(&call, tokmux_token_verbs, cmd, arg);
	if (ret)
		return ret;
	return tokmux_call_end(&call, tokmux_token_run(&call));
}

const struct file_operations tokmux_token_fops = {
	.owner		= THIS_MODULE,
	.open		= tokmux_token_open,
	.flush		= tokmux_caller_flush,
	.release	= tokmux_token_release,
	.unlocked_ioctl	= tokmux_token_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.read		= tokmux_event_read,
	.poll		= tokmux_event_poll,
	.mmap		= tokmux_park_mmap,
	.show_fdinfo	= tokmux_fdinfo,
};
