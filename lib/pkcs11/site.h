/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SITE_H
#define TOKMUX_SITE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where a thread is inside a backend; @function is NULL where it isn't. On a cache
 * line of its own, as its thread writes to it in each call.
 */
struct site {
	_Alignas(64) _Atomic(const char *) backend;	/* as it is configured */
	_Atomic(const char *) function;
	_Atomic(int64_t) seen_ms;	/* by a waiting thread; 0: not yet */
	struct site *next;		/* made before it */
	struct site *next_free;
};

/* What site_enter() found, for site_leave(): a backend may call back. */
struct site_before {
	struct site *site;
	const char *backend, *function;
};

extern __thread struct site *site_mine
	__attribute__((tls_model("initial-exec")));

struct site *site_take_place(void);
const struct site *site_here(void);
void site_watch(const char *backend);
void site_name_hung(const char *backend, int64_t ms);
void site_names_go(void);
void site_forked(void);

static inline void site_go(struct site *site, const char *backend,
			   const char *function)
{
	atomic_store_explicit(&site->backend, backend, memory_order_relaxed);
	atomic_store_explicit(&site->seen_ms, 0, memory_order_relaxed);
	atomic_store_explicit(&site->function, function, memory_order_release);
}

/**
 * site_enter() - this thread goes into a backend
 * @backend: its name, which stays where it is until the thread has left
 * @function: what is called there
 *
 * Inline, as every call does it. It reads no clock: a thread that waits for the
 * call does, see site_watch().
 *
 * Return: for site_leave().
 */
static inline struct site_before site_enter(const char *backend,
					    const char *function)
{
	struct site_before before = {
		.site = site_mine ? site_mine : site_take_place(),
	};

	if (!before.site)
		return before;
	before.backend = atomic_load_explicit(&before.site->backend,
					      memory_order_relaxed);
	before.function = atomic_load_explicit(&before.site->function,
					       memory_order_relaxed);
	site_go(before.site, backend, function);
	return before;
}

static inline void site_leave(const struct site_before *before)
{
	if (!before->site)
		return;
	/* A thread that looks just now sees no call, or the one that ends. */
	atomic_store_explicit(&before->site->function, NULL,
			      memory_order_release);
	if (before->function)
		site_go(before->site, before->backend, before->function);
}

#endif /* TOKMUX_SITE_H */
