/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LOGIN_H
#define TOKMUX_LOGIN_H

#include "p11.h"
#include "slot.h"

/* Who wants to log in, as given by the caller; nothing of it is kept. */
struct credentials {
	unsigned char *pin;		/* NULL: the reader has keys of its own */
	CK_ULONG length;
	unsigned char *name;		/* of C_LoginUser, else NULL */
	CK_ULONG name_length;
};

CK_RV login_backend(struct backend *backend, CK_SESSION_HANDLE session,
		    CK_USER_TYPE type, const struct credentials *given);

/* before the slot's lock is taken */
void login_wait_turn(struct seat *seat);
void login_count_try(struct seat *seat, CK_RV rv);

/* all with the slot's lock held; @session is any open one of the backend's */
CK_RV login_enter(struct seat *seat, CK_SESSION_HANDLE session,
		  enum login login, const struct credentials *given);
void login_end(struct seat *seat, CK_SESSION_HANDLE session);
void login_settle(struct seat *seat, CK_SESSION_HANDLE session);
void login_pin_changed(struct slot *slot, unsigned char *pin, CK_ULONG length);

#endif /* TOKMUX_LOGIN_H */
