/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_TRIES_H
#define TOKMUX_TRIES_H

#include "p11.h"

/* Wrong PINs on one slot, of each caller. */
struct tries;

struct tries *tries_of(const char *backend, CK_SLOT_ID slot);
void tries_wait(struct tries *tries, unsigned int caller);
void tries_count(struct tries *tries, unsigned int caller, CK_RV rv);

#endif /* TOKMUX_TRIES_H */
