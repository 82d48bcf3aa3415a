// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's workqueue. Three works run there: one enforces the hold limit
 * (R4), one ends callers whose thread group has died (R2), and one closes the
 * real device after a lease.
 */
#include "internal.h"

struct workqueue_struct *tokmux_wq;
