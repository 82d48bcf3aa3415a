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
	/* That the session has used the mechanism before says nothing of the next key. */
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_CONCATENATE_BASE_AND_KEY, self->theirs));
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

TEST_F(mechanisms, kdf_keys_are_ones_own)
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

	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_SP800_108_COUNTER_KDF, params));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  DERIVE(CKM_SP800_108_FEEDBACK_KDF, feedback));
	data[1].ulValueLen = 1;
	EXPECT_EQ(CKR_MECHANISM_PARAM_INVALID,
		  DERIVE(CKM_SP800_108_DOUBLE_PIPELINE_KDF, params));
	params.ulNumberOfDataParams = 1;
	EXPECT_EQ(CKR_OK, DERIVE(CKM_SP800_108_COUNTER_KDF, params));
}

/* Is it a key of b's, and none of a's? */
static bool is_own(struct _test_data_mechanisms *self, CK_OBJECT_HANDLE key)
{
	CK_ULONG size;

	return self->b->C_GetObjectSize(self->sb, key, &size) == CKR_OK &&
	       self->a->C_GetObjectSize(self->sa, key, &size) ==
		       CKR_OBJECT_HANDLE_INVALID;
}

TEST_F(mechanisms, kdf_returns_keys_to_its_caller)
{
	struct { CK_BBOOL little_endian; CK_ULONG width; } counter = { 0, 8 };
	CK_PRF_DATA_PARAM data[] = {
		{ CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof(counter) },
	};
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_ULONG size = 16;
	CK_BBOOL private = CK_FALSE;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_VALUE_LEN, &size, sizeof(size) },
		{ CKA_PRIVATE, &private, sizeof(private) },
	};
	CK_OBJECT_HANDLE keys[2] = { self->theirs, self->theirs };
	CK_DERIVED_KEY more[] = {
		{ template, 4, &keys[0] }, { template, 4, &keys[1] },
	};
	CK_SP800_108_KDF_PARAMS params = {
		.prfType = CKM_SHA256_HMAC,
		.ulNumberOfDataParams = 1,
		.pDataParams = data,
		.ulAdditionalDerivedKeys = 2,
		.pAdditionalDerivedKeys = more,
	};
	size_t i;

	ASSERT_EQ(CKR_OK, DERIVE(CKM_SP800_108_COUNTER_KDF, params));
	EXPECT_NE(keys[0], keys[1]);
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(is_own(self, keys[i]));
	/* Without a login there is no private one. */
	private = CK_TRUE;
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  DERIVE(CKM_SP800_108_COUNTER_KDF, params));
	private = CK_FALSE;
	more[1].phKey = NULL;
	EXPECT_EQ(CKR_MECHANISM_PARAM_INVALID,
		  DERIVE(CKM_SP800_108_COUNTER_KDF, params));
	params.pAdditionalDerivedKeys = NULL;
	EXPECT_EQ(CKR_MECHANISM_PARAM_INVALID,
		  DERIVE(CKM_SP800_108_COUNTER_KDF, params));
}

/* ---- the keys of a connection -------------------------------------------------------- */

static CK_RV derive_set(struct _test_data_mechanisms *self,
			CK_TLS12_KEY_MAT_PARAMS *params, CK_ULONG count)
{
	CK_MECHANISM mechanism = {
		CKM_TLS12_KEY_AND_MAC_DERIVE, params, sizeof(*params)
	};
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES, base_type = CKK_GENERIC_SECRET;
	CK_ULONG size = 16;
	CK_ATTRIBUTE base_template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &base_type, sizeof(base_type) },
		{ CKA_DERIVE, &yes, 1 },
		{ CKA_VALUE, "the forty-eight bytes of a master secret of TLS.",
		  48 },
	};
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_ENCRYPT, &yes, 1 },
		{ CKA_VALUE_LEN, &size, sizeof(size) },
		{ CKA_TOKEN, &yes, 1 },
	};
	CK_OBJECT_HANDLE base;
	CK_RV rv;

	rv = self->b->C_CreateObject(self->sb, base_template, 4, &base);
	return rv == CKR_OK ? self->b->C_DeriveKey(self->sb, &mechanism, base,
						   template, count, NULL) :
			      rv;
}

