/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_QUEUE_H
#define TOKMUX_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include "arbiter/arbiter.h"

/*
 * All of the state is one word, so that a lease costs one atomic operation while
 * there is no waiter. With a waiter QUEUED is set: then the word grows under the
 * lock only, and a thread that shrinks it serves the queue.
 */
struct arbiter_queue {
	atomic_uint word;
	pthread_mutex_t lock;
	struct waiter *first;
	struct waiter **last;
	unsigned int pokes;
};

#define QUEUE_EXCLUSIVE	(1u << 31)	/* held by one */
#define QUEUE_QUEUED	(1u << 30)
#define QUEUE_WATCHED	(1u << 29)	/* no turn is taken inline */
#define QUEUE_SHARERS	(QUEUE_WATCHED - 1)

struct arbiter_queue *arbiter_queue_new(void);
void arbiter_queue_free(struct arbiter_queue *queue);
int arbiter_queue_acquire(struct arbiter_queue *queue, enum arbiter_mode mode,
			  int timeout_ms, const struct arbiter_wait *wait);
void arbiter_queue_poke(struct arbiter_queue *queue);
void arbiter_queue_serve(struct arbiter_queue *queue);
void arbiter_queue_watch(struct arbiter_queue *queue, bool on);

/* A shared turn, that of every call, inline. Return: false if it takes waiting. */
EACH_CALL bool arbiter_queue_share(struct arbiter_queue *queue)
{
	unsigned int word = atomic_load_explicit(&queue->word,
						 memory_order_relaxed);

	do {
		if (word > QUEUE_SHARERS)
			return false;
	} while (!atomic_compare_exchange_weak(&queue->word, &word, word + 1));
	return true;
}

/* The same, past those that wait: by a thread that they may be waiting for. */
static inline bool arbiter_queue_overtake(struct arbiter_queue *queue)
{
	unsigned int word = atomic_load(&queue->word);

	do {
		if (word & QUEUE_EXCLUSIVE)
			return false;
	} while (!atomic_compare_exchange_weak(&queue->word, &word, word + 1));
	return true;
}

EACH_CALL void arbiter_queue_unshare(struct arbiter_queue *queue)
{
	if (atomic_fetch_sub(&queue->word, 1) & QUEUE_QUEUED)
		arbiter_queue_serve(queue);
}

/* A turn of either kind, inline. Return: false if it takes waiting. */
EACH_CALL bool arbiter_queue_try(struct arbiter_queue *queue,
				 enum arbiter_mode mode)
{
	unsigned int none = 0;

	return mode == ARBITER_SHARED ? arbiter_queue_share(queue) :
	       atomic_compare_exchange_strong(&queue->word, &none,
					      QUEUE_EXCLUSIVE);
}

EACH_CALL void arbiter_queue_release(struct arbiter_queue *queue,
				     enum arbiter_mode mode)
{
	if (mode == ARBITER_SHARED)
		arbiter_queue_unshare(queue);
	else if (atomic_fetch_and(&queue->word, ~QUEUE_EXCLUSIVE) & QUEUE_QUEUED)
		arbiter_queue_serve(queue);
}

#endif /* TOKMUX_QUEUE_H */
