/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TOKMUX_QUEUE_H
#define TOKMUX_QUEUE_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/wait.h>

struct task_struct;
struct tokmux_acquire;
struct tokmux_caller;
struct tokmux_session;
struct tokmux_session_open;

/* How many may wait in one (R8). */
#define TOKMUX_MAX_REQUESTS	16384

/**
 * struct tokmux_queue - requests that wait in turn
 * @requests: &struct tokmux_request, first come first
 * @length: how many
 * @round: counts how often somebody came when nobody waited
 * @busy_since: when that was the last time
 * @busy_ns: for how long anybody waited in all the rounds before
 */
struct tokmux_queue {
	struct list_head requests;
	unsigned int length;
	u64 round;
	ktime_t busy_since;
	u64 busy_ns;
};

/**
 * struct tokmux_request - one thread that waits for something of a token
 * @node: in the queue; empty when answered
 * @caller: who asks
 * @task: which thread of it
 * @lease: for a lease: what is asked for, and where the answer goes
 * @session: for a session: what is to be opened; the caller's once answered 0
 * @opened: for a session: where the answer goes
 * @since: when it began to wait
 * @result: 0 or a negative errno, valid when @node is empty
 * @answered: it has been; written under token->lock
 * @wait: woken then
 *
 * Lives on the stack of the waiting thread. It is answered under token->lock,
 * and the thread takes that lock before it leaves.
 */
struct tokmux_request {
	struct list_head node;
	struct tokmux_caller *caller;
	struct task_struct *task;
	struct tokmux_acquire *lease;
	struct tokmux_session *session;
	struct tokmux_session_open *opened;
	ktime_t since;
	int result;
	bool answered;
	wait_queue_head_t wait;
};

void tokmux_queue_init(struct tokmux_queue *queue);
u64 tokmux_queue_busy(const struct tokmux_queue *queue);
int tokmux_queue_add(struct tokmux_queue *queue, struct tokmux_request *req);
int tokmux_queue_wait(struct tokmux_queue *queue, struct tokmux_request *req,
		      s32 timeout_ms);
void tokmux_queue_answer(struct tokmux_queue *queue, struct tokmux_request *req,
			 int result);
void tokmux_queue_cancel(struct tokmux_queue *queue,
			 struct tokmux_caller *caller, int result);
bool tokmux_is_dying(const struct task_struct *task);

#endif /* TOKMUX_QUEUE_H */
