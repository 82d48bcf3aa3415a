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
 *
 * A lease can be idle: its holder keeps it, but does not use the token. Then it
 * ends for the first request that it is in the way of, once its linger time is
 * over. That time ends for certain, because it is taken off from what others have
 * waited for.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
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

/* Does another party wait? */
static bool tokmux_lease_is_wanted(const struct tokmux_token *token,
				   const struct tokmux_party *party)
{
	return token->lease_queue.length > party->nr_waiting;
}

/*
 * Send TOKMUX_EVENT_WANTED to the callers whose leases other parties wait for:
 * once for each lease, and again when the queue was empty in between.
 */
static void tokmux_lease_tell_wanted(struct tokmux_token *token)
{
	struct tokmux_caller *caller, *next;

	if (!token->lease_queue.length) {
		list_splice_init(&token->told, &token->untold);
		return;
	}
	list_for_each_entry_safe(caller, next, &token->untold, holding) {
		if (!tokmux_lease_is_wanted(token, caller->party))
			continue;
		list_move_tail(&caller->holding, &token->told);
		tokmux_event_send(caller, TOKMUX_EVENT_WANTED, 0);
	}
}

/* Does the current thread hold the token through another file of its party? */
static bool tokmux_lease_is_nested(const struct tokmux_caller *caller)
{
	const struct tokmux_caller *other;

	list_for_each_entry(other, &caller->party->callers, party_node) {
		if (other->held && !other->idle && tokmux_park_is_users(other))
			return true;
	}
	return false;
}

/* The holder for which others have waited for longest comes first. */
static bool tokmux_lease_before(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct tokmux_party, holder_node)->busy_ns <
	       rb_entry(b, struct tokmux_party, holder_node)->busy_ns;
}

static void tokmux_lease_unidle(struct tokmux_caller *caller)
{
	if (caller->idle)
		list_del_init(&caller->idling);
	caller->idle = false;
}

/*
 * @caller may use the token from now on: it is granted a lease, or uses its idle
 * one again. It is told what happened to the token before.
 */
static void tokmux_lease_grant(struct tokmux_caller *caller, struct task_struct *task,
			       struct tokmux_acquire *arg)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_party *party = caller->party;
	bool joins = party->nr_exclusive + party->nr_shared > !!caller->held;
	bool others = token->nr_holders > (joins || caller->held);
	bool look, touched;

	if (caller->held) {
		tokmux_lease_file_resume(caller);
		list_del(&caller->holding);
	}
	/* A caller that joins a holder is told of a touch with its next lease. */
	touched = !joins && tokmux_device_touched(&token->device);
	/*
	 * When several parties hold the token at a time, any of them may be the
	 * last one to use it. So no party is the last, and every grant changes
	 * the epoch. One that has parked its lease is told when that begins.
	 */
	if (token->last_party != party->id || touched ||
	    READ_ONCE(tokmux_lease_suspended))
		token->epoch++;
	if (token->last_party && others)
		tokmux_park_look_all(token);
	token->last_party = others ? 0 : party->id;
	if (!joins && !caller->held) {
		token->nr_holders++;
		party->granted = ktime_get_coarse();
		/* Up to date: the clock stands still, or a request was just answered. */
		party->busy_ns = token->lease_queue.busy_ns;
		party->own_ns = 0;
		rb_add_cached(&party->holder_node, &token->holders, tokmux_lease_before);
	}
	if (!caller->held) {
		if (arg->mode == TOKMUX_EXCLUSIVE) {
			party->nr_exclusive++;
			token->exclusive = party;
		} else {
			party->nr_shared++;
		}
		token->grants++;
	}
	arg->granted = (joins ? TOKMUX_GRANT_JOINED : 0) |
		       (token->unclean ? TOKMUX_GRANT_UNCLEAN : 0) |
		       (token->reset_first ? TOKMUX_GRANT_RESET : 0) |
		       (token->login_party && token->login_party != party->id ?
			TOKMUX_GRANT_LOGIN : 0) |
		       (caller->lost ? TOKMUX_GRANT_LOST : 0) |
		       (kfifo_is_empty(&caller->events.ring) ? 0 : TOKMUX_GRANT_EVENTS);
	arg->epoch = token->epoch;
	/* The kernel is not told if the party presents its PIN to the card again. */
	if (party->nr_logins)
		tokmux_login_note(token, party);
	caller->thread = task_pid_nr(task);
	WRITE_ONCE(caller->held, arg->mode);
	tokmux_lease_unidle(caller);
	caller->lost = false;
	list_del_init(&caller->want_free);
	look = token->lease_queue.length || !list_empty(&token->want_free) ||
	       READ_ONCE(tokmux_lease_suspended);
	list_add_tail(&caller->holding, tokmux_park_set(caller, arg, look) ?
					&token->parkers : &token->untold);
	trace_tokmux_grant(caller, arg->mode);
}

