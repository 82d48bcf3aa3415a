/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_CALL_H
#define TOKMUX_CALL_H

#include "log.h"
#include "p11.h"
#include "session.h"

/*
 * One call into a backend: find the session, take the lease, call, give the
 * lease back, let go of the session. Between call_begin() and call_end() a
 * thread asks for no other lease.
 */
struct call {
	struct session *session;	/* NULL: about a slot */
	struct seat *seat;
	struct backend *backend;
	CK_ULONG handle;		/* the backend's session, or slot */
	struct lease lease;
	CK_SESSION_HANDLE given;	/* ours, as the caller gave it */
	struct log_call log;
};

/* In the function of PKCS#11 itself: its name is taken for the log. */
#define call_begin(call, handle)	call_begin_as(call, handle, __func__)
#define call_begin_slot(call, id)	call_begin_slot_as(call, id, __func__)

CK_RV call_begin_as(struct call *call, CK_SESSION_HANDLE handle,
		    const char *function);
CK_RV call_end(struct call *call, CK_RV rv);
CK_RV call_begin_slot_as(struct call *call, CK_SLOT_ID id,
			 const char *function);
CK_RV call_end_slot(struct call *call, CK_RV rv);

#define CALL(call, function, ...) \
	BACKEND((call)->backend, function, (call)->handle, ##__VA_ARGS__)

bool call_is_user(const struct call *call);

/* objects (R11) */
CK_RV call_check_object(struct call *call, CK_OBJECT_HANDLE handle, CK_RV bad);
CK_RV call_check_key(struct call *call, CK_OBJECT_HANDLE handle, CK_RV bad,
		     unsigned long *needs_login);
CK_RV call_check_write(struct call *call, CK_OBJECT_HANDLE handle);
CK_RV call_check_change(struct call *call, CK_OBJECT_HANDLE handle,
			const CK_ATTRIBUTE *template, CK_ULONG count);
CK_RV call_check_template(struct call *call, CK_ATTRIBUTE *template,
			  CK_ULONG count);
CK_RV call_check_copy(struct call *call, CK_OBJECT_HANDLE handle,
		      CK_ATTRIBUTE *template, CK_ULONG count);
CK_RV call_created(struct call *call, CK_OBJECT_HANDLE handle);
CK_RV call_find_init(struct call *call, CK_ATTRIBUTE *template,
		     CK_ULONG count);
CK_RV call_find(struct call *call, CK_OBJECT_HANDLE *list, CK_ULONG room,
		CK_ULONG *count);

/* keys that a mechanism names (mechanism.c) */
CK_RV call_check_mechanism(struct call *call, CK_MECHANISM *mechanism);

/*
 * Operations. Inline where there is little to do: most need no login, and with
 * most kinds of lease none is kept for them.
 */
CK_RV call_operation_check(struct call *call, enum operation operation);
CK_RV call_operation_settle(struct call *call);
void call_operation_needs_too(struct call *call, unsigned long login);
void call_operation_restored(struct call *call, bool encryption,
			     bool authentication, unsigned long needs_login);

/* May an operation here have lost its login, or its lease? */
static inline bool call_operations_matter(const struct call *call)
{
	unsigned long needs = atomic_load_explicit(&call->session->needs,
						   memory_order_acquire);

	return call->seat->operations ||
	       (needs && needs != atomic_load_explicit(&call->seat->login_id,
						       memory_order_acquire));
}

/* Before anything begins in a session. */
static inline CK_RV call_operation_ready(struct call *call)
{
	return call_operations_matter(call) ? call_operation_settle(call) :
					      CKR_OK;
}

/* Before one goes on. */
static inline CK_RV call_operation(struct call *call, enum operation operation)
{
	return call_operations_matter(call) ?
		       call_operation_check(call, operation) : CKR_OK;
}

/* From now on it needs that login, 0 for none. */
static inline void call_operation_needs(struct call *call,
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

/* The backend has begun one, or added a key to it. */
static inline void call_operation_started(struct call *call,
					  enum operation operation,
					  unsigned long needs_login)
{
	call_operation_needs(call, operation, needs_login);
	atomic_fetch_or(&call->session->active, 1u << operation);
	if (call->seat->operations)
		lease_keep(call->seat, &call->lease, &call->session->operating);
}

static inline void call_operation_ended(struct call *call,
					enum operation operation)
{
	struct session *session = call->session;
	unsigned int bits = 1u << operation, were;

	if (atomic_load_explicit(&session->restored, memory_order_relaxed) & bits)
		bits |= atomic_exchange(&session->restored, 0);
	were = atomic_fetch_and(&session->active, ~bits);
	if (were & bits && !(were & ~bits) && call->seat->operations)
		lease_unkeep(call->seat, &call->session->operating);
}

CK_RV call_cancel(struct call *call, CK_FLAGS flags);
CK_RV call_cancel_one(struct call *call, enum operation operation);

#endif /* TOKMUX_CALL_H */
