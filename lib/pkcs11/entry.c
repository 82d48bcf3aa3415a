// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * entry: where callers come in, each by its own door (R9)
 *
 * Nearly every function is told a session, and a session knows its caller. The
 * nine that aren't are made here once for each caller there may be, so that a
 * caller's function lists say who it is. No code is made at run time.
 */
#include <string.h>

#include "caller.h"
#include "module.h"
#include "tokmux-pkcs11.h"

static CK_RV list_of(unsigned int number, CK_FUNCTION_LIST_PTR_PTR list);
static CK_RV interfaces_of(unsigned int number, CK_INTERFACE *interfaces,
			   CK_ULONG *count);
static CK_RV interface_of(unsigned int number, const CK_UTF8CHAR *name,
			  const CK_VERSION *version, CK_INTERFACE **interface,
			  CK_FLAGS flags);

/* ---- one door for each ---------------------------------------------------------- */

#define DOOR(n)								\
static CK_RV initialize_##n(CK_VOID_PTR args)				\
{									\
	return caller_initialize(n, args);				\
}									\
static CK_RV finalize_##n(CK_VOID_PTR reserved)				\
{									\
	return caller_finalize(n, reserved);				\
}									\
static CK_RV get_function_list_##n(CK_FUNCTION_LIST_PTR_PTR list)	\
{									\
	return list_of(n, list);					\
}									\
static CK_RV get_interface_list_##n(CK_INTERFACE *interfaces,		\
				    CK_ULONG *count)			\
{									\
	return interfaces_of(n, interfaces, count);			\
}									\
static CK_RV get_interface_##n(CK_UTF8CHAR *name, CK_VERSION *version,	\
			       CK_INTERFACE **interface, CK_FLAGS flags) \
{									\
	return interface_of(n, name, version, interface, flags);	\
}									\
static CK_RV open_session_##n(CK_SLOT_ID id, CK_FLAGS flags,		\
			      CK_VOID_PTR application, CK_NOTIFY notify, \
			      CK_SESSION_HANDLE_PTR handle)		\
{									\
	return caller_open_session(n, id, flags, application, notify,	\
				   handle);				\
}									\
static CK_RV close_all_sessions_##n(CK_SLOT_ID id)			\
{									\
	return caller_close_all_sessions(n, id);			\
}									\
static CK_RV init_token_##n(CK_SLOT_ID id, CK_UTF8CHAR_PTR pin,		\
			    CK_ULONG length, CK_UTF8CHAR_PTR label)	\
{									\
	return caller_init_token(n, id, pin, length, label);		\
}									\
static CK_RV wait_for_slot_event_##n(CK_FLAGS flags, CK_SLOT_ID_PTR id,	\
				     CK_VOID_PTR reserved)		\
{									\
	return caller_wait_for_slot_event(n, flags, id, reserved);	\
}

/* What is a caller's own. */
struct doors {
	CK_C_Initialize initialize;
	CK_C_Finalize finalize;
	CK_C_GetFunctionList get_function_list;
	CK_C_GetInterfaceList get_interface_list;
	CK_C_GetInterface get_interface;
	CK_C_OpenSession open_session;
	CK_C_CloseAllSessions close_all_sessions;
	CK_C_InitToken init_token;
	CK_C_WaitForSlotEvent wait_for_slot_event;
};

#define DOORS(n) {							\
	initialize_##n, finalize_##n, get_function_list_##n,		\
	get_interface_list_##n, get_interface_##n,			\
	open_session_##n, close_all_sessions_##n, init_token_##n,	\
	wait_for_slot_event_##n,					\
},

