/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_OPERATION_H
#define TOKMUX_OPERATION_H

#include "call.h"

/*
 * Operations. The frequent path is inline: most operations need no login, and with
 * most kinds of lease none is kept for an operation.
 */
CK_RV call_operation_check(struct call *call, enum operation operation);
CK_RV call_operation_settle(struct call *call);
void call_operation_needs_too(struct call *call, unsigned long login);
void call_operation_restored(struct call *call, bool encryption,
			     bool authentication, unsigned long needs_login);

/* An error that leaves an operation as it was. */
#define HARMLESS(rv) \
	((rv) == CKR_OK || (rv) == CKR_BUFFER_TOO_SMALL || \
	 (rv) == CKR_ARGUMENTS_BAD)

/* May an operation of this session have lost its login, or its lease? */
EACH_CALL bool call_operations_matter(const struct call *call)
{
	unsigned long needs = atomic_load_explicit(&call->session->needs,
						   memory_order_acquire);

	return call->seat->operations ||
	       (needs && needs != atomic_load_explicit(&call->seat->login_id,
						       memory_order_acquire));
}

/* Before an operation begins in a session. */
EACH_CALL CK_RV call_operation_ready(struct call *call)
{
	return call_operations_matter(call) ? call_operation_settle(call) :
					      CKR_OK;
}

/* Before an operation goes on. */
EACH_CALL CK_RV call_operation(struct call *call, enum operation operation)
{
	return call_operations_matter(call) ?
		       call_operation_check(call, operation) : CKR_OK;
}

/* The operation needs this login from now on; 0: none. */
EACH_CALL void call_operation_needs(struct call *call,
				    enum operation operation,
				    unsigned long login)
{
	struct session *session = call->session;

	atomic_store_explicit(&session->needs_login[operation], login,
			      memory_order_relaxed);
	if (login && login != atomic_load_explicit(&session->needs,
						   memory_order_relaxed))
		call_operation_needs_too(call, login);
}

/* The backend has begun an operation, or added a key to it. */
EACH_CALL void call_operation_started(struct call *call,
				      enum operation operation,
				      unsigned long needs_login)
{
	call_operation_needs(call, operation, needs_login);
	atomic_fetch_or(&call->session->active, 1u << operation);
	if (call->seat->operations)
		lease_keep(call->seat, &call->lease, &call->session->operating);
}

/* An operation with a key. */
EACH_CALL void call_operation_started_with(struct call *call,
					   enum operation operation,
					   CK_OBJECT_HANDLE key,
					   unsigned long needs_login)
{
	atomic_store_explicit(&call->session->keys[operation], key,
			      memory_order_relaxed);
	call_operation_started(call, operation, needs_login);
}

EACH_CALL void call_operation_ended(struct call *call,
				    enum operation operation)
{
	struct session *session = call->session;
	unsigned int bits = 1u << operation, were;

	if (atomic_load_explicit(&session->restored, memory_order_relaxed) & bits)
		bits |= atomic_exchange(&session->restored, 0);
	if (!call->seat->operations) {
		atomic_fetch_and(&session->active, ~bits);
		return;
	}
	were = atomic_fetch_and(&session->active, ~bits);
	if (were & bits && !(were & ~bits))
		lease_unkeep(call->seat, &session->operating);
}

CK_RV call_cancel(struct call *call, CK_FLAGS flags);
CK_RV call_cancel_one(struct call *call, enum operation operation);

#endif /* TOKMUX_OPERATION_H */
