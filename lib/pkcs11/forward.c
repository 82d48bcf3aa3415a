// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * forward: the functions of 2.40 that a session or a slot is told to
 *
 * They are the same for all callers and stand in every caller's list. Most are
 * one line: the checks that apply, then the backend's function of that name.
 * What isn't as simple says why.
 */
#include <string.h>

#include "forward.h"
#include "login.h"
#include "module.h"

/* ---- slots and tokens ------------------------------------------------------------ */

CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *count)
{
	struct log_call log;
	CK_RV rv;

	log_call_begin(&log, __func__);
	rv = module_get();
	if (rv == CKR_OK) {
		rv = count ? module_find_slots(present, list, count) :
			     CKR_ARGUMENTS_BAD;
		module_put();
	}
	return log_call_end(&log, NOBODY, 0, rv);
}

/* About the reader, which may have no token in it: there is no lease to take. */
CK_RV C_GetSlotInfo(CK_SLOT_ID id, CK_SLOT_INFO *info)
{
	struct log_call log;
	struct slot *slot;
	CK_RV rv;

	log_call_begin(&log, __func__);
	rv = module_get();
	if (rv == CKR_OK) {
		slot = module_slot(id);
		rv = slot ? BACKEND(slot->backend, C_GetSlotInfo,
				    slot->backend_id, info) :
			    CKR_SLOT_ID_INVALID;
		module_put();
	}
	return log_call_end(&log, NOBODY, 0, rv);
}

/* Who asks often notices first that it is another one now. */
CK_RV C_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO *info)
{
	struct call call;
	CK_RV rv = call_begin_slot(&call, id);

	if (rv != CKR_OK)
		return rv;
	rv = CALL(&call, C_GetTokenInfo, info);
	if (rv == CKR_OK && slot_is_another(call.seat, info))
		slot_hear(call.seat, CKR_DEVICE_REMOVED, false);
	return call_end_slot(&call, rv);
}

CK_RV C_GetMechanismList(CK_SLOT_ID id, CK_MECHANISM_TYPE *list,
			 CK_ULONG *count)
{
	FORWARD_SLOT(id, C_GetMechanismList, list, count);
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID id, CK_MECHANISM_TYPE type,
			 CK_MECHANISM_INFO *info)
{
	FORWARD_SLOT(id, C_GetMechanismInfo, type, info);
}

/* ---- PINs and logins ---------------------------------------------------------------- */

/*
 * The functions below change who is logged in: they have a lease, then the
 * slot's turn.
 */
struct locked_session {
	struct session *session;
	struct seat *seat;
	struct slot *slot;
	CK_SESSION_HANDLE handle;	/* the backend's */
	CK_SESSION_HANDLE given;	/* ours */
	struct lease lease;
	bool turn;
	struct log_call log;
};

enum lock_how {
	LOCK_LEASE,		/* as the configuration says */
	LOCK_EXCLUSIVE,
	LOCK_AS_SO,		/* the same, refused at once to all others */
	LOCK_LOGGED_IN,		/* without a lease or turn if need be */
};

static CK_RV unlock_session(struct locked_session *locked, CK_RV rv)
{
	unsigned int caller = locked->seat->number;

	slot_hear(locked->seat, rv, false);
	if (locked->turn)
		turn_give(&locked->slot->turn);
	lease_give(locked->seat, &locked->lease);
	session_put(locked->session);
	return log_call_end(&locked->log, caller, locked->given, rv);
}

/* In the function of PKCS#11 itself: its name is taken for the log. */
#define lock_session(locked, handle, how) \
	lock_session_as(locked, handle, how, __func__)

