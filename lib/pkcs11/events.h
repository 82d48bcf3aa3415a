/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_EVENTS_H
#define TOKMUX_EVENTS_H

#include <stdatomic.h>
#include "p11.h"

CK_RV events_wait(unsigned int caller, const atomic_ulong *generation,
		  unsigned long born, CK_FLAGS flags, CK_SLOT_ID *id);
void events_wake(void);
void events_forked(void);

#endif /* TOKMUX_EVENTS_H */
