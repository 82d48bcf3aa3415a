// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * objects: the functions that make, look at, look for and destroy objects
 */
#include "forward.h"

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
