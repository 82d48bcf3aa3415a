/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LIB_PARK_H
#define TOKMUX_LIB_PARK_H

#include "internal.h"

/*
 * A parked lease is left and used again by one atomic instruction. Both ways are inline,
 * as a call that nobody disturbs does little else.
 */

/* What gettid() answers, or 0 as long as this thread has not asked. */
extern __thread pid_t tokmux_park_thread
	__attribute__((visibility("hidden"), tls_model("initial-exec")));

void tokmux_park_unmap(struct tokmux_caller *caller);

/* Makes a lease in use idle, or an idle one used, if its word is still @word. */
static inline bool tokmux_park_turn(struct tokmux_park *park, uint32_t word,
				    int order)
{
	return __atomic_compare_exchange_n(&park->word, &word,
					   word ^ TOKMUX_PARK_IDLE, false, order,
					   __ATOMIC_RELAXED);
}

/*
 * Uses a lease of @mode that is parked. Return: false if the ioctl has to, as always
 * where leases aren't parked. False, too, for a caller with TOKMUX_BIND_GROUP in a thread
 * that doesn't know its number: tokmux_acquire() asks for the number.
 */
static inline bool tokmux_park_use(struct tokmux_caller *caller,
				   unsigned int mode,
				   struct tokmux_grant *grant)
{
	struct tokmux_park *park = caller->park;
	pid_t thread = tokmux_park_thread;
	uint32_t word;

	if (!park || (mode != TOKMUX_EXCLUSIVE && mode != TOKMUX_SHARED) ||
	    (caller->group && !thread))
		return false;
	word = __atomic_load_n(&park->word, __ATOMIC_RELAXED);
	if ((word & TOKMUX_PARK_BITS) != (mode | TOKMUX_PARK_IDLE) ||
	    !tokmux_park_turn(park, word, __ATOMIC_ACQUIRE))
		return false;
	if (caller->group)
		__atomic_store_n(&park->thread, (uint32_t)thread,
				 __ATOMIC_RELAXED);
	if (grant)
		*grant = (struct tokmux_grant){ .epoch = park->epoch,
						.flags = park->granted };
	return true;
}

/* Leaves the lease idle. Return: false if the ioctl has to release it. */
static inline bool tokmux_park_leave(struct tokmux_caller *caller)
{
	struct tokmux_park *park = caller->park;
	uint32_t word, bits;

	if (!park)
		return false;
	word = __atomic_load_n(&park->word, __ATOMIC_RELAXED);
	bits = word & TOKMUX_PARK_BITS;
	return (bits == TOKMUX_EXCLUSIVE || bits == TOKMUX_SHARED) &&
	       tokmux_park_turn(park, word, __ATOMIC_RELEASE);
}

#endif /* TOKMUX_LIB_PARK_H */