/* The number of leases that are idle. */
unsigned int tokmux_lease_nr_idle(struct tokmux_token *token)
{
	struct tokmux_caller *caller;
	unsigned int nr = 0;

	list_for_each_entry(caller, &token->parkers, holding)
		nr += tokmux_park_is_idle(caller, 0);
	list_for_each_entry(caller, &token->idle, idling)
		nr++;
	return nr;
}

static bool tokmux_lease_is_used(const struct tokmux_caller *caller)
{
	return caller->held && !tokmux_park_is_idle(caller, TOKMUX_PARK_LOOK);
}

/* Would the token be unclean if the caller's lease ended now? */
bool tokmux_lease_soils(const struct tokmux_caller *caller)
{
	return caller->held == TOKMUX_EXCLUSIVE && tokmux_lease_is_used(caller);
}

/*
 * End a caller's lease. Every lease ends here, for whatever reason. A lease fd
 * that scrubs the device has no lease, and ends with its caller. The holder of an
 * idle lease had no chance to put the device in order.
 */
void tokmux_lease_give_up(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_party *party = caller->party;

	lockdep_assert_held(&token->lock);
	if (tokmux_lease_file_kill(caller) && caller->idle)
		token->reset_first = true;
	if (!caller->held)
		return;
	if (caller->held == TOKMUX_EXCLUSIVE) {
		if (!--party->nr_exclusive)
			token->exclusive = NULL;
	} else {
		party->nr_shared--;
	}
	WRITE_ONCE(caller->held, 0);
	tokmux_lease_unidle(caller);
	tokmux_park_set(caller, NULL, false);
	if (wq_has_sleeper(&token->lease_file_closed))
		wake_up_all(&token->lease_file_closed);
	list_del_init(&caller->holding);
	if (token->note_by == caller) {
		token->note_by = NULL;
		tokmux_event_tell_watchers(token);
	}
	if (party->nr_exclusive || party->nr_shared)
		return;
	rb_erase_cached(&party->holder_node, &token->holders);
	token->nr_holders--;
}

/* Take a caller's lease, and tell the caller. Returns false if it had none. */
bool tokmux_lease_take(struct tokmux_caller *caller)
{
	bool idle = !tokmux_lease_is_used(caller);

	if (!caller->held)
		return false;
	trace_tokmux_revoke(caller, caller->held);
	tokmux_lease_give_up(caller);
	caller->lost = !idle;
	tokmux_event_send(caller, TOKMUX_EVENT_LEASE_LOST, idle);
	return true;
}

/* Take the idle leases that have lingered long enough, but for those of @party. */
static void tokmux_lease_reap(struct tokmux_token *token,
			      const struct tokmux_party *party)
{
	struct tokmux_caller *caller, *next;
	u64 now_ns = ktime_get_ns();

	tokmux_park_look_all(token);
	list_for_each_entry_safe(caller, next, &token->idle, idling) {
		if (caller->party != party && caller->idle_until_ns <= now_ns)
			tokmux_lease_take(caller);
	}
}

/* Could @party be granted a lease now? Idle ones end if they are in its way. */
static bool tokmux_lease_make_free(struct tokmux_token *token,
				   const struct tokmux_party *party, u32 mode)
{
	if (!tokmux_lease_is_free(token, party, mode))
		tokmux_lease_reap(token, party);
	return tokmux_lease_is_free(token, party, mode);
}

/* The token is in an unknown state, after an exclusive lease of @party if any. */
void tokmux_lease_soil(struct tokmux_token *token, struct tokmux_party *party)
{
	lockdep_assert_held(&token->lock);
	if (party)
		tokmux_scrub_touch(token, party->user);
	token->unclean = true;
	token->uncleans++;
	tokmux_park_look_all(token);
}

/**
 * tokmux_lease_first_out() - the holder that has the least time left (R4)
 * @token: the token
 * @left_ns: out: its time; not above 0 if it is over
 *
 * A party that waited alone meanwhile is put where it belongs, once. Only one
 * holder can be unwanted, the one whose requests are the only ones.
 *
 * Return: the party; NULL if nobody waits for a holder, or there is no limit.
 */
