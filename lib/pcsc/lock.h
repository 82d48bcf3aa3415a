/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one lock of the library.
 *
 * It protects every field of every struct here, but for what reader.h says
 * belongs to a reader's turn. It is held for moments: never while a lease, a
 * reader or a card is waited for.
 */
#ifndef TOKMUX_PCSC_LOCK_H
#define TOKMUX_PCSC_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void lock(void);
void unlock(void);
/* False if the lock doesn't become free in that time. */
bool lock_within_a_second(void);

/* CLOCK_MONOTONIC. */
int64_t now_ms(void);

/* Under the lock, which is given up meanwhile. */
void lock_wait(pthread_cond_t *condition);

/*
 * News of readers, slots and contexts: whoever waits for any looks again. Under
 * the lock. @until_ms is of now_ms(), or negative for no limit.
 */
void news_tell(void);
void news_wait(int64_t until_ms);

/* In the child of a fork, of which the forking thread is the only one. */
void lock_after_fork(void);

#endif /* TOKMUX_PCSC_LOCK_H */
