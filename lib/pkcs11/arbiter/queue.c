// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * queue: the callers of this process in line for a token (R1)
 *
 * First come first served; a later shared request never overtakes a waiting
 * exclusive one. Both arbiters let callers stand in one of these.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "arbiter/queue.h"
#include "cancel.h"
#include "now.h"

struct waiter {
	struct arbiter_queue *queue;
	struct waiter *next;
	enum arbiter_mode mode;
	bool granted;
	pthread_cond_t wake;
};

struct arbiter_queue *arbiter_queue_new(void)
{
	struct arbiter_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	pthread_mutex_init(&queue->lock, NULL);
	queue->last = &queue->first;
	return queue;
}

void arbiter_queue_free(struct arbiter_queue *queue)
{
	if (!queue)
		return;
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

/* With QUEUED set and the lock, no other thread grants; others may release. */
static bool grant(struct arbiter_queue *queue, enum arbiter_mode mode)
{
	unsigned int word = atomic_load(&queue->word);

	if (word & QUEUE_EXCLUSIVE)
		return false;
	if (mode == ARBITER_SHARED) {
		atomic_fetch_add(&queue->word, 1);
		return true;
	}
	if (word & QUEUE_SHARERS)
		return false;
	atomic_fetch_or(&queue->word, QUEUE_EXCLUSIVE);
	return true;
}

/* Called with the lock held. */
static void serve(struct arbiter_queue *queue)
{
	struct waiter *waiter;

	while ((waiter = queue->first) && grant(queue, waiter->mode)) {
		queue->first = waiter->next;
		if (!queue->first)
			queue->last = &queue->first;
		waiter->granted = true;
		pthread_cond_signal(&waiter->wake);
	}
	if (!queue->first)
		atomic_fetch_and(&queue->word, ~QUEUE_QUEUED);
}

static void leave_queue(struct arbiter_queue *queue, struct waiter *waiter)
{
	struct waiter **at = &queue->first;

	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
	if (!*at)
		queue->last = at;
}

/* The lock is given back. Return: was the turn the waiter's after all? */
static bool stop_waiting(struct waiter *waiter)
{
	struct arbiter_queue *queue = waiter->queue;

	if (!waiter->granted) {
		leave_queue(queue, waiter);
		serve(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	pthread_cond_destroy(&waiter->wake);
	return waiter->granted;
}

static void waiter_cancelled(void *of)
{
	struct waiter *waiter = of;

	if (stop_waiting(waiter))
		arbiter_queue_release(waiter->queue, waiter->mode);
}

/* Called with the lock held. Return: false when the time has come. */
static bool sleep_until(struct waiter *waiter, int64_t until_ms)
{
	struct timespec until = {
		.tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000,
	};

	return now_ms() < until_ms &&
	       CANCEL_UNDOES(waiter_cancelled, waiter,
			     pthread_cond_timedwait(&waiter->wake,
						    &waiter->queue->lock,
						    &until)) != ETIMEDOUT;
}

/*
 * Called with the lock held, returns with it. The waiter's look() may give a lease
 * back, so it is called without the lock, and once more if the queue was poked
 * meanwhile.
 */
static int wait_turn(struct arbiter_queue *queue, struct waiter *waiter,
		     int64_t until_ms, const struct arbiter_wait *wait)
{
	unsigned int pokes;
	int64_t next;

	for (;;) {
		pokes = queue->pokes;
		pthread_mutex_unlock(&queue->lock);
		next = wait->look(wait->arg);
		pthread_mutex_lock(&queue->lock);
		if (next == ARBITER_COVERED)
			return ARBITER_COVERED;
		if (waiter->granted)
			return 0;
		if (pokes != queue->pokes)
			continue;
		if (next > until_ms)
			next = until_ms;
		if (!sleep_until(waiter, next) && !waiter->granted &&
		    next == until_ms)
			return -ETIMEDOUT;
		if (waiter->granted)
			return 0;
	}
}

static int acquire_slow(struct arbiter_queue *queue, enum arbiter_mode mode,
			int timeout_ms, const struct arbiter_wait *wait)
{
	int64_t until_ms = now_ms() + timeout_ms;
	struct waiter waiter = { .queue = queue, .mode = mode };
	pthread_condattr_t attr;
	int r = 0;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter.wake, &attr);
	pthread_condattr_destroy(&attr);

	pthread_mutex_lock(&queue->lock);
	atomic_fetch_or(&queue->word, QUEUE_QUEUED);
	*queue->last = &waiter;
	queue->last = &waiter.next;
	serve(queue);
	if (!waiter.granted)
		r = wait_turn(queue, &waiter, until_ms, wait);
	/* It came just as it wasn't needed any more. */
	if (stop_waiting(&waiter) && r == ARBITER_COVERED)
		arbiter_queue_release(queue, mode);
	return r == -ETIMEDOUT && !timeout_ms ? -EAGAIN : r;
}

/**
 * arbiter_queue_acquire() - wait in turn
 * @queue: the token's
 * @mode: exclusive or shared
 * @timeout_ms: how long
 * @wait: what to look at meanwhile
 *
 * Return: 0; ARBITER_COVERED if @wait said so, and then there is nothing to
 * release; -ETIMEDOUT, -EAGAIN without time.
 */
int arbiter_queue_acquire(struct arbiter_queue *queue, enum arbiter_mode mode,
			  int timeout_ms, const struct arbiter_wait *wait)
{
	return arbiter_queue_try(queue, mode) ? 0 :
	       acquire_slow(queue, mode, timeout_ms, wait);
}

/* A turn was given back that others wait for. */
void arbiter_queue_serve(struct arbiter_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	serve(queue);
	pthread_mutex_unlock(&queue->lock);
}

/**
 * arbiter_queue_watch() - let every request come the long way
 * @queue: the token's
 * @on: from now on, or not any more
 *
 * Nobody waits longer for that. But each thread that gets a turn comes through
 * lease_wait(), and can do first what has to be done before any call.
 */
void arbiter_queue_watch(struct arbiter_queue *queue, bool on)
{
	if (on)
		atomic_fetch_or(&queue->word, QUEUE_WATCHED);
	else
		atomic_fetch_and(&queue->word, ~QUEUE_WATCHED);
}

/* The waiters look again. */
void arbiter_queue_poke(struct arbiter_queue *queue)
{
	struct waiter *waiter;

	pthread_mutex_lock(&queue->lock);
	queue->pokes++;
	for (waiter = queue->first; waiter; waiter = waiter->next)
		pthread_cond_signal(&waiter->wake);
	pthread_mutex_unlock(&queue->lock);
}
