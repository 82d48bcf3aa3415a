// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * entry: where callers come in, each by its own door (R9)
 *
 * Nearly every function is told a session, and a session knows its caller. The
 * seven that aren't are made here once for each caller there may be, so that a
 * caller's function list says who it is. No code is made at run time.
 */
#include "caller.h"
#include "tokmux-pkcs11.h"

static CK_RV list_of(unsigned int number, CK_FUNCTION_LIST_PTR_PTR list);

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
	CK_C_OpenSession open_session;
	CK_C_CloseAllSessions close_all_sessions;
	CK_C_InitToken init_token;
	CK_C_WaitForSlotEvent wait_for_slot_event;
};

#define DOORS(n) {							\
	initialize_##n, finalize_##n, get_function_list_##n,		\
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
static const CK_FUNCTION_LIST common = {
	.version = { 2, 40 },
	.C_GetInfo = C_GetInfo,
	.C_GetSlotList = C_GetSlotList,
	.C_GetSlotInfo = C_GetSlotInfo,
	.C_GetTokenInfo = C_GetTokenInfo,
	.C_GetMechanismList = C_GetMechanismList,
	.C_GetMechanismInfo = C_GetMechanismInfo,
	.C_InitPIN = C_InitPIN,
	.C_SetPIN = C_SetPIN,
	.C_CloseSession = C_CloseSession,
	.C_GetSessionInfo = C_GetSessionInfo,
	.C_GetOperationState = C_GetOperationState,
	.C_SetOperationState = C_SetOperationState,
	.C_Login = C_Login,
	.C_Logout = C_Logout,
	.C_CreateObject = C_CreateObject,
	.C_CopyObject = C_CopyObject,
	.C_DestroyObject = C_DestroyObject,
	.C_GetObjectSize = C_GetObjectSize,
	.C_GetAttributeValue = C_GetAttributeValue,
	.C_SetAttributeValue = C_SetAttributeValue,
	.C_FindObjectsInit = C_FindObjectsInit,
	.C_FindObjects = C_FindObjects,
	.C_FindObjectsFinal = C_FindObjectsFinal,
	.C_EncryptInit = C_EncryptInit,
	.C_Encrypt = C_Encrypt,
	.C_EncryptUpdate = C_EncryptUpdate,
	.C_EncryptFinal = C_EncryptFinal,
	.C_DecryptInit = C_DecryptInit,
	.C_Decrypt = C_Decrypt,
	.C_DecryptUpdate = C_DecryptUpdate,
	.C_DecryptFinal = C_DecryptFinal,
	.C_DigestInit = C_DigestInit,
	.C_Digest = C_Digest,
	.C_DigestUpdate = C_DigestUpdate,
	.C_DigestKey = C_DigestKey,
	.C_DigestFinal = C_DigestFinal,
	.C_SignInit = C_SignInit,
	.C_Sign = C_Sign,
	.C_SignUpdate = C_SignUpdate,
	.C_SignFinal = C_SignFinal,
	.C_SignRecoverInit = C_SignRecoverInit,
	.C_SignRecover = C_SignRecover,
	.C_VerifyInit = C_VerifyInit,
	.C_Verify = C_Verify,
	.C_VerifyUpdate = C_VerifyUpdate,
	.C_VerifyFinal = C_VerifyFinal,
	.C_VerifyRecoverInit = C_VerifyRecoverInit,
	.C_VerifyRecover = C_VerifyRecover,
	.C_DigestEncryptUpdate = C_DigestEncryptUpdate,
	.C_DecryptDigestUpdate = C_DecryptDigestUpdate,
	.C_SignEncryptUpdate = C_SignEncryptUpdate,
	.C_DecryptVerifyUpdate = C_DecryptVerifyUpdate,
	.C_GenerateKey = C_GenerateKey,
	.C_GenerateKeyPair = C_GenerateKeyPair,
	.C_WrapKey = C_WrapKey,
	.C_UnwrapKey = C_UnwrapKey,
	.C_DeriveKey = C_DeriveKey,
	.C_SeedRandom = C_SeedRandom,
	.C_GenerateRandom = C_GenerateRandom,
	.C_GetFunctionStatus = C_GetFunctionStatus,
	.C_CancelFunction = C_CancelFunction,
};

/* Filled in when a caller comes for the first time, and never changed again. */
static CK_FUNCTION_LIST lists[MAX_CALLERS];

/* With the pool's lock held. */
static void make_list(unsigned int number)
{
	CK_FUNCTION_LIST *list = &lists[number];

	if (list->C_Initialize)
		return;
	*list = common;
	list->C_Initialize = doors[number].initialize;
	list->C_Finalize = doors[number].finalize;
	list->C_GetFunctionList = doors[number].get_function_list;
	list->C_OpenSession = doors[number].open_session;
	list->C_CloseAllSessions = doors[number].close_all_sessions;
	list->C_InitToken = doors[number].init_token;
	list->C_WaitForSlotEvent = doors[number].wait_for_slot_event;
}

static CK_RV list_of(unsigned int number, CK_FUNCTION_LIST_PTR_PTR list)
{
	if (!list)
		return CKR_ARGUMENTS_BAD;
	*list = &lists[number];
	return CKR_OK;
}

/* ---- the common door ---------------------------------------------------------------- */

/*
 * Who comes in by name is known by where it returns to. Not to be inlined, and
 * with the answer taken first, so that this is really the caller.
 */
#define COMMON_DOOR(action) do {					\
	unsigned int number;						\
	CK_RV rv = caller_of(__builtin_return_address(0),		\
			     make_list, &number);			\
									\
	return rv == CKR_OK ? (action) : rv;				\
} while (0)

#define NOINLINE	__attribute__((noinline))

NOINLINE CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	COMMON_DOOR(list_of(number, list));
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
	rv = caller_new(make_list, &number);
	return rv == CKR_OK ? list_of(number, list) : rv;
}

CK_RV tokmux_pkcs11_free_caller(CK_FUNCTION_LIST_PTR list)
{
	if (list < lists || list >= lists + MAX_CALLERS)
		return CKR_ARGUMENTS_BAD;
	return caller_free((unsigned int)(list - lists));
}
