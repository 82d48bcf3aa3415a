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
 *	C_Sign=hang		goes on when hang is no longer asked for
 *	C_Sign=crash		writes to address 8
 *	C_FindObjects=number:7	works, then every number that it returns is 7
 *	C_Login=keys		the reader has keys, on which "1234" is typed where
 *				no PIN is given
 *	C_Sign=hook		calls backend_fault_hook first, as a callback is called
 *	*=removed		the token is out of the reader
 *
 * backend_fault_calls counts the calls that came to a function with a fault.
 * Where $TOKMUX_FAULT_CARD names a file, the token is a card: it can be taken out,
 * and the file is there while C_Sign sends a command to it. A second one meanwhile is
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
#include <pkcs11/functions/arguments.h>

enum kind {
	NOTHING,
	FAIL,
	HANG,
	CRASH,
	NUMBER,
	KEYS,
	HOOK,
	REMOVED,
};

static CK_FUNCTION_LIST functions;
static CK_FUNCTION_LIST *real;

atomic_int backend_fault_calls;
void (*backend_fault_hook)(void);
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
		[NUMBER] = "number", [KEYS] = "keys", [HOOK] = "hook",
		[REMOVED] = "removed",
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

/*
 * What is said without a token: it's out, or this session was on it. @first is
 * what the function is told, as in functions.def.
 */
static CK_RV without_token(const char *function, const char *first)
{
	if (!strcmp(first, "NOTHING") || !strcmp(function, "C_GetSlotInfo") ||
	    !strcmp(function, "C_CloseSession") ||
	    !strcmp(function, "C_CloseAllSessions"))
		return CKR_OK;
	return strcmp(first, "SLOT") ? CKR_DEVICE_REMOVED :
				       CKR_TOKEN_NOT_PRESENT;
}

static void unlock(void *arg)
{
	pthread_mutex_unlock(&plan.lock);
}

/* Return: true if the call ends here, with @rv. */
static bool before(const char *function, const char *first, CK_RV *rv,
		   enum kind *kind, unsigned long *number)
{
	int *volatile nowhere = (int *)8;
	enum kind now;

	pthread_mutex_lock(&plan.lock);
	*kind = look_up(function, number);
	if (*kind != NOTHING)
		atomic_fetch_add(&backend_fault_calls, 1);
	pthread_cleanup_push(unlock, NULL);
	while ((now = look_up(function, number)) == HANG)
		pthread_cond_wait(&plan.changed, &plan.lock);
	if (*kind == HANG)
		*kind = now;
	pthread_cleanup_pop(1);

	switch (*kind) {
	case FAIL:
		*rv = *number;
		return true;
	case CRASH:
		*nowhere = 0;
		return false;
	case HOOK:
		backend_fault_hook();
		return false;
	case REMOVED:
		*rv = without_token(function, first);
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

#define SPOIL1(n, a)		SPOIL(a, n)
#define SPOIL2(n, a, ...)	SPOIL(a, n), SPOIL1(n, __VA_ARGS__)
#define SPOIL3(n, a, ...)	SPOIL(a, n), SPOIL2(n, __VA_ARGS__)
#define SPOIL4(n, a, ...)	SPOIL(a, n), SPOIL3(n, __VA_ARGS__)
#define SPOIL5(n, a, ...)	SPOIL(a, n), SPOIL4(n, __VA_ARGS__)
#define SPOIL6(n, a, ...)	SPOIL(a, n), SPOIL5(n, __VA_ARGS__)
#define SPOIL7(n, a, ...)	SPOIL(a, n), SPOIL6(n, __VA_ARGS__)
#define SPOIL8(n, a, ...)	SPOIL(a, n), SPOIL7(n, __VA_ARGS__)
#define NINTH(a, b, c, d, e, f, g, h, ninth, ...)	ninth
#define SPOIL_EACH(n, ...)						\
	NINTH(__VA_ARGS__, SPOIL8, SPOIL7, SPOIL6, SPOIL5, SPOIL4,	\
	      SPOIL3, SPOIL2, SPOIL1)(n, __VA_ARGS__)

/* ---- the functions of 2.40 -------------------------------------------------------- */

#define WRAP_2_40(function, first, more)				\
static CK_RV fault_##function(P_##first P_##more)			\
{									\
	unsigned long number = 0;					\
	enum kind kind;							\
	CK_RV rv;							\
									\
	if (before(#function, #first, &rv, &kind, &number))		\
		return rv;						\
	rv = real->function(A_##first A_##more);			\
	if (kind == NUMBER)						\
		SPOIL_EACH(number, A_##first A_##more);			\
	return rv;							\
}
#define WRAP_3_0(...)
#define WRAP_3_2(...)

#define F(version, function, first, more, ...)				\
	WRAP_##version(function, first, more)
#include <pkcs11/functions/functions.def>

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

static CK_RV card_info(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
	CK_RV rv = fault_C_GetSlotInfo(slot, info);

	if (rv == CKR_OK && getenv("TOKMUX_FAULT_CARD"))
		info->flags |= CKF_REMOVABLE_DEVICE;
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

#define PUT_2_40(function)	functions.function = fault_##function;
#define PUT_3_0(function)
#define PUT_3_2(function)

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
	functions = *real;
#define F(version, function, ...) PUT_##version(function)
#include <pkcs11/functions/functions.def>
	functions.C_GetFunctionList = C_GetFunctionList;
	functions.C_Sign = card_sign;
	functions.C_GetSlotInfo = card_info;
	functions.C_Login = keys_login;
	functions.C_GetTokenInfo = keys_info;
	if (spec && !*plan.spec)
		backend_fault_set(spec);
	*out = &functions;
	return CKR_OK;
}
