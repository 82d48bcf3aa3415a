// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A backend that does next to nothing, in a time that doesn't depend on how much
 * of anything there is: to see what tokmux-pkcs11.so does itself, and how its work
 * grows. It has TOKMUX_MOCK_SLOTS slots with a token each, and data objects. The
 * handle of a destroyed object is the next one's, as in many a card's module. The
 * first handle is above TOKMUX_MOCK_HANDLES: some modules have addresses there.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <pkcs11/cryptoki.h>

#define SESSIONS	20000
#define OBJECTS		200000

struct object {
	bool token, private;
	CK_SESSION_HANDLE session;	/* a session object's; else 0 */
	/* its list, or all that are free */
	CK_OBJECT_HANDLE next, prev;
	CK_OBJECT_HANDLE next_made, prev_made;
};

static struct session {
	bool open;
	CK_SLOT_ID slot;
	CK_FLAGS flags;
	CK_SESSION_HANDLE next_free;
	CK_OBJECT_HANDLE made, found;	/* its own; where its search is */
	bool token_done, token_only, public_only;
} sessions[SESSIONS + 1];

static struct object objects[OBJECTS + 1];
/* What is on the token, and what is not. */
static CK_OBJECT_HANDLE lists[2], free_object, made_objects;
static CK_SESSION_HANDLE free_session, made_sessions;
static CK_ULONG slots = 1;
static CK_ULONG handles;		/* added to those of objects */
static CK_ULONG privates;		/* session objects */
static CK_STATE logged_in;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static CK_RV initialize(void *args)
{
	const char *number = getenv("TOKMUX_MOCK_SLOTS");

	slots = number ? strtoul(number, NULL, 10) : 1;
	number = getenv("TOKMUX_MOCK_HANDLES");
	handles = number ? strtoul(number, NULL, 0) : 0;
	memset(sessions, 0, sizeof(sessions));
	memset(objects, 0, sizeof(objects));
	lists[0] = lists[1] = free_object = made_objects = 0;
	free_session = made_sessions = 0;
	privates = 0;
	logged_in = 0;
	return CKR_OK;
}

static CK_RV finalize(void *reserved)
{
	return CKR_OK;
}

/* ---- slots ------------------------------------------------------------------ */

static CK_RV get_slot_list(unsigned char present, CK_SLOT_ID *list,
			   CK_ULONG *count)
{
	CK_ULONG i, room = *count;

	*count = slots;
	if (!list)
		return CKR_OK;
	if (room < slots)
		return CKR_BUFFER_TOO_SMALL;
	for (i = 0; i < slots; i++)
		list[i] = i;
	return CKR_OK;
}

static CK_RV get_slot_info(CK_SLOT_ID id, CK_SLOT_INFO *info)
{
	memset(info, ' ', sizeof(*info));
	info->flags = CKF_TOKEN_PRESENT;
	return CKR_OK;
}

static CK_RV get_token_info(CK_SLOT_ID id, CK_TOKEN_INFO *info)
{
	char serial[sizeof(info->serialNumber) + 1];

	memset(info, ' ', sizeof(*info));
	snprintf(serial, sizeof(serial), "%016lx", id);
	memcpy(info->serialNumber, serial, sizeof(info->serialNumber));
	memcpy(info->model, "mock", 4);
	info->flags = CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED |
		      CKF_TOKEN_INITIALIZED;
	return CKR_OK;
}

static CK_RV wait_for_slot_event(CK_FLAGS flags, CK_SLOT_ID *id, void *reserved)
{
	return CKR_NO_EVENT;
}

/* ---- objects: with the lock ----------------------------------------------------- */

static void destroy(CK_OBJECT_HANDLE handle)
{
	struct object *object = &objects[handle];

	if (object->prev)
		objects[object->prev].next = object->next;
	else
		lists[!object->token] = object->next;
	if (object->next)
		objects[object->next].prev = object->prev;
	if (object->session) {
		if (object->prev_made)
			objects[object->prev_made].next_made =
				object->next_made;
		else
			sessions[object->session].made = object->next_made;
		if (object->next_made)
			objects[object->next_made].prev_made =
				object->prev_made;
	}
	privates -= object->private && object->session;
	*object = (struct object){ .next = free_object };
	free_object = handle;
}

