// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues: threads that wait in turn for a lease or a session, first come first
 * served (R1). Who is granted what is for lease.c and session.c to say.
 */
#include <linux/sched/signal.h>
#include "internal.h"

void tokmux_queue_init(struct tokmux_queue *queue)
{
	INIT_LIST_HEAD(&queue->requests);
	queue->length = 0;
}

/* For how long anybody has been waiting, in all. */
u64 tokmux_queue_busy(const struct tokmux_queue *queue)
{
	if (!queue->length)
		return queue->busy_ns;
	return queue->busy_ns + ktime_to_ns(ktime_sub(ktime_get(), queue->busy_since));
}

/*
 * Is a thread about to be killed? It could not use what it is granted, and would
 * leave the token unclean for nothing. One with a request is alive: it can't
 * leave without the lock.
 */
bool tokmux_is_dying(const struct task_struct *task)
{
	/* written under siglock, at any time: what comes later is noticed later */
	return data_race(READ_ONCE(task->signal->flags)) & SIGNAL_GROUP_EXIT;
}

/* Take a request out of its queue; the thread behind it finds the result. */
void tokmux_queue_answer(struct tokmux_queue *queue, struct tokmux_request *req,
			 int result)
{
	list_del_init(&req->node);
	if (queue->length == 1)
		queue->busy_ns = tokmux_queue_busy(queue);
	queue->length--;
	req->caller->nr_requests--;
	req->result = result;
	WRITE_ONCE(req->answered, true);
	wake_up(&req->wait);
}

/* Answer all requests of @caller, or of everybody if it is NULL. */
void tokmux_queue_cancel(struct tokmux_queue *queue,
			 struct tokmux_caller *caller, int result)
{
	struct tokmux_request *req, *next;

	list_for_each_entry_safe(req, next, &queue->requests, node) {
		if (!caller || req->caller == caller)
			tokmux_queue_answer(queue, req, result);
	}
}

/* Queue @req; its caller and what is asked for are filled in. */
int tokmux_queue_add(struct tokmux_queue *queue, struct tokmux_request *req)
{
	lockdep_assert_held(&req->caller->token->lock);
	if (queue->length >= TOKMUX_MAX_REQUESTS)
		return -ENOBUFS;
	init_waitqueue_head(&req->wait);
	req->task = current;
	req->since = ktime_get();
	if (!queue->length) {
		queue->round++;
		queue->busy_since = req->since;
	}
	list_add_tail(&req->node, &queue->requests);
	queue->length++;
	req->caller->nr_requests++;
	return 0;
}

/**
 * tokmux_queue_wait() - wait in turn
 * @queue: of a token whose lock is held, and dropped while waiting
 * @req: from tokmux_queue_add(), perhaps answered already
 * @timeout_ms: as in the UAPI, not 0
 *
 * A stopped or frozen thread leaves the queue too, else it would be granted
 * what it can't use. It asks anew when it goes on, with its whole timeout;
 * only a signal's handler ends a wait with a timeout for good. No timeout is
 * over before its time, as one in jiffies can be where they lag behind.
 *
 * Return: what the request was answered with. If the wait ended without an
 * answer, -ETIMEDOUT, -ERESTARTSYS or -ERESTARTNOHAND, it has left the queue,
 * and who came behind it must be looked at.
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
	ret = wait_event_interruptible_hrtimeout(req->wait,
						 READ_ONCE(req->answered),
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
