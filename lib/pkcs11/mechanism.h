/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_MECHANISM_H
#define TOKMUX_MECHANISM_H

#include "call.h"

bool mechanism_is_refused(CK_MECHANISM_TYPE type);
CK_RV call_check_mechanism_slow(struct call *call, CK_MECHANISM *mechanism);

/**
 * call_check_mechanism() - may this caller use the keys in a mechanism's parameters?
 * @call: the call
 * @mechanism: as the caller gave it
 *
 * Inline, as most sessions use one mechanism again and again. That its parameters name
 * no key depends on its type alone.
 */
EACH_CALL CK_RV call_check_mechanism(struct call *call, CK_MECHANISM *mechanism)
{
	/* No order is needed: what is stored there is true of the type for good. */
	if (mechanism &&
	    mechanism->mechanism ==
		    atomic_load_explicit(&call->session->names_no_key,
					 memory_order_relaxed))
		return CKR_OK;
	return call_check_mechanism_slow(call, mechanism);
}

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
