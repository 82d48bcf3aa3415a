// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * turn: something that one thread has at a time, with a bounded wait (R15)
 *
 * A lock is held for as long as our own code takes. A backend takes as long as
 * it likes, and may never return; what one thread at a time has to do there is
 * done in a turn.
 */
#include <errno.h>
#include <time.h>

#include "cancel.h"
#include "now.h"
#include "turn.h"

void turn_init(struct turn *turn, bool nests)
{
	pthread_mutex_init(&turn->lock, NULL);
	pthread_cond_init(&turn->given, NULL);
	turn->taken = 0;
	turn->nests = nests;
}

void turn_destroy(struct turn *turn)
{
	pthread_cond_destroy(&turn->given);
	pthread_mutex_destroy(&turn->lock);
}

static void unlock(void *lock)
{
	pthread_mutex_unlock(lock);
}

/**
 * turn_wait() - pthread_cond_timedwait() that no change of the clock disturbs
 * @cond: to be signalled
 * @lock: held, and held again afterwards
 * @until_ms: as now_ms() counts
 *
 * A thread that is cancelled here gives the lock back.
 */
bool turn_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms)
{
	struct timespec until = {
		.tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000,
	};

	return CANCEL_UNDOES(unlock, lock,
			     pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC,
						    &until)) != ETIMEDOUT;
}

/* With the turn's lock. A thread that comes again is in a callback, or a handler. */
static bool is_mine(const struct turn *turn)
{
	return turn->taken && pthread_equal(turn->owner, pthread_self());
}

/*
 * No thread waits for itself: where it has the turn already, it has it once more if
 * the turn nests, else it doesn't get it.
 *
 * Return: false if it wasn't to be had within @wait_ms.
 */
bool turn_take(struct turn *turn, int wait_ms)
{
	int64_t until_ms;
	bool got;

	pthread_mutex_lock(&turn->lock);
	if (turn->taken && !is_mine(turn)) {
		until_ms = now_ms() + wait_ms;
		while (turn->taken &&
		       turn_wait(&turn->given, &turn->lock, until_ms))
			;
	}
	got = !turn->taken || (turn->nests && is_mine(turn));
	if (got) {
		turn->taken++;
		turn->owner = pthread_self();
	}
	pthread_mutex_unlock(&turn->lock);
	return got;
}

void turn_give(struct turn *turn)
{
	pthread_mutex_lock(&turn->lock);
	if (!--turn->taken)
		pthread_cond_signal(&turn->given);
	pthread_mutex_unlock(&turn->lock);
}

/* See CANCEL_UNDOES(). */
void turn_cancelled(void *turn)
{
	turn_give(turn);
}
