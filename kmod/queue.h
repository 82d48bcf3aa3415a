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

/*
 * The most requests that a queue can have, that one party can have in the queues
 * of a token, and that one user can have in all queues together (R8).
 */
#define TOKMUX_MAX_REQUESTS		16384
#define TOKMUX_MAX_PARTY_REQUESTS	1024
#define TOKMUX_MAX_USER_REQUESTS	4096

/**
 * struct tokmux_queue - requests that wait in turn
 * @requests: list of &struct tokmux_request, the oldest first
 * @length: number of requests
 * @paused: while not 0, the clock stands still: the holder cannot use the device
 * @ticked: when tokmux_queue_tick() was last called
 * @busy_ns: the clock: for how long the queue was non-empty up to then
 */
struct tokmux_queue {
	struct list_head requests;
	unsigned int length;
	unsigned int paused;
	ktime_t ticked;
	u64 busy_ns;
};

/**
 * struct tokmux_request - a thread that waits for a lease or a session
 * @node: in queue->requests; empty once the request is answered
 * @caller: the caller that the lease or the session is for
 * @task: the thread
 * @lease: in the lease queue: the ioctl's struct, which gets the answer
 * @session: in the session queue: the new session; owned by the caller once the
 *	request is answered with 0
 * @opened: in the session queue: the ioctl's struct, which gets the answer
 * @since: when the request was queued
 * @result: 0 or a negative errno; valid once the request is answered
 * @answered: written under token->lock
 * @wait: woken when the request is answered
 *
 * A request is on the stack of its thread. It is answered under token->lock,
 * and its thread takes that lock before it returns.
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

u64 tokmux_queue_tick(struct tokmux_queue *queue);
int tokmux_queue_add(struct tokmux_queue *queue, struct tokmux_request *req);
int tokmux_queue_wait(struct tokmux_queue *queue, struct tokmux_request *req,
		      s32 timeout_ms);
struct tokmux_request *tokmux_queue_first(struct tokmux_queue *queue);
void tokmux_queue_answer(struct tokmux_queue *queue, struct tokmux_request *req,
			 int result);
void tokmux_queue_cancel(struct tokmux_queue *queue,
			 struct tokmux_caller *caller, int result);
bool tokmux_is_dying(const struct task_struct *task);

#endif /* TOKMUX_QUEUE_H */
