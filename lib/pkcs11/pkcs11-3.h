/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PKCS#11 3.0 and 3.2, as far as p11-kit's header doesn't go
 *
 * Written from the OASIS specifications "PKCS #11 Specification Version 3.1"
 * and "3.2", names as they have them; 3.1 has the functions of 3.0. It extends
 * <p11-kit/pkcs11.h>, which has 2.40 and the types.
 */
#ifndef TOKMUX_PKCS11_3_H
#define TOKMUX_PKCS11_3_H

#include <p11-kit/pkcs11.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- constants ---------------------------------------------------------- */

#define CKR_TOKEN_RESOURCE_EXCEEDED	0x201UL
#define CKR_OPERATION_CANCEL_FAILED	0x202UL
#define CKR_PENDING			0x204UL
#define CKR_SESSION_ASYNC_NOT_SUPPORTED	0x205UL

/* of an interface */
#define CKF_INTERFACE_FORK_SAFE		0x1UL

/* of C_OpenSession */
#define CKF_ASYNC_SESSION		0x8UL

/* of C_SessionCancel, beside those of CK_MECHANISM_INFO in 2.40 */
#define CKF_MESSAGE_ENCRYPT		0x02UL
#define CKF_MESSAGE_DECRYPT		0x04UL
#define CKF_MESSAGE_SIGN		0x08UL
#define CKF_MESSAGE_VERIFY		0x10UL
#define CKF_FIND_OBJECTS		0x40UL

/* of C_EncryptMessageNext and C_DecryptMessageNext */
#define CKF_END_OF_MESSAGE		0x1UL

/* mechanisms that name keys in their parameters */
#define CKM_SP800_108_COUNTER_KDF	0x3acUL
#define CKM_SP800_108_FEEDBACK_KDF	0x3adUL
#define CKM_SP800_108_DOUBLE_PIPELINE_KDF 0x3aeUL
#define CKM_X3DH_INITIALIZE		0x4023UL
#define CKM_X3DH_RESPOND		0x4024UL
#define CKM_X2RATCHET_INITIALIZE	0x4025UL
#define CKM_X2RATCHET_RESPOND		0x4026UL
#define CKM_HKDF_DERIVE			0x402aUL
#define CKM_HKDF_DATA			0x402bUL
#define CKM_IKE2_PRF_PLUS_DERIVE	0x402eUL
#define CKM_IKE_PRF_DERIVE		0x402fUL
#define CKM_IKE1_PRF_DERIVE		0x4030UL
#define CKM_IKE1_EXTENDED_DERIVE	0x4031UL

/* of CK_HKDF_PARAMS */
#define CKF_HKDF_SALT_NULL		0x1UL
#define CKF_HKDF_SALT_DATA		0x2UL
#define CKF_HKDF_SALT_KEY		0x4UL

/* of CK_PRF_DATA_PARAM */
#define CK_SP800_108_ITERATION_VARIABLE	0x1UL
#define CK_SP800_108_BYTE_ARRAY		0x4UL
#define CK_SP800_108_KEY_HANDLE		0x5UL

/* ---- types --------------------------------------------------------------- */

typedef struct CK_INTERFACE {
	CK_CHAR *pInterfaceName;
	CK_VOID_PTR pFunctionList;
	CK_FLAGS flags;
} CK_INTERFACE;

typedef CK_ULONG CK_SESSION_VALIDATION_FLAGS_TYPE;

/* What an asynchronous function has come to. */
typedef struct CK_ASYNC_DATA {
	CK_ULONG ulVersion;
	CK_BYTE *pValue;
	CK_ULONG ulValue;
	CK_OBJECT_HANDLE hObject;
	CK_OBJECT_HANDLE hAdditionalObject;
} CK_ASYNC_DATA;

/* ---- parameters of mechanisms ----------------------------------------------- */