static CK_RV lock_session_as(struct locked_session *locked,
			     CK_SESSION_HANDLE handle, enum lock_how how,
			     const char *function)
{
	unsigned int caller = NOBODY;
	enum login login;
	CK_RV rv;

	log_call_begin(&locked->log, function);
	rv = session_get(handle, &locked->session);
	if (rv != CKR_OK)
		goto err;
	locked->seat = locked->session->seat;
	locked->slot = locked->seat->slot;
	locked->given = handle;
	caller = locked->seat->number;

	rv = CKR_SESSION_HANDLE_INVALID;
	if (session_ejected(locked->session))
		goto err_session;
	rv = CKR_USER_NOT_LOGGED_IN;
	login = atomic_load(&locked->seat->login);
	if ((how == LOCK_AS_SO && login != LOGIN_SO) ||
	    (how == LOCK_LOGGED_IN && login == LOGIN_NONE))
		goto err_session;
	if (how == LOCK_EXCLUSIVE || how == LOCK_AS_SO)
		rv = lease_take_exclusive(locked->seat, &locked->lease);
	else
		rv = lease_take(locked->seat, &locked->lease);
	if (rv != CKR_OK && how != LOCK_LOGGED_IN)
		goto err_session;

	rv = backend_turn(locked->slot->backend, &locked->slot->turn);
	locked->turn = rv == CKR_OK;
	if (rv != CKR_OK && how != LOCK_LOGGED_IN)
		goto err_lease;
	locked->handle = atomic_load(&locked->session->backend_handle);
	/* Closed while we waited, or ejected. */
	if (atomic_load(&locked->session->handle) != handle ||
	    session_ejected(locked->session))
		return unlock_session(locked, CKR_SESSION_HANDLE_INVALID);
	return CKR_OK;

err_lease:
	lease_give(locked->seat, &locked->lease);
err_session:
	session_put(locked->session);
err:
	return log_call_end(&locked->log, caller, handle, rv);
}

/* Before a PIN is shown: wrong ones make their caller wait, without a lease. */
static void wait_turn(CK_SESSION_HANDLE handle)
{
	struct session *session;

	if (session_get(handle, &session) != CKR_OK)
		return;
	login_wait_turn(session->seat);
	session_put(session);
}

/* For one operation of a caller that is logged in: the token asks again. */
static CK_RV login_again(CK_SESSION_HANDLE session,
			 const struct credentials *given, const char *function)
{
	struct call call;
	CK_RV rv = call_begin_as(&call, session, function);

	if (rv != CKR_OK)
		return rv;
	rv = CKR_USER_NOT_LOGGED_IN;
	if (call_is_user(&call)) {
		rv = login_backend(call.backend, call.handle,
				   CKU_CONTEXT_SPECIFIC, given);
		login_count_try(call.seat, rv);
	}
	return call_end(&call, rv);
}

/* As USER or SO, after login_check(). */
static CK_RV login_first(CK_SESSION_HANDLE session, enum login login,
			 const struct credentials *given, const char *function)
{
	struct locked_session locked;
	CK_RV rv;

	rv = lock_session_as(&locked, session,
			     login == LOGIN_SO ? LOCK_EXCLUSIVE : LOCK_LEASE,
			     function);
	if (rv != CKR_OK)
		return rv;
	if (login == LOGIN_SO && module_config()->so_alone) {
		pthread_mutex_lock(&locked.slot->lock);
		if (slot_sessions(locked.slot, locked.seat))
			rv = CKR_SESSION_EXISTS;
		pthread_mutex_unlock(&locked.slot->lock);
	}
	if (rv == CKR_OK)
		rv = login_enter(locked.seat, locked.handle, &locked.lease,
				 login, given);
	return unlock_session(&locked, rv);
}

/*
 * What others' logins refuse is refused before the lease: a security officer's
 * is kept until that one logs out.
 */
