/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_TURN_H
#define TOKMUX_TURN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Had by one thread at a time, also while it is in a backend. */
struct turn {
	pthread_mutex_t lock;		/* a short one: of @taken */
	pthread_cond_t given;
	unsigned int taken;		/* how often, by @owner */
	pthread_t owner;
	bool nests;			/* its thread may take it again */
};

void turn_init(struct turn *turn, bool nests);
void turn_destroy(struct turn *turn);
bool turn_take(struct turn *turn, int wait_ms);
void turn_give(struct turn *turn);
void turn_cancelled(void *turn);

/* for any other condition: false once it is @until_ms */
bool turn_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms);

#endif /* TOKMUX_TURN_H */