typedef struct CK_HKDF_PARAMS {
	CK_BBOOL bExtract;
	CK_BBOOL bExpand;
	CK_MECHANISM_TYPE prfHashMechanism;
	CK_ULONG ulSaltType;
	CK_BYTE *pSalt;
	CK_ULONG ulSaltLen;
	CK_OBJECT_HANDLE hSaltKey;
	CK_BYTE *pInfo;
	CK_ULONG ulInfoLen;
} CK_HKDF_PARAMS;

typedef struct CK_IKE2_PRF_PLUS_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BBOOL bHasSeedKey;
	CK_OBJECT_HANDLE hSeedKey;
	CK_BYTE *pSeedData;
	CK_ULONG ulSeedDataLen;
} CK_IKE2_PRF_PLUS_DERIVE_PARAMS;

typedef struct CK_IKE_PRF_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BBOOL bDataAsKey;
	CK_BBOOL bRekey;
	CK_BYTE *pNi;
	CK_ULONG ulNiLen;
	CK_BYTE *pNr;
	CK_ULONG ulNrLen;
	CK_OBJECT_HANDLE hNewKey;
} CK_IKE_PRF_DERIVE_PARAMS;

typedef struct CK_IKE1_PRF_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BBOOL bHasPrevKey;
	CK_OBJECT_HANDLE hKeygxy;
	CK_OBJECT_HANDLE hPrevKey;
	CK_BYTE *pCKYi;
	CK_ULONG ulCKYiLen;
	CK_BYTE *pCKYr;
	CK_ULONG ulCKYrLen;
	CK_BYTE keyNumber;
} CK_IKE1_PRF_DERIVE_PARAMS;

typedef struct CK_IKE1_EXTENDED_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BBOOL bHasKeygxy;
	CK_OBJECT_HANDLE hKeygxy;
	CK_BYTE *pExtraData;
	CK_ULONG ulExtraDataLen;
} CK_IKE1_EXTENDED_DERIVE_PARAMS;

typedef struct CK_PRF_DATA_PARAM {
	CK_ULONG type;
	CK_VOID_PTR pValue;
	CK_ULONG ulValueLen;
} CK_PRF_DATA_PARAM;

typedef struct CK_DERIVED_KEY {
	CK_ATTRIBUTE *pTemplate;
	CK_ULONG ulAttributeCount;
	CK_OBJECT_HANDLE *phKey;
} CK_DERIVED_KEY;

typedef struct CK_SP800_108_KDF_PARAMS {
	CK_MECHANISM_TYPE prfType;
	CK_ULONG ulNumberOfDataParams;
	CK_PRF_DATA_PARAM *pDataParams;
	CK_ULONG ulAdditionalDerivedKeys;
	CK_DERIVED_KEY *pAdditionalDerivedKeys;
} CK_SP800_108_KDF_PARAMS;

typedef struct CK_SP800_108_FEEDBACK_KDF_PARAMS {
	CK_MECHANISM_TYPE prfType;
	CK_ULONG ulNumberOfDataParams;
	CK_PRF_DATA_PARAM *pDataParams;
	CK_ULONG ulIVLen;
	CK_BYTE *pIV;
	CK_ULONG ulAdditionalDerivedKeys;
	CK_DERIVED_KEY *pAdditionalDerivedKeys;
} CK_SP800_108_FEEDBACK_KDF_PARAMS;

/* ---- functions ------------------------------------------------------------ */

