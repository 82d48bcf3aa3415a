/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper: the thread that gives kept leases back when others want them, and
 * looks into slots while programs wait for cards.
 */
#ifndef TOKMUX_PCSC_KEEPER_H
#define TOKMUX_PCSC_KEEPER_H

/* Starts it, unless it runs. Under the lock. 0 or a negative errno. */
int keeper_start(void);
/*
 * Contexts come and go: @change is 1 or -1. When the last one has gone and no
 * lease is left, all that the library has ends, and the keeper with it. Under the
 * lock.
 */
void keeper_serve(int change);
/* Programs wait for news of slots: @change is 1 or -1. Under the lock. */
void keeper_watch(int change);
/* In the child of a fork, which has no such thread. */
void keeper_after_fork(void);

#endif /* TOKMUX_PCSC_KEEPER_H */
