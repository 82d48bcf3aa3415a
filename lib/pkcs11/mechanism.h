/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_MECHANISM_H
#define TOKMUX_MECHANISM_H

#include "call.h"

CK_RV call_check_mechanism(struct call *call, CK_MECHANISM *mechanism);

#endif /* TOKMUX_MECHANISM_H */
