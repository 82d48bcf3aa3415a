// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * site: where each thread is inside a backend, and since when (R15)
 *
 * So that a call that crashes, or never comes back, can be named. A thread takes
 * its place with its first call and keeps it until it ends: a call costs a few
 * plain stores. Threads beyond the places there are share none and aren't named.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "log.h"
#include "site.h"

#define PLACES	1024

static struct site places[PLACES];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t ends;		/* of the thread */

/* While names are read that a site points to. */
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

static __thread struct site *mine __attribute__((tls_model("initial-exec")));

static int64_t now_ms(void)
{
	struct timespec now;

	/* As exact as its tick, and cheaper. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void thread_ends(void *arg)
{
	struct site *site = arg;

	mine = NULL;
	atomic_store(&site->taken, false);
}

static void make_key(void)
{
	/* Without one places aren't given back, no more. */
	if (pthread_key_create(&ends, thread_ends))
		log_info("no thread's end will be noticed");
}

static struct site *take_place(void)
{
	size_t i;

	pthread_once(&once, make_key);
	for (i = 0; i < PLACES; i++) {
		if (atomic_exchange(&places[i].taken, true))
			continue;
		mine = &places[i];
		pthread_setspecific(ends, mine);
		return mine;
	}
	return NULL;
}

static void go(struct site *site, const char *backend, const char *function,
	       int64_t since_ms)
{
	atomic_store_explicit(&site->backend, backend, memory_order_relaxed);
	atomic_store_explicit(&site->since_ms, since_ms, memory_order_relaxed);
	atomic_store_explicit(&site->function, function, memory_order_release);
}

/**
 * site_enter() - this thread goes into a backend
 * @backend: its name, which stays where it is until the thread has left
 * @function: what is called there
 *
 * Return: for site_leave().
 */
struct site_before site_enter(const char *backend, const char *function)
{
	struct site *site = mine ? mine : take_place();
	struct site_before before = { .site = site };

	if (!site)
		return before;
	before.backend = atomic_load_explicit(&site->backend,
					      memory_order_relaxed);
	before.function = atomic_load_explicit(&site->function,
					       memory_order_relaxed);
	before.since_ms = atomic_load_explicit(&site->since_ms,
					       memory_order_relaxed);
	go(site, backend, function, now_ms());
	return before;
}

void site_leave(const struct site_before *before)
{
	if (!before->site)
		return;
	/* Whoever looks just now sees none, or the one that ends. */
	atomic_store_explicit(&before->site->function, NULL,
			      memory_order_release);
	if (before->function)
		go(before->site, before->backend, before->function,
		   before->since_ms);
}

/* For a signal's handler. Return: NULL if this thread is in no backend. */
const struct site *site_here(void)
{
	return mine && atomic_load(&mine->function) ? mine : NULL;
}

/**
 * site_name_hung() - log who keeps others waiting
 * @backend: the same pointer as given to site_enter(); NULL: any
 * @ms: those that are inside for that long
 *
 * For whoever has waited in vain.
 */
void site_name_hung(const char *backend, int64_t ms)
{
	const char *function, *name;
	int64_t since;
	size_t i;

	pthread_mutex_lock(&names_lock);
	for (i = 0; i < PLACES; i++) {
		function = atomic_load(&places[i].function);
		name = atomic_load(&places[i].backend);
		since = now_ms() - atomic_load(&places[i].since_ms);
		if (function && since >= ms && (!backend || name == backend))
			log_error("backend %s: %s has not returned for %lld ms, others wait for it",
				  name, function, (long long)since);
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
		if (&places[i] == mine)
			continue;
		atomic_store(&places[i].function, NULL);
		atomic_store(&places[i].taken, false);
	}
}
