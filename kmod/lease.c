// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: who may talk to a token now.
 *
 * Keeps R1 (exclusion, first come first served) and R4 (bounded hold). One rule
 * for all: a request is granted when it is first in the queue and nobody but
 * its own party is in the way. So a party's second file waits in turn like
 * anybody else's, and no party can keep the others out by overlapping its own
 * leases. One exception: a thread that holds the token through another file of
 * its party doesn't queue behind those who wait for it.
 */
#include <linux/jiffies.h>
#include "internal.h"
#include "trace.h"

/* From before the processes are frozen until they run again. */
static bool tokmux_lease_suspended;

/* R1: is nobody but the party itself in the way? */
static bool tokmux_lease_is_free(const struct tokmux_token *token,
				 const struct tokmux_party *party, u32 mode)
{
	bool holds = party->nr_exclusive || party->nr_shared;

	if (mode == TOKMUX_EXCLUSIVE)
		return token->nr_holders == (holds ? 1 : 0);
	return !token->exclusive || token->exclusive == party;
}

/* Does anybody wait but the party itself? Mostly the first in the queue tells. */
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
 * Tell those who are in the way of others, once a lease; and once more when all
 * who waited have given up and somebody comes anew.
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

/* Would the current thread wait for itself? */
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
	 * Once several hold it at a time, each may have touched it after the
	 * other: then nobody is the last, and every grant changes the epoch.
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

/* A caller's lease ends, for whatever reason: this is the only place. */
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

/* Its lease ends against its will. Returns whether it had one. */
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
 * R4: how much of its time has a holder left? What counts is for how long anybody
 * waited since it was granted, whoever that was: who gives up and asks anew, or
 * leaves the place to another, does not set the clock back.
 */
static s64 tokmux_lease_time_left(const struct tokmux_token *token,
				  const struct tokmux_party *party, u64 busy_ns)
{
	return (s64)token->hold_limit_ms * NSEC_PER_MSEC -
	       (s64)(busy_ns - party->busy_ns);
}

/* R4: look again when the first holder's time is over. */
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

/* Tell who asked in vain, if now nobody has it. */
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

/* Grant what can be granted. To be called after every change. */
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
		/* Two threads of one caller asked. */
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

/* R4: take the lease from those in the way whose time is over. */
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

/* Make the token's lease: nobody holds it. */
void tokmux_lease_init(struct tokmux_token *token)
{
	INIT_LIST_HEAD(&token->holders);
	tokmux_queue_init(&token->lease_queue);
	INIT_DELAYED_WORK(&token->hold_work, tokmux_lease_hold_work);
	init_waitqueue_head(&token->lease_file_closed);
}

/* While the machine is being suspended, every grant has a new epoch. */
void tokmux_lease_set_suspended(bool suspended)
{
	WRITE_ONCE(tokmux_lease_suspended, suspended);
}

/* The answer to an ioctl that needs a lease which isn't there. */
static int tokmux_lease_missing(struct tokmux_caller *caller)
{
	int ret = caller->lost ? -ESTALE : -ENOLCK;

	caller->lost = false;
	return ret;
}

/* 0 if the caller has an exclusive lease. */
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
