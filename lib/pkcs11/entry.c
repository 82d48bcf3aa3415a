// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * entry: where callers come in, each by its own door (R9)
 *
 * Nearly every function is told a session, and a session knows its caller. Each of
 * the others, OWN in functions.def, is here once for each caller that there may be,
 * so that a caller is known by its function lists. No code is made at run time.
 */
#include <string.h>

#include "caller.h"
#include "functions/arguments.h"
#include "module.h"
#include "tokmux-pkcs11.h"

static CK_RV list_of(unsigned int number, CK_FUNCTION_LIST_PTR_PTR list);
static CK_RV interfaces_of(unsigned int number, CK_INTERFACE *interfaces,
			   CK_ULONG *count);
static CK_RV interface_of(unsigned int number, const CK_UTF8CHAR *name,
			  const CK_VERSION *version, CK_INTERFACE **interface,
			  CK_FLAGS flags);

/* ---- one door for each ---------------------------------------------------------- */

/* A caller's own function: it tells the action the caller's number. */
#define DOOR(n, function, first, more, action)				\
static CK_RV function##_##n(P_##first P_##more)				\
{									\
	return action(n, A_##first A_##more);				\
}

#define SIXTEEN(M, n, ...)						\
	M(n##0, __VA_ARGS__) M(n##1, __VA_ARGS__) M(n##2, __VA_ARGS__)	\
	M(n##3, __VA_ARGS__) M(n##4, __VA_ARGS__) M(n##5, __VA_ARGS__)	\
	M(n##6, __VA_ARGS__) M(n##7, __VA_ARGS__) M(n##8, __VA_ARGS__)	\
	M(n##9, __VA_ARGS__) M(n##a, __VA_ARGS__) M(n##b, __VA_ARGS__)	\
	M(n##c, __VA_ARGS__) M(n##d, __VA_ARGS__) M(n##e, __VA_ARGS__)	\
	M(n##f, __VA_ARGS__)

/* M(n, ...) for each caller's number. */
#define CALLERS(M, ...)							\
	SIXTEEN(M, 0x0, __VA_ARGS__) SIXTEEN(M, 0x1, __VA_ARGS__)	\
	SIXTEEN(M, 0x2, __VA_ARGS__) SIXTEEN(M, 0x3, __VA_ARGS__)	\
	SIXTEEN(M, 0x4, __VA_ARGS__) SIXTEEN(M, 0x5, __VA_ARGS__)	\
	SIXTEEN(M, 0x6, __VA_ARGS__) SIXTEEN(M, 0x7, __VA_ARGS__)	\
	SIXTEEN(M, 0x8, __VA_ARGS__) SIXTEEN(M, 0x9, __VA_ARGS__)	\
	SIXTEEN(M, 0xa, __VA_ARGS__) SIXTEEN(M, 0xb, __VA_ARGS__)	\
	SIXTEEN(M, 0xc, __VA_ARGS__) SIXTEEN(M, 0xd, __VA_ARGS__)	\
	SIXTEEN(M, 0xe, __VA_ARGS__) SIXTEEN(M, 0xf, __VA_ARGS__)

#define DOOR_OF(n, function)	function##_##n,

#define F(...)
#define OWN(version, function, first, more, action)			\
CALLERS(DOOR, function, first, more, action)				\
static const CK_##function function##_of[] = {				\
	CALLERS(DOOR_OF, function)					\
};									\
_Static_assert(sizeof(function##_of) / sizeof(*function##_of) ==	\
	       MAX_CALLERS, "a door for each caller");
#include "functions/functions.def"

/* What all lists have in common. */
static const CK_FUNCTION_LIST_3_2 common = {
#define OWN(...)
#define F(version, function, ...) .function = function,
#include "functions/functions.def"
};

_Static_assert(offsetof(CK_FUNCTION_LIST_3_2, C_WaitForSlotEvent) ==
	       offsetof(CK_FUNCTION_LIST, C_WaitForSlotEvent),
	       "every list begins as that of 2.40");

/* ---- a caller's lists ------------------------------------------------------- */

/*
 * One for each version of PKCS#11 that callers may ask for, whatever the
 * backends have: those aren't known before C_Initialize, and each slot may be
 * another's. First the one for callers that don't say which, or that take the
 * first: today's know 3.0. One that is put between a program and this module to
 * see the calls, and knows no newer one, would pass that on as it is.
 */
static const CK_VERSION versions[] = {
	{ 3, 0 }, { 3, 1 }, { 3, 2 }, { 2, 40 }
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
static CK_RV get_info_3_0(CK_INFO *info)
{
	return module_info(&versions[0], info);
}

static CK_RV get_info_3_1(CK_INFO *info)
{
	return module_info(&versions[1], info);
}

static CK_RV get_info_3_2(CK_INFO *info)
{
	return module_info(&versions[2], info);
}

CK_RV C_GetInfo(CK_INFO *info)
{
	return module_info(&versions[LEGACY], info);
}

static const CK_C_GetInfo get_infos[VERSIONS] = {
	get_info_3_0, get_info_3_1, get_info_3_2, C_GetInfo
};

/* With the pool's lock held. */
static void make_lists(unsigned int number)
{
	CK_FUNCTION_LIST_3_2 *list;
	size_t i;

	if (callers[number].lists[0].C_Initialize)
		return;
	for (i = 0; i < VERSIONS; i++) {
		list = &callers[number].lists[i];
		*list = common;
		list->version = versions[i];
		list->C_GetInfo = get_infos[i];
#define F(...)
#define OWN(version, function, ...) list->function = function##_of[number];
#include "functions/functions.def"
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
 * A caller that comes in by name is known by where the call returns to. Not to be
 * inlined, and with the answer taken first, so that this is really the caller.
 */
#define F(...)
#define OWN(version, function, first, more, action)			\
__attribute__((noinline)) CK_RV function(P_##first P_##more)		\
{									\
	unsigned int number;						\
	CK_RV rv = caller_of(__builtin_return_address(0), make_lists,	\
			     &number);					\
									\
	return rv == CKR_OK ? action(number, A_##first A_##more) : rv;	\
}
#include "functions/functions.def"

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