static struct tokmux_party *tokmux_lease_first_out(struct tokmux_token *token,
						   s64 *left_ns)
{
	u64 busy_ns = tokmux_queue_tick(&token->lease_queue);
	struct rb_node *node = rb_first_cached(&token->holders);
	struct tokmux_party *party;

	while (node && token->hold_limit_ms) {
		party = rb_entry(node, struct tokmux_party, holder_node);
		if (party->own_ns) {
			rb_erase_cached(node, &token->holders);
			party->busy_ns += party->own_ns;
			party->own_ns = 0;
			rb_add_cached(node, &token->holders, tokmux_lease_before);
			node = rb_first_cached(&token->holders);
			continue;
		}
		if (tokmux_lease_is_wanted(token, party)) {
			*left_ns = (s64)token->hold_limit_ms * NSEC_PER_MSEC -
				   (s64)(busy_ns - party->busy_ns);
			return party;
		}
		node = rb_next(node);
	}
	return NULL;
}

/*
 * R4: if anybody wants the token, start the timer for the holder that has the
 * least time left, or for the idle lease that lingers for the shortest time.
 */
static void tokmux_lease_arm(struct tokmux_token *token)
{
	struct tokmux_caller *caller;
	s64 left_ns = S64_MAX;
	u64 now_ns;

	if (!token->lease_queue.length && list_empty(&token->want_free))
		return;
	now_ns = ktime_get_ns();
	if (token->lease_queue.length && !token->lease_queue.paused)
		tokmux_lease_first_out(token, &left_ns);
	list_for_each_entry(caller, &token->idle, idling) {
		if (caller->idle_until_ns > now_ns)
			left_ns = min_t(s64, left_ns, caller->idle_until_ns - now_ns);
	}
	if (left_ns < S64_MAX)
		mod_delayed_work(tokmux_wq, &token->hold_work,
				 nsecs_to_jiffies(max_t(s64, left_ns, 0)) + 1);
}

/* If the token is free, tell the callers that were refused with timeout 0. */
static void tokmux_lease_tell_free(struct tokmux_token *token)
{
	struct tokmux_caller *caller, *next;

	if (token->nr_holders || token->lease_queue.length)
		return;
	list_for_each_entry_safe(caller, next, &token->want_free, want_free) {
		list_del_init(&caller->want_free);
		tokmux_event_send(caller, TOKMUX_EVENT_FREE, 0);
	}
}

/* Grant all requests that can be granted. Must be called after every change. */
void tokmux_lease_dispatch(struct tokmux_token *token)
{
	struct tokmux_queue *queue = &token->lease_queue;
	struct tokmux_request *req;

	lockdep_assert_held(&token->lock);
	if (token->gone)
		return;
	while ((req = tokmux_queue_first(queue))) {
		struct tokmux_caller *caller = req->caller;
		u64 waited;

		/* Another thread of the same caller was granted a lease. */
		if (caller->held) {
			tokmux_queue_answer(queue, req, -EALREADY);
			continue;
		}
		if (!tokmux_lease_make_free(token, caller->party, req->lease->mode))
			break;
		waited = ktime_to_ns(ktime_sub(ktime_get(), req->since));
		token->longest_wait_ns = max(token->longest_wait_ns, waited);
		tokmux_queue_answer(queue, req, 0);
		tokmux_lease_grant(caller, req->task, req->lease);
	}
	if (!req && !list_empty(&token->want_free))
		tokmux_lease_reap(token, NULL);
	tokmux_lease_tell_wanted(token);
	tokmux_lease_tell_free(token);
	tokmux_lease_arm(token);
}

/*
 * R4: take the leases of the holders whose time is over, idle ones as well. The
 * clock may have stood still since the work was queued.
 */
static void tokmux_lease_hold_work(struct work_struct *work)
{
	struct tokmux_token *token = container_of(to_delayed_work(work),
						  struct tokmux_token, hold_work);
	struct tokmux_caller *caller;
	struct tokmux_party *party;
	s64 left_ns;
	bool soiled;

	mutex_lock(&token->lock);
	while (!token->gone && token->lease_queue.length &&
	       (party = tokmux_lease_first_out(token, &left_ns)) && left_ns <= 0) {
		soiled = false;
		list_for_each_entry(caller, &party->callers, party_node) {
			soiled |= tokmux_lease_soils(caller) || caller->login;
			tokmux_lease_take(caller);
		}
		if (soiled)
			tokmux_lease_soil(token, party);
		token->revocations++;
	}
	tokmux_lease_dispatch(token);
	mutex_unlock(&token->lock);
}

