/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The list of readers. All of it is under the lock.
 */
#ifndef TOKMUX_PCSC_READERS_H
#define TOKMUX_PCSC_READERS_H

#include "reader.h"

/* Begins to watch readers. 0 or a negative errno. */
int readers_open(void);
/* No reader is in use: forgets all of them. */
void readers_close(void);
/* Takes in what udev has told since. */
void readers_refresh(void);
/* For poll(2): there is something to take in. */
int readers_fd(void);

/* The first reader. What has gone is not among them. */
struct reader *readers_first(void);
/* The slot of this name. */
struct slot *readers_find(const char *name);
/* Frees those that have gone and are in nobody's hands. */
void readers_reap(void);
/* How often readers came or went, never 0. */
uint16_t readers_events(void);

/* In the child of a fork: forgets them, and touches nothing of the parent's. */
void readers_after_fork(void);

#endif /* TOKMUX_PCSC_READERS_H */
