// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * objects_seen: which objects a caller sees, uses, writes and makes (R11, R13)
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "objects_seen.h"

/* Return: the login that gives this caller private objects, 0 if it has none. */
static unsigned long user_login(const struct call *call)
{
	/* Read first: if the login changes meanwhile, this is one that is over. */
	unsigned long login = atomic_load(&call->seat->login_id);

	return call_is_user(call) ? login : 0;
}

/* ---- objects that exist -------------------------------------------------- */

/*
 * A caller knows a private object for as long as the login lasts in which it got
 * the object's handle.
 */
EACH_CALL bool find_object(struct call *call, CK_OBJECT_HANDLE handle,
			   struct object_view *object)
{
	return known_find(&call->seat->known, handle, object) &&
	       (!(object->flags & OBJECT_PRIVATE) ||
		object->login == atomic_load(&call->seat->login_id));
}

/**
 * call_check_object() - may this caller name this object?
 * @call: the call
 * @handle: the object's
 * @bad: the function's result for a bad handle
 */
CK_RV call_check_object(struct call *call, CK_OBJECT_HANDLE handle, CK_RV bad)
{
	struct object_view object;

	return find_object(call, handle, &object) ? CKR_OK : bad;
}

/* Nobody is logged in: a token that asked a login for this key may ask again. */
static bool asks_nobody(const struct call *call, const struct object_view *object)
{
	return !(object->flags & OBJECT_PRIVATE) &&
	       !call->backend->config->keys_need_login &&
	       atomic_load(&call->seat->slot->login) == LOGIN_NONE;
}

/**
 * call_check_key() - may this caller use this key?
 * @call: the call
 * @handle: the key's
 * @bad: the function's result for a bad handle
 * @needs_login: out: the login that the use of the key needs, 0 if it needs none;
 *	or SESSION_NEEDS_OWN
 *
 * With "key-login = all", on a token with a PIN, a private key of the token needs a
 * login even if it isn't CKA_PRIVATE. So does any key that the token asked a login for.
 */
CK_RV call_check_key(struct call *call, CK_OBJECT_HANDLE handle, CK_RV bad,
		     unsigned long *needs_login)
{
	unsigned long login = atomic_load(&call->seat->login_id);
	struct object_view object;

	*needs_login = 0;
	if (!find_object(call, handle, &object))
		return bad;
	if (object.flags & (OBJECT_PRIVATE | OBJECT_ASKS) ||
	    (call->backend->config->keys_need_login &&
	     object.flags & OBJECT_KEY && !(object.flags & OBJECT_SESSION) &&
	     call->seat->slot->token_flags & CKF_LOGIN_REQUIRED)) {
		*needs_login = login;
		if (!login && asks_nobody(call, &object))
			*needs_login = SESSION_NEEDS_OWN;
		if (!*needs_login)
			return CKR_USER_NOT_LOGGED_IN;
	}
	return CKR_OK;
}

/* May this caller change the object? One of the token takes a read/write session. */
CK_RV call_check_write(struct call *call, CK_OBJECT_HANDLE handle)
{
	struct object_view object;

	if (!find_object(call, handle, &object))
		return CKR_OBJECT_HANDLE_INVALID;
	if (object.flags & OBJECT_SESSION) {
		call->public = false;
		return CKR_OK;
	}
	if (!session_writes(call->session))
		return CKR_SESSION_READ_ONLY;
	call->token = true;
	call->public = !(object.flags & OBJECT_PRIVATE);
	return call_check_asks(call, ASKS_TOKEN_OBJECT);
}

/*
 * May this caller give an object these attributes? Only a security officer may say
 * that an object is trusted. The backend knows that unless it is logged in as one for
 * another caller.
 */
