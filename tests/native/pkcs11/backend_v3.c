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

static CK_RV login_user(CK_SESSION_HANDLE session, CK_USER_TYPE type,
			CK_UTF8CHAR *pin, CK_ULONG length, CK_UTF8CHAR *name,
			CK_ULONG name_length)
{
	CK_RV rv = called("C_LoginUser %lu %.*s", type, (int)name_length, name);

	if (rv != CKR_OK)
		return rv;
	if (name_length != 5 || memcmp(name, "alice", 5))
		return CKR_PIN_INCORRECT;
	return real->C_Login(session, type, pin, length);
}

static CK_RV session_cancel(CK_SESSION_HANDLE session, CK_FLAGS flags)
{
	return called("C_SessionCancel 0x%lx", flags);
}

#define INIT(name)							\
static CK_RV name##_init(CK_SESSION_HANDLE session,			\
			 CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)	\
{									\
	return called("C_Message%sInit 0x%lx", #name,			\
		      mechanism->mechanism);				\
}									\
static CK_RV name##_final(CK_SESSION_HANDLE session)			\
{									\
	return called("C_Message%sFinal", #name);			\
}

#define CIPHER(name)							\
INIT(name)								\
static CK_RV name##_message(CK_SESSION_HANDLE session, void *parameter,	\
			    CK_ULONG parameter_length, CK_BYTE *associated, \
			    CK_ULONG associated_length, CK_BYTE *in,	\
			    CK_ULONG in_length, CK_BYTE *out,		\
			    CK_ULONG *out_length)			\
{									\
	*out_length = in_length;					\
	memcpy(out, in, in_length);					\
	return called("C_%sMessage %.*s %.*s %.*s", #name,		\
		      (int)parameter_length, (char *)parameter,		\
		      (int)associated_length, associated, (int)in_length, in); \
}									\
static CK_RV name##_begin(CK_SESSION_HANDLE session, void *parameter,	\
			  CK_ULONG parameter_length, CK_BYTE *associated, \
			  CK_ULONG associated_length)			\
{									\
	return called("C_%sMessageBegin %.*s %.*s", #name,		\
		      (int)parameter_length, (char *)parameter,		\
		      (int)associated_length, associated);		\
}									\
static CK_RV name##_next(CK_SESSION_HANDLE session, void *parameter,	\
			 CK_ULONG parameter_length, CK_BYTE *in,	\
			 CK_ULONG in_length, CK_BYTE *out,		\
			 CK_ULONG *out_length, CK_FLAGS flags)		\
{									\
	*out_length = in_length;					\
	memcpy(out, in, in_length);					\
	return called("C_%sMessageNext %.*s %.*s 0x%lx", #name,		\
		      (int)parameter_length, (char *)parameter,		\
		      (int)in_length, in, flags);			\
}

#define SIGNATURE(name, type, written)					\
INIT(name)								\
static CK_RV name##_message(CK_SESSION_HANDLE session, void *parameter,	\
			    CK_ULONG parameter_length, CK_BYTE *in,	\
			    CK_ULONG in_length, CK_BYTE *signature,	\
			    type length)				\
{									\
	written;							\
	return called("C_%sMessage %.*s %.*s", #name,			\
		      (int)parameter_length, (char *)parameter,		\
		      (int)in_length, in);				\
}									\
static CK_RV name##_begin(CK_SESSION_HANDLE session, void *parameter,	\
			  CK_ULONG parameter_length)			\
{									\
	return called("C_%sMessageBegin %.*s", #name,			\
		      (int)parameter_length, (char *)parameter);	\
}									\
static CK_RV name##_next(CK_SESSION_HANDLE session, void *parameter,	\
			 CK_ULONG parameter_length, CK_BYTE *in,	\
			 CK_ULONG in_length, CK_BYTE *signature,	\
			 type length)					\
{									\
	written;							\
	return called("C_%sMessageNext %.*s %.*s", #name,		\
		      (int)parameter_length, (char *)parameter,		\
		      (int)in_length, in);				\
}

CIPHER(Encrypt)
CIPHER(Decrypt)
SIGNATURE(Sign, CK_ULONG *, *length = 7)
SIGNATURE(Verify, CK_ULONG, (void)length)

/* ---- 3.2 ------------------------------------------------------------------- */

static CK_RV encapsulate(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
			 CK_OBJECT_HANDLE key, CK_ATTRIBUTE *template,
			 CK_ULONG count, CK_BYTE *out, CK_ULONG *length,
			 CK_OBJECT_HANDLE *made)
{
	CK_RV rv = called("C_EncapsulateKey %lu", count);

	if (rv != CKR_OK)
		return rv;
	*length = 3;
	return out ? make_object(session, made) : CKR_OK;
}

static CK_RV decapsulate(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
			 CK_OBJECT_HANDLE key, CK_ATTRIBUTE *template,
			 CK_ULONG count, CK_BYTE *in, CK_ULONG length,
			 CK_OBJECT_HANDLE *made)
{
	return called("C_DecapsulateKey %lu %.*s", count, (int)length, in) ?:
	       make_object(session, made);
}

