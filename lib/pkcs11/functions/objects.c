// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * objects: the functions that look for objects and destroy them
 *
 * The others of this chapter are rows of functions.def.
 */
#include "objects_seen.h"
#include "operation.h"

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	object = call_handle(&call, object);
	rv = call_check_write(&call, object);
	if (rv == CKR_OK)
		rv = CALL(&call, C_DestroyObject, object);
	if (rv == CKR_USER_NOT_LOGGED_IN)
		call_asked_object(&call);
	if (rv == CKR_OK)
		known_forget(&call.seat->known, object);
	return call_end(&call, rv);
}

/* C_FindObjects leaves out what the caller may not see: see call_find(). */
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