TEST_F(mechanisms, tls_returns_keys_to_its_caller)
{
	CK_BYTE random[32] = { 1 }, iv[2][16];
	CK_SSL3_KEY_MAT_OUT out = {
		self->theirs, self->theirs, self->theirs, self->theirs,
		iv[0], iv[1],
	};
	CK_TLS12_KEY_MAT_PARAMS params = {
		256, 128, 128, CK_FALSE, { random, 32, random, 32 }, &out,
		CKM_SHA256,
	};
	CK_MECHANISM encrypt = { CKM_AES_ECB, NULL, 0 };

	ASSERT_EQ(CKR_OK, derive_set(self, &params, 4));
	EXPECT_TRUE(is_own(self, out.hClientMacSecret));
	EXPECT_TRUE(is_own(self, out.hServerMacSecret));
	EXPECT_TRUE(is_own(self, out.hClientKey));
	EXPECT_TRUE(is_own(self, out.hServerKey));
	EXPECT_EQ(CKR_OK, self->b->C_EncryptInit(self->sb, &encrypt,
						 out.hClientKey));
	/* Of those that aren't made the caller gets none. */
	out.hClientKey = out.hServerKey = self->theirs;
	ASSERT_EQ(CKR_OK, derive_set(self, &params, 3));
	EXPECT_EQ(CK_INVALID_HANDLE, out.hClientKey);
	EXPECT_EQ(CK_INVALID_HANDLE, out.hServerKey);
	EXPECT_FALSE(is_own(self, self->theirs));
	EXPECT_TRUE(is_own(self, out.hServerMacSecret));
	/* A session that is read-only makes none on the token. */
	EXPECT_EQ(CKR_SESSION_READ_ONLY, derive_set(self, &params, 5));
	params.pReturnedKeyMaterial = NULL;
	EXPECT_EQ(CKR_MECHANISM_PARAM_INVALID, derive_set(self, &params, 3));
}

TEST_F(mechanisms, that_name_keys_otherwise_are_refused)
{
	static const CK_MECHANISM_TYPE refused[] = {
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

#define MANY	200

TEST(a_refused_one_is_not_offered)
{
	CK_MECHANISM_TYPE types[MANY], all[MANY];
	CK_FUNCTION_LIST *softhsm, *p11;
	CK_ULONG i, count = 0, room, all_count = MANY;
	CK_MECHANISM_INFO info;
	CK_SLOT_ID slot;

	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_quirks"), "lease = shared");
	p11 = CALLER_A;
	softhsm = world_softhsm();
	ASSERT_EQ(CKR_OK, p11->C_Initialize(NULL));
	slot = the_slot(p11);
	ASSERT_EQ(CKR_OK, softhsm->C_GetMechanismList(the_slot(softhsm), all,
						      &all_count));
	ASSERT_EQ(CKR_OK, p11->C_GetMechanismList(slot, NULL, &count));
	EXPECT_EQ(all_count, count);
	room = count - 1;
	EXPECT_EQ(CKR_BUFFER_TOO_SMALL,
		  p11->C_GetMechanismList(slot, types, &room));
	EXPECT_EQ(count, room);
	ASSERT_EQ(CKR_OK, p11->C_GetMechanismList(slot, types, &count));
	ASSERT_EQ(all_count, count);
	for (i = 0; i < count; i++)
		EXPECT_EQ(all[i], types[i]);
	EXPECT_EQ(CKR_OK, p11->C_GetMechanismInfo(slot, types[0], &info));
	EXPECT_EQ(CKR_MECHANISM_INVALID,
		  p11->C_GetMechanismInfo(slot, CKM_ECMQV_DERIVE, &info));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, p11->C_GetMechanismList(slot, NULL, NULL));
	EXPECT_EQ(CKR_OK, p11->C_Finalize(NULL));
	world_end();
}

TEST_HARNESS_MAIN
