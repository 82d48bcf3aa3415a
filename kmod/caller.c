// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callers: open files of a token, and the thread group that each is bound to.
 *
 * Keeps R3 (who is not of the thread group is refused) and R2 (what a caller
 * has goes with its thread group). There are three ways to notice its end:
 *
 *  - ->release(): the last reference to the file is gone.
 *  - ->flush() when the owner closes its last descriptor of the file, by
 *    close(), exec or exit, while a copy lives on in another process.
 *  - wait_pidfd, when the thread group dies and no descriptor is closed because
 *    another process shares its table (CLONE_FILES).
 *
 * What a thread closes in a descriptor table of its own (unshare(CLONE_FILES))
 * counts as closed by the process.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "internal.h"
#include "trace.h"

/*
 * All that the caller had is gone. To have an exclusive lease or a login at
 * this point is to leave the token unclean: who leaves in good order releases
 * and logs out first.
 */
static void tokmux_caller_end_one(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	bool soils;

	if (caller->ended)
		return;
	WRITE_ONCE(caller->ended, true);
	if (caller->want_free)
		token->nr_want_free--;
	if (caller->nr_requests) {
		tokmux_queue_cancel(&token->lease_queue, caller, -ESHUTDOWN);
		tokmux_queue_cancel(&token->session_queue, caller, -ESHUTDOWN);
	}
	soils = caller->held == TOKMUX_EXCLUSIVE || caller->login;
	if (soils)
		tokmux_lease_soil(token);
	trace_tokmux_end(caller, soils);
	tokmux_lease_give_up(caller);
	tokmux_session_end_all(caller);
	tokmux_login_end(caller);
	tokmux_party_leave(caller);
	wake_up_interruptible(&caller->wait);
}

/*
 * R2: the caller is closed, or its whole thread group is dead. Then all of the
 * group's callers end before anybody else is granted anything, so that the next
 * holder is told unclean for a login that another file of the dead process had.
 */
static void tokmux_caller_end_locked(struct tokmux_caller *caller, bool group)
{
	struct tokmux_caller *other;

	if (caller->ended)
		return;
	tokmux_caller_end_one(caller);
	if (group)
		list_for_each_entry(other, &caller->token->callers, token_node)
			if (other->tgid == caller->tgid)
				tokmux_caller_end_one(other);
}

/* Callers have lost something: whoever waits for it may go on. */
static void tokmux_caller_dispatch(struct tokmux_token *token)
{
	tokmux_lease_dispatch(token);
	tokmux_session_dispatch(token);
}

static void tokmux_caller_end(struct tokmux_caller *caller, bool group)
{
	mutex_lock(&caller->token->lock);
	tokmux_caller_end_locked(caller, group);
	tokmux_caller_dispatch(caller->token);
	mutex_unlock(&caller->token->lock);
}

/*
 * A request of the current thread has left its queue, so the requests behind it
 * may be granted now. If the thread is being killed, all callers of its thread
 * group end first (R2).
 */
static void tokmux_caller_withdrew(struct tokmux_caller *caller)
{
	if (tokmux_is_dying(current))
		tokmux_caller_end_locked(caller, true);
	tokmux_caller_dispatch(caller->token);
}

static bool tokmux_group_is_dead(struct pid *tgid)
{
	struct task_struct *leader;
	bool dead;

	rcu_read_lock();
	leader = pid_task(tgid, PIDTYPE_PID);
	dead = !leader;
	/* data_race: written under a lock that modules don't have */
	if (leader && data_race(READ_ONCE(leader->exit_state)))
		dead = thread_group_empty(leader);
	rcu_read_unlock();
	return dead;
}

/* Is the last thread of the caller's group on its way out? */
static bool tokmux_current_is_dead(const struct tokmux_caller *caller)
{
	return current->flags & PF_EXITING && caller->tgid == task_tgid(current) &&
	       !atomic_read(&current->signal->live);
}

static void tokmux_death_work(struct work_struct *work)
{
	struct tokmux_caller *caller =
		container_of(work, struct tokmux_caller, death_work);

	/* Only its leader has exited? Then it wakes us once more. */
	if (tokmux_group_is_dead(caller->tgid))
		tokmux_caller_end(caller, true);
}

/* Under wait_pidfd.lock and the kernel's tasklist_lock. */
static int tokmux_death_wake(wait_queue_entry_t *wait, unsigned int mode,
			     int sync, void *key)
{
	struct tokmux_caller *caller =
		container_of(wait, struct tokmux_caller, death_wait);

	queue_work(tokmux_wq, &caller->death_work);
	return 0;
}

