// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The lease fd: the real device, for as long as the exclusive lease lasts.
 */
#include "internal.h"

/* The kernel can't give one yet. */
int tokmux_lease_fd(struct tokmux_caller *caller)
{
	return -EOPNOTSUPP;
}
