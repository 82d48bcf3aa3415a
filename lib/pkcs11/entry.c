// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * entry: the function lists, of which each caller has its own (R9)
 *
 * Nearly every function is told a session, and a session knows its caller. The other
 * functions, OWN in functions.def, are here once for each possible caller, and so are
 * those that refuse another caller's session, MINE. A caller's lists have its own ones
 * of these, so that a call says which caller makes it. No code is made at run time.
 */
#include <string.h>

#include "caller.h"
#include "core.h"
#include "functions/mine.h"
#include "log.h"
#include "module.h"
#include "tokmux-pkcs11.h"

static CK_RV list_of(unsigned int number, CK_FUNCTION_LIST_PTR_PTR list);
static CK_RV interfaces_of(unsigned int number, CK_INTERFACE *interfaces,
			   CK_ULONG *count);
static CK_RV interface_of(unsigned int number, const CK_UTF8CHAR *name,
			  const CK_VERSION *version, CK_INTERFACE **interface,
			  CK_FLAGS flags);

/* ---- functions of one caller --------------------------------------------- */

/* Caller n's own function: it tells the action the caller's number. */
#define FUNCTION_OF(n, function, first, more, action)			\
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
#define FOR_EACH_CALLER(M, ...)						\
	SIXTEEN(M, 0x0, __VA_ARGS__) SIXTEEN(M, 0x1, __VA_ARGS__)	\
	SIXTEEN(M, 0x2, __VA_ARGS__) SIXTEEN(M, 0x3, __VA_ARGS__)	\
	SIXTEEN(M, 0x4, __VA_ARGS__) SIXTEEN(M, 0x5, __VA_ARGS__)	\
	SIXTEEN(M, 0x6, __VA_ARGS__) SIXTEEN(M, 0x7, __VA_ARGS__)	\
	SIXTEEN(M, 0x8, __VA_ARGS__) SIXTEEN(M, 0x9, __VA_ARGS__)	\
	SIXTEEN(M, 0xa, __VA_ARGS__) SIXTEEN(M, 0xb, __VA_ARGS__)	\
	SIXTEEN(M, 0xc, __VA_ARGS__) SIXTEEN(M, 0xd, __VA_ARGS__)	\
	SIXTEEN(M, 0xe, __VA_ARGS__) SIXTEEN(M, 0xf, __VA_ARGS__)

#define POINTER_TO(n, function)	function##_##n,

#define F(...)
#define OWN(version, function, first, more, action)			\
FOR_EACH_CALLER(FUNCTION_OF, function, first, more, action)		\
static const CK_##function function##_of[] = {				\
	FOR_EACH_CALLER(POINTER_TO, function)				\
};									\
_Static_assert(sizeof(function##_of) / sizeof(*function##_of) ==	\
	       MAX_CALLERS, "one for each caller");
#define MINE(version, function, first, more, file)			\
	OWN(version, function, first, more, own_##function)
#include "functions/functions.def"

/* The functions that all callers share. */
static const CK_FUNCTION_LIST_3_2 common = {
#define OWN(...)
#define MINE(...)
#define F(version, function, ...) .function = function,
#include "functions/functions.def"
};

_Static_assert(offsetof(CK_FUNCTION_LIST_3_2, C_WaitForSlotEvent) ==
	       offsetof(CK_FUNCTION_LIST, C_WaitForSlotEvent),
	       "every list begins as that of 2.40");

/* ---- a caller's lists ---------------------------------------------------- */

/*
 * A caller has a list for each version of PKCS#11, whichever versions the backends
 * have. The backends aren't known before C_Initialize, and each slot may belong to
 * another one. The first is for callers that don't say which version they want, or
 * that take the first: today's know 3.0. A module between a program and this one, to
 * show the calls for example, would pass on a newer list unchanged.
 */
static const CK_VERSION versions[] = {
	{ 3, 0 }, { 3, 1 }, { 3, 2 }, { 2, 40 }
};

#define VERSIONS	(sizeof(versions) / sizeof(*versions))
#define LEGACY		(VERSIONS - 1)

/*
 * Filled in when a number has a caller for the first time, and never changed again.
 * An older version's list is the beginning of a newer one's. 3.1 has 3.0's functions.
 */
static struct {
	CK_FUNCTION_LIST_3_2 lists[VERSIONS];
	CK_INTERFACE interfaces[VERSIONS];
} callers[MAX_CALLERS];

static CK_UTF8CHAR interface_name[] = "PKCS 11";

/* C_GetInfo says the version of the list that it is in. */
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
#define MINE	OWN
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
 * No interface has CKF_INTERFACE_FORK_SAFE, as a child has none of its parent's
 * sessions (R10). For an unknown interface the result is NSS', CKR_ARGUMENTS_BAD.
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

/* ---- functions that are found by name ------------------------------------ */

#define F(...)
#define OWN(version, function, first, more, action)			\
static CK_RV function##_at(const void *address, P_##first P_##more)	\
{									\
	unsigned int number;						\
	CK_RV rv = caller_of(address, make_lists, &number);		\
									\
	return rv == CKR_OK ? action(number, A_##first A_##more) : rv;	\
}
/*
 * Of these the address doesn't say enough: an object that ends in a jump here returns to
 * the one that called it. With the bare module that works, and so it does here.
 */
#define MINE(version, function, first, more, file)			\
static CK_RV function##_of_any(P_##first P_##more)			\
{									\
	return own_##function(NOBODY, A_##first A_##more);		\
}
#include "functions/functions.def"

/* ---- callers by request -------------------------------------------------- */

CK_RV tokmux_pkcs11_new_caller(CK_FUNCTION_LIST_PTR_PTR list)
{
	unsigned int number;
	CK_RV rv;

	if (!list)
		return CKR_ARGUMENTS_BAD;
	rv = caller_new(make_lists, &number);
	return rv == CKR_OK ? list_of(number, list) : rv;
}

/* Return: the number of the caller that has this list, else MAX_CALLERS. */
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

/* ---- the core, as the front sees it ---------------------------------------- */

const struct core tokmux_pkcs11_core = {
#define F(version, function, ...) .function = function,
#define OWN(version, function, ...) .function = function##_at,
#define MINE(version, function, ...) .function = function##_of_any,
#include "functions/functions.def"
	.new_caller = tokmux_pkcs11_new_caller,
	.free_caller = tokmux_pkcs11_free_caller,
	.caller_interface = tokmux_pkcs11_caller_interface,
	.token_name = tokmux_pkcs11_token_name,
	.opened = caller_module_opened,
	.closed = caller_module_closed,
};
