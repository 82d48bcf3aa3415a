// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: the right of a party to talk to a token now.
 *
 * Keeps R1 (exclusion, first come first served) and R4 (bounded hold). A
 * request is granted when it is the first in the queue, and no other party
 * holds a lease that excludes it. The second file of a party waits in turn as
 * well: otherwise a party could keep all others out with leases that overlap.
 * There is one exception: a thread that holds the token through another file of
 * its party does not queue, because the requests in the queue wait for this
 * very thread.
 */
#include <linux/jiffies.h>
#include "internal.h"
#include "trace.h"

/* True from before processes are frozen until they have been thawed. */
static bool tokmux_lease_suspended;

/* R1: could @party be granted a lease, as far as the holders go? */
static bool tokmux_lease_is_free(const struct tokmux_token *token,
				 const struct tokmux_party *party, u32 mode)
{
	bool holds = party->nr_exclusive || party->nr_shared;

	if (mode == TOKMUX_EXCLUSIVE)
		return token->nr_holders == (holds ? 1 : 0);
	return !token->exclusive || token->exclusive == party;
}

/* Does another party wait? Mostly the first request in the queue tells. */
static bool tokmux_lease_is_wanted(const struct tokmux_token *token,
				   const struct tokmux_party *party)
{
	const struct tokmux_request *req;

	list_for_each_entry(req, &token->lease_queue.requests, node) {
		if (req->caller->party != party)
			return true;
	}
	return false;
}

/*
 * Send TOKMUX_EVENT_WANTED to the callers whose leases other parties wait for:
 * once for each lease, and again when the queue was empty in between.
 */
static void tokmux_lease_tell_wanted(struct tokmux_token *token)
{
	u64 round = token->lease_queue.round;
	struct tokmux_caller *caller;
	struct tokmux_party *party;

	if (!token->lease_queue.length)
		return;
	list_for_each_entry(party, &token->holders, holder_node) {
		if (!tokmux_lease_is_wanted(token, party))
			continue;
		list_for_each_entry(caller, &party->callers, party_node) {
			if (!caller->held || caller->wanted == round)
				continue;
			caller->wanted = round;
			tokmux_event_send(caller, TOKMUX_EVENT_WANTED, 0);
		}
	}
}

/* Does the current thread hold the token through another file of its party? */
static bool tokmux_lease_is_nested(const struct tokmux_caller *caller)
{
	const struct tokmux_caller *other;

	list_for_each_entry(other, &caller->party->callers, party_node) {
		if (other->held && other->thread == task_pid_nr(current))
			return true;
	}
	return false;
}

static void tokmux_lease_grant(struct tokmux_caller *caller,
			       struct task_struct *task,
			       struct tokmux_acquire *arg)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_party *party = caller->party;
	bool joins = party->nr_exclusive || party->nr_shared;
	bool others = token->nr_holders > joins;
	bool touched = tokmux_device_touched(&token->device);

	/*
	 * When several parties hold the token at a time, any of them may be the
	 * last one to use it. So no party is the last, and every grant changes
	 * the epoch.
	 */
	if (token->last_party != party->id || touched ||
	    READ_ONCE(tokmux_lease_suspended))
		token->epoch++;
	token->last_party = others ? 0 : party->id;
	if (joins) {
		arg->granted |= TOKMUX_GRANT_JOINED;
	} else {
		list_add_tail(&party->holder_node, &token->holders);
		token->nr_holders++;
		party->granted = ktime_get_coarse();
		party->busy_ns = tokmux_queue_busy(&token->lease_queue);
	}
	if (arg->mode == TOKMUX_EXCLUSIVE) {
		party->nr_exclusive++;
		token->exclusive = party;
	} else {
		party->nr_shared++;
	}
	if (token->unclean)
		arg->granted |= TOKMUX_GRANT_UNCLEAN;
	if (token->login_party && token->login_party != party->id)
		arg->granted |= TOKMUX_GRANT_LOGIN;
	if (caller->lost)
		arg->granted |= TOKMUX_GRANT_LOST;
	if (caller->events.nr)
		arg->granted |= TOKMUX_GRANT_EVENTS;
	arg->epoch = token->epoch;
	caller->thread = task_pid_nr(task);
	caller->held = arg->mode;
	caller->lost = false;
	caller->wanted = 0;
	token->grants++;
	trace_tokmux_grant(caller, arg->mode);
}

