// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SoftHSM2 with what other backends do, each when a test asks for it, and a look
 * at what it is told:
 *
 * backend_ignores_token	keys are made on the token, whatever the template
 *				says, as OpenSC does
 * backend_sets_anything	C_SetAttributeValue takes any attribute
 * backend_made			is called when C_CreateObject has made one
 * backend_search		what the last search's template said of
 *				CKA_PRIVATE: 0, 1, or -1 for nothing
 * backend_between		what else was called in the session of a search, while
 *				that went on
 * backend_sessions		how many are open
 * backend_logs_out		is called by C_Logout, which fails with what it returns,
 *				and else logs out
 * backend_notify()		calls every callback that C_OpenSession was given
 *
 * C_SetOperationState succeeds and does nothing. C_GetMechanismList offers
 * CKM_ECMQV_DERIVE, too.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <pkcs11/cryptoki.h>

#define MAX_NOTIFIED	16

bool backend_ignores_token, backend_sets_anything;
void (*backend_made)(void);
CK_RV (*backend_logs_out)(void);
int backend_search = -1, backend_sessions, backend_between;
int backend_notify(CK_NOTIFICATION event);

static CK_SESSION_HANDLE searching;
static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST *real;
static struct {
	CK_SESSION_HANDLE session;
	CK_NOTIFY notify;
	void *application;
} notified[MAX_NOTIFIED];

/* ---- objects ---------------------------------------------------------------- */

/* A copy with CKA_TOKEN first, and no other. */
static CK_ATTRIBUTE *on_token(CK_ATTRIBUTE *template, CK_ULONG *count)
{
	static CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE *copy = calloc(*count + 1, sizeof(*copy));
	CK_ULONG i, n = 0;

	if (!copy)
		abort();
	copy[n++] = (CK_ATTRIBUTE){ CKA_TOKEN, &yes, 1 };
	for (i = 0; i < *count; i++)
		if (template[i].type != CKA_TOKEN)
			copy[n++] = template[i];
	*count = n;
	return copy;
}

static CK_RV generate_key_pair(CK_SESSION_HANDLE session,
			       CK_MECHANISM *mechanism, CK_ATTRIBUTE *public,
			       CK_ULONG public_count, CK_ATTRIBUTE *private,
			       CK_ULONG private_count,
			       CK_OBJECT_HANDLE *public_key,
			       CK_OBJECT_HANDLE *private_key)
{
	CK_RV rv;

	if (!backend_ignores_token)
		return real->C_GenerateKeyPair(session, mechanism, public,
					       public_count, private,
					       private_count, public_key,
					       private_key);
	public = on_token(public, &public_count);
	private = on_token(private, &private_count);
	rv = real->C_GenerateKeyPair(session, mechanism, public, public_count,
				     private, private_count, public_key,
				     private_key);
	free(public);
	free(private);
	return rv;
}

static CK_RV create_object(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
			   CK_ULONG count, CK_OBJECT_HANDLE *object)
{
	CK_RV rv = real->C_CreateObject(session, template, count, object);

	if (rv == CKR_OK && backend_made)
		backend_made();
	return rv;
}

static CK_RV set_attribute_value(CK_SESSION_HANDLE session,
				 CK_OBJECT_HANDLE object,
				 CK_ATTRIBUTE *template, CK_ULONG count)
{
	return backend_sets_anything ? CKR_OK :
				       real->C_SetAttributeValue(session, object,
								 template,
								 count);
}

static CK_RV find_objects_init(CK_SESSION_HANDLE session,
			       CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_ULONG i;

	backend_search = -1;
	for (i = 0; i < count; i++)
		if (template[i].type == CKA_PRIVATE)
			backend_search = *(CK_BBOOL *)template[i].pValue;
	searching = session;
	return real->C_FindObjectsInit(session, template, count);
}

static CK_RV find_objects_final(CK_SESSION_HANDLE session)
{
	searching = CK_INVALID_HANDLE;
	return real->C_FindObjectsFinal(session);
}

static CK_RV get_attribute_value(CK_SESSION_HANDLE session,
				 CK_OBJECT_HANDLE object,
				 CK_ATTRIBUTE *template, CK_ULONG count)
{
	/* Written only then: several threads may be here. */
	if (session == searching)
		backend_between++;
	return real->C_GetAttributeValue(session, object, template, count);
}

/* ---- sessions ----------------------------------------------------------------- */

static CK_RV open_session(CK_SLOT_ID id, CK_FLAGS flags, void *application,
			  CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
	CK_RV rv = real->C_OpenSession(id, flags, application, notify, session);
	size_t i;

	backend_sessions += rv == CKR_OK;
	for (i = 0; rv == CKR_OK && notify && i < MAX_NOTIFIED; i++) {
		if (notified[i].session)
			continue;
		notified[i].session = *session;
		notified[i].notify = notify;
		notified[i].application = application;
		break;
	}
	return rv;
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
	size_t i;

	backend_sessions--;

	for (i = 0; i < MAX_NOTIFIED; i++)
		if (notified[i].session == session)
			notified[i].session = 0;
	return real->C_CloseSession(session);
}

static CK_RV log_out(CK_SESSION_HANDLE session)
{
	CK_RV rv = backend_logs_out ? backend_logs_out() : CKR_OK;

	return rv == CKR_OK ? real->C_Logout(session) : rv;
}

/* SoftHSM2 has none; what goes on, goes on. */
static CK_RV set_operation_state(CK_SESSION_HANDLE session, CK_BYTE *state,
				 CK_ULONG length, CK_OBJECT_HANDLE encryption,
				 CK_OBJECT_HANDLE authentication)
{
	return CKR_OK;
}

static CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE *types,
				CK_ULONG *count)
{
	CK_ULONG room = *count;
	CK_RV rv;

	*count = room ? room - 1 : 0;
	rv = real->C_GetMechanismList(slot, types ? types + 1 : NULL, count);
	if (rv == CKR_OK && types)
		types[0] = CKM_ECMQV_DERIVE;
	++*count;
	return rv;
}

/* Return: how many said that the work should be cancelled. */
int backend_notify(CK_NOTIFICATION event)
{
	int cancelled = 0;
	size_t i;

	for (i = 0; i < MAX_NOTIFIED; i++)
		if (notified[i].session)
			cancelled += notified[i].notify(notified[i].session,
							event,
							notified[i].application)
				     == CKR_CANCEL;
	return cancelled;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
	void *object = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
	CK_C_GetFunctionList get;

	if (!object)
		return CKR_GENERAL_ERROR;
	get = (CK_C_GetFunctionList)dlsym(object, "C_GetFunctionList");
	if (!get || get(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	list = *real;
	list.C_GenerateKeyPair = generate_key_pair;
	list.C_CreateObject = create_object;
	list.C_Logout = log_out;
	list.C_SetAttributeValue = set_attribute_value;
	list.C_FindObjectsInit = find_objects_init;
	list.C_FindObjectsFinal = find_objects_final;
	list.C_GetAttributeValue = get_attribute_value;
	list.C_GetMechanismList = get_mechanism_list;
	list.C_SetOperationState = set_operation_state;
	list.C_OpenSession = open_session;
	list.C_CloseSession = close_session;
	*out = &list;
	return CKR_OK;
}
