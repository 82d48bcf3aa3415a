/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LOGIN_H
#define TOKMUX_LOGIN_H

#include "p11.h"
#include "slot.h"

/* before the slot's lock is taken */
void login_wait_turn(struct seat *seat);

/* all with the slot's lock held; @session is any open one of the backend's */
CK_RV login_enter(struct seat *seat, CK_SESSION_HANDLE session,
		  enum login login, unsigned char *pin, CK_ULONG length);
void login_end(struct seat *seat, CK_SESSION_HANDLE session);
void login_settle(struct seat *seat, CK_SESSION_HANDLE session);
void login_pin_changed(struct slot *slot, unsigned char *pin, CK_ULONG length);

#endif /* TOKMUX_LOGIN_H */
