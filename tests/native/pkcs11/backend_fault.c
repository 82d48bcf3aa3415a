// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SoftHSM2 with faults, for what no real backend does when asked to: it stands
 * in for a hung HSM, a crashing driver, a card that is pulled, a module that
 * returns nonsense, and a card that two processes talk to at once.
 *
 * $TOKMUX_FAULT, or backend_fault_set() in the same process, says which, as
 * FUNCTION=KIND with blanks between; FUNCTION may be "*":
 *
 *	C_Sign=fail:0x30	returns that
 *	C_Sign=hang		returns when hang is no longer asked for
 *	C_Sign=crash		writes to address 8
 *	C_FindObjects=number:7	works, then every number that it returns is 7
 *	C_Login=keys		the reader has keys, on which "1234" is typed where
 *				no PIN is given
 *	*=removed		the token is out of the reader
 *
 * backend_fault_calls counts the calls that came to a function with a fault.
 * Where $TOKMUX_FAULT_CARD names a file, C_Sign works as on a card: it is there
 * while a command is on its way, and a second one meanwhile is
 * CKR_DEVICE_ERROR.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <pkcs11/cryptoki.h>

enum kind {
	NOTHING,
	FAIL,
	HANG,
	CRASH,
	NUMBER,
	KEYS,
	REMOVED,
};

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST *real;

atomic_int backend_fault_calls;
void backend_fault_set(const char *spec);

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char spec[256];
} plan = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

void backend_fault_set(const char *spec)
{
	pthread_mutex_lock(&plan.lock);
	snprintf(plan.spec, sizeof(plan.spec), "%s", spec);
	pthread_cond_broadcast(&plan.changed);
	pthread_mutex_unlock(&plan.lock);
}

/* With the lock held. */
static enum kind look_up(const char *function, unsigned long *number)
{
	static const char *const kinds[] = {
		[FAIL] = "fail", [HANG] = "hang", [CRASH] = "crash",
		[NUMBER] = "number", [KEYS] = "keys", [REMOVED] = "removed",
	};
	char copy[sizeof(plan.spec)], *word, *rest, *kind, *value;
	size_t i;