static CK_RV login_as(CK_SESSION_HANDLE handle, CK_USER_TYPE type,
		      const struct credentials *given, const char *function)
{
	enum login login = type == CKU_SO ? LOGIN_SO : LOGIN_USER;
	unsigned int caller = NOBODY;
	struct session *session;
	struct log_call log;
	CK_RV rv;

	wait_turn(handle);
	if (type == CKU_CONTEXT_SPECIFIC)
		return login_again(handle, given, function);
	log_call_begin(&log, function);
	rv = session_get(handle, &session);
	if (rv != CKR_OK)
		return log_call_end(&log, caller, handle, rv);
	caller = session->seat->number;
	rv = CKR_USER_TYPE_INVALID;
	if (type == CKU_SO || type == CKU_USER)
		rv = login_check(session->seat, login);
	session_put(session);
	if (rv != CKR_OK)
		return log_call_end(&log, caller, handle, rv);
	return login_first(handle, login, given, function);
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE type, unsigned char *pin,
	      CK_ULONG length)
{
	struct credentials given = { .pin = pin, .length = length };

	return login_as(session, type, &given, __func__);
}

/* Without a name it is C_Login, which 2.40 has as well. */
CK_RV C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE type,
		  unsigned char *pin, CK_ULONG length, unsigned char *name,
		  CK_ULONG name_length)
{
	struct credentials given = {
		.pin = pin,
		.length = length,
		.name = name,
		.name_length = name ? name_length : 0,
	};

	if (!name && name_length)
		return CKR_ARGUMENTS_BAD;
	return login_as(session, type, &given, __func__);
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
	struct locked_session locked;
	struct left left = { 0 };
	CK_RV rv;

	rv = lock_session(&locked, session, LOCK_LOGGED_IN);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&locked.slot->lock);
	login_end(locked.seat, &left);
	pthread_mutex_unlock(&locked.slot->lock);
	login_tell(locked.seat, locked.handle, &locked.lease, locked.turn,
		   &left);
	return unlock_session(&locked, left.ended ? CKR_OK :
						    CKR_USER_NOT_LOGGED_IN);
}

CK_RV C_InitPIN(CK_SESSION_HANDLE session, unsigned char *pin, CK_ULONG length)
{
	struct locked_session locked;
	struct backend_lease lease;
	CK_RV rv;

	rv = lock_session(&locked, session, LOCK_AS_SO);
	if (rv != CKR_OK)
		return rv;
	if (atomic_load(&locked.seat->login) != LOGIN_SO)
		return unlock_session(&locked, CKR_USER_NOT_LOGGED_IN);
	backend_lease_take(locked.slot->backend, ARBITER_EXCLUSIVE, &lease);
	rv = BACKEND(locked.slot->backend, C_InitPIN, locked.handle, pin,
		     length);
	backend_lease_give(locked.slot->backend, &lease);
	login_pin_changed(locked.seat, NULL, 0);
	return unlock_session(&locked, rv);
}

/*
 * The backend changes the PIN of whoever it is logged in as, the user's if it
 * is nobody. While a security officer is logged in, that one is alone here; a
 * login that is over, but that the backend wasn't told of, counts for nobody.
 */
CK_RV C_SetPIN(CK_SESSION_HANDLE session, unsigned char *old_pin,
	       CK_ULONG old_length, unsigned char *new_pin, CK_ULONG new_length)
{
	struct locked_session locked;
	struct backend_lease lease;
	CK_RV rv;

	wait_turn(session);
	rv = lock_session(&locked, session, LOCK_EXCLUSIVE);
	if (rv != CKR_OK)
		return rv;
	if (!session_writes(locked.session))
		return unlock_session(&locked, CKR_SESSION_READ_ONLY);
	login_settle(locked.seat, locked.handle, &locked.lease);
	backend_lease_take(locked.slot->backend, ARBITER_EXCLUSIVE, &lease);
	rv = BACKEND(locked.slot->backend, C_SetPIN, locked.handle, old_pin,
		     old_length, new_pin, new_length);
	backend_lease_give(locked.slot->backend, &lease);
	lease_give(locked.seat, &locked.lease);
	login_count_try(locked.seat, rv);
	if (rv == CKR_OK)
		login_pin_changed(locked.seat, new_pin, new_length);
	return unlock_session(&locked, rv);
}

