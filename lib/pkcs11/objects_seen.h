/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_OBJECTS_SEEN_H
#define TOKMUX_OBJECTS_SEEN_H

#include "asks.h"
#include "call.h"

/*
 * An object's handle: a caller's, where the backend's is wanted; and the other way
 * round, of an object that the caller knows.
 */
static inline CK_OBJECT_HANDLE call_handle(struct call *call,
					   CK_OBJECT_HANDLE given)
{
	return given <= OBJECT_PLAIN ? given :
	       objects_named(&call->seat->slot->objects, given);
}

static inline CK_OBJECT_HANDLE call_name(struct call *call,
					 CK_OBJECT_HANDLE handle)
{
	return handle <= OBJECT_PLAIN ? handle :
	       objects_name(&call->seat->slot->objects, handle);
}

/* What follows takes the backend's handles. */
CK_RV call_check_object(struct call *call, CK_OBJECT_HANDLE handle, CK_RV bad);
CK_RV call_check_key(struct call *call, CK_OBJECT_HANDLE handle, CK_RV bad,
		     unsigned long *needs_login);

/* The same, for a key that is used in this call only. */
static inline CK_RV call_check_key_now(struct call *call,
				       CK_OBJECT_HANDLE handle, CK_RV bad)
{
	unsigned long login;

	return call_check_key(call, handle, bad, &login);
}

CK_RV call_check_write(struct call *call, CK_OBJECT_HANDLE handle);
CK_RV call_check_change(struct call *call, CK_OBJECT_HANDLE handle,
			const CK_ATTRIBUTE *template, CK_ULONG count);
CK_RV call_check_template(struct call *call, CK_ATTRIBUTE *template,
			  CK_ULONG count);
CK_RV call_check_copy(struct call *call, CK_OBJECT_HANDLE handle,
		      CK_ATTRIBUTE *template, CK_ULONG count);
CK_RV call_created(struct call *call, CK_OBJECT_HANDLE *handle);
CK_RV call_find_init(struct call *call, CK_ATTRIBUTE *template,
		     CK_ULONG count);
CK_RV call_find(struct call *call, CK_OBJECT_HANDLE *list, CK_ULONG room,
		CK_ULONG *count);

#endif /* TOKMUX_OBJECTS_SEEN_H */
