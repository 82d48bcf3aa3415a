// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's workqueue. Three things are done there: the hold limit is looked
 * at (R4), callers end when their thread group has died (R2), and real devices
 * are closed when their lease has ended.
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