/* ---- sessions ------------------------------------------------------------------------ */

CK_RV C_CloseSession(CK_SESSION_HANDLE handle)
{
	unsigned int caller = NOBODY;
	struct session *session;
	struct log_call log;
	CK_RV rv;

	log_call_begin(&log, __func__);
	rv = session_get(handle, &session);
	if (rv == CKR_OK) {
		caller = session->seat->number;
		rv = session_close(session);
	}
	return log_call_end(&log, caller, handle, rv);
}

/* The state is this caller's, whatever the backend's session can do. */
static CK_STATE session_state(const struct call *call)
{
	bool writes = session_writes(call->session);

	switch ((enum login)atomic_load(&call->seat->login)) {
	case LOGIN_SO:
		return CKS_RW_SO_FUNCTIONS;
	case LOGIN_USER:
		return writes ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
	case LOGIN_NONE:
		break;
	}
	return writes ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = CALL(&call, C_GetSessionInfo, info);
	if (rv == CKR_OK) {
		info->slotID = call.seat->slot->id;
		info->flags = call.session->flags;
		info->state = session_state(&call);
	}
	return call_end(&call, rv);
}

CK_RV C_GetOperationState(CK_SESSION_HANDLE session, unsigned char *state,
			  CK_ULONG *length)
{
	FORWARD(session, C_GetOperationState, state, length);
}

/* The keys that a state goes on with, and the login that it needs then. */
static CK_RV check_state(struct call *call, CK_OBJECT_HANDLE encryption_key,
			 CK_OBJECT_HANDLE authentication_key)
{
	unsigned long login;
	CK_RV rv = CKR_OK;

	if (encryption_key)
		rv = call_check_key(call, encryption_key,
				    CKR_KEY_HANDLE_INVALID, &login);
	if (rv == CKR_OK && authentication_key)
		rv = call_check_key(call, authentication_key,
				    CKR_KEY_HANDLE_INVALID, &login);
	if (rv == CKR_OK && !encryption_key && !authentication_key &&
	    !call_is_user(call) && slot_logins(call->seat->slot))
		rv = CKR_SAVED_STATE_INVALID;
	return rv;
}

/*
 * A state may hold an operation with a key of an earlier login: restored by who
 * is not logged in, only the keys that are named could tell. What was going on
 * in the session ends here; a lost one would be taken for the one restored.
 */
CK_RV C_SetOperationState(CK_SESSION_HANDLE session, unsigned char *state,
			  CK_ULONG length, CK_OBJECT_HANDLE encryption_key,
			  CK_OBJECT_HANDLE authentication_key)
{
	unsigned long login;
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	login = atomic_load(&call.seat->login_id);
	rv = CHECKS(check_state(&call, encryption_key, authentication_key),
		    call_operation_ready(&call));
	if (rv == CKR_OK)
		rv = CALL(&call, C_SetOperationState, state, length,
			  encryption_key, authentication_key);
	if (rv == CKR_OK)
		call_operation_restored(&call, encryption_key,
					authentication_key, login);
	return call_end(&call, rv);
}

/* ---- objects --------------------------------------------------------------------------- */

CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
		     CK_ULONG count, CK_OBJECT_HANDLE *object)
{
	CREATE(session, call_check_template(&call, template, count), object,
	       C_CreateObject, template, count, object);
}

CK_RV C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE original,
		   CK_ATTRIBUTE *template, CK_ULONG count,
		   CK_OBJECT_HANDLE *object)
{
	CREATE(session, call_check_copy(&call, original, template, count),
	       object, C_CopyObject, original, template, count, object);
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = call_check_write(&call, object);
	if (rv == CKR_OK)
		rv = CALL(&call, C_DestroyObject, object);
	if (rv == CKR_OK)
		slot_forget_object(call.seat->slot, object);
	return call_end(&call, rv);
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
		      CK_ULONG *size)
{
	FORWARD_CHECKED(session,
			call_check_object(&call, object,
					  CKR_OBJECT_HANDLE_INVALID),
			C_GetObjectSize, object, size);
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
			  CK_ATTRIBUTE *template, CK_ULONG count)
{
	FORWARD_CHECKED(session,
			call_check_object(&call, object,
					  CKR_OBJECT_HANDLE_INVALID),
			C_GetAttributeValue, object, template, count);
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
			  CK_ATTRIBUTE *template, CK_ULONG count)
{
	FORWARD_CHECKED(session,
			call_check_change(&call, object, template, count),
			C_SetAttributeValue, object, template, count);
}