static int tokmux_caller_bind(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	const struct tokmux_bind *arg = argp;
	struct tokmux_party *party;
	int ret;

	if (arg->flags & ~TOKMUX_BIND_GROUP || arg->reserved)
		return -EINVAL;
	if (!caller->may_bind)
		return -EBADF;
	if (caller->tgid)
		return -EISCONN;

	mutex_unlock(&token->lock);
	party = tokmux_party_new(token, arg->flags & TOKMUX_BIND_GROUP);
	mutex_lock(&token->lock);
	if (!party)
		return -ENOMEM;
	ret = tokmux_caller_check(caller);
	if (ret != -ENOTCONN) {
		ret = ret ?: -EISCONN;
		goto out;
	}
	ret = tokmux_party_join(caller, &party);
	if (ret)
		goto out;
	init_waitqueue_func_entry(&caller->death_wait, tokmux_death_wake);
	/* ->flush() and ->poll() look at it without the lock */
	smp_store_release(&caller->tgid, get_pid(task_tgid(current)));
	add_wait_queue(&caller->tgid->wait_pidfd, &caller->death_wait);
out:
	tokmux_party_free(token, party);
	return ret;
}

static int tokmux_caller_info(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_info *info = argp;

	if (token->index == TOKMUX_NO_INDEX)
		info->flags |= TOKMUX_INFO_USER;
	if (token->unclean)
		info->flags |= TOKMUX_INFO_UNCLEAN;
	if (token->exclusive)
		info->flags |= TOKMUX_INFO_EXCLUSIVE;
	if (caller->tgid)
		info->flags |= TOKMUX_INFO_BOUND;
	if (caller->held)
		info->flags |= TOKMUX_INFO_HOLDING;
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
	info->grants = token->grants;
	strscpy_pad(info->name, token->name, sizeof(info->name));
	return 0;
}