#define CK_DECLARE_3(name, arguments)					\
	typedef CK_RV (*CK_##name) arguments;				\
	CK_RV name arguments

/* 3.0 */
CK_DECLARE_3(C_GetInterfaceList, (CK_INTERFACE *interfaces, CK_ULONG *count));
CK_DECLARE_3(C_GetInterface, (CK_UTF8CHAR *name, CK_VERSION *version,
			      CK_INTERFACE **interface, CK_FLAGS flags));
CK_DECLARE_3(C_LoginUser, (CK_SESSION_HANDLE session, CK_USER_TYPE type,
			   CK_UTF8CHAR *pin, CK_ULONG pin_length,
			   CK_UTF8CHAR *name, CK_ULONG name_length));
CK_DECLARE_3(C_SessionCancel, (CK_SESSION_HANDLE session, CK_FLAGS flags));

CK_DECLARE_3(C_MessageEncryptInit, (CK_SESSION_HANDLE session,
				    CK_MECHANISM *mechanism,
				    CK_OBJECT_HANDLE key));
CK_DECLARE_3(C_EncryptMessage, (CK_SESSION_HANDLE session, void *parameter,
				CK_ULONG parameter_length,
				CK_BYTE *associated, CK_ULONG associated_length,
				CK_BYTE *in, CK_ULONG in_length, CK_BYTE *out,
				CK_ULONG *out_length));
CK_DECLARE_3(C_EncryptMessageBegin, (CK_SESSION_HANDLE session, void *parameter,
				     CK_ULONG parameter_length,
				     CK_BYTE *associated,
				     CK_ULONG associated_length));
CK_DECLARE_3(C_EncryptMessageNext, (CK_SESSION_HANDLE session, void *parameter,
				    CK_ULONG parameter_length, CK_BYTE *in,
				    CK_ULONG in_length, CK_BYTE *out,
				    CK_ULONG *out_length, CK_FLAGS flags));
CK_DECLARE_3(C_MessageEncryptFinal, (CK_SESSION_HANDLE session));

CK_DECLARE_3(C_MessageDecryptInit, (CK_SESSION_HANDLE session,
				    CK_MECHANISM *mechanism,
				    CK_OBJECT_HANDLE key));
CK_DECLARE_3(C_DecryptMessage, (CK_SESSION_HANDLE session, void *parameter,
				CK_ULONG parameter_length,
				CK_BYTE *associated, CK_ULONG associated_length,
				CK_BYTE *in, CK_ULONG in_length, CK_BYTE *out,
				CK_ULONG *out_length));
CK_DECLARE_3(C_DecryptMessageBegin, (CK_SESSION_HANDLE session, void *parameter,
				     CK_ULONG parameter_length,
				     CK_BYTE *associated,
				     CK_ULONG associated_length));
CK_DECLARE_3(C_DecryptMessageNext, (CK_SESSION_HANDLE session, void *parameter,
				    CK_ULONG parameter_length, CK_BYTE *in,
				    CK_ULONG in_length, CK_BYTE *out,
				    CK_ULONG *out_length, CK_FLAGS flags));
CK_DECLARE_3(C_MessageDecryptFinal, (CK_SESSION_HANDLE session));

CK_DECLARE_3(C_MessageSignInit, (CK_SESSION_HANDLE session,
				 CK_MECHANISM *mechanism,
				 CK_OBJECT_HANDLE key));
CK_DECLARE_3(C_SignMessage, (CK_SESSION_HANDLE session, void *parameter,
			     CK_ULONG parameter_length, CK_BYTE *in,
			     CK_ULONG in_length, CK_BYTE *signature,
			     CK_ULONG *signature_length));
CK_DECLARE_3(C_SignMessageBegin, (CK_SESSION_HANDLE session, void *parameter,
				  CK_ULONG parameter_length));
CK_DECLARE_3(C_SignMessageNext, (CK_SESSION_HANDLE session, void *parameter,
				 CK_ULONG parameter_length, CK_BYTE *in,
				 CK_ULONG in_length, CK_BYTE *signature,
				 CK_ULONG *signature_length));
CK_DECLARE_3(C_MessageSignFinal, (CK_SESSION_HANDLE session));

CK_DECLARE_3(C_MessageVerifyInit, (CK_SESSION_HANDLE session,
				   CK_MECHANISM *mechanism,
				   CK_OBJECT_HANDLE key));
CK_DECLARE_3(C_VerifyMessage, (CK_SESSION_HANDLE session, void *parameter,
			       CK_ULONG parameter_length, CK_BYTE *in,
			       CK_ULONG in_length, CK_BYTE *signature,
			       CK_ULONG signature_length));
CK_DECLARE_3(C_VerifyMessageBegin, (CK_SESSION_HANDLE session, void *parameter,
				    CK_ULONG parameter_length));
CK_DECLARE_3(C_VerifyMessageNext, (CK_SESSION_HANDLE session, void *parameter,
				   CK_ULONG parameter_length, CK_BYTE *in,
				   CK_ULONG in_length, CK_BYTE *signature,
				   CK_ULONG signature_length));
CK_DECLARE_3(C_MessageVerifyFinal, (CK_SESSION_HANDLE session));

/* 3.2 */
CK_DECLARE_3(C_EncapsulateKey, (CK_SESSION_HANDLE session,
				CK_MECHANISM *mechanism,
				CK_OBJECT_HANDLE public_key,
				CK_ATTRIBUTE *template, CK_ULONG count,
				CK_BYTE *ciphertext,
				CK_ULONG *ciphertext_length,
				CK_OBJECT_HANDLE *key));
CK_DECLARE_3(C_DecapsulateKey, (CK_SESSION_HANDLE session,
				CK_MECHANISM *mechanism,
				CK_OBJECT_HANDLE private_key,
				CK_ATTRIBUTE *template, CK_ULONG count,
				CK_BYTE *ciphertext, CK_ULONG ciphertext_length,
				CK_OBJECT_HANDLE *key));
CK_DECLARE_3(C_VerifySignatureInit, (CK_SESSION_HANDLE session,
				     CK_MECHANISM *mechanism,
				     CK_OBJECT_HANDLE key, CK_BYTE *signature,
				     CK_ULONG signature_length));
CK_DECLARE_3(C_VerifySignature, (CK_SESSION_HANDLE session, CK_BYTE *in,
				 CK_ULONG in_length));
CK_DECLARE_3(C_VerifySignatureUpdate, (CK_SESSION_HANDLE session, CK_BYTE *in,
				       CK_ULONG in_length));
CK_DECLARE_3(C_VerifySignatureFinal, (CK_SESSION_HANDLE session));
CK_DECLARE_3(C_GetSessionValidationFlags,
	     (CK_SESSION_HANDLE session, CK_SESSION_VALIDATION_FLAGS_TYPE type,
	      CK_FLAGS *flags));
CK_DECLARE_3(C_AsyncComplete, (CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
			       CK_ASYNC_DATA *result));
CK_DECLARE_3(C_AsyncGetID, (CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
			    CK_ULONG *id));
CK_DECLARE_3(C_AsyncJoin, (CK_SESSION_HANDLE session, CK_UTF8CHAR *function,
			   CK_ULONG id, CK_BYTE *data, CK_ULONG length));
CK_DECLARE_3(C_WrapKeyAuthenticated,
	     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
	      CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key,
	      CK_BYTE *associated, CK_ULONG associated_length,
	      CK_BYTE *wrapped, CK_ULONG *wrapped_length));
