// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * forward3: the functions that 3.0 and 3.2 added and a session is told to
 *
 * As in forward.c; a backend that has none is CKR_FUNCTION_NOT_SUPPORTED.
 * C_LoginUser is with the logins in forward.c.
 */
#include "forward.h"

/* A 2.40 backend has none: see call_cancel(). */
CK_RV C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	return call_end(&call, call_cancel(&call, flags));
}

/* ---- messages: one key, many of them ------------------------------------------ */

#define MESSAGE_INIT_FINAL(name, kind)					\
CK_RV C_Message##name##Init(CK_SESSION_HANDLE session,			\
			    CK_MECHANISM *mechanism,			\
			    CK_OBJECT_HANDLE key)			\
{									\
	OPERATION_INIT(session, kind, C_Message##name##Init, mechanism,	\
		       key);						\
}									\
									\
CK_RV C_Message##name##Final(CK_SESSION_HANDLE session)			\
{									\
	OPERATION_END(session, kind, C_Message##name##Final);		\
}

/* C_EncryptMessage and its parts, and the same for decrypting. */
#define MESSAGE_CIPHER(name, kind)					\
MESSAGE_INIT_FINAL(name, kind)						\
									\
CK_RV C_##name##Message(CK_SESSION_HANDLE session, void *parameter,	\
			CK_ULONG parameter_length, CK_BYTE *associated,	\
			CK_ULONG associated_length, CK_BYTE *in,	\
			CK_ULONG in_length, CK_BYTE *out,		\
			CK_ULONG *out_length)				\
{									\
	OPERATION_MESSAGE(session, kind, C_##name##Message, parameter,	\
			  parameter_length, associated,			\
			  associated_length, in, in_length, out,	\
			  out_length);					\
}									\
									\
CK_RV C_##name##MessageBegin(CK_SESSION_HANDLE session, void *parameter, \
			     CK_ULONG parameter_length,			\
			     CK_BYTE *associated,			\
			     CK_ULONG associated_length)		\
{									\
	OPERATION_MESSAGE(session, kind, C_##name##MessageBegin,	\
			  parameter, parameter_length, associated,	\
			  associated_length);				\
}									\
									\
CK_RV C_##name##MessageNext(CK_SESSION_HANDLE session, void *parameter,	\
			    CK_ULONG parameter_length, CK_BYTE *in,	\
			    CK_ULONG in_length, CK_BYTE *out,		\
			    CK_ULONG *out_length, CK_FLAGS flags)	\
{									\
	OPERATION_MESSAGE(session, kind, C_##name##MessageNext,		\
			  parameter, parameter_length, in, in_length,	\
			  out, out_length, flags);			\
}

/* @signature_length is what is written for signing, and read for verifying. */
#define MESSAGE_SIGNATURE(name, kind, length_type)			\
MESSAGE_INIT_FINAL(name, kind)						\
									\
CK_RV C_##name##Message(CK_SESSION_HANDLE session, void *parameter,	\
			CK_ULONG parameter_length, CK_BYTE *in,		\
			CK_ULONG in_length, CK_BYTE *signature,		\
			length_type signature_length)			\
{									\
	OPERATION_MESSAGE(session, kind, C_##name##Message, parameter,	\
			  parameter_length, in, in_length, signature,	\
			  signature_length);				\
}									\
									\
CK_RV C_##name##MessageBegin(CK_SESSION_HANDLE session, void *parameter, \
			     CK_ULONG parameter_length)			\
{									\
	OPERATION_MESSAGE(session, kind, C_##name##MessageBegin,	\
			  parameter, parameter_length);			\
}									\
									\
CK_RV C_##name##MessageNext(CK_SESSION_HANDLE session, void *parameter,	\
			    CK_ULONG parameter_length, CK_BYTE *in,	\
			    CK_ULONG in_length, CK_BYTE *signature,	\
			    length_type signature_length)		\
{									\
	OPERATION_MESSAGE(session, kind, C_##name##MessageNext,		\
			  parameter, parameter_length, in, in_length,	\
			  signature, signature_length);			\
}

MESSAGE_CIPHER(Encrypt, OPERATION_MESSAGE_ENCRYPT)
MESSAGE_CIPHER(Decrypt, OPERATION_MESSAGE_DECRYPT)
MESSAGE_SIGNATURE(Sign, OPERATION_MESSAGE_SIGN, CK_ULONG *)
MESSAGE_SIGNATURE(Verify, OPERATION_MESSAGE_VERIFY, CK_ULONG)

/* ---- 3.2: a signature that is known first ---------------------------------------- */

CK_RV C_VerifySignatureInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
			    CK_OBJECT_HANDLE key, CK_BYTE *signature,
			    CK_ULONG signature_length)
{
	OPERATION_INIT(session, OPERATION_VERIFY_SIGNATURE,
		       C_VerifySignatureInit, mechanism, key, signature,
		       signature_length);
}

