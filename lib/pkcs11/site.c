// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * site: where each thread is inside a backend (R15)
 *
 * So that a call that crashes, or never returns, can be named. A thread takes a
 * place with its first call and keeps it until the thread ends: a call costs a few
 * plain stores. Since when a call has been going on is noted by the threads that
 * wait for it. A later thread takes the place over: there are as many as there ever
 * were threads at a time.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "now.h"
#include "site.h"

static _Atomic(struct site *) places;	/* all of them; they stay */
static struct site *free_places;
static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t ends;		/* of the thread */

/* While names are read that a site points to. */
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

__thread struct site *site_mine;

/* For the threads for which there is no memory. */
static struct site nowhere;

/* A thread that ended within a call is nowhere. */
static void give_place(struct site *site)
{
	atomic_store(&site->function, NULL);
	site->depth = 0;
	site->next_free = free_places;
	free_places = site;
}

static void thread_ends(void *arg)
{
	site_mine = NULL;
	pthread_mutex_lock(&free_lock);
	give_place(arg);
	pthread_mutex_unlock(&free_lock);
}

static void make_key(void)
{
	/* Without one places aren't given back, no more. */
	if (pthread_key_create(&ends, thread_ends))
		log_info("no thread's end will be noticed");
}

/* Return: a place of its own; without memory one that nobody looks at. */
struct site *site_take_place(void)
{
	struct site *site;

	pthread_once(&once, make_key);
	pthread_mutex_lock(&free_lock);
	site = free_places;
	if (site)
		free_places = site->next_free;
	pthread_mutex_unlock(&free_lock);
	if (!site) {
		site = aligned_alloc(_Alignof(struct site), sizeof(*site));
		if (!site)
			return &nowhere;
		*site = (struct site){ .next = atomic_load(&places) };
		while (!atomic_compare_exchange_weak(&places, &site->next,
						     site))
			;
	}
	site_mine = site;
	pthread_setspecific(ends, site);
	return site;
}

/* A call that goes on is put aside, for as long as one within it takes. */
void site_enter_deeper(struct site *site)
{
	if (site == &nowhere)
		return;
	if (site->depth < SITE_OUTER) {
		site->outer[site->depth].backend = atomic_load(&site->backend);
		site->outer[site->depth].function =
			atomic_load(&site->function);
	}
	site->depth++;
}

void site_leave_deeper(struct site *site)
{
	unsigned int at = --site->depth;

	if (at >= SITE_OUTER)
		at = SITE_OUTER - 1;
	site_go(site, site->outer[at].backend, site->outer[at].function);
}

/**
 * site_watch() - note the time for calls that are going on and have none yet
 * @backend: the same pointer as given to site_enter(); NULL: any
 *
 * For a thread that begins to wait.
 */
void site_watch(const char *backend)
{
	int64_t now = now_coarse_ms();
	struct site *site;

	for (site = atomic_load(&places); site; site = site->next) {
		int64_t not_yet = 0;

		if (atomic_load(&site->function) &&
		    (!backend || atomic_load(&site->backend) == backend))
			atomic_compare_exchange_strong(&site->seen_ms,
						       &not_yet, now);
	}
}

/* A thread that waits for a card to be put in may stay for ever, and does no harm. */
static bool waits_for_events(const char *function)
{
	return !strcmp(function, "C_WaitForSlotEvent");
}

/**
 * site_others() - is another thread inside a backend?
 * @ms: a call that was noted so long ago, by site_watch(), hangs: it doesn't count
 */
bool site_others(int64_t ms)
{
	int64_t seen, now = now_coarse_ms();
	const char *function;
	struct site *site;

	for (site = atomic_load(&places); site; site = site->next) {
		function = atomic_load(&site->function);
		seen = atomic_load(&site->seen_ms);
		if (function && site != site_mine && !waits_for_events(function) &&
		    (!seen || now - seen < ms))
			return true;
	}
	return false;
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
	int64_t seen, now = now_coarse_ms();
	const char *function, *name;
	struct site *site;

	pthread_mutex_lock(&names_lock);
	for (site = atomic_load(&places); site; site = site->next) {
		function = atomic_load(&site->function);
		name = atomic_load(&site->backend);
		seen = atomic_load(&site->seen_ms);
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
	struct site *site;

	pthread_mutex_init(&names_lock, NULL);
	pthread_mutex_init(&free_lock, NULL);
	free_places = NULL;
	for (site = atomic_load(&places); site; site = site->next) {
		if (site == site_mine)
			continue;
		give_place(site);
	}
}
