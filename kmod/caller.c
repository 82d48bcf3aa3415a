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
	if (!group)
		return;
	list_for_each_entry(other, &caller->token->callers, token_node) {
		if (other->tgid == caller->tgid)
			tokmux_caller_end_one(other);
	}
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
void tokmux_caller_withdrew(struct tokmux_caller *caller)
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

int tokmux_caller_bind(struct tokmux_call *call, void *argp)
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

/* The deliberate act that ends what other callers have. */
int tokmux_caller_eject(struct tokmux_call *call, void *argp)
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

static int tokmux_is_file(const void *file, struct file *other, unsigned int fd)
{
	return file == other;
}

int tokmux_caller_flush(struct file *file, fl_owner_t id)
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