static CK_RV check_trust(const struct call *call, const CK_ATTRIBUTE *template,
			 CK_ULONG count)
{
	CK_ULONG i;

	if (atomic_load(&call->seat->slot->login) != LOGIN_SO ||
	    seat_login(call->seat) == LOGIN_SO)
		return CKR_OK;
	for (i = 0; template && i < count; i++)
		if (template[i].type == CKA_TRUSTED && template[i].pValue &&
		    template[i].ulValueLen == sizeof(CK_BBOOL) &&
		    *(CK_BBOOL *)template[i].pValue != CK_FALSE)
			return CKR_ATTRIBUTE_READ_ONLY;
	return CKR_OK;
}

/*
 * Whether an object is private, and whether it is the token's, is recorded here and
 * doesn't change. PKCS#11 has C_CopyObject for that.
 */
CK_RV call_check_change(struct call *call, CK_OBJECT_HANDLE handle,
			const CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_ULONG i;

	for (i = 0; template && i < count; i++)
		if (template[i].type == CKA_TOKEN ||
		    template[i].type == CKA_PRIVATE)
			return CKR_ATTRIBUTE_READ_ONLY;
	return CHECKS(check_trust(call, template, count),
		      call_check_write(call, handle));
}

/* ---- objects that are made ----------------------------------------------- */

/*
 * Gets a boolean attribute from a template; @value stays as it is if the template
 * doesn't have it. A template that has it twice is refused, as the backend may go by
 * either.
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
 * May this caller make such an object? The backend doesn't know: its session is
 * read/write and may be logged in, where the caller's isn't.
 * @token, @private: what the object will be if the template doesn't say
 */
static CK_RV check_making(struct call *call, const CK_ATTRIBUTE *template,
			  CK_ULONG count, bool token, bool private)
{
	bool perhaps_private = true;
	CK_RV rv;

	rv = template_says(template, count, CKA_TOKEN, &token);
	if (rv == CKR_OK)
		rv = template_says(template, count, CKA_PRIVATE, &private);
	if (rv == CKR_OK)
		rv = template_says(template, count, CKA_PRIVATE,
				   &perhaps_private);
	if (rv != CKR_OK)
		return rv;
	if (token && !session_writes(call->session))
		return CKR_SESSION_READ_ONLY;
	if (private && !call_is_user(call))
		return CKR_USER_NOT_LOGGED_IN;
	call->token = token;
	call->public = !perhaps_private;
	return CHECKS(call_check_asks(call, token ? ASKS_TOKEN_OBJECT :
						    ASKS_SESSION_OBJECT),
		      check_trust(call, template, count));
}

CK_RV call_check_template(struct call *call, CK_ATTRIBUTE *template,
			  CK_ULONG count)
{
	return check_making(call, template, count, false, false);
}

/*
 * A copy is like the original where the template doesn't say. A key that the caller
 * may not use may not be copied either: the copy would be a session object, which
 * can be used without a login.
 */
