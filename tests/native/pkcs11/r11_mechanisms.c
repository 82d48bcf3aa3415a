// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R11: a key that is named in a mechanism's parameters has to be the caller's
 * own, like any other. NSS' softoken has such mechanisms, and takes any handle.
 */
#include "world.h"
#include <pkcs11/cryptoki.h>
#include <kselftest_harness.h>

/* As pkcs11n.h has it. */
#define CKM_NSS_HKDF_SHA256	(0xce534350ul + 4)

struct nss_hkdf_params {
	CK_BBOOL extract;
	CK_BYTE *salt;
	CK_ULONG salt_length;
	CK_BBOOL expand;
	CK_BYTE *info;
	CK_ULONG info_length;
};

FIXTURE(mechanisms) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
	CK_OBJECT_HANDLE theirs, own, base;
};

static CK_RV make_secret(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			 CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_DERIVE, &yes, 1 },
		{ CKA_SIGN, &yes, 1 },
		{ CKA_VALUE, "sixteen bytes ok", 16 },
	};

	return p11->C_CreateObject(session, template, 5, key);
}

static CK_RV derive(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
		    CK_OBJECT_HANDLE base, CK_MECHANISM_TYPE type, void *params,
		    CK_ULONG length)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_MECHANISM mechanism = { type, params, length };
	CK_KEY_TYPE key_type = CKK_GENERIC_SECRET;
	CK_ULONG size = 16;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &key_type, sizeof(key_type) },
		{ CKA_VALUE_LEN, &size, sizeof(size) },
		{ CKA_DERIVE, &yes, 1 },
	};
	CK_OBJECT_HANDLE made;
	CK_RV rv;

	rv = p11->C_DeriveKey(session, &mechanism, base, template, 4, &made);
	return rv == CKR_OK ? p11->C_DestroyObject(session, made) : rv;
}

#define DERIVE(type, params)						\
	derive(self->b, self->sb, self->base, type, &(params), sizeof(params))

static bool begin(struct _test_data_mechanisms *self)
{
	self->a = CALLER_A;
	self->b = CALLER_B;
	return self->a->C_Initialize(NULL) == CKR_OK &&
	       self->b->C_Initialize(NULL) == CKR_OK &&
	       open_ro(self->a, &self->sa) == CKR_OK &&
	       open_ro(self->b, &self->sb) == CKR_OK &&
	       make_secret(self->a, self->sa, &self->theirs) == CKR_OK &&
	       make_secret(self->b, self->sb, &self->own) == CKR_OK &&
	       make_secret(self->b, self->sb, &self->base) == CKR_OK;
}

FIXTURE_SETUP(mechanisms)
{
	ASSERT_TRUE(world_begin());
	world_configure_nss("");
	ASSERT_TRUE(begin(self));
}

FIXTURE_TEARDOWN(mechanisms)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

TEST_F(mechanisms, hkdf_salts_are_ones_own)
{
	CK_HKDF_PARAMS params = {
		.bExtract = CK_TRUE,
		.bExpand = CK_TRUE,
		.prfHashMechanism = CKM_SHA256,
		.ulSaltType = CKF_HKDF_SALT_KEY,
		.hSaltKey = self->theirs,
	};

	EXPECT_EQ(CKR_KEY_HANDLE_INVALID, DERIVE(CKM_HKDF_DERIVE, params));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID, DERIVE(CKM_HKDF_DATA, params));
	params.hSaltKey = self->own;
	EXPECT_EQ(CKR_OK, DERIVE(CKM_HKDF_DERIVE, params));
	/* Without a key to it, nothing is looked at. */
	params.ulSaltType = CKF_HKDF_SALT_NULL;
	params.hSaltKey = CK_INVALID_HANDLE;
	EXPECT_EQ(CKR_OK, DERIVE(CKM_HKDF_DERIVE, params));
	EXPECT_EQ(CKR_MECHANISM_PARAM_INVALID,
		  DERIVE(CKM_HKDF_DERIVE, params.ulSaltType));
}

TEST_F(mechanisms, concatenated_keys_are_ones_own)
{
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_CONCATENATE_BASE_AND_KEY, self->theirs));
	EXPECT_EQ(CKR_OK, DERIVE(CKM_CONCATENATE_BASE_AND_KEY, self->own));
}