CK_DECLARE_3(C_UnwrapKeyAuthenticated,
	     (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
	      CK_OBJECT_HANDLE unwrapping_key, CK_BYTE *wrapped,
	      CK_ULONG wrapped_length, CK_ATTRIBUTE *template, CK_ULONG count,
	      CK_BYTE *associated, CK_ULONG associated_length,
	      CK_OBJECT_HANDLE *key));

#undef CK_DECLARE_3

/* ---- function lists --------------------------------------------------------- */

/* In the order of the lists: each version's begins as the one before it. */
#define CK_FUNCTIONS_2_40(F)						\
	F(C_Initialize) F(C_Finalize) F(C_GetInfo) F(C_GetFunctionList)	\
	F(C_GetSlotList) F(C_GetSlotInfo) F(C_GetTokenInfo)		\
	F(C_GetMechanismList) F(C_GetMechanismInfo) F(C_InitToken)	\
	F(C_InitPIN) F(C_SetPIN) F(C_OpenSession) F(C_CloseSession)	\
	F(C_CloseAllSessions) F(C_GetSessionInfo) F(C_GetOperationState) \
	F(C_SetOperationState) F(C_Login) F(C_Logout) F(C_CreateObject)	\
	F(C_CopyObject) F(C_DestroyObject) F(C_GetObjectSize)		\
	F(C_GetAttributeValue) F(C_SetAttributeValue)			\
	F(C_FindObjectsInit) F(C_FindObjects) F(C_FindObjectsFinal)	\
	F(C_EncryptInit) F(C_Encrypt) F(C_EncryptUpdate) F(C_EncryptFinal) \
	F(C_DecryptInit) F(C_Decrypt) F(C_DecryptUpdate) F(C_DecryptFinal) \
	F(C_DigestInit) F(C_Digest) F(C_DigestUpdate) F(C_DigestKey)	\
	F(C_DigestFinal) F(C_SignInit) F(C_Sign) F(C_SignUpdate)	\
	F(C_SignFinal) F(C_SignRecoverInit) F(C_SignRecover)		\
	F(C_VerifyInit) F(C_Verify) F(C_VerifyUpdate) F(C_VerifyFinal)	\
	F(C_VerifyRecoverInit) F(C_VerifyRecover)			\
	F(C_DigestEncryptUpdate) F(C_DecryptDigestUpdate)		\
	F(C_SignEncryptUpdate) F(C_DecryptVerifyUpdate)			\
	F(C_GenerateKey) F(C_GenerateKeyPair) F(C_WrapKey)		\
	F(C_UnwrapKey) F(C_DeriveKey) F(C_SeedRandom)			\
	F(C_GenerateRandom) F(C_GetFunctionStatus) F(C_CancelFunction)	\
	F(C_WaitForSlotEvent)