#define SIXTEEN(M, n)							\
	M(n##0) M(n##1) M(n##2) M(n##3) M(n##4) M(n##5) M(n##6) M(n##7)	\
	M(n##8) M(n##9) M(n##a) M(n##b) M(n##c) M(n##d) M(n##e) M(n##f)

#define ALL(M)								\
	SIXTEEN(M, 0x0) SIXTEEN(M, 0x1) SIXTEEN(M, 0x2) SIXTEEN(M, 0x3)	\
	SIXTEEN(M, 0x4) SIXTEEN(M, 0x5) SIXTEEN(M, 0x6) SIXTEEN(M, 0x7)	\
	SIXTEEN(M, 0x8) SIXTEEN(M, 0x9) SIXTEEN(M, 0xa) SIXTEEN(M, 0xb)	\
	SIXTEEN(M, 0xc) SIXTEEN(M, 0xd) SIXTEEN(M, 0xe) SIXTEEN(M, 0xf)

ALL(DOOR)

static const struct doors doors[] = { ALL(DOORS) };

_Static_assert(sizeof(doors) / sizeof(*doors) == MAX_CALLERS,
	       "doors for each caller");

/* What all lists have in common. */
#define MEMBER(function) .function = function,
static const CK_FUNCTION_LIST_3_2 common = {
	CK_FUNCTIONS_2_40(MEMBER)
	CK_FUNCTIONS_3_0(MEMBER)
	CK_FUNCTIONS_3_2(MEMBER)
};

_Static_assert(offsetof(CK_FUNCTION_LIST_3_2, C_WaitForSlotEvent) ==
	       offsetof(CK_FUNCTION_LIST, C_WaitForSlotEvent),
	       "every list begins as that of 2.40");

/* ---- a caller's lists ------------------------------------------------------- */

/*
 * One for each version of PKCS#11 that callers may ask for, whatever the
 * backends have: those aren't known before C_Initialize, and each slot may be
 * another's. Newest first, as C_GetInterface(NULL) takes the first.
 */
static const CK_VERSION versions[] = {
	{ 3, 2 }, { 3, 1 }, { 3, 0 }, { 2, 40 }
};

#define VERSIONS	(sizeof(versions) / sizeof(*versions))
#define LEGACY		(VERSIONS - 1)

/*
 * Filled in when a caller comes for the first time, and never changed again.
 * An older version's list is a newer one's beginning; 3.1 has 3.0's functions.
 */
static struct {
	CK_FUNCTION_LIST_3_2 lists[VERSIONS];
	CK_INTERFACE interfaces[VERSIONS];
} callers[MAX_CALLERS];

static CK_UTF8CHAR interface_name[] = "PKCS 11";

/* It says the version that the list has. */
static CK_RV get_info_3_2(CK_INFO *info)
{
	return module_info(&versions[0], info);
}

static CK_RV get_info_3_1(CK_INFO *info)
{
	return module_info(&versions[1], info);
}

static CK_RV get_info_3_0(CK_INFO *info)
{
	return module_info(&versions[2], info);
}

CK_RV C_GetInfo(CK_INFO *info)
{
	return module_info(&versions[LEGACY], info);
}

static const CK_C_GetInfo get_infos[VERSIONS] = {
	get_info_3_2, get_info_3_1, get_info_3_0, C_GetInfo
};

/* With the pool's lock held. */
static void make_lists(unsigned int number)
{
	const struct doors *own = &doors[number];
	CK_FUNCTION_LIST_3_2 *list;
	size_t i;

	if (callers[number].lists[0].C_Initialize)
		return;
	for (i = 0; i < VERSIONS; i++) {
		list = &callers[number].lists[i];
		*list = common;
		list->version = versions[i];
		list->C_GetInfo = get_infos[i];
		list->C_Initialize = own->initialize;
		list->C_Finalize = own->finalize;
		list->C_GetFunctionList = own->get_function_list;
		list->C_GetInterfaceList = own->get_interface_list;
		list->C_GetInterface = own->get_interface;
		list->C_OpenSession = own->open_session;
		list->C_CloseAllSessions = own->close_all_sessions;
		list->C_InitToken = own->init_token;
		list->C_WaitForSlotEvent = own->wait_for_slot_event;
		callers[number].interfaces[i].pInterfaceName = interface_name;
		callers[number].interfaces[i].pFunctionList = list;
	}
}

/* C_GetFunctionList is for callers that know 2.x only. */
static CK_RV list_of(unsigned int number, CK_FUNCTION_LIST_PTR_PTR list)
{
	if (!list)
		return CKR_ARGUMENTS_BAD;
	*list = (CK_FUNCTION_LIST *)&callers[number].lists[LEGACY];
	return CKR_OK;
}

static CK_RV interfaces_of(unsigned int number, CK_INTERFACE *interfaces,
			   CK_ULONG *count)
{
	CK_ULONG room;

	if (!count)
		return CKR_ARGUMENTS_BAD;
	room = *count;
	*count = VERSIONS;
	if (!interfaces)
		return CKR_OK;
	if (room < VERSIONS)
		return CKR_BUFFER_TOO_SMALL;
	memcpy(interfaces, callers[number].interfaces,
	       sizeof(callers[number].interfaces));
	return CKR_OK;
}

/*
 * No interface has CKF_INTERFACE_FORK_SAFE: what is the parent's isn't the
 * child's here (R10). One that isn't there is CKR_ARGUMENTS_BAD, as NSS has it.
 */
static CK_RV interface_of(unsigned int number, const CK_UTF8CHAR *name,
			  const CK_VERSION *version, CK_INTERFACE **interface,
			  CK_FLAGS flags)
{
	size_t i;

	if (!interface || flags ||
	    (name && strcmp((const char *)name, (char *)interface_name)))
		return CKR_ARGUMENTS_BAD;
	for (i = 0; i < VERSIONS; i++) {
		if (version && (version->major != versions[i].major ||
				version->minor != versions[i].minor))
			continue;
		*interface = &callers[number].interfaces[i];
		return CKR_OK;
	}
	return CKR_ARGUMENTS_BAD;
}

/* ---- the common door ---------------------------------------------------------------- */

/*
 * Who comes in by name is known by where it returns to. Not to be inlined, and
 * with the answer taken first, so that this is really the caller.
 */
#define COMMON_DOOR(action) do {					\
	unsigned int number;						\
	CK_RV rv = caller_of(__builtin_return_address(0),		\
			     make_lists, &number);			\
									\
	return rv == CKR_OK ? (action) : rv;				\
} while (0)

#define NOINLINE	__attribute__((noinline))

NOINLINE CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	COMMON_DOOR(list_of(number, list));
}

