/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_QUIESCE_H
#define TOKMUX_QUIESCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include "site.h"

/* How long a fork or an exit waits for others at most. */
#define QUIESCE_PATIENCE_MS	2000

/* Not 0 while calls are held back from the backends. */
extern atomic_uint quiesce_held __attribute__((visibility("hidden")));

bool quiesce_begin(void);
void quiesce_end(void);
void quiesce_forked(void);
bool quiesce_for_good(void);
bool quiesce_is_for_good(void);
void quiesce_abandon(void);
bool quiesce_wait(struct site *site);
bool quiesce_hold(void);
bool quiesce_keeps_out(void);

/*
 * Before a thread outside the backends takes what a process must not end with. It waits
 * while calls are held back. Return: false if the process exits.
 */
static inline bool quiesce_lets_in(void)
{
	return !atomic_load(&quiesce_held) || quiesce_hold();
}

/**
 * quiesce_passes() - may this thread go into a backend now?
 * @site: the thread's, after site_enter()
 *
 * Inline, as every call does it. The site is written before the state is read: a
 * thread that holds calls back sees the call, or the call sees that it is held back.
 * membarrier(2) orders the two in the processor, on the other side, where it costs
 * the calls nothing.
 *
 * Return: false if the process exits, and the backend isn't to be called any more.
 */
EACH_CALL bool quiesce_passes(struct site *site)
{
	atomic_signal_fence(memory_order_seq_cst);
	return !atomic_load_explicit(&quiesce_held, memory_order_relaxed) ||
	       quiesce_wait(site);
}

#endif /* TOKMUX_QUIESCE_H */
