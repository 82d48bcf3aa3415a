// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SoftHSM2 as a backend that can't lock: it says so, and counts how often two
 * threads were in C_GenerateRandom at once.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <unistd.h>
#include <pkcs11/cryptoki.h>

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST *real;
static atomic_int inside;
atomic_int backend_overlaps;

static CK_RV initialize(void *args)
{
	return args ? CKR_CANT_LOCK : real->C_Initialize(NULL);
}

static CK_RV generate_random(CK_SESSION_HANDLE session, unsigned char *out,
			     CK_ULONG length)
{
	CK_RV rv;

	if (atomic_fetch_add(&inside, 1))
		atomic_fetch_add(&backend_overlaps, 1);
	usleep(100);
	rv = real->C_GenerateRandom(session, out, length);
	atomic_fetch_sub(&inside, 1);
	return rv;
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
	list.C_Initialize = initialize;
	list.C_GenerateRandom = generate_random;
	*out = &list;
	return CKR_OK;
}
