/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_TOKEN_H
#define TOKMUX_TOKEN_H

#include "lease.h"
#include "seat.h"

/* with a lease of the seat's */
CK_RV token_check(struct seat *seat, struct lease *lease);

/* all without the slot's lock */
void token_look_after(struct slot *slot);
void token_renamed(struct slot *slot);
void token_begins_anew(struct slot *slot);
bool token_is_another(const struct seat *seat, const CK_TOKEN_INFO *info);
void token_hear_error(struct seat *seat, CK_RV rv);

/**
 * token_hear() - what a call's result says about the token
 * @seat: of the caller; the call's lease has been given back
 * @rv: the result
 */
static inline void token_hear(struct seat *seat, CK_RV rv)
{
	if (rv != CKR_OK)
		token_hear_error(seat, rv);
}

#endif /* TOKMUX_TOKEN_H */