/* End a caller's lease. Every lease ends here, for whatever reason. */
void tokmux_lease_give_up(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_party *party = caller->party;

	lockdep_assert_held(&token->lock);
	if (!caller->held)
		return;
	tokmux_lease_file_kill(caller);
	if (caller->held == TOKMUX_EXCLUSIVE) {
		if (!--party->nr_exclusive)
			token->exclusive = NULL;
	} else {
		party->nr_shared--;
	}
	caller->held = 0;
	if (party->nr_exclusive || party->nr_shared)
		return;
	list_del_init(&party->holder_node);
	token->nr_holders--;
}

/* Take a caller's lease, and tell the caller. Returns false if it had none. */
bool tokmux_lease_take(struct tokmux_caller *caller)
{
	if (!caller->held)
		return false;
	trace_tokmux_revoke(caller, caller->held);
	tokmux_lease_give_up(caller);
	caller->lost = true;
	tokmux_event_send(caller, TOKMUX_EVENT_LEASE_LOST, 0);
	return true;
}

void tokmux_lease_soil(struct tokmux_token *token)
{
	lockdep_assert_held(&token->lock);
	token->unclean = true;
	token->uncleans++;
}

/*
 * R4: how much of its time has a holder left? Its clock runs while the queue is
 * not empty, whichever requests are in it. So the clock is not set back when a
 * waiter gives up, asks again, or is followed by another one.
 */
static s64 tokmux_lease_time_left(const struct tokmux_token *token,
				  const struct tokmux_party *party, u64 busy_ns)
{
	return (s64)token->hold_limit_ms * NSEC_PER_MSEC -
	       (s64)(busy_ns - party->busy_ns);
}

/* R4: start the timer for the holder that has the least time left. */
static void tokmux_lease_arm(struct tokmux_token *token)
{
	struct tokmux_party *party;
	s64 left = S64_MAX;
	u64 busy_ns;

	if (!token->hold_limit_ms || !token->lease_queue.length)
		return;
	busy_ns = tokmux_queue_busy(&token->lease_queue);
	list_for_each_entry(party, &token->holders, holder_node) {
		if (tokmux_lease_is_wanted(token, party))
			left = min(left, tokmux_lease_time_left(token, party, busy_ns));
	}
	if (left != S64_MAX)
		mod_delayed_work(tokmux_wq, &token->hold_work,
				 nsecs_to_jiffies(max_t(s64, left, 0)) + 1);
}

/* If the token is free, tell the callers that were refused with timeout 0. */
static void tokmux_lease_tell_free(struct tokmux_token *token)
{
	struct tokmux_caller *caller;

	if (!token->nr_want_free || token->nr_holders || token->lease_queue.length)
		return;
	list_for_each_entry(caller, &token->callers, token_node) {
		if (!caller->want_free)
			continue;
		caller->want_free = false;
		tokmux_event_send(caller, TOKMUX_EVENT_FREE, 0);
	}
	token->nr_want_free = 0;
}

/* Grant all requests that can be granted. Must be called after every change. */
void tokmux_lease_dispatch(struct tokmux_token *token)
{
	struct tokmux_queue *queue = &token->lease_queue;
	struct tokmux_request *req;

	lockdep_assert_held(&token->lock);
	if (token->gone)
		return;
	while ((req = list_first_entry_or_null(&queue->requests,
					       struct tokmux_request, node))) {
		struct tokmux_caller *caller = req->caller;
		u64 waited;

		if (tokmux_is_dying(req->task)) {
			tokmux_queue_answer(queue, req, -EINTR);
			continue;
		}
		/* Another thread of the same caller was granted a lease. */
		if (caller->held) {
			tokmux_queue_answer(queue, req, -EALREADY);
			continue;
		}
		if (!tokmux_lease_is_free(token, caller->party, req->lease->mode))
			break;
		waited = ktime_to_ns(ktime_sub(ktime_get(), req->since));
		token->longest_wait_ns = max(token->longest_wait_ns, waited);
		tokmux_lease_grant(caller, req->task, req->lease);
		tokmux_queue_answer(queue, req, 0);
	}
	tokmux_lease_tell_wanted(token);
	tokmux_lease_tell_free(token);
	tokmux_lease_arm(token);
}

