// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SoftHSM2 with the functions of 3.0, and with BACKEND_VERSION=3.2 those of 3.2.
 *
 * Debian has no backend of 3.2, and NSS' of 3.0 has no use for most of it: what
 * 2.40 has is SoftHSM2's, what came later stands in for a backend that has it.
 * Each of those says who was called last, and with what, in backend_last; what
 * makes an object makes a real one. The one that backend_fails names does nothing
 * but fail.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pkcs11/cryptoki.h>
#include <pkcs11/functions/arguments.h>

#define FAILURE	0x80001234ul

char backend_last[256];
const char *backend_fails = "";

static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST_3_2 list;

static CK_RV called(const char *format, ...)
{
	va_list args;
	size_t length;

	va_start(args, format);
	vsnprintf(backend_last, sizeof(backend_last), format, args);
	va_end(args);
	length = strcspn(backend_last, " ");
	return strlen(backend_fails) == length &&
	       !strncmp(backend_last, backend_fails, length) ? FAILURE : CKR_OK;
}

static CK_RV make_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *object)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL no = CK_FALSE;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &no, sizeof(no) },
		{ CKA_PRIVATE, &no, sizeof(no) },
		{ CKA_LABEL, "made", 4 },
	};

	return real->C_CreateObject(session, template, 4, object);
}

/* ---- 3.0 ----------------------------------------------------------------- */

static CK_RV v3_C_LoginUser(P_SESSION P_LOGIN_NAME)
{
	CK_RV rv = called("C_LoginUser %lu %.*s", type, (int)n2, in2);

	if (rv != CKR_OK)
		return rv;
	if (n2 != 5 || memcmp(in2, "alice", 5))
		return CKR_PIN_INCORRECT;
	return real->C_Login(session, type, in, n);
}

static CK_RV v3_C_SessionCancel(P_SESSION P_FLAGS)
{
	return called("C_SessionCancel 0x%lx", flags);
}