static CK_RV verify_signature_init(CK_SESSION_HANDLE session,
				   CK_MECHANISM *mechanism,
				   CK_OBJECT_HANDLE key, CK_BYTE *signature,
				   CK_ULONG length)
{
	return called("C_VerifySignatureInit %.*s", (int)length, signature);
}

static CK_RV verify_signature(CK_SESSION_HANDLE session, CK_BYTE *in,
			      CK_ULONG length)
{
	return called("C_VerifySignature %.*s", (int)length, in);
}

static CK_RV verify_signature_update(CK_SESSION_HANDLE session, CK_BYTE *in,
				     CK_ULONG length)
{
	return called("C_VerifySignatureUpdate %.*s", (int)length, in);
}

static CK_RV verify_signature_final(CK_SESSION_HANDLE session)
{
	return called("C_VerifySignatureFinal");
}

static CK_RV validation_flags(CK_SESSION_HANDLE session,
			      CK_SESSION_VALIDATION_FLAGS_TYPE type,
			      CK_FLAGS *flags)
{
	*flags = 42;
	return called("C_GetSessionValidationFlags %lu", type);
}

static CK_RV async_complete(CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
			    CK_ASYNC_DATA *result)
{
	CK_RV rv = called("C_AsyncComplete %s", function);

	if (rv != CKR_OK)
		return rv;
	memset(result, 0, sizeof(*result));
	return make_object(session, &result->hObject);
}

static CK_RV async_get_id(CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
			  CK_ULONG *id)
{
	*id = 17;
	return called("C_AsyncGetID %s", function);
}

static CK_RV async_join(CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
			CK_ULONG id, CK_BYTE *data, CK_ULONG length)
{
	return called("C_AsyncJoin %s %lu %.*s", function, id, (int)length,
		      data);
}

static CK_RV wrap(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		  CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key,
		  CK_BYTE *associated, CK_ULONG associated_length, CK_BYTE *out,
		  CK_ULONG *length)
{
	*length = 3;
	return called("C_WrapKeyAuthenticated %.*s", (int)associated_length,
		      associated);
}

static CK_RV unwrap(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		    CK_OBJECT_HANDLE unwrapping_key, CK_BYTE *in,
		    CK_ULONG length, CK_ATTRIBUTE *template, CK_ULONG count,
		    CK_BYTE *associated, CK_ULONG associated_length,
		    CK_OBJECT_HANDLE *made)
{
	return called("C_UnwrapKeyAuthenticated %.*s %lu %.*s", (int)length, in,
		      count, (int)associated_length, associated) ?:
	       make_object(session, made);
}

/* ---- the list ------------------------------------------------------------------ */

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
	list.C_LoginUser = login_user;
	list.C_SessionCancel = session_cancel;
#define MESSAGES(name)							\
	list.C_Message##name##Init = name##_init;			\
	list.C_##name##Message = name##_message;			\
	list.C_##name##MessageBegin = name##_begin;			\
	list.C_##name##MessageNext = name##_next;			\
	list.C_Message##name##Final = name##_final
	MESSAGES(Encrypt);
	MESSAGES(Decrypt);
	MESSAGES(Sign);
	MESSAGES(Verify);
	/* A list of 3.0 ends before these: nobody may look at them there. */
	list.C_EncapsulateKey = encapsulate;
	list.C_DecapsulateKey = decapsulate;
	list.C_VerifySignatureInit = verify_signature_init;
	list.C_VerifySignature = verify_signature;
	list.C_VerifySignatureUpdate = verify_signature_update;
	list.C_VerifySignatureFinal = verify_signature_final;
	list.C_GetSessionValidationFlags = validation_flags;
	list.C_AsyncComplete = async_complete;
	list.C_AsyncGetID = async_get_id;
	list.C_AsyncJoin = async_join;
	list.C_WrapKeyAuthenticated = wrap;
	list.C_UnwrapKeyAuthenticated = unwrap;
	return CKR_OK;
}

/* The newest neither first nor last, and a vendor's own beside them. */
CK_RV C_GetInterfaceList(CK_INTERFACE *interfaces, CK_ULONG *count)
{
	static CK_VERSION vendors = { 9, 9 };
	CK_RV rv = prepare();

	if (rv != CKR_OK)
		return rv;
	if (interfaces) {
		interfaces[0] = (CK_INTERFACE){ (CK_CHAR *)"PKCS 11", real, 0 };
		interfaces[1] = (CK_INTERFACE){ (CK_CHAR *)"PKCS 11", &list, 0 };
		interfaces[2] = (CK_INTERFACE){ (CK_CHAR *)"Vendor X", &vendors,
						0 };
	}
	*count = 3;
	return CKR_OK;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
	CK_RV rv = prepare();

	*out = real;
	return rv;
}