NOINLINE CK_RV C_GetInterfaceList(CK_INTERFACE *interfaces, CK_ULONG *count)
{
	COMMON_DOOR(interfaces_of(number, interfaces, count));
}

NOINLINE CK_RV C_GetInterface(CK_UTF8CHAR *name, CK_VERSION *version,
			      CK_INTERFACE **interface, CK_FLAGS flags)
{
	COMMON_DOOR(interface_of(number, name, version, interface, flags));
}

NOINLINE CK_RV C_Initialize(CK_VOID_PTR args)
{
	COMMON_DOOR(caller_initialize(number, args));
}

NOINLINE CK_RV C_Finalize(CK_VOID_PTR reserved)
{
	COMMON_DOOR(caller_finalize(number, reserved));
}

NOINLINE CK_RV C_OpenSession(CK_SLOT_ID id, CK_FLAGS flags,
			     CK_VOID_PTR application, CK_NOTIFY notify,
			     CK_SESSION_HANDLE_PTR handle)
{
	COMMON_DOOR(caller_open_session(number, id, flags, application, notify,
					handle));
}

NOINLINE CK_RV C_CloseAllSessions(CK_SLOT_ID id)
{
	COMMON_DOOR(caller_close_all_sessions(number, id));
}

NOINLINE CK_RV C_InitToken(CK_SLOT_ID id, CK_UTF8CHAR_PTR pin, CK_ULONG length,
			   CK_UTF8CHAR_PTR label)
{
	COMMON_DOOR(caller_init_token(number, id, pin, length, label));
}

NOINLINE CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR id,
				  CK_VOID_PTR reserved)
{
	COMMON_DOOR(caller_wait_for_slot_event(number, flags, id, reserved));
}

/* ---- by request ------------------------------------------------------------------------ */

CK_RV tokmux_pkcs11_new_caller(CK_FUNCTION_LIST_PTR_PTR list)
{
	unsigned int number;
	CK_RV rv;

	if (!list)
		return CKR_ARGUMENTS_BAD;
	rv = caller_new(make_lists, &number);
	return rv == CKR_OK ? list_of(number, list) : rv;
}

/* Return: whose list it is, MAX_CALLERS if nobody's. */
static unsigned int number_of(const CK_FUNCTION_LIST *list)
{
	unsigned int i;

	for (i = 0; i < MAX_CALLERS; i++)
		if (list == (CK_FUNCTION_LIST *)&callers[i].lists[LEGACY])
			break;
	return i;
}

CK_RV tokmux_pkcs11_free_caller(CK_FUNCTION_LIST_PTR list)
{
	unsigned int number = number_of(list);

	return number < MAX_CALLERS ? caller_free(number) : CKR_ARGUMENTS_BAD;
}

CK_RV tokmux_pkcs11_caller_interface(CK_FUNCTION_LIST_PTR list,
				     const CK_UTF8CHAR *name,
				     const CK_VERSION *version,
				     void *interface, CK_FLAGS flags)
{
	unsigned int number = number_of(list);

	if (number == MAX_CALLERS)
		return CKR_ARGUMENTS_BAD;
	return interface_of(number, name, version, interface, flags);
}