#define INIT(name)							\
static CK_RV v3_C_Message##name##Init(P_SESSION P_KEY)			\
{									\
	return called("C_Message%sInit 0x%lx", #name,			\
		      mechanism->mechanism);				\
}									\
static CK_RV v3_C_Message##name##Final(P_SESSION)			\
{									\
	return called("C_Message%sFinal", #name);			\
}

#define CIPHER(name)							\
INIT(name)								\
static CK_RV v3_C_##name##Message(P_SESSION P_AEAD)			\
{									\
	*size = n;							\
	memcpy(out, in, n);						\
	return called("C_%sMessage %.*s %.*s %.*s", #name, (int)pn,	\
		      (char *)parameter, (int)aadn, aad, (int)n, in);	\
}									\
static CK_RV v3_C_##name##MessageBegin(P_SESSION P_AEAD_BEGIN)		\
{									\
	return called("C_%sMessageBegin %.*s %.*s", #name, (int)pn,	\
		      (char *)parameter, (int)aadn, aad);		\
}									\
static CK_RV v3_C_##name##MessageNext(P_SESSION P_AEAD_NEXT)		\
{									\
	*size = n;							\
	memcpy(out, in, n);						\
	return called("C_%sMessageNext %.*s %.*s 0x%lx", #name,		\
		      (int)pn, (char *)parameter, (int)n, in, flags);	\
}

#define SIGNATURE(name, arguments, written)				\
INIT(name)								\
static CK_RV v3_C_##name##Message(P_SESSION arguments)			\
{									\
	written;							\
	return called("C_%sMessage %.*s %.*s", #name, (int)pn,		\
		      (char *)parameter, (int)n, in);			\
}									\
static CK_RV v3_C_##name##MessageBegin(P_SESSION P_PARAM)		\
{									\
	return called("C_%sMessageBegin %.*s", #name, (int)pn,		\
		      (char *)parameter);				\
}									\
static CK_RV v3_C_##name##MessageNext(P_SESSION arguments)		\
{									\
	written;							\
	return called("C_%sMessageNext %.*s %.*s", #name, (int)pn,	\
		      (char *)parameter, (int)n, in);			\
}

CIPHER(Encrypt)
CIPHER(Decrypt)
SIGNATURE(Sign, P_PARAM_IN_OUT, *size = 7)
SIGNATURE(Verify, P_PARAM_IN_IN, (void)n2)

/* ---- 3.2 ------------------------------------------------------------------- */

static CK_RV v3_C_EncapsulateKey(P_SESSION P_ENCAPSULATE)
{
	CK_RV rv = called("C_EncapsulateKey %lu", count);

	if (rv != CKR_OK)
		return rv;
	*size = 3;
	return out ? make_object(session, key) : CKR_OK;
}

static CK_RV v3_C_DecapsulateKey(P_SESSION P_DECAPSULATE)
{
	return called("C_DecapsulateKey %lu %.*s", count, (int)n, in) ?:
	       make_object(session, key);
}

static CK_RV v3_C_VerifySignatureInit(P_SESSION P_KEY_IN)
{
	return called("C_VerifySignatureInit %.*s", (int)n, in);
}

static CK_RV v3_C_VerifySignature(P_SESSION P_IN)
{
	return called("C_VerifySignature %.*s", (int)n, in);
}

static CK_RV v3_C_VerifySignatureUpdate(P_SESSION P_IN)
{
	return called("C_VerifySignatureUpdate %.*s", (int)n, in);
}

static CK_RV v3_C_VerifySignatureFinal(P_SESSION)
{
	return called("C_VerifySignatureFinal");
}

static CK_RV v3_C_GetSessionValidationFlags(P_SESSION P_VALIDATION)
{
	*flags = 42;
	return called("C_GetSessionValidationFlags %lu", type);
}

static CK_RV v3_C_AsyncComplete(P_SESSION P_ASYNC)
{
	CK_RV rv = called("C_AsyncComplete %s", name);

	if (rv != CKR_OK)
		return rv;
	memset(result, 0, sizeof(*result));
	return make_object(session, &result->hObject);
}

static CK_RV v3_C_AsyncGetID(P_SESSION P_ASYNC_ID)
{
	*id = 17;
	return called("C_AsyncGetID %s", name);
}

static CK_RV v3_C_AsyncJoin(P_SESSION P_ASYNC_JOIN)
{
	return called("C_AsyncJoin %s %lu %.*s", name, id, (int)n, in);
}

static CK_RV v3_C_WrapKeyAuthenticated(P_SESSION P_WRAP_AEAD)
{
	*size = 3;
	return called("C_WrapKeyAuthenticated %.*s", (int)aadn, aad);
}

static CK_RV v3_C_UnwrapKeyAuthenticated(P_SESSION P_UNWRAP_AEAD)
{
	return called("C_UnwrapKeyAuthenticated %.*s %lu %.*s", (int)n, in,
		      count, (int)aadn, aad) ?:
	       make_object(session, key);
}

/* ---- the list ------------------------------------------------------------------ */

#define PUT_2_40(function)
#define PUT_3_0(function)	list.function = v3_##function;
#define PUT_3_2(function)	list.function = v3_##function;

static CK_RV prepare(void)
{
	const char *version = getenv("BACKEND_VERSION");
	void *object = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
	CK_C_GetFunctionList get;

	if (!object)
		return CKR_GENERAL_ERROR;
	get = (CK_C_GetFunctionList)dlsym(object, "C_GetFunctionList");
	if (!get || get(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	memcpy(&list, real, sizeof(*real));
	list.version.major = 3;
	list.version.minor = version && !strcmp(version, "3.2") ? 2 : 0;
	/* A list of 3.0 ends before 3.2's: nobody may look at them there. */
#define OWN(...)
#define F(version, function, ...) PUT_##version(function)
#include <pkcs11/functions/functions.def>
	return CKR_OK;
}

/*
 * The newest is neither first nor last, and a vendor has many beside it: more interfaces
 * than the module has room for when it asks first.
 */
CK_RV C_GetInterfaceList(CK_INTERFACE *interfaces, CK_ULONG *count)
{
	static CK_VERSION vendors = { 9, 9 };
	static const CK_ULONG nr = 20;
	CK_ULONG room = *count, i;
	CK_RV rv = prepare();

	if (rv != CKR_OK)
		return rv;
	*count = nr;
	if (!interfaces)
		return CKR_OK;
	if (room < nr)
		return CKR_BUFFER_TOO_SMALL;
	for (i = 0; i < nr; i++)
		interfaces[i] = (CK_INTERFACE){ (CK_CHAR *)"Vendor X", &vendors, 0 };
	interfaces[0] = (CK_INTERFACE){ (CK_CHAR *)"PKCS 11", real, 0 };
	interfaces[nr - 2] = (CK_INTERFACE){ (CK_CHAR *)"PKCS 11", &list, 0 };
	return CKR_OK;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
	CK_RV rv = prepare();

	*out = real;
	return rv;
}