	strcpy(copy, plan.spec);
	for (word = strtok_r(copy, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		kind = strchr(word, '=');
		if (!kind)
			abort();	/* a mistake of the test's */
		*kind++ = '\0';
		if (strcmp(word, function) && strcmp(word, "*"))
			continue;
		value = strchr(kind, ':');
		if (value) {
			*value++ = '\0';
			*number = strtoul(value, NULL, 0);
		}
		for (i = 1; i < sizeof(kinds) / sizeof(*kinds); i++)
			if (!strcmp(kinds[i], kind))
				return (enum kind)i;
		abort();
	}
	return NOTHING;
}

/* What is said without a token: it's out, or this session was on it. */
static CK_RV without_token(const char *function)
{
	static const char *const works[] = {
		"C_Initialize", "C_Finalize", "C_GetInfo", "C_GetSlotList",
		"C_GetSlotInfo", "C_WaitForSlotEvent", "C_CloseSession",
		"C_CloseAllSessions",
	};
	static const char *const slots[] = {
		"C_GetTokenInfo", "C_OpenSession", "C_InitToken",
		"C_GetMechanismList", "C_GetMechanismInfo",
	};
	size_t i;

	for (i = 0; i < sizeof(works) / sizeof(*works); i++)
		if (!strcmp(function, works[i]))
			return CKR_OK;
	for (i = 0; i < sizeof(slots) / sizeof(*slots); i++)
		if (!strcmp(function, slots[i]))
			return CKR_TOKEN_NOT_PRESENT;
	return CKR_DEVICE_REMOVED;
}

/* Return: true if the call ends here, with @rv. */
static bool before(const char *function, CK_RV *rv, enum kind *kind,
		   unsigned long *number)
{
	int *volatile nowhere = (int *)8;

	pthread_mutex_lock(&plan.lock);
	*kind = look_up(function, number);
	if (*kind != NOTHING)
		atomic_fetch_add(&backend_fault_calls, 1);
	while (look_up(function, number) == HANG)
		pthread_cond_wait(&plan.changed, &plan.lock);
	pthread_mutex_unlock(&plan.lock);

	switch (*kind) {
	case FAIL:
		*rv = *number;
		return true;
	case CRASH:
		*nowhere = 0;
		return false;
	case REMOVED:
		*rv = without_token(function);
		return *rv != CKR_OK;
	default:
		return false;
	}
}

static inline void spoil(unsigned long *out, unsigned long number)
{
	if (out)
		*out = number;
}

static inline void leave(const void *out, unsigned long number)
{
}

/* Handles, counts and lengths are all of this type. */
#define SPOIL(argument, number)						\
	_Generic((argument), unsigned long *: spoil, default: leave)	\
		((void *)(uintptr_t)(argument), number)

/* ---- the functions -------------------------------------------------------------- */

#define A1(a) a a1
#define A2(a, b) A1(a), b a2
#define A3(a, b, c) A2(a, b), c a3
#define A4(a, b, c, d) A3(a, b, c), d a4
#define A5(a, b, c, d, e) A4(a, b, c, d), e a5
#define A6(a, b, c, d, e, f) A5(a, b, c, d, e), f a6
#define A7(a, b, c, d, e, f, g) A6(a, b, c, d, e, f), g a7
#define A8(a, b, c, d, e, f, g, h) A7(a, b, c, d, e, f, g), h a8

#define N1 a1
#define N2 N1, a2
#define N3 N2, a3
#define N4 N3, a4
#define N5 N4, a5
#define N6 N5, a6
#define N7 N6, a7
#define N8 N7, a8

#define S1(n) SPOIL(a1, n)
#define S2(n) S1(n), SPOIL(a2, n)
#define S3(n) S2(n), SPOIL(a3, n)
#define S4(n) S3(n), SPOIL(a4, n)
#define S5(n) S4(n), SPOIL(a5, n)
#define S6(n) S5(n), SPOIL(a6, n)
#define S7(n) S6(n), SPOIL(a7, n)
#define S8(n) S7(n), SPOIL(a8, n)

#define WRAP(function, count, ...)					\
static CK_RV fault_##function(A##count(__VA_ARGS__))			\
{									\
	unsigned long number = 0;					\
	enum kind kind;							\
	CK_RV rv;							\
									\
	if (before(#function, &rv, &kind, &number))			\
		return rv;						\
	rv = real->function(N##count);					\
	if (kind == NUMBER)						\
		S##count(number);					\
	return rv;							\
}

#define SESSION	CK_SESSION_HANDLE
#define OBJECT	CK_OBJECT_HANDLE
#define ULONG	CK_ULONG
#define NUMBERS	CK_ULONG_PTR
#define BYTES	CK_BYTE_PTR
#define MECH	CK_MECHANISM_PTR
#define ATTRS	CK_ATTRIBUTE_PTR

#define FUNCTIONS(F)							\
	F(C_Initialize, 1, CK_VOID_PTR)					\
	F(C_Finalize, 1, CK_VOID_PTR)					\
	F(C_GetInfo, 1, CK_INFO_PTR)					\
	F(C_GetSlotList, 3, CK_BBOOL, NUMBERS, NUMBERS)			\
	F(C_GetSlotInfo, 2, CK_SLOT_ID, CK_SLOT_INFO_PTR)		\
	F(C_GetTokenInfo, 2, CK_SLOT_ID, CK_TOKEN_INFO_PTR)		\
	F(C_WaitForSlotEvent, 3, CK_FLAGS, NUMBERS, CK_VOID_PTR)	\
	F(C_GetMechanismList, 3, CK_SLOT_ID, NUMBERS, NUMBERS)		\
	F(C_GetMechanismInfo, 3, CK_SLOT_ID, CK_MECHANISM_TYPE,		\
	  CK_MECHANISM_INFO_PTR)					\
	F(C_InitToken, 4, CK_SLOT_ID, BYTES, ULONG, BYTES)		\
	F(C_InitPIN, 3, SESSION, BYTES, ULONG)				\
	F(C_SetPIN, 5, SESSION, BYTES, ULONG, BYTES, ULONG)		\
	F(C_OpenSession, 5, CK_SLOT_ID, CK_FLAGS, CK_VOID_PTR, CK_NOTIFY, \
	  NUMBERS)							\
	F(C_CloseSession, 1, SESSION)					\
	F(C_CloseAllSessions, 1, CK_SLOT_ID)				\
	F(C_GetSessionInfo, 2, SESSION, CK_SESSION_INFO_PTR)		\
	F(C_GetOperationState, 3, SESSION, BYTES, NUMBERS)		\
	F(C_SetOperationState, 5, SESSION, BYTES, ULONG, OBJECT, OBJECT) \
	F(C_Login, 4, SESSION, CK_USER_TYPE, BYTES, ULONG)		\
	F(C_Logout, 1, SESSION)						\
	F(C_CreateObject, 4, SESSION, ATTRS, ULONG, NUMBERS)		\
	F(C_CopyObject, 5, SESSION, OBJECT, ATTRS, ULONG, NUMBERS)	\
	F(C_DestroyObject, 2, SESSION, OBJECT)				\
	F(C_GetObjectSize, 3, SESSION, OBJECT, NUMBERS)			\
	F(C_GetAttributeValue, 4, SESSION, OBJECT, ATTRS, ULONG)	\
	F(C_SetAttributeValue, 4, SESSION, OBJECT, ATTRS, ULONG)	\
	F(C_FindObjectsInit, 3, SESSION, ATTRS, ULONG)			\
	F(C_FindObjects, 4, SESSION, NUMBERS, ULONG, NUMBERS)		\
	F(C_FindObjectsFinal, 1, SESSION)				\
	F(C_EncryptInit, 3, SESSION, MECH, OBJECT)			\
	F(C_Encrypt, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS)		\
	F(C_EncryptUpdate, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS)	\
	F(C_EncryptFinal, 3, SESSION, BYTES, NUMBERS)			\
	F(C_DecryptInit, 3, SESSION, MECH, OBJECT)			\
	F(C_Decrypt, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS)		\
	F(C_DecryptUpdate, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS)	\
	F(C_DecryptFinal, 3, SESSION, BYTES, NUMBERS)			\
	F(C_DigestInit, 2, SESSION, MECH)				\
	F(C_Digest, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS)		\
	F(C_DigestUpdate, 3, SESSION, BYTES, ULONG)			\
	F(C_DigestKey, 2, SESSION, OBJECT)				\
	F(C_DigestFinal, 3, SESSION, BYTES, NUMBERS)			\
	F(C_SignInit, 3, SESSION, MECH, OBJECT)				\
	F(C_Sign, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS)		\
	F(C_SignUpdate, 3, SESSION, BYTES, ULONG)			\
	F(C_SignFinal, 3, SESSION, BYTES, NUMBERS)			\
	F(C_SignRecoverInit, 3, SESSION, MECH, OBJECT)			\
	F(C_SignRecover, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS)	\
	F(C_VerifyInit, 3, SESSION, MECH, OBJECT)			\
	F(C_Verify, 5, SESSION, BYTES, ULONG, BYTES, ULONG)		\
	F(C_VerifyUpdate, 3, SESSION, BYTES, ULONG)			\
	F(C_VerifyFinal, 3, SESSION, BYTES, ULONG)			\
	F(C_VerifyRecoverInit, 3, SESSION, MECH, OBJECT)		\
	F(C_VerifyRecover, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS)	\
	F(C_DigestEncryptUpdate, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS) \
	F(C_DecryptDigestUpdate, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS) \
	F(C_SignEncryptUpdate, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS) \
	F(C_DecryptVerifyUpdate, 5, SESSION, BYTES, ULONG, BYTES, NUMBERS) \
	F(C_GenerateKey, 5, SESSION, MECH, ATTRS, ULONG, NUMBERS)	\
	F(C_GenerateKeyPair, 8, SESSION, MECH, ATTRS, ULONG, ATTRS, ULONG, \
	  NUMBERS, NUMBERS)						\
	F(C_WrapKey, 6, SESSION, MECH, OBJECT, OBJECT, BYTES, NUMBERS)	\
	F(C_UnwrapKey, 8, SESSION, MECH, OBJECT, BYTES, ULONG, ATTRS, ULONG, \
	  NUMBERS)							\
	F(C_DeriveKey, 6, SESSION, MECH, OBJECT, ATTRS, ULONG, NUMBERS)	\
	F(C_SeedRandom, 3, SESSION, BYTES, ULONG)			\
	F(C_GenerateRandom, 3, SESSION, BYTES, ULONG)

FUNCTIONS(WRAP)

/* ---- a card ---------------------------------------------------------------------- */

static CK_RV card_sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data,
		       CK_ULONG length, CK_BYTE_PTR signature,
		       CK_ULONG_PTR signature_length)
{
	const char *card = getenv("TOKMUX_FAULT_CARD");
	int fd = card ? open(card, O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	CK_RV rv;

	if (card && fd < 0)
		return CKR_DEVICE_ERROR;
	if (card)
		usleep(500);	/* a card's answer takes longer */
	rv = fault_C_Sign(session, data, length, signature, signature_length);
	if (card) {
		close(fd);
		unlink(card);
	}
	return rv;
}

/* ---- a reader with keys ---------------------------------------------------------- */

static bool has_keys(void)
{
	unsigned long number;
	bool has;

	pthread_mutex_lock(&plan.lock);
	has = look_up("C_Login", &number) == KEYS;
	pthread_mutex_unlock(&plan.lock);
	return has;
}

static CK_RV keys_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	CK_RV rv = fault_C_GetTokenInfo(slot, info);

	if (rv == CKR_OK && has_keys())
		info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
	return rv;
}

static CK_RV keys_login(CK_SESSION_HANDLE session, CK_USER_TYPE type,
			CK_BYTE_PTR pin, CK_ULONG length)
{
	if (!pin && has_keys())
		return fault_C_Login(session, type, (CK_BYTE_PTR)"1234", 4);
	return fault_C_Login(session, type, pin, length);
}

/* ---- the list -------------------------------------------------------------------- */

#define PUT(function, ...) list.function = fault_##function;

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
	void *object = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
	const char *spec = getenv("TOKMUX_FAULT");
	CK_C_GetFunctionList get;

	if (!object)
		return CKR_GENERAL_ERROR;
	get = (CK_C_GetFunctionList)dlsym(object, "C_GetFunctionList");
	if (!get || get(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	list = *real;
	FUNCTIONS(PUT)
	list.C_GetFunctionList = C_GetFunctionList;
	list.C_Sign = card_sign;
	list.C_Login = keys_login;
	list.C_GetTokenInfo = keys_info;
	if (spec && !*plan.spec)
		backend_fault_set(spec);
	*out = &list;
	return CKR_OK;
}