/* What the search finds is sorted out as it is told as well, see call_find(). */
CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
			CK_ULONG count)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = call_operation_ready(&call);
	if (rv == CKR_OK)
		rv = call_find_init(&call, template, count);
	if (rv == CKR_OK)
		call_operation_started(&call, OPERATION_FIND, 0);
	return call_end(&call, rv);
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list,
		    CK_ULONG room, CK_ULONG *count)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = call_operation(&call, OPERATION_FIND);
	if (rv == CKR_OK)
		rv = call_find(&call, list, room, count);
	return call_end(&call, rv);
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
	OPERATION_END(session, OPERATION_FIND, C_FindObjectsFinal);
}

/* ---- encrypting and decrypting ------------------------------------------------ */

/* C_EncryptInit … C_EncryptFinal, and the same for decrypting. */
#define CIPHER(name, kind)						\
CK_RV C_##name##Init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, \
		     CK_OBJECT_HANDLE key)				\
{									\
	OPERATION_INIT(session, kind, C_##name##Init, mechanism, key);	\
}									\
									\
CK_RV C_##name(CK_SESSION_HANDLE session, unsigned char *in,		\
	       CK_ULONG in_length, unsigned char *out,			\
	       CK_ULONG *out_length)					\
{									\
	OPERATION_LAST(session, kind, out, C_##name, in, in_length, out, \
		       out_length);					\
}									\
									\
CK_RV C_##name##Update(CK_SESSION_HANDLE session, unsigned char *in,	\
		       CK_ULONG in_length, unsigned char *out,		\
		       CK_ULONG *out_length)				\
{									\
	OPERATION_PART(session, kind, C_##name##Update, in, in_length,	\
		       out, out_length);				\
}									\
									\
CK_RV C_##name##Final(CK_SESSION_HANDLE session, unsigned char *out,	\
		      CK_ULONG *out_length)				\
{									\
	OPERATION_LAST(session, kind, out, C_##name##Final, out,	\
		       out_length);					\
}

CIPHER(Encrypt, OPERATION_ENCRYPT)
CIPHER(Decrypt, OPERATION_DECRYPT)

/* ---- digesting ------------------------------------------------------------- */

CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	if (!mechanism)
		return call_end(&call,
				call_cancel_one(&call, OPERATION_DIGEST));
	rv = CHECKS(call_check_mechanism(&call, mechanism),
		    call_operation_ready(&call));
	if (rv == CKR_OK)
		rv = CALL(&call, C_DigestInit, mechanism);
	if (rv == CKR_OK)
		call_operation_started(&call, OPERATION_DIGEST, 0);
	return call_end(&call, rv);
}

CK_RV C_Digest(CK_SESSION_HANDLE session, unsigned char *in, CK_ULONG in_length,
	       unsigned char *out, CK_ULONG *out_length)
{
	OPERATION_LAST(session, OPERATION_DIGEST, out, C_Digest, in, in_length,
		       out, out_length);
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE session, unsigned char *in,
		     CK_ULONG in_length)
{
	OPERATION_PART(session, OPERATION_DIGEST, C_DigestUpdate, in,
		       in_length);
}

