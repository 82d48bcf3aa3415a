// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R9: functions that SoftHSM2 leaves out, through NSS' softoken, which has them:
 * derived keys, keys in digests, signatures with the message in them, two
 * operations at once, and operations that are saved. What one does, the other one
 * of its pair undoes.
 */
#include "world.h"
#include <kselftest_harness.h>

static CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
static CK_MECHANISM ecb = { CKM_AES_ECB, NULL, 0 };
static CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
static unsigned char text[32] = "two blocks of text, 16 with NUL";

FIXTURE(softoken) {
	CK_FUNCTION_LIST *p11, *other;
	CK_SESSION_HANDLE session, beside, others;
	CK_OBJECT_HANDLE aes, secret;
};

FIXTURE_VARIANT(softoken) {
	const char *lease;
};

FIXTURE_VARIANT_ADD(softoken, shared) {
	.lease = "lease = shared",
};

FIXTURE_VARIANT_ADD(softoken, operation) {
	.lease = "lease = operation\nwait = 0",
};

static CK_RV make_secret(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			 CK_KEY_TYPE type, CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_DERIVE, &yes, 1 },
		{ CKA_SIGN, &yes, 1 },
		{ CKA_VERIFY, &yes, 1 },
		{ CKA_ENCRYPT, &yes, 1 },
		{ CKA_DECRYPT, &yes, 1 },
		{ CKA_VALUE, "sixteen bytes ok", 16 },
	};

	return p11->C_CreateObject(session, template, 8, key);
}

FIXTURE_SETUP(softoken)
{
	ASSERT_TRUE(world_begin());
	world_configure_nss(variant->lease);
	self->p11 = CALLER_A;
	self->other = CALLER_B;
	ASSERT_EQ(CKR_OK, self->p11->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->other->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_ro(self->p11, &self->session));
	ASSERT_EQ(CKR_OK, open_ro(self->p11, &self->beside));
	ASSERT_EQ(CKR_OK, open_ro(self->other, &self->others));
	ASSERT_EQ(CKR_OK, make_secret(self->p11, self->session, CKK_AES,
				      &self->aes));
	ASSERT_EQ(CKR_OK, make_secret(self->p11, self->session,
				      CKK_GENERIC_SECRET, &self->secret));
}

FIXTURE_TEARDOWN(softoken)
{
	EXPECT_EQ(CKR_OK, self->p11->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->other->C_Finalize(NULL));
	world_end();
}

/* lease = operation: is nothing kept that has ended? */
#define EXPECT_FREE()							\
	EXPECT_EQ(CKR_OK, self->other->C_GenerateRandom(self->others, text, 0))
#define EXPECT_KEPT()							\
	EXPECT_EQ(strstr(variant->lease, "operation") ?			\
			  CKR_FUNCTION_FAILED : CKR_OK,			\
		  self->other->C_GenerateRandom(self->others, text, 0))

TEST_F(softoken, keys_derived)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_KEY_DERIVATION_STRING_DATA data = { (CK_BYTE *)"tail", 4 };
	CK_MECHANISM append = { CKM_CONCATENATE_BASE_AND_DATA, &data,
				sizeof(data) };
	CK_ULONG length = 20;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_VALUE_LEN, &length, sizeof(length) },
		{ CKA_SENSITIVE, &no, 1 },
		{ CKA_EXTRACTABLE, &yes, 1 },
	};
	char value[32];
	CK_ATTRIBUTE get = { CKA_VALUE, value, sizeof(value) };
	CK_OBJECT_HANDLE made;

	ASSERT_EQ(CKR_OK, self->p11->C_DeriveKey(self->session, &append,
						 self->secret, template, 5,
						 &made));
	ASSERT_EQ(CKR_OK, self->p11->C_GetAttributeValue(self->session, made,
							 &get, 1));
	EXPECT_EQ(20, get.ulValueLen);
	EXPECT_EQ(0, memcmp(value, "sixteen bytes oktail", 20));
	/* It is its maker's, and made of its maker's. */
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->other->C_GetAttributeValue(self->others, made, &get,
						   1));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  self->other->C_DeriveKey(self->others, &append, self->secret,
					   template, 5, &made));
	EXPECT_FREE();
}

