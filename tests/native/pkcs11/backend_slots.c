// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SoftHSM2's tokens in readers: a slot 7 that a token can be put into and taken
 * out of, and a slot 9 that comes and goes as a whole.
 *
 * SoftHSM2's own slots never change. Here backend_insert(N) puts its Nth token
 * into slot 7, and taking it out closes its sessions, as PKCS#11 has it.
 * Handles count up from 1 for each token anew, as in a backend that reads them
 * from a card: so those of one token are those of the next.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <pkcs11/cryptoki.h>

#define READER		7
#define OTHER_READER	9
#define NONE		(-1)

void backend_insert(int token);
void backend_attach(bool other);

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST *real;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int inside = NONE;
static bool other_reader, event;
static CK_OBJECT_HANDLE handles[64];
static CK_ULONG handle_count;

static CK_RV real_slot(CK_SLOT_ID *id)
{
	CK_ULONG count = 8;
	CK_SLOT_ID slots[8];
	int token;

	if (*id == OTHER_READER && other_reader)
		return CKR_TOKEN_NOT_PRESENT;
	if (*id != READER)
		return CKR_SLOT_ID_INVALID;
	pthread_mutex_lock(&lock);
	token = inside;
	pthread_mutex_unlock(&lock);
	if (token == NONE)
		return CKR_TOKEN_NOT_PRESENT;
	if (real->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK ||
	    (CK_ULONG)token >= count)
		return CKR_DEVICE_ERROR;
	*id = slots[token];
	return CKR_OK;
}

/* ---- what a test does to it ----------------------------------------------- */

void backend_insert(int token)
{
	CK_SLOT_ID id = READER;

	if (real_slot(&id) == CKR_OK)
		real->C_CloseAllSessions(id);
	pthread_mutex_lock(&lock);
	inside = token;
	event = true;
	handle_count = 0;
	pthread_mutex_unlock(&lock);
}

void backend_attach(bool other)
{
	other_reader = other;
}

/* ---- slots ------------------------------------------------------------------ */

static CK_RV get_slot_list(unsigned char present, CK_SLOT_ID *ids,
			   CK_ULONG *count)
{
	CK_SLOT_ID all[2];
	CK_ULONG n = 0;

	if (!present || inside != NONE)
		all[n++] = READER;
	if (!present && other_reader)
		all[n++] = OTHER_READER;
	if (ids && *count < n)
		return CKR_BUFFER_TOO_SMALL;
	if (ids)
		memcpy(ids, all, n * sizeof(*ids));
	*count = n;
	return CKR_OK;
}

static CK_RV get_slot_info(CK_SLOT_ID id, CK_SLOT_INFO *info)
{
	if (id != READER && !(id == OTHER_READER && other_reader))
		return CKR_SLOT_ID_INVALID;
	memset(info, ' ', sizeof(*info));
	info->flags = CKF_REMOVABLE_DEVICE;
	if (id == READER && inside != NONE)
		info->flags |= CKF_TOKEN_PRESENT;
	return CKR_OK;
}

static CK_RV get_token_info(CK_SLOT_ID id, CK_TOKEN_INFO *info)
{
	CK_RV rv = real_slot(&id);

	return rv == CKR_OK ? real->C_GetTokenInfo(id, info) : rv;
}

static CK_RV open_session(CK_SLOT_ID id, CK_FLAGS flags, void *application,
			  CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
	CK_RV rv = real_slot(&id);

	return rv == CKR_OK ? real->C_OpenSession(id, flags, application,
						  notify, session) : rv;
}

static CK_RV wait_for_slot_event(CK_FLAGS flags, CK_SLOT_ID *id, void *reserved)
{
	bool had;

	pthread_mutex_lock(&lock);
	had = event;
	event = false;
	pthread_mutex_unlock(&lock);
	*id = READER;
	return had ? CKR_OK : CKR_NO_EVENT;
}

/* ---- objects ------------------------------------------------------------------ */

static CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *found,
			  CK_ULONG room, CK_ULONG *count)
{
	CK_RV rv = real->C_FindObjects(session, found, room, count);
	CK_ULONG i, j;

	pthread_mutex_lock(&lock);
	for (i = 0; rv == CKR_OK && i < *count; i++) {
		for (j = 0; j < handle_count && handles[j] != found[i]; j++)
			;
		if (j == handle_count && j < 64)
			handles[handle_count++] = found[i];
		found[i] = j + 1;
	}
	pthread_mutex_unlock(&lock);
	return rv;
}

static CK_RV get_attribute_value(CK_SESSION_HANDLE session,
				 CK_OBJECT_HANDLE object,
				 CK_ATTRIBUTE *template, CK_ULONG count)
{
	pthread_mutex_lock(&lock);
	object = object && object <= handle_count ? handles[object - 1] : 0;
	pthread_mutex_unlock(&lock);
	return real->C_GetAttributeValue(session, object, template, count);
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
	list.C_GetSlotList = get_slot_list;
	list.C_GetSlotInfo = get_slot_info;
	list.C_GetTokenInfo = get_token_info;
	list.C_OpenSession = open_session;
	list.C_WaitForSlotEvent = wait_for_slot_event;
	list.C_FindObjects = find_objects;
	list.C_GetAttributeValue = get_attribute_value;
	*out = &list;
	return CKR_OK;
}