/* From here on the digest is the key's as well. */
CK_RV C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	unsigned long login;
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = CHECKS(call_operation(&call, OPERATION_DIGEST),
		    call_check_key(&call, key, CKR_KEY_HANDLE_INVALID, &login));
	if (rv == CKR_OK) {
		rv = CALL(&call, C_DigestKey, key);
		if (!HARMLESS(rv))
			call_operation_ended(&call, OPERATION_DIGEST);
		else if (rv == CKR_OK && login)
			call_operation_started(&call, OPERATION_DIGEST, login);
	}
	return call_end(&call, rv);
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE session, unsigned char *out,
		    CK_ULONG *out_length)
{
	OPERATION_LAST(session, OPERATION_DIGEST, out, C_DigestFinal, out,
		       out_length);
}

/* ---- signing and verifying ---------------------------------------------------- */

/* C_SignInit and C_SignUpdate, and the same for verifying. */
#define SIGNATURE(name, kind)						\
CK_RV C_##name##Init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, \
		     CK_OBJECT_HANDLE key)				\
{									\
	OPERATION_INIT(session, kind, C_##name##Init, mechanism, key);	\
}									\
									\
CK_RV C_##name##Update(CK_SESSION_HANDLE session, unsigned char *in,	\
		       CK_ULONG in_length)				\
{									\
	OPERATION_PART(session, kind, C_##name##Update, in, in_length);	\
}

/* C_SignRecoverInit and C_SignRecover, and the same for verifying. */
#define RECOVER(name, kind)						\
CK_RV C_##name##Init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, \
		     CK_OBJECT_HANDLE key)				\
{									\
	OPERATION_INIT(session, kind, C_##name##Init, mechanism, key);	\
}									\
									\
CK_RV C_##name(CK_SESSION_HANDLE session, unsigned char *in,		\
	       CK_ULONG in_length, unsigned char *out,			\
	       CK_ULONG *out_length)					\
{									\
	OPERATION_LAST(session, kind, out, C_##name, in, in_length, out, \
		       out_length);					\
}

SIGNATURE(Sign, OPERATION_SIGN)
SIGNATURE(Verify, OPERATION_VERIFY)
RECOVER(SignRecover, OPERATION_SIGN_RECOVER)
RECOVER(VerifyRecover, OPERATION_VERIFY_RECOVER)

CK_RV C_Sign(CK_SESSION_HANDLE session, unsigned char *in, CK_ULONG in_length,
	     unsigned char *out, CK_ULONG *out_length)
{
	OPERATION_LAST(session, OPERATION_SIGN, out, C_Sign, in, in_length, out,
		       out_length);
}

CK_RV C_SignFinal(CK_SESSION_HANDLE session, unsigned char *out,
		  CK_ULONG *out_length)
{
	OPERATION_LAST(session, OPERATION_SIGN, out, C_SignFinal, out,
		       out_length);
}

CK_RV C_Verify(CK_SESSION_HANDLE session, unsigned char *in, CK_ULONG in_length,
	       unsigned char *signature, CK_ULONG signature_length)
{
	OPERATION_END(session, OPERATION_VERIFY, C_Verify, in, in_length,
		      signature, signature_length);
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE session, unsigned char *signature,
		    CK_ULONG signature_length)
{
	OPERATION_END(session, OPERATION_VERIFY, C_VerifyFinal, signature,
		      signature_length);
}

/* ---- two at once ----------------------------------------------------------- */

#define BOTH(name, kind1, kind2)					\
CK_RV C_##name(CK_SESSION_HANDLE session, unsigned char *in,		\
	       CK_ULONG in_length, unsigned char *out,			\
	       CK_ULONG *out_length)					\
{									\
	OPERATION_BOTH(session, kind1, kind2, C_##name, in, in_length,	\
		       out, out_length);				\
}

BOTH(DigestEncryptUpdate, OPERATION_DIGEST, OPERATION_ENCRYPT)
BOTH(DecryptDigestUpdate, OPERATION_DECRYPT, OPERATION_DIGEST)
BOTH(SignEncryptUpdate, OPERATION_SIGN, OPERATION_ENCRYPT)
BOTH(DecryptVerifyUpdate, OPERATION_DECRYPT, OPERATION_VERIFY)

