/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SITE_H
#define TOKMUX_SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "p11.h"

/* Calls within calls that are remembered; deeper ones are named after these. */
#define SITE_OUTER	4

/*
 * Where a thread is inside a backend; @function is NULL where it isn't. On cache
 * lines of its own, as its thread writes to it in each call.
 */
struct site {
	_Alignas(64) _Atomic(const char *) function;
	_Atomic(const char *) backend;	/* as it is configured */
	_Atomic(int64_t) seen_ms;	/* by a waiting thread; 0: not yet */

	/* A backend may call back. These calls go on around the one above. */
	unsigned int depth;
	struct {
		const char *backend, *function;
	} outer[SITE_OUTER];

	struct site *next;		/* made before it */
	struct site *next_free;
};

extern __thread struct site *site_mine;

struct site *site_take_place(void);
void site_enter_deeper(struct site *site);
void site_leave_deeper(struct site *site);
void site_watch(const char *backend);
bool site_others(int64_t ms);
void site_name_hung(const char *backend, int64_t ms);
void site_names_go(void);
void site_forked(void);

/* For a signal's handler. Return: NULL if this thread is in no backend. */
static inline const struct site *site_here(void)
{
	return site_mine && atomic_load(&site_mine->function) ? site_mine : NULL;
}

EACH_CALL void site_go(struct site *site, const char *backend,
		       const char *function)
{
	atomic_store_explicit(&site->backend, backend, memory_order_relaxed);
	atomic_store_explicit(&site->seen_ms, 0, memory_order_relaxed);
	atomic_store_explicit(&site->function, function, memory_order_release);
}

/* Return: this thread's. It goes to no other thread before this one ends. */
EACH_CALL struct site *site_of_thread(void)
{
	return site_mine ? site_mine : site_take_place();
}

/* Before site_go(): a call that this thread is in is put aside. */
EACH_CALL void site_make_room(struct site *site)
{
	if (atomic_load_explicit(&site->function, memory_order_relaxed))
		site_enter_deeper(site);
}

/**
 * site_enter() - this thread goes into a backend
 * @site: the thread's
 * @backend: its name, which stays where it is until the thread has left
 * @function: what is called there
 *
 * Inline, as every call does it. It reads no clock: a thread that waits for the
 * call does, see site_watch().
 */
EACH_CALL void site_enter(struct site *site, const char *backend,
			  const char *function)
{
	site_make_room(site);
	site_go(site, backend, function);
}

EACH_CALL void site_leave(struct site *site)
{
	/* A thread that looks just now sees no call, or the one that ends. */
	atomic_store_explicit(&site->function, NULL, memory_order_release);
	if (site->depth)
		site_leave_deeper(site);
}

#endif /* TOKMUX_SITE_H */
