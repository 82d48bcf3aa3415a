/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wakes the keeper, from wherever there is something for it to look at.
 */
#ifndef TOKMUX_PCSC_WAKE_H
#define TOKMUX_PCSC_WAKE_H

/* Under the lock. 0 or a negative errno. */
int wake_open(void);
void wake_close(void);
void wake_keeper(void);
/* For poll(2), and what has been read of it. */
int wake_fd(void);
void wake_drain(void);

#endif /* TOKMUX_PCSC_WAKE_H */
