// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * operation: what goes on in a session between an Init and its end (R11, R14)
 */
#include "operation.h"

/* With lease = operation: was the lease lost since the operation began? */
static bool interrupted(const struct call *call)
{
	return call->seat->operations &&
	       lease_lost(call->seat, &call->session->operating);
}

/* Is the login over that the operation's key needs? */
static bool revoked(const struct call *call, int operation)
{
	unsigned long needs = atomic_load_explicit(
		&call->session->needs_login[operation], memory_order_relaxed);

	if (needs == SESSION_NEEDS_OWN)
		return seat_login(call->seat) == LOGIN_NONE &&
		       atomic_load(&call->seat->slot->login) != LOGIN_NONE;
	return needs && needs != atomic_load_explicit(&call->seat->login_id,
						      memory_order_acquire);
}

/* Ends all operations of the session. */
static CK_RV call_renew(struct call *call)
{
	CK_RV rv = CANCEL_UNDOES(call_cancelled, call,
				 session_renew(call->session));

	if (rv != CKR_OK)
		return rv;
	session_need_no_login(call->session);
	atomic_store(&call->session->active, 0);
	atomic_store(&call->session->restored, 0);
	lease_unkeep(call->seat, &call->session->operating);
	call->handle = session_backend_handle(call->session);
	return CKR_OK;
}

/**
 * call_operation_settle() - before anything begins in a session
 * @call: the call
 *
 * An operation whose key needs a login that is over goes on in the backend if that
 * stayed logged in for other callers. It is ended here, because many backends have
 * one operation at a time in a session, of whatever kind.
 */
CK_RV call_operation_settle(struct call *call)
{
	bool any = false;
	int i;

	for (i = 0; i < OPERATIONS; i++)
		any |= revoked(call, i);
	if (!any && !interrupted(call))
		return CKR_OK;
	return call_renew(call);
}

/*
 * Before an operation goes on. It is over if the caller has logged out since, and
 * its key needs the login. It is over, and says CKR_DEVICE_ERROR once, if the lease
 * was lost, as another holder may have used the token.
 */
CK_RV call_operation_check(struct call *call, enum operation operation)
{
	CK_RV rv = CKR_OPERATION_NOT_INITIALIZED;

	if (interrupted(call) &&
	    atomic_load(&call->session->active) & 1u << operation)
		rv = CKR_DEVICE_ERROR;
	else if (!revoked(call, operation))
		return CKR_OK;
	call_operation_settle(call);
	return rv;
}

/*
 * The session has an operation that needs this login. Its other operations nearly
 * always need the same one, or none.
 */
void call_operation_needs_too(struct call *call, unsigned long login)
{
	unsigned long needs = 0;

	if (!atomic_compare_exchange_strong(&call->session->needs, &needs,
					    login) && needs != login)
		atomic_store(&call->session->needs, SESSION_NEEDS_SEVERAL);
}

/**
 * call_operation_restored() - C_SetOperationState has restored a state
 * @call: the call
 * @encryption: it was given a key to encrypt or decrypt
 * @authentication: it was given a key to sign or verify
 * @needs_login: the login that the operations may need
 *
 * Only the backend knows which operations a state holds: a digest, or either of the
 * two that a key is for. All of these count as going on. The first that ends ends
 * them all.
 */
void call_operation_restored(struct call *call, bool encryption,
			     bool authentication, unsigned long needs_login)
{
	unsigned int kinds = 1u << OPERATION_DIGEST;
	int i;

	if (encryption)
		kinds |= 1u << OPERATION_ENCRYPT | 1u << OPERATION_DECRYPT;
	if (authentication)
		kinds |= 1u << OPERATION_SIGN | 1u << OPERATION_VERIFY;
	for (i = 0; i < OPERATIONS; i++)
		if (kinds & 1u << i)
			call_operation_started(call, i, needs_login);
	atomic_store(&call->session->restored, kinds);
}

/* ---- ending operations: C_SessionCancel ---------------------------------- */

static const struct {
	CK_FLAGS flag;
	enum operation operation;
} cancel_flags[] = {
	{ CKF_FIND_OBJECTS,	OPERATION_FIND },
	{ CKF_ENCRYPT,		OPERATION_ENCRYPT },
	{ CKF_DECRYPT,		OPERATION_DECRYPT },
	{ CKF_DIGEST,		OPERATION_DIGEST },
	{ CKF_SIGN,		OPERATION_SIGN },
	{ CKF_SIGN_RECOVER,	OPERATION_SIGN_RECOVER },
	{ CKF_VERIFY,		OPERATION_VERIFY },
	{ CKF_VERIFY,		OPERATION_VERIFY_SIGNATURE },
	{ CKF_VERIFY_RECOVER,	OPERATION_VERIFY_RECOVER },
	{ CKF_MESSAGE_ENCRYPT,	OPERATION_MESSAGE_ENCRYPT },
	{ CKF_MESSAGE_DECRYPT,	OPERATION_MESSAGE_DECRYPT },
	{ CKF_MESSAGE_SIGN,	OPERATION_MESSAGE_SIGN },
	{ CKF_MESSAGE_VERIFY,	OPERATION_MESSAGE_VERIFY },
};

#define CANCEL_FLAGS	(sizeof(cancel_flags) / sizeof(*cancel_flags))

/*
 * For a backend of 2.40, which has no C_SessionCancel. A search is ended by
 * C_FindObjectsFinal. Other operations end with the backend's session, which is done
 * only if no operation goes on in it that the caller wants to keep.
 */
static CK_RV cancel_without_backend(struct call *call, unsigned int wanted)
{
	unsigned int active = atomic_load(&call->session->active);
	CK_RV rv;

	if (active & wanted & 1u << OPERATION_FIND) {
		rv = CALL(call, C_FindObjectsFinal);
		if (rv != CKR_OK)
			return CKR_OPERATION_CANCEL_FAILED;
		call_operation_ended(call, OPERATION_FIND);
		active &= ~(1u << OPERATION_FIND);
	}
	if (!(active & wanted))
		return CKR_OK;
	if (active & ~wanted || call_renew(call) != CKR_OK)
		return CKR_OPERATION_CANCEL_FAILED;
	return CKR_OK;
}

/**
 * call_cancel() - C_SessionCancel
 * @call: the call
 * @flags: CKF_FIND_OBJECTS, CKF_SIGN…: the operations to end, if they are going on
 */
CK_RV call_cancel(struct call *call, CK_FLAGS flags)
{
	unsigned int wanted = 0;
	CK_RV rv;
	size_t i;

	for (i = 0; i < CANCEL_FLAGS; i++)
		if (flags & cancel_flags[i].flag)
			wanted |= 1u << cancel_flags[i].operation;
	rv = CALL(call, C_SessionCancel, flags);
	if (rv == CKR_FUNCTION_NOT_SUPPORTED)
		rv = cancel_without_backend(call, wanted);
	for (i = 0; rv == CKR_OK && i < OPERATIONS; i++)
		if (wanted & 1u << i)
			call_operation_ended(call, i);
	return rv;
}

/* C_SignInit and its like without a mechanism end their operation. */
CK_RV call_cancel_one(struct call *call, enum operation operation)
{
	size_t i;

	if (!(atomic_load(&call->session->active) & 1u << operation))
		return CKR_ARGUMENTS_BAD;
	for (i = 0; cancel_flags[i].operation != operation; i++)
		;
	return call_cancel(call, cancel_flags[i].flag);
}