/* ---- keys ----------------------------------------------------------------------------- */

CK_RV C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		    CK_ATTRIBUTE *template, CK_ULONG count,
		    CK_OBJECT_HANDLE *key)
{
	CREATE(session, CHECKS(call_check_mechanism(&call, mechanism),
			       call_check_template(&call, template, count)),
	       key, C_GenerateKey, mechanism, template, count, key);
}

/* Both halves or none. */
CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
			CK_ATTRIBUTE *public, CK_ULONG public_count,
			CK_ATTRIBUTE *private, CK_ULONG private_count,
			CK_OBJECT_HANDLE *public_key,
			CK_OBJECT_HANDLE *private_key)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	if (!public_key || !private_key)
		return call_end(&call, CKR_ARGUMENTS_BAD);
	rv = CHECKS(call_check_mechanism(&call, mechanism),
	     CHECKS(call_check_template(&call, public, public_count),
		    call_check_template(&call, private, private_count)));
	if (rv != CKR_OK)
		return call_end(&call, rv);
	rv = CALL(&call, C_GenerateKeyPair, mechanism, public, public_count,
		  private, private_count, public_key, private_key);
	if (rv != CKR_OK)
		return call_end(&call, rv);

	rv = call_created(&call, *private_key);
	if (rv != CKR_OK) {
		CALL(&call, C_DestroyObject, *public_key);
		return call_end(&call, rv);
	}
	rv = call_created(&call, *public_key);
	if (rv != CKR_OK) {
		CALL(&call, C_DestroyObject, *private_key);
		slot_forget_object(call.seat->slot, *private_key);
	}
	return call_end(&call, rv);
}

CK_RV C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key,
		unsigned char *wrapped, CK_ULONG *length)
{
	unsigned long login;

	FORWARD_CHECKED(session,
			CHECKS(call_check_mechanism(&call, mechanism),
			CHECKS(call_check_key(&call, wrapping_key,
					      CKR_WRAPPING_KEY_HANDLE_INVALID,
					      &login),
			       call_check_key(&call, key,
					      CKR_KEY_HANDLE_INVALID,
					      &login))),
			C_WrapKey, mechanism, wrapping_key, key, wrapped,
			length);
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		  CK_OBJECT_HANDLE unwrapping_key, unsigned char *wrapped,
		  CK_ULONG length, CK_ATTRIBUTE *template, CK_ULONG count,
		  CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE(session,
	       CHECKS(call_check_mechanism(&call, mechanism),
	       CHECKS(call_check_key(&call, unwrapping_key,
				     CKR_UNWRAPPING_KEY_HANDLE_INVALID,
				     &login),
		      call_check_template(&call, template, count))),
	       key, C_UnwrapKey, mechanism, unwrapping_key, wrapped, length,
	       template, count, key);
}

CK_RV C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		  CK_OBJECT_HANDLE base_key, CK_ATTRIBUTE *template,
		  CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE(session,
	       CHECKS(call_check_mechanism(&call, mechanism),
	       CHECKS(call_check_key(&call, base_key, CKR_KEY_HANDLE_INVALID,
				     &login),
		      call_check_template(&call, template, count))),
	       key, C_DeriveKey, mechanism, base_key, template, count, key);
}

/* ---- random numbers, and what 2.40 keeps for old times' sake -------------------------- */

CK_RV C_SeedRandom(CK_SESSION_HANDLE session, unsigned char *seed,
		   CK_ULONG length)
{
	FORWARD(session, C_SeedRandom, seed, length);
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, unsigned char *random,
		       CK_ULONG length)
{
	FORWARD(session, C_GenerateRandom, random, length);
}

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE session)
{
	return CKR_FUNCTION_NOT_PARALLEL;
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE session)
{
	return CKR_FUNCTION_NOT_PARALLEL;
}
