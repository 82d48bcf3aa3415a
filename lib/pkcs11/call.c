// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * call: into a session or a slot with a lease, and out again (R14)
 */
#include "call.h"
#include "log.h"
#include "login.h"
#include "module.h"
#include "token.h"
#include "users.h"

/* ---- in and out of a session --------------------------------------------- */

/* What the call needs to end otherwise than most do. */
static void fill_in(struct call *call)
{
	if (!call->plain)
		return;
	call->plain = false;
	call->log.since_ns = 0;
}

/* The same, of one that has its turn. */
static void fill_in_turn(struct call *call)
{
	if (call->plain)
		call->lease = (struct lease){ .shared = true };
	fill_in(call);
}

/* The session can't be used: logs @rv, and returns it for call_begin_as(). */
static CK_RV refuse(struct call *call, CK_RV rv)
{
	struct session *session = call->session;
	unsigned int caller = NOBODY;

	if (session) {
		caller = session->seat->caller;
		/* A token that is gone is news for its slot, an ejected session isn't. */
		if (rv == CKR_DEVICE_REMOVED)
			token_hear(session->seat, rv);
		session_put(session);
	}
	return log_call_end(&call->log, caller, call->given, rv);
}

/* The call has a lease, and its session has been ejected. */
CK_RV call_ejected(struct call *call)
{
	fill_in_turn(call);
	lease_give(call->seat, &call->lease);
	return refuse(call, CKR_SESSION_HANDLE_INVALID);
}

/*
 * A login that is over for its caller, and not for the backend yet, ends there before
 * anything else is done: it is lent to nobody (R12, R13). Where the backend refuses, a
 * user's login still lets no caller in: what is private is checked here, for each call.
 * A security officer's rights can't be checked here, so the call is refused.
 */
static CK_RV settle(struct call *call)
{
	struct slot *slot = call->seat->slot;
	CK_RV rv;

	rv = backend_turn(slot->backend, &slot->turn);
	if (rv != CKR_OK)
		return rv;
	rv = login_settle(call->seat, session_backend_handle(call->session),
			  &call->lease);
	if (atomic_load(&slot->login) == LOGIN_USER && rv != CKR_DEVICE_REMOVED)
		rv = CKR_OK;
	turn_give(&slot->turn);
	return rv;
}

static __attribute__((noinline)) CK_RV settle_and_enter(struct call *call)
{
	CK_RV rv;
	int cancel;

	if (login_waits(call->seat->slot) &&
	    !session_ejected(call->session, call->seat)) {
		cancel = cancel_off();
		rv = settle(call);
		cancel_on(cancel);
		if (rv != CKR_OK) {
			lease_give(call->seat, &call->lease);
			return refuse(call, rv);
		}
	}
	return call_enter(call, call->session, call->seat);
}

static __attribute__((noinline)) CK_RV wait_and_enter(struct call *call)
{
	CK_RV rv = CANCEL_UNDOES(call_cancelled, call,
				 lease_wait(call->seat, &call->lease,
					    call->seat->mode));

	return rv == CKR_OK ? settle_and_enter(call) : refuse(call, rv);
}

/* The lease takes more than a turn that is free. */
CK_RV call_wait(struct call *call)
{
	fill_in(call);
	if (!lease_at_once(call->seat, &call->lease, call->seat->mode))
		return wait_and_enter(call);
	if (login_waits(call->seat->slot))
		return settle_and_enter(call);
	return call_enter(call, call->session, call->seat);
}

/* There is no such session. */
CK_RV call_missing(struct call *call)
{
	fill_in(call);
	return refuse(call, session_missing());
}

CK_RV call_begin_logged(struct call *call, CK_SESSION_HANDLE handle,
			const char *function)
{
	log_call_begin(&call->log, function);
	return call_come(call, handle, false);
}

/*
 * Another thread of the caller may have closed the session meanwhile, and with it the
 * login that the backend needed for this call. Many backends have no better word for
 * that than that they failed (R15).
 */
static CK_RV ended_meanwhile(const struct call *call, CK_RV rv)
{
	struct seat *seat = call->seat;
	bool left;

	if ((rv != CKR_GENERAL_ERROR && rv != CKR_FUNCTION_FAILED &&
	     rv != CKR_DEVICE_ERROR) || atomic_load(&call->session->handle))
		return rv;
	pthread_mutex_lock(&seat->slot->lock);
	left = seat->abandoned && !atomic_load(&seat->gone);
	pthread_mutex_unlock(&seat->slot->lock);
	return left ? CKR_CRYPTOKI_NOT_INITIALIZED : CKR_SESSION_CLOSED;
}

/* For call_end(), where it is more than a turn and a reference to give back. */
CK_RV call_end_slow(struct call *call, CK_RV rv)
{
	unsigned int caller = call->seat->caller;

	fill_in_turn(call);
	lease_give(call->seat, &call->lease);
	if (rv != CKR_OK) {
		token_hear(call->seat, rv);
		rv = ended_meanwhile(call, rv);
	}
	session_put(call->session);
	return log_call_end(&call->log, caller, call->given, rv);
}

/* The thread was cancelled while it waited for the lease, or within the backend. */
void call_cancelled(void *of)
{
	struct call *call = of;

	fill_in_turn(call);
	lease_give(call->seat, &call->lease);
	if (call->session) {
		session_put(call->session);
		return;
	}
	seat_put(call->seat);
	users_put();
}

/* ---- in and out of a slot ------------------------------------------------ */

/*
 * The same for a function that is told a slot. It has no session, and so no caller:
 * its lease is taken for a seat that belongs to no caller, unless a seat of the slot
 * keeps a lease that covers the call.
 */
CK_RV call_begin_slot_as(struct call *call, CK_SLOT_ID id, const char *function)
{
	struct slot *slot;
	CK_RV rv;

	log_call_begin(&call->log, function);
	rv = users_get();
	if (rv != CKR_OK)
		goto err;
	rv = CKR_SLOT_ID_INVALID;
	slot = module_slot(id);
	if (!slot)
		goto err_module;

	rv = CKR_OK;
	call->session = NULL;
	call->plain = false;
	if (!lease_join_keeper(slot, &call->seat, &call->lease))
		rv = CANCEL_UNDOES(users_cancelled, NULL,
				   seat_get(slot, NOBODY, &call->seat));
	if (rv != CKR_OK)
		goto err_module;
	if (!lease_has(&call->lease))
		rv = CANCEL_UNDOES(call_cancelled, call,
				   lease_take(call->seat, &call->lease));
	if (rv != CKR_OK)
		goto err_seat;
	call->backend = slot->backend;
	call->handle = slot->backend_id;
	return CKR_OK;

err_seat:
	token_hear(call->seat, rv);
	seat_put(call->seat);
err_module:
	users_put();
err:
	return log_call_end(&call->log, NOBODY, 0, rv);
}

CK_RV call_end_slot(struct call *call, CK_RV rv)
{
	lease_give(call->seat, &call->lease);
	token_hear(call->seat, rv);
	seat_put(call->seat);
	users_put();
	return log_call_end(&call->log, NOBODY, 0, rv);
}
