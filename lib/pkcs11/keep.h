/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * keep: a lease that stays with a seat between calls (R14)
 *
 * Part of struct seat; the functions are in lease.c.
 */
#ifndef TOKMUX_KEEP_H
#define TOKMUX_KEEP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include "p11.h"

/*
 * The exclusive lease stays for as long as there is a reason to keep it. It is
 * taken away if it stays too long while others wait.
 */
struct keep {
	pthread_mutex_t lock;
	atomic_bool kept;
	unsigned int reasons;
	unsigned int calls;		/* that go on under the kept lease now */
	int64_t since_ms;
	atomic_uint lost;		/* how often it was taken away */
};

/* A reason: an operation, or a session. */
struct reason {
	bool on;
	unsigned int lost;		/* the keep's @lost when it began */
};

#endif /* TOKMUX_KEEP_H */
