/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_USERS_H
#define TOKMUX_USERS_H

#include "p11.h"

/* for module.c */
void users_begin(void (*last_out)(void));
bool users_resume(void);
void users_end(void);
bool users_open(void);
void users_forked(void);

/* keep the module from being stopped meanwhile */
CK_RV users_get(void);
void users_hold(void);
void users_put(void);
void users_cancelled(void *nothing);

#endif /* TOKMUX_USERS_H */
