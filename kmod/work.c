// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's workqueue. Three works run there: one enforces the hold limit
 * (R4), one ends callers whose thread group has died (R2), and one closes the
 * real device after a lease.
 */
#include "internal.h"

struct workqueue_struct *tokmux_wq;

int tokmux_work_init(void)
{
	tokmux_wq = alloc_workqueue("tokmux", WQ_UNBOUND, 0);
	return tokmux_wq ? 0 : -ENOMEM;
}

void tokmux_work_exit(void)
{
	destroy_workqueue(tokmux_wq);
}
