// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * call: the short path of every call, and what is checked on it (R11, R13, R14)
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "log.h"
#include "module.h"

/* ---- in and out of a session ------------------------------------------------- */

/* It begins no call: what call_begin_as() returns then. */
static CK_RV refuse(struct call *call, CK_RV rv)
{
	struct session *session = call->session;
	unsigned int caller = NOBODY;

	if (session) {
		caller = session->seat->number;
		/* Closed as far as we are concerned is nothing to wonder at. */
		if (rv == CKR_DEVICE_REMOVED)
			slot_hear(session->seat, rv, false);
		session_put(session);
	}
	return log_call_end(&call->log, caller, call->given, rv);
}

/* With a lease. */
static inline CK_RV enter(struct call *call)
{
	struct session *session = call->session;

	if (session_ejected(session)) {
		lease_give(call->seat, &call->lease);
		return refuse(call, CKR_SESSION_HANDLE_INVALID);
	}
	call->backend = call->seat->slot->backend;
	call->handle = atomic_load_explicit(&session->backend_handle,
					    memory_order_relaxed);
	return CKR_OK;
}

static __attribute__((noinline)) CK_RV wait_and_enter(struct call *call)
{
	CK_RV rv = lease_wait(call->seat, &call->lease, call->seat->mode);

	return rv == CKR_OK ? enter(call) : refuse(call, rv);
}

static inline CK_RV begin(struct call *call, CK_SESSION_HANDLE handle)
{
	call->given = handle;
	call->session = session_find(handle);
	if (!call->session)
		return refuse(call, session_missing());
	call->seat = call->session->seat;
	if (!lease_share(call->seat, &call->lease))
		return wait_and_enter(call);
	return enter(call);
}

static __attribute__((noinline)) CK_RV
begin_logged(struct call *call, CK_SESSION_HANDLE handle, const char *function)
{
	log_call_begin(&call->log, function);
	return begin(call, handle);
}

/**
 * call_begin_as() - from a session's handle to the backend's door
 * @call: out: valid until call_end()
 * @handle: ours
 * @function: what it is for, see call_begin()
 *
 * What is refused has been logged: there is no call_end() to it. All that most
 * calls don't need is out of line, here and in call_end(): it would cost them
 * half as much again to keep registers for it.
 */
CK_RV call_begin_as(struct call *call, CK_SESSION_HANDLE handle,
		    const char *function)
{
	if (log_wants(LOG_CALLS))
		return begin_logged(call, handle, function);
	call->log.since_ns = 0;
	return begin(call, handle);
}

static __attribute__((noinline)) CK_RV end(struct call *call, CK_RV rv)
{
	unsigned int caller = call->seat->number;

	lease_give(call->seat, &call->lease);
	slot_hear(call->seat, rv, false);
	session_put(call->session);
	return log_call_end(&call->log, caller, call->given, rv);
}

CK_RV call_end(struct call *call, CK_RV rv)
{
	if (rv != CKR_OK || call->log.since_ns || !call->lease.shared)
		return end(call, rv);
	arbiter_queue_unshare(call->seat->shares);
	session_put(call->session);
	return CKR_OK;
}

/* ---- about a slot ------------------------------------------------------------ */

/* The same for what is asked about a slot, by nobody in particular. */
CK_RV call_begin_slot_as(struct call *call, CK_SLOT_ID id, const char *function)
{
	struct slot *slot;
	CK_RV rv;

	log_call_begin(&call->log, function);
	rv = module_get();
	if (rv != CKR_OK)
		goto err;
	rv = CKR_SLOT_ID_INVALID;
	slot = module_slot(id);
	if (!slot)
		goto err_module;

	pthread_mutex_lock(&slot->lock);
	if (lease_join_keeper(slot, &call->seat, &call->lease)) {
		call->seat->references++;
		rv = CKR_OK;
	} else {
		rv = seat_get(slot, NULL, &call->seat);
	}
	pthread_mutex_unlock(&slot->lock);
	if (rv != CKR_OK)
		goto err_module;
	if (!lease_has(&call->lease))
		rv = lease_take(call->seat, &call->lease);
	if (rv != CKR_OK)
		goto err_seat;
	call->session = NULL;
	call->backend = slot->backend;
	call->handle = slot->backend_id;
	return CKR_OK;

err_seat:
	pthread_mutex_lock(&slot->lock);
	slot_hear(call->seat, rv, true);
	seat_put(call->seat);
	pthread_mutex_unlock(&slot->lock);
err_module:
	module_put();
err:
	return log_call_end(&call->log, NOBODY, 0, rv);
}

