/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_MECHANISM_H
#define TOKMUX_MECHANISM_H

#include "call.h"

bool mechanism_is_refused(CK_MECHANISM_TYPE type);
CK_RV call_check_mechanism(struct call *call, CK_MECHANISM *mechanism);

/* Keys that C_DeriveKey returns in a mechanism's parameters. */
struct returned {
	CK_OBJECT_HANDLE *set;		/* @count of them, and no other key */
	CK_DERIVED_KEY *more;		/* @count of them, besides the one key */
	CK_ULONG count;
};

CK_RV call_check_returned(struct call *call, const CK_MECHANISM *mechanism,
			  struct returned *returned);
CK_RV call_created_returned(struct call *call, const struct returned *returned);
void call_destroy_returned(struct call *call, const struct returned *returned);

#endif /* TOKMUX_MECHANISM_H */
