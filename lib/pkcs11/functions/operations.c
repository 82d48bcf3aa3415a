// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * operations: the functions that encrypt, decrypt, digest, sign and verify, and
 * random numbers
 */
#include "forward.h"

/* ---- encrypting and decrypting ------------------------------------------------- */

/* C_EncryptInit … C_EncryptFinal, and the same for decrypting. */
#define CIPHER(name, kind)						\
CK_RV C_##name##Init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, \
		     CK_OBJECT_HANDLE key)				\
{									\
	OPERATION_INIT(session, kind, C_##name##Init, mechanism, key);	\
}									\
									\
CK_RV C_##name(CK_SESSION_HANDLE session, unsigned char *in,		\
	       CK_ULONG in_length, unsigned char *out,			\
	       CK_ULONG *out_length)					\
{									\
	OPERATION_LAST(session, kind, out, C_##name, in, in_length, out, \
		       out_length);					\
}									\
									\
CK_RV C_##name##Update(CK_SESSION_HANDLE session, unsigned char *in,	\
		       CK_ULONG in_length, unsigned char *out,		\
		       CK_ULONG *out_length)				\
{									\
	OPERATION_PART(session, kind, C_##name##Update, in, in_length,	\
		       out, out_length);				\
}									\
									\
CK_RV C_##name##Final(CK_SESSION_HANDLE session, unsigned char *out,	\
		      CK_ULONG *out_length)				\
{									\
	OPERATION_LAST(session, kind, out, C_##name##Final, out,	\
		       out_length);					\
}

CIPHER(Encrypt, OPERATION_ENCRYPT)
CIPHER(Decrypt, OPERATION_DECRYPT)

/* ---- digesting ----------------------------------------------------------------- */

CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	if (!mechanism)
		return call_end(&call,
				call_cancel_one(&call, OPERATION_DIGEST));
	rv = CHECKS(call_check_mechanism(&call, mechanism),
		    call_operation_ready(&call));
	if (rv == CKR_OK)
		rv = CALL(&call, C_DigestInit, mechanism);
	if (rv == CKR_OK)
		call_operation_started(&call, OPERATION_DIGEST, 0);
	return call_end(&call, rv);
}

CK_RV C_Digest(CK_SESSION_HANDLE session, unsigned char *in, CK_ULONG in_length,
	       unsigned char *out, CK_ULONG *out_length)
{
	OPERATION_LAST(session, OPERATION_DIGEST, out, C_Digest, in, in_length,
		       out, out_length);
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE session, unsigned char *in,
		     CK_ULONG in_length)
{
	OPERATION_PART(session, OPERATION_DIGEST, C_DigestUpdate, in,
		       in_length);
}

/* From here on the digest is the key's as well. */
CK_RV C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	unsigned long login;
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	rv = CHECKS(call_operation(&call, OPERATION_DIGEST),
		    call_check_key(&call, key, CKR_KEY_HANDLE_INVALID, &login));
	if (rv == CKR_OK) {
		rv = CALL(&call, C_DigestKey, key);
		if (!HARMLESS(rv))
			call_operation_ended(&call, OPERATION_DIGEST);
		else if (rv == CKR_OK && login)
			call_operation_started(&call, OPERATION_DIGEST, login);
	}
	return call_end(&call, rv);
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE session, unsigned char *out,
		    CK_ULONG *out_length)
{
	OPERATION_LAST(session, OPERATION_DIGEST, out, C_DigestFinal, out,
		       out_length);
}

/* ---- signing and verifying ----------------------------------------------------- */

/* C_SignInit and C_SignUpdate, and the same for verifying. */
#define SIGNATURE(name, kind)						\
CK_RV C_##name##Init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, \
		     CK_OBJECT_HANDLE key)				\
{									\
	OPERATION_INIT(session, kind, C_##name##Init, mechanism, key);	\
}									\
									\
CK_RV C_##name##Update(CK_SESSION_HANDLE session, unsigned char *in,	\
		       CK_ULONG in_length)				\
{									\
	OPERATION_PART(session, kind, C_##name##Update, in, in_length);	\
}

/* C_SignRecoverInit and C_SignRecover, and the same for verifying. */
#define RECOVER(name, kind)						\
CK_RV C_##name##Init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, \
		     CK_OBJECT_HANDLE key)				\
{									\
	OPERATION_INIT(session, kind, C_##name##Init, mechanism, key);	\
}									\
									\
CK_RV C_##name(CK_SESSION_HANDLE session, unsigned char *in,		\
	       CK_ULONG in_length, unsigned char *out,			\
	       CK_ULONG *out_length)					\
{									\
	OPERATION_LAST(session, kind, out, C_##name, in, in_length, out, \
		       out_length);					\
}

SIGNATURE(Sign, OPERATION_SIGN)
SIGNATURE(Verify, OPERATION_VERIFY)
RECOVER(SignRecover, OPERATION_SIGN_RECOVER)
RECOVER(VerifyRecover, OPERATION_VERIFY_RECOVER)

CK_RV C_Sign(CK_SESSION_HANDLE session, unsigned char *in, CK_ULONG in_length,
	     unsigned char *out, CK_ULONG *out_length)
{
	OPERATION_LAST(session, OPERATION_SIGN, out, C_Sign, in, in_length, out,
		       out_length);
}

CK_RV C_SignFinal(CK_SESSION_HANDLE session, unsigned char *out,
		  CK_ULONG *out_length)
{
	OPERATION_LAST(session, OPERATION_SIGN, out, C_SignFinal, out,
		       out_length);
}

CK_RV C_Verify(CK_SESSION_HANDLE session, unsigned char *in, CK_ULONG in_length,
	       unsigned char *signature, CK_ULONG signature_length)
{
	OPERATION_END(session, OPERATION_VERIFY, C_Verify, in, in_length,
		      signature, signature_length);
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE session, unsigned char *signature,
		    CK_ULONG signature_length)
{
	OPERATION_END(session, OPERATION_VERIFY, C_VerifyFinal, signature,
		      signature_length);
}

/* ---- two at once --------------------------------------------------------------- */

#define BOTH(name, kind1, kind2)					\
CK_RV C_##name(CK_SESSION_HANDLE session, unsigned char *in,		\
	       CK_ULONG in_length, unsigned char *out,			\
	       CK_ULONG *out_length)					\
{									\
	OPERATION_BOTH(session, kind1, kind2, C_##name, in, in_length,	\
		       out, out_length);				\
}

BOTH(DigestEncryptUpdate, OPERATION_DIGEST, OPERATION_ENCRYPT)
BOTH(DecryptDigestUpdate, OPERATION_DECRYPT, OPERATION_DIGEST)
BOTH(SignEncryptUpdate, OPERATION_SIGN, OPERATION_ENCRYPT)
BOTH(DecryptVerifyUpdate, OPERATION_DECRYPT, OPERATION_VERIFY)

/* ---- messages: one key, many of them ------------------------------------------- */

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

/* ---- 3.2: a signature that is known first -------------------------------------- */

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

/* ---- random numbers ------------------------------------------------------------ */

CK_RV C_SeedRandom(CK_SESSION_HANDLE session, unsigned char *seed,
		   CK_ULONG length)
{
	FORWARD(session, C_SeedRandom, seed, length);
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, unsigned char *random,
		       CK_ULONG length)
{
	FORWARD(session, C_GenerateRandom, random, length);
}