TEST_F(softoken, keys_digested)
{
	unsigned char one[32], other[32];
	CK_ULONG n = 32;

	ASSERT_EQ(CKR_OK, self->p11->C_DigestInit(self->session, &sha256));
	EXPECT_KEPT();
	EXPECT_EQ(CKR_OK, self->p11->C_DigestKey(self->session, self->secret));
	EXPECT_EQ(CKR_OK, self->p11->C_DigestFinal(self->session, one, &n));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->p11->C_DigestInit(self->session, &sha256));
	EXPECT_EQ(CKR_OK, self->p11->C_Digest(self->session,
					      (CK_BYTE *)"sixteen bytes ok", 16,
					      other, &n));
	EXPECT_EQ(0, memcmp(one, other, 32));
	ASSERT_EQ(CKR_OK, self->other->C_DigestInit(self->others, &sha256));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  self->other->C_DigestKey(self->others, self->secret));
	EXPECT_EQ(CKR_OK, self->other->C_DigestFinal(self->others, one, &n));
}

TEST_F(softoken, messages_recovered)
{
	CK_MECHANISM generate = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_MECHANISM pkcs = { CKM_RSA_PKCS, NULL, 0 };
	CK_ULONG bits = 2048, length = 256, n = sizeof(text);
	unsigned char exponent[] = { 1, 0, 1 }, signature[256], back[256];
	CK_ATTRIBUTE public[] = {
		{ CKA_MODULUS_BITS, &bits, sizeof(bits) },
		{ CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent) },
		{ CKA_VERIFY_RECOVER, &yes, 1 },
	};
	CK_ATTRIBUTE private[] = {
		{ CKA_PRIVATE, &no, 1 },
		{ CKA_SIGN_RECOVER, &yes, 1 },
	};
	CK_OBJECT_HANDLE signs, verifies;

	ASSERT_EQ(CKR_OK, self->p11->C_GenerateKeyPair(self->session, &generate,
						       public, 3, private, 2,
						       &verifies, &signs));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  self->other->C_SignRecoverInit(self->others, &pkcs, signs));
	ASSERT_EQ(CKR_OK, self->p11->C_SignRecoverInit(self->session, &pkcs,
						       signs));
	EXPECT_KEPT();
	EXPECT_EQ(CKR_OK, self->p11->C_SignRecover(self->session, text, n,
						   signature, &length));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->p11->C_VerifyRecoverInit(self->session, &pkcs,
							 verifies));
	EXPECT_KEPT();
	n = sizeof(back);
	EXPECT_EQ(CKR_OK, self->p11->C_VerifyRecover(self->session, signature,
						     length, back, &n));
	EXPECT_FREE();
	EXPECT_EQ(sizeof(text), n);
	EXPECT_EQ(0, memcmp(back, text, sizeof(text)));
}