/* Prepare a new token, which has no holder. */
void tokmux_lease_init(struct tokmux_token *token)
{
	token->holders = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&token->parkers);
	INIT_LIST_HEAD(&token->untold);
	INIT_LIST_HEAD(&token->told);
	INIT_LIST_HEAD(&token->idle);
	INIT_LIST_HEAD(&token->want_free);
	INIT_LIST_HEAD(&token->lease_queue.requests);
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

/* Returns 0 if the caller uses an exclusive lease, else a negative errno. */
int tokmux_lease_need_exclusive(struct tokmux_caller *caller)
{
	if (!caller->held)
		return tokmux_lease_missing(caller);
	return tokmux_lease_soils(caller) ? 0 : -ENOLCK;
}

int tokmux_acquire(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_party *party = caller->party;
	struct tokmux_queue *queue = &token->lease_queue;
	struct tokmux_acquire *arg = argp;
	struct tokmux_request req = { .caller = caller, .lease = arg };
	bool free, nested;
	int ret;

	if (arg->mode != TOKMUX_EXCLUSIVE && arg->mode != TOKMUX_SHARED)
		return -EINVAL;
	if (tokmux_lease_is_used(caller))
		return -EALREADY;
	if (caller->held && caller->held != arg->mode) {
		tokmux_lease_give_up(caller);
		tokmux_lease_dispatch(token);
	}
	/* One that uses its idle lease again has no request. */
	nested = caller->held || (queue->length && tokmux_lease_is_nested(caller));
	free = queue->length ? tokmux_lease_is_free(token, party, arg->mode) :
	       tokmux_lease_make_free(token, party, arg->mode);
	if (free && (!queue->length || nested) && !tokmux_is_dying(current)) {
		tokmux_lease_grant(caller, current, arg);
		if (queue->length)
			tokmux_lease_dispatch(token);
		return 0;
	}
	if (!arg->timeout_ms) {
		list_move_tail(&caller->want_free, &token->want_free);
		tokmux_lease_dispatch(token);
		return -EAGAIN;
	}
	/* The thread would wait behind others, which wait for its own lease. */
	if (nested && tokmux_lease_is_wanted(token, party))
		return -EDEADLK;

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

/*
 * The holder of an idle lease keeps others waiting no longer than its linger time,
 * and, with what they have waited for that lease before, TOKMUX_MAX_LINGER_MS.
 */
static void tokmux_lease_leave(struct tokmux_caller *caller, u32 linger_ms)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_party *party = caller->party;
	u64 waited_ns = tokmux_queue_tick(&token->lease_queue) - party->busy_ns -
			party->own_ns;
	u32 waited_ms = min_t(u64, div_u64(waited_ns, NSEC_PER_MSEC),
			      TOKMUX_MAX_LINGER_MS);

	linger_ms = min(linger_ms, TOKMUX_MAX_LINGER_MS - waited_ms);
	caller->idle_until_ns = ktime_get_ns() + linger_ms * (u64)NSEC_PER_MSEC;
	caller->idle = true;
	list_move_tail(&caller->holding, &token->untold);
	list_move_tail(&caller->idling, &token->idle);
}

int tokmux_release(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	const struct tokmux_release *arg = argp;
	bool idle = arg->flags & TOKMUX_RELEASE_IDLE;

	if (arg->linger_ms > (idle ? TOKMUX_MAX_LINGER_MS : 0))
		return -EINVAL;
	if (!caller->held)
		return tokmux_lease_missing(caller);
	if (idle) {
		trace_tokmux_idle(caller, caller->held);
		tokmux_park_is_idle(caller, TOKMUX_PARK_LOOK);
		tokmux_lease_leave(caller, arg->linger_ms);
	} else {
		trace_tokmux_release(caller, caller->held);
		tokmux_lease_unidle(caller);
		tokmux_lease_give_up(caller);
	}
	tokmux_lease_dispatch(caller->token);
	return 0;
}

int tokmux_mark_clean(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	int ret;

	if (token->scrubber == caller) {
		tokmux_scrub_done(token);
	} else {
		ret = tokmux_lease_need_exclusive(caller);
		if (ret)
			return ret;
	}
	token->unclean = false;
	token->reset_first = false;
	token->login_party = 0;
	if (caller->party->nr_logins)
		tokmux_login_note(token, caller->party);
	return 0;
}
