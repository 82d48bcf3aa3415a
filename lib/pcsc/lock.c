// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The one lock, and what threads wait for under it.
 */
#include <time.h>
#include "lock.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news;

/* Its timed waits go by now_ms(), not by the time of day. */
static void __attribute__((constructor)) news_init(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&news, &attr);
	pthread_condattr_destroy(&attr);
}

void lock(void)
{
	pthread_mutex_lock(&mutex);
}

void unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

bool lock_within_a_second(void)
{
	struct timespec until;

	/* pthread_mutex_timedlock() goes by the time of day. */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	return !pthread_mutex_timedlock(&mutex, &until);
}

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void lock_wait(pthread_cond_t *condition)
{
	pthread_cond_wait(condition, &mutex);
}

void news_wait(int64_t until_ms)
{
	struct timespec until = {
		.tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000,
	};

	if (until_ms < 0)
		pthread_cond_wait(&news, &mutex);
	else
		pthread_cond_timedwait(&news, &mutex, &until);
}

void news_tell(void)
{
	pthread_cond_broadcast(&news);
}

void lock_after_fork(void)
{
	/* The parent's waiters are counted in the condition. */
	news_init();
	pthread_mutex_unlock(&mutex);
}