CK_RV call_end_slot(struct call *call, CK_RV rv)
{
	struct slot *slot = call->seat->slot;

	lease_give(call->seat, &call->lease);
	pthread_mutex_lock(&slot->lock);
	slot_hear(call->seat, rv, true);
	seat_put(call->seat);
	pthread_mutex_unlock(&slot->lock);
	module_put();
	return log_call_end(&call->log, NOBODY, 0, rv);
}

bool call_is_user(const struct call *call)
{
	return atomic_load(&call->seat->login) == LOGIN_USER;
}

/* Return: the login by which this caller has private objects; 0: it has none. */
static unsigned long user_login(const struct call *call)
{
	/* In this order: if it changes meanwhile, it is one that is over. */
	unsigned long login = atomic_load(&call->seat->login_id);

	return call_is_user(call) ? login : 0;
}

/* ---- objects that are there ------------------------------------------------ */

/* A private one is known for as long as the login lasts that it was given to. */
static bool find_object(struct call *call, CK_OBJECT_HANDLE handle,
			struct object *object)
{
	return objects_find(&call->seat->objects, handle, object) &&
	       (!(object->flags & OBJECT_PRIVATE) ||
		object->login == atomic_load(&call->seat->login_id));
}

/**
 * call_check_object() - may this caller name this object?
 * @call: the call
 * @handle: the backend's, as the caller gave it
 * @bad: what the function at hand says of a bad handle
 */
CK_RV call_check_object(struct call *call, CK_OBJECT_HANDLE handle, CK_RV bad)
{
	struct object object;

	return find_object(call, handle, &object) ? CKR_OK : bad;
}

/**
 * call_check_key() - may this caller use this key?
 * @call: the call
 * @handle: the key
 * @bad: what the function at hand says of a bad handle
 * @needs_login: out: the login without which it may not; 0 if it needs none
 *
 * A token's private key needs the PIN even where it isn't CKA_PRIVATE, on a
 * token that has one: else another caller's login would do (R12).
 */
CK_RV call_check_key(struct call *call, CK_OBJECT_HANDLE handle, CK_RV bad,
		     unsigned long *needs_login)
{
	unsigned long login = atomic_load(&call->seat->login_id);
	struct object object;

	*needs_login = 0;
	if (!find_object(call, handle, &object))
		return bad;
	if (object.flags & OBJECT_PRIVATE ||
	    (object.flags & OBJECT_KEY && !(object.flags & OBJECT_SESSION) &&
	     call->seat->slot->token_flags & CKF_LOGIN_REQUIRED)) {
		if (!login)
			return CKR_USER_NOT_LOGGED_IN;
		*needs_login = login;
	}
	return CKR_OK;
}

/* Token objects are written in read/write sessions only. */
CK_RV call_check_write(struct call *call, CK_OBJECT_HANDLE handle)
{
	struct object object;

	if (!find_object(call, handle, &object))
		return CKR_OBJECT_HANDLE_INVALID;
	if (!(object.flags & OBJECT_SESSION) && !session_writes(call->session))
		return CKR_SESSION_READ_ONLY;
	return CKR_OK;
}

/*
 * A change of what is recorded here, whether it is private or on the token, is
 * what C_CopyObject is for, as PKCS#11 has it.
 */
CK_RV call_check_change(struct call *call, CK_OBJECT_HANDLE handle,
			const CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_ULONG i;

	for (i = 0; template && i < count; i++)
		if (template[i].type == CKA_TOKEN ||
		    template[i].type == CKA_PRIVATE)
			return CKR_ATTRIBUTE_READ_ONLY;
	return call_check_write(call, handle);
}

/* ---- objects that are being made --------------------------------------------- */

/*
 * Out: what a template says, if it does. It may say so once: of two, nobody knows
 * which one the backend goes by.
 */
