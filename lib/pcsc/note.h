/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Notes: what the process that has a reader lets the others know of its slot.
 *
 * The token is open, and they are without the lock.
 */
#ifndef TOKMUX_PCSC_NOTE_H
#define TOKMUX_PCSC_NOTE_H

#include "reader.h"

/*
 * With the turn, without the lease. True if the slot is now as another process says:
 * one that has the reader, or one that has just looked. Where the one that has the reader
 * speaks of other slots only, the slot is as it was.
 */
bool note_read(struct slot *slot);
/* With the lease, at its beginning: what others have seen since this process looked. */
void note_begin(struct slot *slot);
/* With the lease: lets others know, if there is news for them. */
void note_write(struct slot *slot);

#endif /* TOKMUX_PCSC_NOTE_H */