TEST_F(mechanisms, ike_keys_are_ones_own)
{
	unsigned char nonce[8] = "nonce";
	CK_IKE2_PRF_PLUS_DERIVE_PARAMS plus = {
		.prfMechanism = CKM_SHA256_HMAC,
		.bHasSeedKey = CK_TRUE,
		.hSeedKey = self->theirs,
		.pSeedData = nonce,
		.ulSeedDataLen = sizeof(nonce),
	};
	CK_IKE_PRF_DERIVE_PARAMS prf = {
		.prfMechanism = CKM_SHA256_HMAC,
		.bRekey = CK_TRUE,
		.pNi = nonce,
		.ulNiLen = sizeof(nonce),
		.pNr = nonce,
		.ulNrLen = sizeof(nonce),
		.hNewKey = self->theirs,
	};
	CK_IKE1_PRF_DERIVE_PARAMS prf1 = {
		.prfMechanism = CKM_SHA256_HMAC,
		.hKeygxy = self->theirs,
		.pCKYi = nonce,
		.ulCKYiLen = sizeof(nonce),
		.pCKYr = nonce,
		.ulCKYrLen = sizeof(nonce),
	};
	CK_IKE1_EXTENDED_DERIVE_PARAMS extended = {
		.prfMechanism = CKM_SHA256_HMAC,
		.bHasKeygxy = CK_TRUE,
		.hKeygxy = self->theirs,
		.pExtraData = nonce,
		.ulExtraDataLen = sizeof(nonce),
	};

	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_IKE2_PRF_PLUS_DERIVE, plus));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID, DERIVE(CKM_IKE_PRF_DERIVE, prf));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID, DERIVE(CKM_IKE1_PRF_DERIVE, prf1));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_IKE1_EXTENDED_DERIVE, extended));
	prf1.hKeygxy = self->own;
	EXPECT_NE(CKR_KEY_HANDLE_INVALID, DERIVE(CKM_IKE1_PRF_DERIVE, prf1));
	prf1.bHasPrevKey = CK_TRUE;
	prf1.hPrevKey = self->theirs;
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID, DERIVE(CKM_IKE1_PRF_DERIVE, prf1));
	plus.hSeedKey = self->own;
	EXPECT_NE(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_IKE2_PRF_PLUS_DERIVE, plus));
	prf.hNewKey = self->own;
	EXPECT_NE(CKR_KEY_HANDLE_INVALID, DERIVE(CKM_IKE_PRF_DERIVE, prf));
	extended.hKeygxy = self->own;
	EXPECT_NE(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_IKE1_EXTENDED_DERIVE, extended));
}

TEST_F(mechanisms, kdf_makes_one_key_of_ones_own)
{
	struct { CK_BBOOL little_endian; CK_ULONG width; } counter = { 0, 8 };
	CK_PRF_DATA_PARAM data[] = {
		{ CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof(counter) },
		{ CK_SP800_108_KEY_HANDLE, &self->theirs,
		  sizeof(self->theirs) },
	};
	CK_SP800_108_KDF_PARAMS params = {
		.prfType = CKM_SHA256_HMAC,
		.ulNumberOfDataParams = 2,
		.pDataParams = data,
	};
	CK_SP800_108_FEEDBACK_KDF_PARAMS feedback = {
		.prfType = CKM_SHA256_HMAC,
		.ulNumberOfDataParams = 2,
		.pDataParams = data,
	};
	CK_DERIVED_KEY more = { NULL, 0, &self->theirs };

	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_SP800_108_COUNTER_KDF, params));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_SP800_108_FEEDBACK_KDF, feedback));
	data[1].ulValueLen = 1;
	EXPECT_EQ(CKR_MECHANISM_PARAM_INVALID,
		  DERIVE(CKM_SP800_108_DOUBLE_PIPELINE_KDF, params));
	params.ulNumberOfDataParams = 1;
	EXPECT_EQ(CKR_OK, DERIVE(CKM_SP800_108_COUNTER_KDF, params));
	params.ulAdditionalDerivedKeys = 1;
	params.pAdditionalDerivedKeys = &more;
	EXPECT_EQ(CKR_MECHANISM_INVALID,
		  DERIVE(CKM_SP800_108_COUNTER_KDF, params));
}

TEST_F(mechanisms, that_name_keys_otherwise_are_refused)
{
	static const CK_MECHANISM_TYPE refused[] = {
		CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_KEY_SAFE_DERIVE,
		CKM_X3DH_INITIALIZE, CKM_X3DH_RESPOND, CKM_X2RATCHET_INITIALIZE,
		CKM_X2RATCHET_RESPOND, CKM_KIP_DERIVE, CKM_ECMQV_DERIVE,
	};
	char params[128] = { 0 };
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		EXPECT_EQ(CKR_MECHANISM_INVALID, DERIVE(refused[i], params));
}

TEST_F(mechanisms, a_vendors_own_are_passed_on_if_so_configured)
{
	struct nss_hkdf_params params = {
		.extract = CK_TRUE,
		.salt = (CK_BYTE *)"salt",
		.salt_length = 4,
		.expand = CK_TRUE,
	};

	EXPECT_EQ(CKR_MECHANISM_INVALID, DERIVE(CKM_NSS_HKDF_SHA256, params));
	/* Without parameters it is the backend that has none of that. */
	EXPECT_EQ(CKR_MECHANISM_PARAM_INVALID,
		  derive(self->b, self->sb, self->base, CKM_NSS_HKDF_SHA256,
			 NULL, 0));
	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure_nss("vendor-mechanisms = pass");
	ASSERT_TRUE(begin(self));
	EXPECT_EQ(CKR_OK, DERIVE(CKM_NSS_HKDF_SHA256, params));
}

/* As most programs are: there is nobody whose keys could be named. */
TEST_F(mechanisms, a_vendors_own_are_passed_on_for_a_caller_alone)
{
	struct nss_hkdf_params params = {
		.extract = CK_TRUE,
		.salt = (CK_BYTE *)"salt",
		.salt_length = 4,
		.expand = CK_TRUE,
	};
	CK_SESSION_HANDLE session;

	ASSERT_EQ(CKR_OK, self->a->C_CloseAllSessions(the_slot(self->a)));
	EXPECT_EQ(CKR_OK, DERIVE(CKM_NSS_HKDF_SHA256, params));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &session));
	EXPECT_EQ(CKR_MECHANISM_INVALID, DERIVE(CKM_NSS_HKDF_SHA256, params));
}

TEST_HARNESS_MAIN