static bool exists(CK_OBJECT_HANDLE handle)
{
	return handle && handle <= made_objects &&
	       (objects[handle].token || objects[handle].session);
}

/* ---- sessions --------------------------------------------------------------- */

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application,
			  CK_NOTIFY notify, CK_SESSION_HANDLE *handle)
{
	CK_RV rv = CKR_OK;

	pthread_mutex_lock(&lock);
	*handle = free_session;
	if (*handle)
		free_session = sessions[*handle].next_free;
	else if (made_sessions < SESSIONS)
		*handle = ++made_sessions;
	else
		rv = CKR_SESSION_COUNT;
	if (rv == CKR_OK)
		sessions[*handle] = (struct session){ .open = true,
						      .slot = slot,
						      .flags = flags };
	pthread_mutex_unlock(&lock);
	return rv;
}

static CK_RV close_session(CK_SESSION_HANDLE handle)
{
	pthread_mutex_lock(&lock);
	while (sessions[handle].made)
		destroy(sessions[handle].made);
	sessions[handle] = (struct session){ .next_free = free_session };
	free_session = handle;
	pthread_mutex_unlock(&lock);
	return CKR_OK;
}

static CK_RV get_session_info(CK_SESSION_HANDLE handle, CK_SESSION_INFO *info)
{
	if (handle > SESSIONS || !sessions[handle].open)
		return CKR_SESSION_HANDLE_INVALID;
	info->slotID = sessions[handle].slot;
	info->flags = sessions[handle].flags;
	info->state = logged_in;
	info->ulDeviceError = 0;
	return CKR_OK;
}

static CK_RV login(CK_SESSION_HANDLE handle, CK_USER_TYPE type,
		   unsigned char *pin, CK_ULONG length)
{
	if (logged_in)
		return CKR_USER_ALREADY_LOGGED_IN;
	if (length != 4 || memcmp(pin, "1234", 4))
		return CKR_PIN_INCORRECT;
	logged_in = CKS_RW_USER_FUNCTIONS;
	return CKR_OK;
}

static CK_RV logout(CK_SESSION_HANDLE handle)
{
	CK_OBJECT_HANDLE at, next;

	pthread_mutex_lock(&lock);
	for (at = lists[1]; at && privates; at = next) {
		next = objects[at].next;
		if (objects[at].private)
			destroy(at);
	}
	logged_in = 0;
	pthread_mutex_unlock(&lock);
	return CKR_OK;
}

/* ---- making, looking for and looking at objects ------------------------------------ */

static bool says(const CK_ATTRIBUTE *template, CK_ULONG count,
		 CK_ATTRIBUTE_TYPE type, bool value)
{
	CK_ULONG i;

	for (i = 0; i < count; i++)
		if (template[i].type == type &&
		    !*(CK_BBOOL *)template[i].pValue == !value)
			return true;
	return false;
}

static CK_RV create_object(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
			   CK_ULONG count, CK_OBJECT_HANDLE *handle)
{
	struct object *object;

	pthread_mutex_lock(&lock);
	*handle = free_object;
	if (*handle) {
		free_object = objects[*handle].next;
	} else if (made_objects < OBJECTS) {
		*handle = ++made_objects;
	} else {
		pthread_mutex_unlock(&lock);
		return CKR_DEVICE_MEMORY;
	}
	object = &objects[*handle];
	*object = (struct object){
		.token = says(template, count, CKA_TOKEN, true),
		.private = says(template, count, CKA_PRIVATE, true),
	};
	object->next = lists[!object->token];
	if (object->next)
		objects[object->next].prev = *handle;
	lists[!object->token] = *handle;
	if (!object->token) {
		object->session = session;
		privates += object->private;
		object->next_made = sessions[session].made;
		if (object->next_made)
			objects[object->next_made].prev_made = *handle;
		sessions[session].made = *handle;
	}
	*handle += handles;
	pthread_mutex_unlock(&lock);
	return CKR_OK;
}

static CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
	CK_RV rv = CKR_OBJECT_HANDLE_INVALID;

	handle -= handles;
	pthread_mutex_lock(&lock);
	if (exists(handle)) {
		destroy(handle);
		rv = CKR_OK;
	}
	pthread_mutex_unlock(&lock);
	return rv;
}

static CK_RV get_attribute_value(CK_SESSION_HANDLE session,
				 CK_OBJECT_HANDLE handle,
				 CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ULONG i;

	handle -= handles;
	if (!exists(handle))
		return CKR_OBJECT_HANDLE_INVALID;
	for (i = 0; i < count; i++) {
		if (template[i].type == CKA_CLASS)
			memcpy(template[i].pValue, &class, sizeof(class));
		else if (template[i].type == CKA_TOKEN)
			*(CK_BBOOL *)template[i].pValue = objects[handle].token;
		else if (template[i].type == CKA_PRIVATE)
			*(CK_BBOOL *)template[i].pValue =
				objects[handle].private;
	}
	return CKR_OK;
}

static CK_RV find_objects_init(CK_SESSION_HANDLE session,
			       CK_ATTRIBUTE *template, CK_ULONG count)
{
	sessions[session].found = lists[0];
	sessions[session].token_done = false;
	sessions[session].token_only = says(template, count, CKA_TOKEN, true);
	sessions[session].public_only = says(template, count, CKA_PRIVATE,
					     false);
	return CKR_OK;
}

static CK_RV find_objects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE *list,
			  CK_ULONG room, CK_ULONG *count)
{
	struct session *session = &sessions[handle];
	CK_OBJECT_HANDLE at;

	*count = 0;
	while (*count < room) {
		at = session->found;
		if (!at && (session->token_done || session->token_only))
			break;
		if (!at) {
			session->token_done = true;
			session->found = lists[1];
			continue;
		}
		session->found = objects[at].next;
		if ((session->public_only && objects[at].private) ||
		    (objects[at].private && !logged_in))
			continue;
		list[(*count)++] = at + handles;
	}
	return CKR_OK;
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		       CK_OBJECT_HANDLE key)
{
	return exists(key - handles) ? CKR_OK : CKR_KEY_HANDLE_INVALID;
}

static CK_RV find_objects_final(CK_SESSION_HANDLE session)
{
	return CKR_OK;
}

static void stop_pausing(void *pausing)
{
	pthread_mutex_unlock(pausing);
}

/*
 * Takes a while, and a thread may be cancelled meanwhile. The sanitizers see it leave a
 * wait for a condition, and not nanosleep().
 */
static CK_RV seed_random(CK_SESSION_HANDLE session, unsigned char *seed,
			 CK_ULONG length)
{
	static pthread_mutex_t pausing = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&pausing);
	pthread_cleanup_push(stop_pausing, &pausing);
	pthread_cond_timedwait(&never, &pausing, &until);
	pthread_cleanup_pop(1);
	return CKR_OK;
}

static CK_FUNCTION_LIST list = {
	.version = { 2, 40 },
	.C_Initialize = initialize,
	.C_Finalize = finalize,
	.C_GetSlotList = get_slot_list,
	.C_GetSlotInfo = get_slot_info,
	.C_GetTokenInfo = get_token_info,
	.C_WaitForSlotEvent = wait_for_slot_event,
	.C_OpenSession = open_session,
	.C_CloseSession = close_session,
	.C_GetSessionInfo = get_session_info,
	.C_Login = login,
	.C_Logout = logout,
	.C_CreateObject = create_object,
	.C_DestroyObject = destroy_object,
	.C_GetAttributeValue = get_attribute_value,
	.C_FindObjectsInit = find_objects_init,
	.C_FindObjects = find_objects,
	.C_FindObjectsFinal = find_objects_final,
	.C_SignInit = sign_init,
	.C_SeedRandom = seed_random,
};

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
	*out = &list;
	return CKR_OK;
}