/* R4: take the leases of the holders whose time is over. */
static void tokmux_lease_hold_work(struct work_struct *work)
{
	struct tokmux_token *token = container_of(to_delayed_work(work),
						  struct tokmux_token, hold_work);
	struct tokmux_party *party, *next;
	struct tokmux_caller *caller;
	u64 busy_ns;
	bool soiled;

	mutex_lock(&token->lock);
	if (token->gone || !token->lease_queue.length)
		goto out;
	busy_ns = tokmux_queue_busy(&token->lease_queue);
	list_for_each_entry_safe(party, next, &token->holders, holder_node) {
		if (!tokmux_lease_is_wanted(token, party) ||
		    tokmux_lease_time_left(token, party, busy_ns) > 0)
			continue;
		soiled = party->nr_exclusive;
		list_for_each_entry(caller, &party->callers, party_node) {
			tokmux_lease_take(caller);
			if (caller->login)
				soiled = true;
		}
		if (soiled)
			tokmux_lease_soil(token);
		token->revocations++;
	}
	tokmux_lease_dispatch(token);
out:
	mutex_unlock(&token->lock);
}

/* Prepare a new token, which has no holder. */
void tokmux_lease_init(struct tokmux_token *token)
{
	INIT_LIST_HEAD(&token->holders);
	tokmux_queue_init(&token->lease_queue);
	INIT_DELAYED_WORK(&token->hold_work, tokmux_lease_hold_work);
	init_waitqueue_head(&token->lease_file_closed);
}

/* While the machine suspends or resumes, every grant changes the epoch. */
void tokmux_lease_set_suspended(bool suspended)
{
	WRITE_ONCE(tokmux_lease_suspended, suspended);
}

/* The error for an ioctl that needs a lease, on a caller that has none. */
static int tokmux_lease_missing(struct tokmux_caller *caller)
{
	int ret = caller->lost ? -ESTALE : -ENOLCK;

	caller->lost = false;
	return ret;
}

/* Returns 0 if the caller has an exclusive lease, else a negative errno. */
int tokmux_lease_need_exclusive(struct tokmux_caller *caller)
{
	if (!caller->held)
		return tokmux_lease_missing(caller);
	return caller->held == TOKMUX_EXCLUSIVE ? 0 : -ENOLCK;
}

int tokmux_lease_acquire(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_queue *queue = &token->lease_queue;
	struct tokmux_acquire *arg = argp;
	struct tokmux_request req = { .caller = caller, .lease = arg };
	bool free;
	int ret;

	if (arg->flags || arg->granted || arg->epoch ||
	    (arg->mode != TOKMUX_EXCLUSIVE && arg->mode != TOKMUX_SHARED))
		return -EINVAL;
	if (caller->held)
		return -EALREADY;
	free = tokmux_lease_is_free(token, caller->party, arg->mode);
	if (free && (!queue->length || tokmux_lease_is_nested(caller)) &&
	    !tokmux_is_dying(current)) {
		tokmux_lease_grant(caller, current, arg);
		return 0;
	}
	if (!arg->timeout_ms) {
		if (!caller->want_free)
			token->nr_want_free++;
		caller->want_free = true;
		return -EAGAIN;
	}

	ret = tokmux_queue_add(queue, &req);
	if (ret)
		return ret;
	tokmux_lease_dispatch(token);
	if (!list_empty(&req.node)) {
		token->waits++;
		trace_tokmux_wait(caller, arg->mode);
	}
	ret = tokmux_queue_wait(queue, &req, arg->timeout_ms);
	call->withdrew = ret;
	return ret;
}

int tokmux_lease_release(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	const struct tokmux_release *arg = argp;

	if (arg->flags || arg->reserved)
		return -EINVAL;
	if (!caller->held)
		return tokmux_lease_missing(caller);
	trace_tokmux_release(caller, caller->held);
	tokmux_lease_give_up(caller);
	tokmux_lease_dispatch(caller->token);
	return 0;
}

int tokmux_lease_mark_clean(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	const struct tokmux_mark_clean *arg = argp;
	int ret;

	if (arg->flags || arg->reserved)
		return -EINVAL;
	ret = tokmux_lease_need_exclusive(caller);
	if (ret)
		return ret;
	caller->token->unclean = false;
	caller->token->login_party = 0;
	return 0;
}
