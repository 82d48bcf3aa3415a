// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues in which threads wait for a lease or a session, first come first
 * served (R1). lease.c and session.c decide when a request is granted.
 */
#include <linux/sched/signal.h>
#include "internal.h"

/**
 * tokmux_queue_tick() - bring the clock of the lease queue up to date (R4)
 * @queue: the lease queue, before its requests or @queue->paused change
 *
 * The clock runs while the queue is not empty, whichever requests are in it. So
 * it is not set back when a waiter gives up, asks again, or is followed by
 * another one. If all requests belong to one party, the time does not count
 * against this party.
 *
 * Return: the clock.
 */
u64 tokmux_queue_tick(struct tokmux_queue *queue)
{
	ktime_t now = ktime_get();
	u64 ns = ktime_to_ns(ktime_sub(now, queue->ticked));
	struct tokmux_party *party;

	queue->ticked = now;
	if (queue->paused || !queue->length)
		return queue->busy_ns;
	queue->busy_ns += ns;
	party = list_first_entry(&queue->requests, struct tokmux_request,
				 node)->caller->party;
	if (party->nr_waiting == queue->length)
		party->own_ns += ns;
	return queue->busy_ns;
}

/*
 * Is a thread about to be killed? A thread that is killed cannot use a lease,
 * and would leave the token unclean. @task cannot go away: either it is the
 * current thread, or it has a request, and needs token->lock in order to
 * return.
 */
bool tokmux_is_dying(const struct task_struct *task)
{
	/* Written under siglock: a signal that comes later is noticed later. */
	return data_race(READ_ONCE(task->signal->flags)) & SIGNAL_GROUP_EXIT;
}

/* Take a request out of its queue, and wake its thread with @result. */
void tokmux_queue_answer(struct tokmux_queue *queue, struct tokmux_request *req,
			 int result)
{
	struct tokmux_party *party = req->caller->party;

	if (req->lease) {
		tokmux_queue_tick(queue);
		party->nr_waiting--;
	}
	party->nr_requests--;
	atomic_dec(&party->user->requests);
	list_del_init(&req->node);
	queue->length--;
	req->caller->nr_requests--;
	req->result = result;
	WRITE_ONCE(req->answered, true);
	wake_up(&req->wait);
}

/* The request whose turn it is. A thread that is about to be killed has none. */
struct tokmux_request *tokmux_queue_first(struct tokmux_queue *queue)
{
	struct tokmux_request *req;

	while ((req = list_first_entry_or_null(&queue->requests,
					       struct tokmux_request, node)) &&
	       tokmux_is_dying(req->task))
		tokmux_queue_answer(queue, req, -EINTR);
	return req;
}

/* Answer all requests of @caller, or of all callers if it is NULL. */
void tokmux_queue_cancel(struct tokmux_queue *queue,
			 struct tokmux_caller *caller, int result)
{
	struct tokmux_request *req, *next;

	list_for_each_entry_safe(req, next, &queue->requests, node) {
		if (!caller || req->caller == caller)
			tokmux_queue_answer(queue, req, result);
	}
}

/* Queue @req, whose caller and ioctl structs are filled in. */
int tokmux_queue_add(struct tokmux_queue *queue, struct tokmux_request *req)
{
	struct tokmux_party *party = req->caller->party;

	lockdep_assert_held(&req->caller->token->lock);
	if (queue->length >= TOKMUX_MAX_REQUESTS ||
	    party->nr_requests >= TOKMUX_MAX_PARTY_REQUESTS ||
	    atomic_read(&party->user->requests) >= TOKMUX_MAX_USER_REQUESTS)
		return -ENOBUFS;
	atomic_inc(&party->user->requests);
	party->nr_requests++;
	init_waitqueue_head(&req->wait);
	req->task = current;
	req->since = ktime_get();
	if (req->lease) {
		tokmux_queue_tick(queue);
		party->nr_waiting++;
	}
	list_add_tail(&req->node, &queue->requests);
	queue->length++;
	req->caller->nr_requests++;
	return 0;
}

/**
 * tokmux_queue_wait() - wait until a request is answered
 * @queue: the queue; token->lock is held, and dropped during the wait
 * @req: the request, queued by tokmux_queue_add(); it may be answered already
 * @timeout_ms: as in the UAPI, not 0
 *
 * A thread that is stopped or frozen leaves the queue, because it could not use
 * a lease. Its ioctl is restarted when it continues, with the whole timeout.
 * Only a signal handler ends a wait with a timeout for good. The timer is an
 * hrtimer: jiffies can lag behind, and the wait would end too early.
 *
 * Return: the result of the request. If the wait ended without an answer:
 * -ETIMEDOUT, -ERESTARTSYS or -ERESTARTNOHAND. The request has left the queue
 * then, and the requests behind it must be looked at.
 */
int tokmux_queue_wait(struct tokmux_queue *queue, struct tokmux_request *req,
		      s32 timeout_ms)
{
	struct tokmux_token *token = req->caller->token;
	ktime_t timeout = timeout_ms > 0 ? ms_to_ktime(timeout_ms) : KTIME_MAX;
	int ret;

	if (req->answered)
		return req->result;
	mutex_unlock(&token->lock);
	ret = wait_event_interruptible_hrtimeout(req->wait, READ_ONCE(req->answered),
						 timeout);
	mutex_lock(&token->lock);
	if (req->answered)
		return req->result;
	if (ret == -ETIME)
		ret = -ETIMEDOUT;
	else if (timeout_ms > 0)
		ret = -ERESTARTNOHAND;
	tokmux_queue_answer(queue, req, ret);
	return ret;
}