TEST_F(softoken, digested_and_enciphered_at_once)
{
	unsigned char cipher[64], plain[64], one[32], other[32];
	CK_FUNCTION_LIST *p11 = self->p11;
	CK_SESSION_HANDLE s = self->session;
	CK_ULONG n = 64, d = 32;

	ASSERT_EQ(CKR_OK, p11->C_DigestInit(s, &sha256));
	ASSERT_EQ(CKR_OK, p11->C_EncryptInit(s, &ecb, self->aes));
	EXPECT_EQ(CKR_OK, p11->C_DigestEncryptUpdate(s, text, 32, cipher, &n));
	EXPECT_EQ(32, n);
	EXPECT_EQ(CKR_OK, p11->C_DigestFinal(s, one, &d));
	EXPECT_KEPT();		/* one of the two is still on */
	EXPECT_EQ(CKR_OK, p11->C_EncryptFinal(s, plain, (n = 64, &n)));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, p11->C_DecryptInit(s, &ecb, self->aes));
	ASSERT_EQ(CKR_OK, p11->C_DigestInit(s, &sha256));
	EXPECT_EQ(CKR_OK, p11->C_DecryptDigestUpdate(s, cipher, 32, plain,
						     (n = 64, &n)));
	EXPECT_EQ(CKR_OK, p11->C_DigestFinal(s, other, &d));
	EXPECT_EQ(CKR_OK, p11->C_DecryptFinal(s, cipher, (n = 64, &n)));
	EXPECT_FREE();
	EXPECT_EQ(0, memcmp(plain, text, 32));
	EXPECT_EQ(0, memcmp(one, other, 32));
}

TEST_F(softoken, signed_and_enciphered_at_once)
{
	unsigned char cipher[64], plain[64], signature[32];
	CK_FUNCTION_LIST *p11 = self->p11;
	CK_SESSION_HANDLE s = self->session;
	CK_ULONG n = 64, length = 32;

	ASSERT_EQ(CKR_OK, p11->C_SignInit(s, &hmac, self->secret));
	ASSERT_EQ(CKR_OK, p11->C_EncryptInit(s, &ecb, self->aes));
	EXPECT_EQ(CKR_OK, p11->C_SignEncryptUpdate(s, text, 32, cipher, &n));
	EXPECT_EQ(32, n);
	EXPECT_EQ(CKR_OK, p11->C_EncryptFinal(s, plain, (n = 64, &n)));
	EXPECT_KEPT();
	EXPECT_EQ(CKR_OK, p11->C_SignFinal(s, signature, &length));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, p11->C_DecryptInit(s, &ecb, self->aes));
	ASSERT_EQ(CKR_OK, p11->C_VerifyInit(s, &hmac, self->secret));
	EXPECT_EQ(CKR_OK, p11->C_DecryptVerifyUpdate(s, cipher, 32, plain,
						     (n = 64, &n)));
	EXPECT_EQ(CKR_OK, p11->C_DecryptFinal(s, cipher, (n = 64, &n)));
	EXPECT_EQ(CKR_OK, p11->C_VerifyFinal(s, signature, length));
	EXPECT_FREE();
	EXPECT_EQ(0, memcmp(plain, text, 32));
}

/* What is restored in a session goes on there as if it had begun there. */
TEST_F(softoken, operations_saved)
{
	unsigned char state[512], one[32], other[32];
	CK_FUNCTION_LIST *p11 = self->p11;
	CK_ULONG length = sizeof(state), n = 32;

	ASSERT_EQ(CKR_OK, p11->C_DigestInit(self->session, &sha256));
	ASSERT_EQ(CKR_OK, p11->C_DigestUpdate(self->session, text, 8));
	ASSERT_EQ(CKR_OK, p11->C_GetOperationState(self->session, state,
						   &length));
	ASSERT_EQ(CKR_OK, p11->C_DigestUpdate(self->session, text, 8));
	ASSERT_EQ(CKR_OK, p11->C_DigestFinal(self->session, one, &n));
	EXPECT_FREE();

	ASSERT_EQ(CKR_OK, p11->C_SetOperationState(self->beside, state, length,
						   0, 0));
	EXPECT_KEPT();
	ASSERT_EQ(CKR_OK, p11->C_DigestUpdate(self->beside, text, 8));
	EXPECT_KEPT();
	ASSERT_EQ(CKR_OK, p11->C_DigestFinal(self->beside, other, &n));
	EXPECT_FREE();
	EXPECT_EQ(0, memcmp(one, other, 32));
	/* The keys that it names are the caller's. */
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  self->other->C_SetOperationState(self->others, state, length,
						   self->aes, 0));
	EXPECT_FREE();
}

TEST_HARNESS_MAIN
