// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callers: open files of a token. Each is bound to a thread group.
 *
 * Keeps R2: the lease, the sessions, the login and the requests of a caller end
 * with its thread group. The end is noticed in three ways:
 *
 *  - ->release(): the last reference to the file is gone.
 *  - ->flush(): the thread group has closed its last descriptor of the file, by
 *    close(), exec or exit. Another process may still have a copy.
 *  - wait_pidfd: the thread group has died. No descriptor was closed if another
 *    process shares the descriptor table (CLONE_FILES).
 *
 * If a thread has a descriptor table of its own (unshare(CLONE_FILES)), and
 * closes the file there, the file counts as closed by the process.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "internal.h"
#include "trace.h"

/* End the waits of a caller's threads. */
static void tokmux_caller_cancel(struct tokmux_caller *caller, int result)
{
	if (!caller->nr_requests)
		return;
	tokmux_queue_cancel(&caller->token->lease_queue, caller, result);
	tokmux_queue_cancel(&caller->token->session_queue, caller, result);
}

/*
 * End one caller. A process that ends in good order has released its lease and
 * logged out before; if the caller still has an exclusive lease or a login, the
 * token is unclean.
 */
static void tokmux_caller_end_one(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	bool soils;

	if (caller->ended)
		return;
	WRITE_ONCE(caller->ended, true);
	list_del_init(&caller->want_free);
	list_del_init(&caller->watch);
	tokmux_caller_cancel(caller, -ESHUTDOWN);
	soils = tokmux_lease_soils(caller) || caller->login;
	if (soils)
		tokmux_lease_soil(token, caller->party);
	trace_tokmux_end(caller, soils);
	tokmux_lease_give_up(caller);
	tokmux_session_end_all(caller);
	tokmux_login_end(caller);
	tokmux_party_leave(caller);
	wake_up_interruptible(&caller->wait);
}

/*
 * R2: end a caller and, if its thread group is dead, all other callers of the
 * group. All of them end before the next lease is granted. So the next holder
 * is told that the token is unclean, also if another file of the dead process
 * had the login.
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

/* Callers have lost leases or sessions: grant them to those that wait. */
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
	/* Written under tasklist_lock, which is not exported to modules. */
	if (leader && data_race(READ_ONCE(leader->exit_state)))
		dead = thread_group_empty(leader);
	rcu_read_unlock();
	return dead;
}

/* Is the current thread the last one of the caller's group, and exiting? */
static bool tokmux_current_is_dead(const struct tokmux_caller *caller)
{
	return current->flags & PF_EXITING && caller->tgid == task_tgid(current) &&
	       !atomic_read(&current->signal->live);
}

static void tokmux_death_work(struct work_struct *work)
{
	struct tokmux_caller *caller =
		container_of(work, struct tokmux_caller, death_work);

	/* If only the leader has exited, wait_pidfd is woken once more. */
	if (tokmux_group_is_dead(caller->tgid))
		tokmux_caller_end(caller, true);
}

/* Called under wait_pidfd.lock and tasklist_lock. */
static int tokmux_death_wake(wait_queue_entry_t *wait, unsigned int mode,
			     int sync, void *key)
{
	struct tokmux_caller *caller =
		container_of(wait, struct tokmux_caller, death_wait);

	queue_work(tokmux_wq, &caller->death_work);
	return 0;
}

int tokmux_bind(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	const struct tokmux_bind *arg = argp;
	struct tokmux_party *party;
	int ret;

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
	/* Pairs with ->flush() and ->poll(), which don't take the lock. */
	smp_store_release(&caller->tgid, get_pid(task_tgid(current)));
	add_wait_queue(&caller->tgid->wait_pidfd, &caller->death_wait);
out:
	tokmux_party_free(token, party);
	return ret;
}

/* The threads that return look at the requests that were behind theirs. */
int tokmux_cancel(struct tokmux_call *call, void *argp)
{
	struct tokmux_cancel *arg = argp;

	arg->requests = call->caller->nr_requests;
	tokmux_caller_cancel(call->caller, -ECANCELED);
	return 0;
}

/* End the leases, sessions and logins of all callers, as the owner asks. */
int tokmux_eject(struct tokmux_call *call, void *argp)
{
	struct tokmux_token *token = call->caller->token;
	struct tokmux_eject *arg = argp;
	struct tokmux_caller *other;
	unsigned int nr;
	struct tokmux_party *holder = NULL;

	if (!uid_eq(token->owner, current_euid()) && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	list_for_each_entry(other, &token->callers, token_node) {
		if (tokmux_lease_soils(other))
			holder = other->party;
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
	if (holder || arg->logins)
		tokmux_lease_soil(token, holder);
	tokmux_caller_dispatch(token);
	return 0;
}

/* Takes over one of token->files if it succeeds. */
struct tokmux_caller *tokmux_caller_new(struct tokmux_token *token, fmode_t mode)
{
	struct tokmux_caller *caller;

	caller = kzalloc(sizeof(*caller), GFP_KERNEL_ACCOUNT);
	if (!caller)
		return ERR_PTR(-ENOMEM);
	caller->token = token;
	caller->may_bind = mode & FMODE_WRITE;
	init_waitqueue_head(&caller->wait);
	INIT_LIST_HEAD(&caller->party_node);
	INIT_LIST_HEAD(&caller->want_free);
	INIT_LIST_HEAD(&caller->holding);
	INIT_LIST_HEAD(&caller->idling);
	INIT_LIST_HEAD(&caller->watch);
	INIT_LIST_HEAD(&caller->sessions);
	INIT_KFIFO(caller->events.ring);
	INIT_WORK(&caller->death_work, tokmux_death_work);

	mutex_lock(&token->lock);
	if (token->gone) {
		mutex_unlock(&token->lock);
		kfree(caller);
		return ERR_PTR(-ENODEV);
	}
	get_device(&token->dev);
	list_add_tail(&caller->token_node, &token->callers);
	mutex_unlock(&token->lock);
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
	tokmux_park_free(caller);
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
	/* Pairs with the store in tokmux_bind(). */
	struct pid *tgid = smp_load_acquire(&caller->tgid);

	if (!id || tgid != task_tgid(current))
		return 0;
	if (tokmux_current_is_dead(caller))
		tokmux_caller_end(caller, true);
	/* If this is the last reference, ->release() comes next. */
	else if (file_count(file) <= 1)
		return 0;
	/* An exit closes all descriptors; else look for a duplicate. */
	else if (current->flags & PF_EXITING ||
		 !iterate_fd(id, 0, tokmux_is_file, file))
		tokmux_caller_end(caller, false);
	return 0;
}