static CK_RV template_says(const CK_ATTRIBUTE *template, CK_ULONG count,
			   CK_ATTRIBUTE_TYPE type, bool *value)
{
	bool said = false;
	CK_ULONG i;

	for (i = 0; template && i < count; i++) {
		if (template[i].type != type)
			continue;
		if (said)
			return CKR_TEMPLATE_INCONSISTENT;
		if (!template[i].pValue ||
		    template[i].ulValueLen != sizeof(CK_BBOOL))
			return CKR_ATTRIBUTE_VALUE_INVALID;
		*value = *(CK_BBOOL *)template[i].pValue;
		said = true;
	}
	return CKR_OK;
}

/*
 * A backend's session is read/write and may be logged in: this caller's may not.
 * @token, @private: what the object will be if the template doesn't say
 */
static CK_RV check_making(struct call *call, const CK_ATTRIBUTE *template,
			  CK_ULONG count, bool token, bool private)
{
	CK_RV rv;

	rv = template_says(template, count, CKA_TOKEN, &token);
	if (rv == CKR_OK)
		rv = template_says(template, count, CKA_PRIVATE, &private);
	if (rv != CKR_OK)
		return rv;
	if (token && !session_writes(call->session))
		return CKR_SESSION_READ_ONLY;
	if (private && !call_is_user(call))
		return CKR_USER_NOT_LOGGED_IN;
	return CKR_OK;
}

CK_RV call_check_template(struct call *call, CK_ATTRIBUTE *template,
			  CK_ULONG count)
{
	return check_making(call, template, count, false, false);
}

/*
 * A copy is what the original is, where the template doesn't say. A key that may
 * not be used may not be copied either: its copy would be the session's, and
 * need no login.
 */
CK_RV call_check_copy(struct call *call, CK_OBJECT_HANDLE handle,
		      CK_ATTRIBUTE *template, CK_ULONG count)
{
	struct object object;
	unsigned long login;
	CK_RV rv;

	rv = call_check_key(call, handle, CKR_OBJECT_HANDLE_INVALID, &login);
	if (rv != CKR_OK)
		return rv;
	if (!find_object(call, handle, &object))
		return CKR_OBJECT_HANDLE_INVALID;
	return check_making(call, template, count,
			    !(object.flags & OBJECT_SESSION),
			    object.flags & OBJECT_PRIVATE);
}

/*
 * What is it? An object that doesn't say whether it is private is so if it is a
 * secret; one that doesn't say whether it is on the token is.
 *
 * Return: false if there is no such object any more.
 */
static bool look_at(struct call *call, struct object *object)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_BBOOL private = CK_TRUE;
	CK_BBOOL token = CK_TRUE;
	CK_ATTRIBUTE attributes[] = {
		{ CKA_TOKEN, &token, sizeof(token) },
		{ CKA_PRIVATE, &private, sizeof(private) },
		{ CKA_CLASS, &class, sizeof(class) },
	};
	bool secret;
	CK_RV rv;

	rv = CALL(call, C_GetAttributeValue, object->handle, attributes, 3);
	if (rv != CKR_OK && rv != CKR_ATTRIBUTE_TYPE_INVALID &&
	    rv != CKR_ATTRIBUTE_SENSITIVE)
		return false;
	if (attributes[0].ulValueLen != sizeof(token))
		token = CK_TRUE;
	if (attributes[2].ulValueLen != sizeof(class))
		class = CKO_PRIVATE_KEY;
	secret = class == CKO_PRIVATE_KEY || class == CKO_SECRET_KEY;
	if (attributes[1].ulValueLen != sizeof(private))
		private = secret;

	object->flags = (private ? OBJECT_PRIVATE : 0) |
			(token ? 0 : OBJECT_SESSION) |
			(class == CKO_PRIVATE_KEY ? OBJECT_KEY : 0);
	return true;
}

/**
 * call_created() - the backend made an object: this caller's
 * @call: the call
 * @handle: the backend's
 *
 * Where no template says so, the backend may make it private all the same, and
 * OpenSC puts generated keys on the token whatever it says. One that this caller
 * may not have is destroyed again.
 */
