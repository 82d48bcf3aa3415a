/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_ASKS_H
#define TOKMUX_ASKS_H

#include "call.h"

CK_RV call_check_asks(const struct call *call, enum asks what);

/* The same for what few tokens ask a login for. */
static inline CK_RV call_check_asked(const struct call *call, enum asks what)
{
	return atomic_load_explicit(&call->seat->slot->asks_login[what],
				    memory_order_relaxed) ?
		       call_check_asks(call, what) : CKR_OK;
}

void call_asked(struct call *call, enum asks what);
void call_asked_object(struct call *call);
void call_asked_key(struct call *call, CK_OBJECT_HANDLE key);

/* The same, where an operation goes on. */
static inline void call_asked_operation(struct call *call,
					enum operation operation)
{
	call_asked_key(call, atomic_load(&call->session->keys[operation]));
}

#endif /* TOKMUX_ASKS_H */
