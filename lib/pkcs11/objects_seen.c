// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * objects_seen: which objects a caller sees, uses, writes and makes (R11, R13)
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "objects_seen.h"

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