CK_RV call_created(struct call *call, CK_OBJECT_HANDLE handle)
{
	struct object object = { .handle = handle };
	CK_RV rv;

	if (!look_at(call, &object))
		object.flags = OBJECT_PRIVATE | OBJECT_SESSION | OBJECT_KEY;
	rv = CKR_SESSION_READ_ONLY;
	if (!(object.flags & OBJECT_SESSION) && !session_writes(call->session))
		goto err;
	rv = CKR_USER_NOT_LOGGED_IN;
	if (object.flags & OBJECT_PRIVATE)
		object.login = user_login(call);
	if (object.flags & OBJECT_PRIVATE && !object.login)
		goto err;
	if (object.flags & OBJECT_SESSION) {
		object.owner = call->session;
		object.made_in = call->handle;
	}
	slot_forget_stale(call->seat->slot, &object, call->seat);
	rv = objects_add(&call->seat->objects, &object);
	if (rv != CKR_OK)
		goto err;
	/* A logout meanwhile destroys it, if it sees it already. */
	if (!object.owner || !object.login || object.login == user_login(call))
		return CKR_OK;
	rv = CKR_USER_NOT_LOGGED_IN;
	if (!objects_remove(&call->seat->objects, handle))
		return rv;

err:
	if (CALL(call, C_DestroyObject, handle) != CKR_OK)
		log_error("backend %s: an object that its maker may not have can't be destroyed",
			  call->backend->config->name);
	return rv;
}

/* ---- objects that are looked for ----------------------------------------------- */

/* A caller sees public ones, private ones if it is logged in, and its own. */
static bool may_see(struct call *call, CK_OBJECT_HANDLE handle, CK_RV *rv)
{
	struct object object;

	if (find_object(call, handle, &object))
		return true;
	object = (struct object){ .handle = handle };
	if (!look_at(call, &object) || object.flags & OBJECT_SESSION)
		return false;
	if (object.flags & OBJECT_PRIVATE)
		object.login = user_login(call);
	if (object.flags & OBJECT_PRIVATE && !object.login)
		return false;
	*rv = objects_add(&call->seat->objects, &object);
	return *rv == CKR_OK;
}

/*
 * CKA_PRIVATE is an attribute of all that is stored. What else can be asked for
 * by its class, and what a vendor has, may not have it.
 */
static bool stored(const CK_ATTRIBUTE *class)
{
	CK_OBJECT_CLASS value;

	if (!class->pValue || class->ulValueLen != sizeof(value))
		return false;
	memcpy(&value, class->pValue, sizeof(value));
	switch (value) {
	case CKO_DATA:
	case CKO_CERTIFICATE:
	case CKO_PUBLIC_KEY:
	case CKO_PRIVATE_KEY:
	case CKO_SECRET_KEY:
	case CKO_DOMAIN_PARAMETERS:
	case CKO_OTP_KEY:
		return true;
	default:
		return false;
	}
}

/* Would the backend find private objects that this caller isn't to see? */
static bool finds_too_much(struct call *call, const CK_ATTRIBUTE *template,
			   CK_ULONG count)
{
	CK_ULONG i;

	if (call_is_user(call) ||
	    atomic_load(&call->seat->slot->login) != LOGIN_USER ||
	    (count && !template))
		return false;
	for (i = 0; i < count; i++)
		if (template[i].type == CKA_PRIVATE ||
		    (template[i].type == CKA_CLASS && !stored(&template[i])))
			return false;
	return true;
}

/**
 * call_find_init() - C_FindObjectsInit, for what this caller may see
 *
 * A caller that isn't logged in finds what it would if the backend weren't: the
 * template says so, and the search stays the backend's. Where it says itself that
 * it looks for private ones, call_find() shows none.
 */
CK_RV call_find_init(struct call *call, CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_BBOOL no = CK_FALSE;
	CK_ATTRIBUTE *narrowed;
	CK_RV rv;

	if (!finds_too_much(call, template, count))
		return CALL(call, C_FindObjectsInit, template, count);
	narrowed = calloc(count + 1, sizeof(*narrowed));
	if (!narrowed)
		return CKR_HOST_MEMORY;
	if (count)
		memcpy(narrowed, template, count * sizeof(*narrowed));
	narrowed[count] = (CK_ATTRIBUTE){ CKA_PRIVATE, &no, sizeof(no) };
	rv = CALL(call, C_FindObjectsInit, narrowed, count + 1);
	free(narrowed);
	return rv;
}

