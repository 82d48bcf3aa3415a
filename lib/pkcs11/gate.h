/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_GATE_H
#define TOKMUX_GATE_H

#include <stdatomic.h>
#include "p11.h"

CK_RV gate_initialize(unsigned int caller, CK_FLAGS flags, bool *first);
CK_RV gate_visit(unsigned int caller, bool *first);
void gate_renew(unsigned int caller);
CK_RV gate_finalize(unsigned int caller);
CK_RV gate_expel(unsigned int caller, unsigned long generation);
void gate_forked(void);

/* at any time */
bool gate_has(unsigned int caller);
const atomic_ulong *gate_generation(unsigned int caller);

#endif /* TOKMUX_GATE_H */
