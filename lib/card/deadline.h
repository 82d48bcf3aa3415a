/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deadlines: when a wait of several steps has to end.
 */
#ifndef TOKMUX_LIB_CARD_DEADLINE_H
#define TOKMUX_LIB_CARD_DEADLINE_H

#include <stdint.h>

/* CLOCK_MONOTONIC in ms. */
int64_t deadline_now(void);
/* A timeout of less than 0 is a deadline of -1: never. */
int64_t deadline_after(int timeout_ms);
/* At most @most ms; 0 if it has passed. */
int deadline_left(int64_t deadline, int most);

#endif /* TOKMUX_LIB_CARD_DEADLINE_H */