CK_RV C_VerifySignature(CK_SESSION_HANDLE session, CK_BYTE *in,
			CK_ULONG in_length)
{
	OPERATION_END(session, OPERATION_VERIFY_SIGNATURE, C_VerifySignature,
		      in, in_length);
}

CK_RV C_VerifySignatureUpdate(CK_SESSION_HANDLE session, CK_BYTE *in,
			      CK_ULONG in_length)
{
	OPERATION_PART(session, OPERATION_VERIFY_SIGNATURE,
		       C_VerifySignatureUpdate, in, in_length);
}

CK_RV C_VerifySignatureFinal(CK_SESSION_HANDLE session)
{
	OPERATION_END(session, OPERATION_VERIFY_SIGNATURE,
		      C_VerifySignatureFinal);
}

/* ---- 3.2: keys ------------------------------------------------------------------------ */

/* Without room for the ciphertext it tells the length and makes no key. */
CK_RV C_EncapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		       CK_OBJECT_HANDLE public_key, CK_ATTRIBUTE *template,
		       CK_ULONG count, CK_BYTE *ciphertext,
		       CK_ULONG *ciphertext_length, CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE_UNLESS(!ciphertext, session,
		      CHECKS(call_check_mechanism(&call, mechanism),
		      CHECKS(call_check_key(&call, public_key,
					    CKR_KEY_HANDLE_INVALID, &login),
			     call_check_template(&call, template, count))),
		      key, C_EncapsulateKey, mechanism, public_key, template,
		      count, ciphertext, ciphertext_length, key);
}

CK_RV C_DecapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		       CK_OBJECT_HANDLE private_key, CK_ATTRIBUTE *template,
		       CK_ULONG count, CK_BYTE *ciphertext,
		       CK_ULONG ciphertext_length, CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE(session,
	       CHECKS(call_check_mechanism(&call, mechanism),
	       CHECKS(call_check_key(&call, private_key,
				     CKR_KEY_HANDLE_INVALID, &login),
		      call_check_template(&call, template, count))),
	       key, C_DecapsulateKey, mechanism, private_key, template, count,
	       ciphertext, ciphertext_length, key);
}

CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
			     CK_OBJECT_HANDLE wrapping_key,
			     CK_OBJECT_HANDLE key, CK_BYTE *associated,
			     CK_ULONG associated_length, CK_BYTE *wrapped,
			     CK_ULONG *wrapped_length)
{
	unsigned long login;

	FORWARD_CHECKED(session,
			CHECKS(call_check_mechanism(&call, mechanism),
			CHECKS(call_check_key(&call, wrapping_key,
					      CKR_WRAPPING_KEY_HANDLE_INVALID,
					      &login),
			       call_check_key(&call, key,
					      CKR_KEY_HANDLE_INVALID,
					      &login))),
			C_WrapKeyAuthenticated, mechanism, wrapping_key, key,
			associated, associated_length, wrapped,
			wrapped_length);
}

CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE session,
			       CK_MECHANISM *mechanism,
			       CK_OBJECT_HANDLE unwrapping_key,
			       CK_BYTE *wrapped, CK_ULONG wrapped_length,
			       CK_ATTRIBUTE *template, CK_ULONG count,
			       CK_BYTE *associated, CK_ULONG associated_length,
			       CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE(session,
	       CHECKS(call_check_mechanism(&call, mechanism),
	       CHECKS(call_check_key(&call, unwrapping_key,
				     CKR_UNWRAPPING_KEY_HANDLE_INVALID,
				     &login),
		      call_check_template(&call, template, count))),
	       key, C_UnwrapKeyAuthenticated, mechanism, unwrapping_key,
	       wrapped, wrapped_length, template, count, associated,
	       associated_length, key);
}

/* ---- 3.2: the session ------------------------------------------------------------------- */

CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE session,
				  CK_SESSION_VALIDATION_FLAGS_TYPE type,
				  CK_FLAGS *flags)
{
	FORWARD(session, C_GetSessionValidationFlags, type, flags);
}

/*
 * No session of ours is asynchronous, so a backend has nothing to tell here;
 * if it has, what it made is this caller's.
 */
CK_RV C_AsyncComplete(CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
		      CK_ASYNC_DATA *result)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = result ? CALL(&call, C_AsyncComplete, function, result) :
		      CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK && result->hObject)
		rv = call_created(&call, result->hObject);
	if (rv == CKR_OK && result->hAdditionalObject)
		rv = call_created(&call, result->hAdditionalObject);
	return call_end(&call, rv);
}

CK_RV C_AsyncGetID(CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
		   CK_ULONG *id)
{
	FORWARD(session, C_AsyncGetID, function, id);
}

CK_RV C_AsyncJoin(CK_SESSION_HANDLE session, CK_UTF8CHAR *function, CK_ULONG id,
		  CK_BYTE *data, CK_ULONG length)
{
	FORWARD(session, C_AsyncJoin, function, id, data, length);
}
