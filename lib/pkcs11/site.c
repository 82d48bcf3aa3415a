// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * site: where each thread is inside a backend (R15)
 *
 * So that a call that crashes, or never returns, can be named. A thread takes a
 * place with its first call and keeps it until the thread ends: a call costs a few
 * plain stores. Since when a call has been going on is noted by the threads that
 * wait for it. When all places are taken, further threads have none and aren't
 * named.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "log.h"
#include "now.h"
#include "site.h"

#define PLACES	1024

static struct site places[PLACES];
static atomic_size_t reach;		/* none was taken from here on */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t ends;		/* of the thread */

/* While names are read that a site points to. */
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

__thread struct site *site_mine;

static void thread_ends(void *arg)
{
	struct site *site = arg;

	site_mine = NULL;
	atomic_store(&site->taken, false);
}

static void make_key(void)
{
	/* Without one places aren't given back, no more. */
	if (pthread_key_create(&ends, thread_ends))
		log_info("no thread's end will be noticed");
}

struct site *site_take_place(void)
{
	size_t i, far = atomic_load(&reach);

	pthread_once(&once, make_key);
	for (i = 0; i < PLACES; i++) {
		if (atomic_exchange(&places[i].taken, true))
			continue;
		while (far <= i &&
		       !atomic_compare_exchange_weak(&reach, &far, i + 1))
			;
		site_mine = &places[i];
		pthread_setspecific(ends, site_mine);
		return site_mine;
	}
	return NULL;
}

/* For a signal's handler. Return: NULL if this thread is in no backend. */
const struct site *site_here(void)
{
	return site_mine && atomic_load(&site_mine->function) ? site_mine : NULL;
}

/**
 * site_watch() - note the time for calls that are going on and have none yet
 * @backend: the same pointer as given to site_enter(); NULL: any
 *
 * For a thread that begins to wait.
 */
void site_watch(const char *backend)
{
	size_t i, far = atomic_load(&reach);
	int64_t now = now_coarse_ms();

	for (i = 0; i < far; i++) {
		int64_t not_yet = 0;

		if (atomic_load(&places[i].function) &&
		    (!backend || atomic_load(&places[i].backend) == backend))
			atomic_compare_exchange_strong(&places[i].seen_ms,
						       &not_yet, now);
	}
}

/**
 * site_name_hung() - log the calls that keep others waiting
 * @backend: the same pointer as given to site_enter(); NULL: any
 * @ms: the calls that were noted so long ago, or longer
 *
 * For a thread that has waited in vain.
 */
void site_name_hung(const char *backend, int64_t ms)
{
	size_t i, far = atomic_load(&reach);
	const char *function, *name;
	int64_t seen, now = now_coarse_ms();

	pthread_mutex_lock(&names_lock);
	for (i = 0; i < far; i++) {
		function = atomic_load(&places[i].function);
		name = atomic_load(&places[i].backend);
		seen = atomic_load(&places[i].seen_ms);
		if (function && seen && now - seen >= ms &&
		    (!backend || name == backend))
			log_error("backend %s: %s has not returned for %lld ms or more, others wait for it",
				  name, function, (long long)(now - seen));
	}
	pthread_mutex_unlock(&names_lock);
}

/* No thread is where they belong to; nor reads them from here on. */
void site_names_go(void)
{
	pthread_mutex_lock(&names_lock);
	pthread_mutex_unlock(&names_lock);
}

/* In the child, which has one thread: the others are nowhere. */
void site_forked(void)
{
	size_t i;

	pthread_mutex_init(&names_lock, NULL);
	for (i = 0; i < PLACES; i++) {
		if (&places[i] == site_mine)
			continue;
		atomic_store(&places[i].function, NULL);
		atomic_store(&places[i].taken, false);
	}
}