CK_RV call_check_copy(struct call *call, CK_OBJECT_HANDLE handle,
		      CK_ATTRIBUTE *template, CK_ULONG count)
{
	struct object_view object;
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
 * Asks the backend whether an object is private, a private key, and the token's. An
 * object without CKA_PRIVATE counts as private if it is a private or secret key. An
 * object without CKA_TOKEN counts as the token's.
 *
 * @session: the backend's
 *
 * Return: false if there is no such object any more.
 */
static bool look_at(struct call *call, CK_SESSION_HANDLE session,
		    struct object_view *object)
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

	rv = CALL_ON(call, session, C_GetAttributeValue, object->handle,
		     attributes, 3);
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
 * call_created() - the backend has made an object for this caller
 * @call: the call
 * @handle: in: the backend's; out: what the caller calls it
 *
 * The backend may make a private object where no template asks for one, and OpenSC
 * puts generated keys on the token whatever the template says. An object that this
 * caller may not have is destroyed again.
 */
CK_RV call_created(struct call *call, CK_OBJECT_HANDLE *handle)
{
	struct object_view object = { .handle = *handle };
	CK_RV rv;

	if (!look_at(call, call->handle, &object))
		object.flags = OBJECT_PRIVATE | OBJECT_SESSION | OBJECT_KEY;
	rv = CKR_SESSION_READ_ONLY;
	if (!(object.flags & OBJECT_SESSION) && !session_writes(call->session))
		goto err;
	rv = CKR_USER_NOT_LOGGED_IN;
	if (object.flags & OBJECT_PRIVATE)
		object.login = user_login(call);
	if (object.flags & OBJECT_PRIVATE && !object.login)
		goto err;
	rv = known_add(&call->seat->known, &object, &call->session->made,
		       call->handle);
	if (rv == CKR_OK) {
		*handle = call_name(call, *handle);
		return CKR_OK;
	}

err:
	if (CALL(call, C_DestroyObject, *handle) != CKR_OK)
		log_error("backend %s: an object that its maker may not have can't be destroyed",
			  call->backend->config->name);
	return rv;
}

/* ---- objects that are looked for ----------------------------------------- */

/*
 * Nothing of ours comes into the backend's session while the caller's search goes on
 * there: so objects are looked at in another one. If the token has no more sessions,
 * there is no other way than that one.
 */
static CK_SESSION_HANDLE session_beside(struct call *call,
					CK_SESSION_HANDLE *beside)
{
	CK_SLOT_ID slot = call->seat->slot->backend_id;
	CK_RV rv;

	if (*beside)
		return *beside;
	/* A read-only one isn't to be had while a security officer is logged in. */
	rv = CALL_ON(call, slot, C_OpenSession,
		     CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, beside);
	if (rv == CKR_TOKEN_WRITE_PROTECTED)
		rv = CALL_ON(call, slot, C_OpenSession, CKF_SERIAL_SESSION, NULL,
			     NULL, beside);
	if (rv != CKR_OK)
		*beside = CK_INVALID_HANDLE;
	return *beside ?: call->handle;
}

/*
 * A caller sees public objects of the token, its private ones while it is logged in,
 * and its own session objects.
 */
static bool may_see(struct call *call, CK_SESSION_HANDLE *beside,
		    CK_OBJECT_HANDLE handle, CK_RV *rv)
{
	struct object_view object;

	if (find_object(call, handle, &object))
		return true;
	if (objects_is_session_object(&call->seat->slot->objects, handle))
		return false;
	object = (struct object_view){ .handle = handle };
	if (!look_at(call, session_beside(call, beside), &object) ||
	    object.flags & OBJECT_SESSION)
		return false;
	if (object.flags & OBJECT_PRIVATE)
		object.login = user_login(call);
	if (object.flags & OBJECT_PRIVATE && !object.login)
		return false;
	*rv = known_add(&call->seat->known, &object, NULL, 0);
	if (*rv != CKR_USER_NOT_LOGGED_IN)
		return *rv == CKR_OK;
	/* The caller has just logged out. */
	*rv = CKR_OK;
	return false;
}

/*
 * Objects of these classes are stored, and have CKA_PRIVATE. Objects of other
 * classes, and of a vendor's, may not have it.
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

/*
 * Does a search leave open what an attribute's value is, among objects that have
 * it? @class: it has to say which class, too.
 */
static bool leaves_open(const CK_ATTRIBUTE *template, CK_ULONG count,
			CK_ATTRIBUTE_TYPE type, bool class)
{
	CK_ULONG i;

	if (count && !template)
		return false;
	for (i = 0; i < count; i++) {
		if (template[i].type == type ||
		    (template[i].type == CKA_CLASS && !stored(&template[i])))
			return false;
		class = class && template[i].type != CKA_CLASS;
	}
	return !class;
}

/* Would the backend find private objects that this caller may not see? */
static bool finds_private(struct call *call, const CK_ATTRIBUTE *template,
			  CK_ULONG count)
{
	return !call_is_user(call) &&
	       atomic_load(&call->seat->slot->login) == LOGIN_USER &&
	       leaves_open(template, count, CKA_PRIVATE, false);
}

/* Would it find session objects, and only those of other callers? */
static bool finds_others(struct call *call, const CK_ATTRIBUTE *template,
			 CK_ULONG count)
{
	return known_only_others_made(&call->seat->known) &&
	       leaves_open(template, count, CKA_TOKEN, true);
}

/**
 * call_find_init() - C_FindObjectsInit, for what this caller may see
 *
 * A caller that isn't logged in finds what it would find if the backend weren't
 * either: CKA_PRIVATE = false is added to its template. Where the template has
 * CKA_PRIVATE already, call_find() leaves out the private objects. In the same way
 * a caller that has no session objects finds what is on the token, without the
 * backend going through those of other callers (R11).
 */
CK_RV call_find_init(struct call *call, CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE added[2], *narrowed;
	CK_ULONG more = 0;
	CK_RV rv;

	if (finds_private(call, template, count))
		added[more++] = (CK_ATTRIBUTE){ CKA_PRIVATE, &no, sizeof(no) };
	if (finds_others(call, template, count))
		added[more++] = (CK_ATTRIBUTE){ CKA_TOKEN, &yes, sizeof(yes) };
	if (!more)
		return CALL(call, C_FindObjectsInit, template, count);
	narrowed = calloc(count + more, sizeof(*narrowed));
	if (!narrowed)
		return CKR_HOST_MEMORY;
	if (count)
		memcpy(narrowed, template, count * sizeof(*narrowed));
	memcpy(narrowed + count, added, more * sizeof(*added));
	rv = CALL(call, C_FindObjectsInit, narrowed, count + more);
	free(narrowed);
	return rv;
}

/*
 * An answer without objects ends a search, and to many programs one that is shorter
 * than they have room for does. So what is left out is made up for: the backend is asked
 * again until the room is full, or there are no more.
 * @found: how many the backend has put into @list
 */
static __attribute__((noinline)) CK_RV
find_seen(struct call *call, CK_OBJECT_HANDLE *list, CK_ULONG room,
	  CK_ULONG found, CK_ULONG *count)
{
	CK_SESSION_HANDLE beside = CK_INVALID_HANDLE;
	CK_OBJECT_HANDLE last = CK_INVALID_HANDLE, name;
	CK_ULONG seen, i, shown = 0;
	CK_RV rv = CKR_OK;

	while (found) {
		/* More than there is room for, or the same object for ever */
		if (found > room || *list == last) {
			log_error("backend %s: C_FindObjects returned nonsense",
				  call->backend->config->name);
			rv = CKR_DEVICE_ERROR;
			break;
		}
		last = *list;
		for (i = 0, seen = 0; i < found && rv == CKR_OK; i++) {
			if (!may_see(call, &beside, list[i], &rv))
				continue;
			name = call_name(call, list[i]);
			if (name)
				list[seen++] = name;
		}
		shown += seen;
		/* Nothing is left out, or what came was the backend's last. */
		if (rv != CKR_OK || seen == found || (shown && found < room))
			break;
		list += seen;
		room -= seen;
		rv = CALL(call, C_FindObjects, list, room, &found);
		if (rv != CKR_OK)
			break;
	}
	if (beside)
		CALL_ON(call, beside, C_CloseSession);
	if (rv == CKR_OK)
		*count = shown;
	return rv;
}

/**
 * call_find() - C_FindObjects, for what this caller may see
 *
 * Most searches find what the caller knows already.
 */
CK_RV call_find(struct call *call, CK_OBJECT_HANDLE *list, CK_ULONG room,
		CK_ULONG *count)
{
	struct object_view object;
	CK_ULONG found, i;
	CK_RV rv;

	if (!list || !count || !room)
		return CALL(call, C_FindObjects, list, room, count);
	rv = CALL(call, C_FindObjects, list, room, &found);
	if (rv != CKR_OK)
		return rv;
	for (i = 0; i < found; i++)
		if (found > room || list[i] > OBJECT_PLAIN ||
		    !find_object(call, list[i], &object))
			return find_seen(call, list, room, found, count);
	*count = found;
	return CKR_OK;
}