/* The deliberate act that ends what other callers have. */
static int tokmux_caller_eject(struct tokmux_call *call, void *argp)
{
	struct tokmux_token *token = call->caller->token;
	struct tokmux_eject *arg = argp;
	struct tokmux_caller *other;
	unsigned int nr;
	bool soiled;

	if (arg->flags || arg->leases || arg->sessions || arg->logins)
		return -EINVAL;
	if (!uid_eq(token->owner, current_euid()) && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	soiled = token->exclusive;
	list_for_each_entry(other, &token->callers, token_node) {
		if (tokmux_lease_take(other))
			arg->leases++;
		nr = tokmux_session_end_all(other);
		if (nr)
			tokmux_event_send(other, TOKMUX_EVENT_SESSIONS_ENDED, nr);
		arg->sessions += nr;
		if (tokmux_login_end(other)) {
			tokmux_event_send(other, TOKMUX_EVENT_LOGIN_ENDED, 0);
			arg->logins++;
		}
	}
	if (soiled || arg->logins)
		tokmux_lease_soil(token);
	tokmux_caller_dispatch(token);
	return 0;
}

/* Takes over the caller's file count on @token where it succeeds. */
struct tokmux_caller *tokmux_caller_new(struct tokmux_token *token, fmode_t mode)
{
	struct tokmux_caller *caller;
	int ret = 0;

	caller = kzalloc(sizeof(*caller), GFP_KERNEL_ACCOUNT);
	if (!caller)
		return ERR_PTR(-ENOMEM);
	caller->token = token;
	caller->may_bind = mode & FMODE_WRITE;
	init_waitqueue_head(&caller->wait);
	INIT_LIST_HEAD(&caller->party_node);
	INIT_LIST_HEAD(&caller->sessions);
	INIT_WORK(&caller->death_work, tokmux_death_work);
	get_device(&token->dev);

	mutex_lock(&token->lock);
	if (token->gone)
		ret = -ENODEV;
	else
		list_add_tail(&caller->token_node, &token->callers);
	mutex_unlock(&token->lock);
	if (ret) {
		put_device(&token->dev);
		kfree(caller);
		return ERR_PTR(ret);
	}
	return caller;
}

void tokmux_caller_free(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;

	if (caller->tgid)
		remove_wait_queue(&caller->tgid->wait_pidfd, &caller->death_wait);
	cancel_work_sync(&caller->death_work);
	tokmux_caller_end(caller, tokmux_current_is_dead(caller));

	mutex_lock(&token->lock);
	list_del(&caller->token_node);
	mutex_unlock(&token->lock);
	put_pid(caller->tgid);
	kfree(caller);
	tokmux_token_put_file(token);
	put_device(&token->dev);
}

static int tokmux_token_open(struct inode *inode, struct file *file)
{
	struct tokmux_token *token =
		container_of(inode->i_cdev, struct tokmux_token, cdev);
	struct tokmux_caller *caller = tokmux_caller_new(token, file->f_mode);

	if (IS_ERR(caller))
		return PTR_ERR(caller);
	file->private_data = caller;
	return 0;
}

static int tokmux_token_release(struct inode *inode, struct file *file)
{
	tokmux_caller_free(file->private_data);
	return 0;
}

static int tokmux_is_file(const void *file, struct file *other, unsigned int fd)
{
	return file == other;
}

static int tokmux_token_flush(struct file *file, fl_owner_t id)
{
	struct tokmux_caller *caller = file->private_data;
	/* pairs with the store in bind */
	struct pid *tgid = smp_load_acquire(&caller->tgid);

	if (!id || tgid != task_tgid(current))
		return 0;
	if (tokmux_current_is_dead(caller))
		tokmux_caller_end(caller, true);
	/* The last reference: ->release() is next. */
	else if (file_count(file) <= 1)
		return 0;
	/* An exit closes all of them; at other times look for a dup(). */
	else if (current->flags & PF_EXITING ||
		 !iterate_fd(id, 0, tokmux_is_file, file))
		tokmux_caller_end(caller, false);
	return 0;
}

static const struct tokmux_verb tokmux_caller_verbs[] = {
	{ TOKMUX_VERB(TOKMUX_BIND, struct tokmux_bind, reserved,
		      tokmux_caller_bind), .unbound = true },
	{ TOKMUX_VERB(TOKMUX_INFO, struct tokmux_info, name,
		      tokmux_caller_info), .unbound = true },
	{ TOKMUX_VERB(TOKMUX_ACQUIRE, struct tokmux_acquire, epoch,
		      tokmux_lease_acquire) },
	{ TOKMUX_VERB(TOKMUX_RELEASE, struct tokmux_release, reserved,
		      tokmux_lease_release) },
	{ TOKMUX_VERB(TOKMUX_MARK_CLEAN, struct tokmux_mark_clean, reserved,
		      tokmux_lease_mark_clean) },
	{ TOKMUX_VERB(TOKMUX_SESSION_OPEN, struct tokmux_session_open, reserved,
		      tokmux_session_open) },
	{ TOKMUX_VERB(TOKMUX_SESSION_CLOSE, struct tokmux_session_close, sessions,
		      tokmux_session_close) },
	{ TOKMUX_VERB(TOKMUX_SESSION_CLOSE_ALL, struct tokmux_session_close_all, reserved,
		      tokmux_session_close_all) },
	{ TOKMUX_VERB(TOKMUX_LOGIN, struct tokmux_login, reserved,
		      tokmux_login) },
	{ TOKMUX_VERB(TOKMUX_LOGOUT, struct tokmux_logout, closed,
		      tokmux_logout) },
	{ TOKMUX_VERB(TOKMUX_EJECT, struct tokmux_eject, logins,
		      tokmux_caller_eject) },
	{ TOKMUX_VERB(TOKMUX_LEASE_FD, struct tokmux_lease_fd, fd,
		      tokmux_lease_fd_open) },
};

/* Run a token's verb: the caller is checked before the values are (R3). */
static int tokmux_token_run(struct tokmux_call *call)
{
	struct mutex *lock = &call->caller->token->lock;
	int ret;

	mutex_lock(lock);
	ret = tokmux_caller_check(call->caller);
	if (!ret || (ret == -ENOTCONN && call->verb->unbound))
		ret = call->verb->run(call, call->arg);
	if (call->withdrew)
		tokmux_caller_withdrew(call->caller);
	mutex_unlock(lock);
	return ret;
}

static long tokmux_token_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	struct tokmux_call call = { .caller = file->private_data };
	int ret;

	ret = tokmux_call_begin(&call, tokmux_caller_verbs,
				ARRAY_SIZE(tokmux_caller_verbs), cmd, arg);
	if (ret)
		return ret;
	return tokmux_call_end(&call, tokmux_token_run(&call));
}

const struct file_operations tokmux_token_fops = {
	.owner		= THIS_MODULE,
	.open		= tokmux_token_open,
	.flush		= tokmux_token_flush,
	.release	= tokmux_token_release,
	.unlocked_ioctl	= tokmux_token_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.read		= tokmux_event_read,
	.poll		= tokmux_event_poll,
	.show_fdinfo	= tokmux_fdinfo,
};