#define CK_FUNCTIONS_3_0(F)						\
	F(C_GetInterfaceList) F(C_GetInterface) F(C_LoginUser)		\
	F(C_SessionCancel) F(C_MessageEncryptInit) F(C_EncryptMessage)	\
	F(C_EncryptMessageBegin) F(C_EncryptMessageNext)		\
	F(C_MessageEncryptFinal) F(C_MessageDecryptInit)		\
	F(C_DecryptMessage) F(C_DecryptMessageBegin)			\
	F(C_DecryptMessageNext) F(C_MessageDecryptFinal)		\
	F(C_MessageSignInit) F(C_SignMessage) F(C_SignMessageBegin)	\
	F(C_SignMessageNext) F(C_MessageSignFinal)			\
	F(C_MessageVerifyInit) F(C_VerifyMessage)			\
	F(C_VerifyMessageBegin) F(C_VerifyMessageNext)			\
	F(C_MessageVerifyFinal)

#define CK_FUNCTIONS_3_2(F)						\
	F(C_EncapsulateKey) F(C_DecapsulateKey)				\
	F(C_VerifySignatureInit) F(C_VerifySignature)			\
	F(C_VerifySignatureUpdate) F(C_VerifySignatureFinal)		\
	F(C_GetSessionValidationFlags) F(C_AsyncComplete)		\
	F(C_AsyncGetID) F(C_AsyncJoin) F(C_WrapKeyAuthenticated)	\
	F(C_UnwrapKeyAuthenticated)

#define CK_MEMBER(name)	CK_##name name;

typedef struct CK_FUNCTION_LIST_3_0 {
	CK_VERSION version;
	CK_FUNCTIONS_2_40(CK_MEMBER)
	CK_FUNCTIONS_3_0(CK_MEMBER)
} CK_FUNCTION_LIST_3_0;

typedef struct CK_FUNCTION_LIST_3_2 {
	CK_VERSION version;
	CK_FUNCTIONS_2_40(CK_MEMBER)
	CK_FUNCTIONS_3_0(CK_MEMBER)
	CK_FUNCTIONS_3_2(CK_MEMBER)
} CK_FUNCTION_LIST_3_2;

#undef CK_MEMBER

#ifdef __cplusplus
}
#endif

#endif /* TOKMUX_PKCS11_3_H */