/**
 * call_find() - C_FindObjects, for what this caller may see
 *
 * Goes on until there is one to show or there are no more: none means the end.
 */
CK_RV call_find(struct call *call, CK_OBJECT_HANDLE *list, CK_ULONG room,
		CK_ULONG *count)
{
	CK_OBJECT_HANDLE last = CK_INVALID_HANDLE;
	CK_ULONG found, shown = 0;
	CK_RV rv, failed = CKR_OK;
	CK_ULONG i;

	if (!list || !count || !room)
		return CALL(call, C_FindObjects, list, room, count);
	do {
		rv = CALL(call, C_FindObjects, list, room, &found);
		if (rv != CKR_OK)
			return rv;
		/* More than there is room for, or the same for ever? */
		if (found > room || (found && list[0] == last)) {
			log_error("backend %s: C_FindObjects returned nonsense",
				  call->backend->config->name);
			return CKR_DEVICE_ERROR;
		}
		if (found)
			last = list[0];
		for (i = 0; i < found && failed == CKR_OK; i++)
			if (may_see(call, list[i], &failed))
				list[shown++] = list[i];
		if (failed != CKR_OK)
			return failed;
	} while (found && !shown);
	*count = shown;
	return CKR_OK;
}

/* ---- operations -------------------------------------------------------------------- */

/* lease = operation: somebody else may have been there since it began. */
static bool interrupted(const struct call *call)
{
	return call->seat->operations &&
	       lease_lost(call->seat, &call->session->operating);
}

static bool revoked(const struct call *call, int operation)
{
	unsigned long needs = atomic_load_explicit(
		&call->session->needs_login[operation], memory_order_relaxed);

	return needs && needs != atomic_load_explicit(&call->seat->login_id,
						      memory_order_acquire);
}

/* Ends whatever is going on in the session. */
static CK_RV call_renew(struct call *call)
{
	CK_RV rv = session_renew(call->session);

	if (rv != CKR_OK)
		return rv;
	session_need_no_login(call->session);
	atomic_store(&call->session->active, 0);
	atomic_store(&call->session->restored, 0);
	lease_unkeep(call->seat, &call->session->operating);
	call->handle = atomic_load(&call->session->backend_handle);
	return CKR_OK;
}

/**
 * call_operation_settle() - before anything begins in a session
 * @call: the call
 *
 * An operation whose key went with the login is still going on in the backend,
 * if that stayed logged in for others: it is ended here. Many backends know one
 * operation at a time, of whatever kind.
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
 * Before one goes on: is its key still this caller's? Not after the logout. Did
 * nobody come between? CKR_DEVICE_ERROR, once, if the lease was taken.
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

/* Beside those that others of its operations do: nearly always the first. */
void call_operation_needs_too(struct call *call, unsigned long login)
{
	unsigned long needs = 0;

	if (!atomic_compare_exchange_strong(&call->session->needs, &needs,
					    login) && needs != login)
		atomic_store(&call->session->needs, SESSION_NEEDS_SEVERAL);
}

/**
 * call_operation_restored() - a state is in the session again
 * @call: the call
 * @encryption: with a key to encrypt or decrypt
 * @authentication: with a key to sign or verify
 * @needs_login: the login that it may need
 *
 * What the state holds the backend knows: one of the two that a key is for, a
 * digest without or beside one. All that it may be count as going on, and the
 * first that ends ends them all.
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

/* ---- ending operations: C_SessionCancel ------------------------------------------ */

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
 * For a backend of 2.40: a search has an end of its own, all else goes with the
 * backend's session, if no other operation would.
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
 * call_cancel() - C_SessionCancel, of which 2.40 has none
 * @call: the call
 * @flags: CKF_FIND_OBJECTS, CKF_SIGN…: what to end, if it is going on
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

/* An Init without a mechanism means this one. */
CK_RV call_cancel_one(struct call *call, enum operation operation)
{
	size_t i;

	if (!(atomic_load(&call->session->active) & 1u << operation))
		return CKR_ARGUMENTS_BAD;
	for (i = 0; cancel_flags[i].operation != operation; i++)
		;
	return call_cancel(call, cancel_flags[i].flag);
}
