// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R15: a backend that fails, hangs, crashes, returns nonsense or loses its token
 * (backend_fault.c) does so for whoever called it: in bounded time, and when it
 * is itself again so is everybody else.
 */
#include <fcntl.h>
#include <signal.h>
#include "world.h"
#include <pkcs11/cryptoki.h>
#include <kselftest_harness.h>

static void (*fault)(const char *spec);
static atomic_int *fault_calls;

/* ---- all that a caller may do ---------------------------------------------------- */

#define MAX_STEPS	128

struct tour {
	int steps;
	const char *names[MAX_STEPS];
	CK_RV rvs[MAX_STEPS];
};

static CK_RV note(struct tour *tour, const char *name, CK_RV rv)
{
	tour->names[tour->steps] = name;
	tour->rvs[tour->steps++] = rv;
	return rv;
}

#define DO(function, ...)						\
	note(tour, #function, p11->function(__VA_ARGS__))

/* Buffers begin as zeros: what failed to fill them is used all the same. */
static unsigned char data[32] = "thirty-one bytes and a NUL here";

static void cipher(struct tour *tour, CK_FUNCTION_LIST *p11,
		   CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	unsigned char iv[16] = { 0 }, out[256] = { 0 };
	CK_MECHANISM cbc = { CKM_AES_CBC, iv, sizeof(iv) };
	CK_ULONG n;

	DO(C_EncryptInit, session, &cbc, key);
	DO(C_Encrypt, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_EncryptInit, session, &cbc, key);
	DO(C_EncryptUpdate, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_EncryptFinal, session, out, (n = sizeof(out), &n));
	DO(C_DecryptInit, session, &cbc, key);
	DO(C_Decrypt, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_DecryptInit, session, &cbc, key);
	DO(C_DecryptUpdate, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_DecryptFinal, session, out, (n = sizeof(out), &n));
}

static void digests(struct tour *tour, CK_FUNCTION_LIST *p11,
		    CK_SESSION_HANDLE session)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	unsigned char out[256] = { 0 };
	CK_ULONG n;

	DO(C_DigestInit, session, &sha256);
	DO(C_Digest, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_DigestInit, session, &sha256);
	DO(C_DigestUpdate, session, data, 32);
	DO(C_DigestFinal, session, out, (n = sizeof(out), &n));
	DO(C_SeedRandom, session, data, 32);
	DO(C_GenerateRandom, session, out, 32);
	DO(C_GetOperationState, session, out, (n = sizeof(out), &n));
}

static void signatures(struct tour *tour, CK_FUNCTION_LIST *p11,
		       CK_SESSION_HANDLE session, CK_OBJECT_HANDLE public,
		       CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE secret)
{
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
	unsigned char out[256] = { 0 };
	CK_ULONG n;

	DO(C_SignInit, session, &ecdsa, private);
	DO(C_Sign, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_VerifyInit, session, &ecdsa, public);
	DO(C_Verify, session, data, 32, out, 64);
	DO(C_SignInit, session, &hmac, secret);
	DO(C_SignUpdate, session, data, 32);
	DO(C_SignFinal, session, out, (n = sizeof(out), &n));
	DO(C_VerifyInit, session, &hmac, secret);
	DO(C_VerifyUpdate, session, data, 32);
	DO(C_VerifyFinal, session, out, 32);
}

/* Most of these SoftHSM2 hasn't; it is asked all the same. */
static void rare_ones(struct tour *tour, CK_FUNCTION_LIST *p11,
		      CK_SESSION_HANDLE session, CK_OBJECT_HANDLE public,
		      CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE secret)
{
	CK_MECHANISM pkcs = { CKM_RSA_PKCS, NULL, 0 };
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	unsigned char out[256] = { 0 };
	CK_ULONG n;

	DO(C_DigestInit, session, &sha256);
	DO(C_DigestKey, session, secret);
	DO(C_DigestFinal, session, out, (n = sizeof(out), &n));
	DO(C_SignRecoverInit, session, &pkcs, private);
	DO(C_SignRecover, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_VerifyRecoverInit, session, &pkcs, public);
	DO(C_VerifyRecover, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_DigestEncryptUpdate, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_DecryptDigestUpdate, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_SignEncryptUpdate, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_DecryptVerifyUpdate, session, data, 32, out, (n = sizeof(out), &n));
	DO(C_SetOperationState, session, data, 32, 0, 0);
}

static void objects(struct tour *tour, CK_FUNCTION_LIST *p11,
		    CK_SESSION_HANDLE session)
{
	CK_OBJECT_CLASS class = CKO_DATA, secret_class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES, hmac_type = CKK_GENERIC_SECRET;
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_MECHANISM generic = { CKM_GENERIC_SECRET_KEY_GEN, NULL, 0 };
	CK_MECHANISM pair = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_MECHANISM wrap = { CKM_AES_KEY_WRAP, NULL, 0 };
	CK_KEY_DERIVATION_STRING_DATA string = { data, 32 };
	CK_MECHANISM derive = { CKM_AES_ECB_ENCRYPT_DATA, &string,
				sizeof(string) };
	CK_OBJECT_HANDLE object = 0, copy = 0, key = 0, hmac = 0, other = 0;
	CK_OBJECT_HANDLE public = 0, private = 0, unwrapped = 0,
			 derived = 0;
	CK_ULONG length = 32, n, size;
	unsigned char wrapped[256] = { 0 };
	char value[16];
	CK_ATTRIBUTE note_template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &no, 1 },
		{ CKA_VALUE, "value", 5 },
	};
	CK_ATTRIBUTE label = { CKA_LABEL, "tour", 4 };
	CK_ATTRIBUTE get = { CKA_VALUE, value, sizeof(value) };
	CK_ATTRIBUTE key_template[] = {
		{ CKA_TOKEN, &no, 1 }, { CKA_ENCRYPT, &yes, 1 },
		{ CKA_DECRYPT, &yes, 1 }, { CKA_WRAP, &yes, 1 },
		{ CKA_UNWRAP, &yes, 1 }, { CKA_EXTRACTABLE, &yes, 1 },
		{ CKA_VALUE_LEN, &length, sizeof(length) },
		{ CKA_DERIVE, &yes, 1 },
	};
	CK_ATTRIBUTE hmac_template[] = {
		{ CKA_TOKEN, &no, 1 }, { CKA_SIGN, &yes, 1 },
		{ CKA_VERIFY, &yes, 1 }, { CKA_EXTRACTABLE, &yes, 1 },
		{ CKA_KEY_TYPE, &hmac_type, sizeof(hmac_type) },
		{ CKA_VALUE_LEN, &length, sizeof(length) },
	};
	CK_ATTRIBUTE unwrap_template[] = {
		{ CKA_CLASS, &secret_class, sizeof(secret_class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &no, 1 },
	};
	CK_ATTRIBUTE derive_template[] = {
		{ CKA_CLASS, &secret_class, sizeof(secret_class) },
		{ CKA_KEY_TYPE, &hmac_type, sizeof(hmac_type) },
		{ CKA_VALUE_LEN, &length, sizeof(length) },
		{ CKA_TOKEN, &no, 1 },
	};
	CK_ATTRIBUTE pair_template[] = {
		{ CKA_TOKEN, &no, 1 }, { CKA_VERIFY, &yes, 1 },
		{ CKA_EC_PARAMS, prime256v1, sizeof(prime256v1) },
	};
	CK_ATTRIBUTE private_template[] = {
		{ CKA_TOKEN, &no, 1 }, { CKA_SIGN, &yes, 1 },
	};

	DO(C_CreateObject, session, note_template, 3, &object);
	DO(C_CopyObject, session, object, &label, 1, &copy);
	DO(C_GetAttributeValue, session, object, &get, 1);
	DO(C_SetAttributeValue, session, object, &label, 1);
	DO(C_GetObjectSize, session, object, &size);
	DO(C_FindObjectsInit, session, &label, 1);
	DO(C_FindObjects, session, &other, 1, &n);
	DO(C_FindObjectsFinal, session);
	DO(C_DestroyObject, session, copy);
	DO(C_GenerateKey, session, &generate, key_template, 8, &key);
	DO(C_GenerateKey, session, &generic, hmac_template, 6, &hmac);
	DO(C_GenerateKeyPair, session, &pair, pair_template, 3,
	   private_template, 2, &public, &private);
	DO(C_WrapKey, session, &wrap, key, key, wrapped, (n = sizeof(wrapped), &n));
	DO(C_UnwrapKey, session, &wrap, key, wrapped, 40, unwrap_template, 3,
	   &unwrapped);
	DO(C_DeriveKey, session, &derive, key, derive_template, 4, &derived);
	cipher(tour, p11, session, key);
	signatures(tour, p11, session, public, private, hmac);
	rare_ones(tour, p11, session, public, private, hmac);
}

static void go(struct tour *tour, CK_FUNCTION_LIST *p11)
{
	CK_SLOT_ID slots[8], slot;
	CK_MECHANISM_INFO mechanism;
	CK_MECHANISM_TYPE types[256];
	CK_SESSION_HANDLE session = 0;
	CK_SESSION_INFO session_info;
	CK_SLOT_INFO slot_info;
	CK_TOKEN_INFO token;
	CK_ULONG n;
	CK_INFO info;

	tour->steps = 0;
	slot = the_slot(p11) == (CK_SLOT_ID)-1 ? 0 : the_slot(p11);
	DO(C_GetInfo, &info);
	DO(C_GetSlotList, CK_TRUE, slots, (n = 8, &n));
	DO(C_GetSlotInfo, slot, &slot_info);
	DO(C_GetTokenInfo, slot, &token);
	DO(C_GetMechanismList, slot, types, (n = 256, &n));
	DO(C_GetMechanismInfo, slot, CKM_ECDSA, &mechanism);
	DO(C_OpenSession, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
	   &session);
	DO(C_GetSessionInfo, session, &session_info);
	objects(tour, p11, session);
	digests(tour, p11, session);
	DO(C_CloseSession, session);
}

/* A tour needs a login. One for all: each costs the hash of a PIN. */
static CK_RV log_in_for_good(CK_FUNCTION_LIST *p11)
{
	CK_SESSION_HANDLE session;
	CK_RV rv = open_rw(p11, &session);

	return rv == CKR_OK ? login(p11, session) : rv;
}

/* Return: the first step that went otherwise, or NULL. */
static const char *differ(const struct tour *one, const struct tour *other)
{
	int i;

	for (i = 0; i < one->steps; i++)
		if (one->rvs[i] != other->rvs[i])
			return one->names[i];
	return NULL;
}

/* Did any call of @name return @rv? */
static bool returned(const struct tour *tour, const char *name, CK_RV rv)
{
	int i;

	for (i = 0; i < tour->steps; i++)
		if (!strcmp(tour->names[i], name) && tour->rvs[i] == rv)
			return true;
	return false;
}

/* Is this the first step of a tour that asks the backend's function of that name? */
static bool first(const struct tour *tour, int step)
{
	int i;

	if (!strcmp(tour->names[step], "C_GetInfo"))	/* it is about us */
		return false;
	for (i = 0; strcmp(tour->names[i], tour->names[step]); i++)
		;
	return i == step;
}

/* Is the backend's error the caller's? */
static bool passed_on(const char *function)
{
	return strcmp(function, "C_GetSlotList") &&	/* its slots are left out */
	       strcmp(function, "C_CloseSession") &&	/* closed is closed */
	       strcmp(function, "C_Logout");		/* out is out */
}

/* ---- the world --------------------------------------------------------------------- */

FIXTURE(faults) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sb;
	CK_OBJECT_HANDLE key;
	struct tour good, bad, after;
	void *backend;
};

FIXTURE_VARIANT(faults) {
	const char *lease;
};

FIXTURE_VARIANT_ADD(faults, shared) {
	.lease = "shared",
};

FIXTURE_VARIANT_ADD(faults, call) {
	.lease = "call",
};

FIXTURE_SETUP(faults)
{
	ASSERT_TRUE(world_begin());
	world_write("tokmux.conf",
		    "[global]\nlog = errors\narbiter = %s\n"
		    "[backend faulty]\nmodule = " PLUGIN("backend_fault") "\n"
		    "lease = %s\nwait = 300\n",
		    world_arbiter(), variant->lease);
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	self->backend = dlopen(PLUGIN("backend_fault"), RTLD_NOW | RTLD_NOLOAD);
	ASSERT_NE(NULL, self->backend);
	fault = (void (*)(const char *))dlsym(self->backend, "backend_fault_set");
	fault_calls = dlsym(self->backend, "backend_fault_calls");
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "key",
			  &self->key));
}

FIXTURE_TEARDOWN(faults)
{
	fault("");
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

/* They take long, and are the same with any arbiter and lease. */
#define ONCE()								\
	do if (!strcmp(world_arbiter(), "kernel") ||			\
	       strcmp(variant->lease, "call"))				\
		SKIP(return, "arbiter and lease have no part in it");	\
	while (0)

/* ---- one function after the other ---------------------------------------------------- */

TEST_F_TIMEOUT(faults, each_call_fails_in_turn, 600)
{
	const CK_RV failure = 0x80001234;
	const char *name;
	char spec[64];
	int i;

	ONCE();
	ASSERT_EQ(CKR_OK, log_in_for_good(self->a));
	go(&self->good, self->a);
	for (i = 0; i < self->good.steps; i++) {
		name = self->good.names[i];
		if (!first(&self->good, i))
			continue;
		snprintf(spec, sizeof(spec), "%s=fail:0x%lx", name, failure);
		atomic_store(fault_calls, 0);
		fault(spec);
		go(&self->bad, self->a);
		fault("");
		EXPECT_LT(0, atomic_load(fault_calls)) {
			TH_LOG("%s isn't called", name);
		}
		EXPECT_EQ(passed_on(name),
			  returned(&self->bad, name, failure)) {
			TH_LOG("%s", name);
		}
		EXPECT_EQ(CKR_OK, sign(self->b, self->sb, self->key)) {
			TH_LOG("the other caller, after %s", spec);
		}
		go(&self->after, self->a);
		EXPECT_EQ(NULL, differ(&self->good, &self->after)) {
			TH_LOG("after %s: %s", spec,
			       differ(&self->good, &self->after));
		}
	}
}

TEST_F_TIMEOUT(faults, each_call_returns_nonsense_in_turn, 600)
{
	/* No number of a session that is open: closing that would close it. */
	static const char *const numbers[] = {
		"0", "7777", "0xffffffffffffffff",
	};
	char spec[64];
	size_t j;
	int i;

	ONCE();
	ASSERT_EQ(CKR_OK, log_in_for_good(self->a));
	go(&self->good, self->a);
	for (i = 0; i < self->good.steps; i++) {
		if (!first(&self->good, i))
			continue;
		for (j = 0; j < sizeof(numbers) / sizeof(*numbers); j++) {
			snprintf(spec, sizeof(spec), "%s=number:%s",
				 self->good.names[i], numbers[j]);
			fault(spec);
			go(&self->bad, self->a);
			fault("");
			EXPECT_EQ(CKR_OK, sign(self->b, self->sb, self->key)) {
				TH_LOG("the other caller, after %s", spec);
			}
		}
		go(&self->after, self->a);
		EXPECT_EQ(NULL, differ(&self->good, &self->after)) {
			TH_LOG("after %s: %s", spec,
			       differ(&self->good, &self->after));
		}
	}
}

/* ---- the same of PINs and logins ------------------------------------------------------ */

/* From a token that is made anew. */
static void go_in_and_out(struct tour *tour, CK_FUNCTION_LIST *p11)
{
	CK_SESSION_HANDLE session = 0;
	CK_SLOT_ID slot = the_slot(p11);
	unsigned char label[32];

	tour->steps = 0;
	memset(label, ' ', sizeof(label));
	DO(C_InitToken, slot, PIN(SO_PIN), label);
	DO(C_OpenSession, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
	   &session);
	DO(C_Login, session, CKU_SO, PIN(SO_PIN));
	DO(C_InitPIN, session, PIN(USER_PIN));
	DO(C_Logout, session);
	DO(C_Login, session, CKU_USER, PIN(USER_PIN));
	DO(C_SetPIN, session, PIN(USER_PIN), PIN("5678"));
	DO(C_SetPIN, session, PIN("5678"), PIN(USER_PIN));
	DO(C_Logout, session);
	DO(C_CloseSession, session);
}

TEST_F_TIMEOUT(faults, each_login_fails_in_turn, 600)
{
	const CK_RV failure = 0x80001234;
	const char *name;
	char spec[64];
	int i;

	ASSERT_EQ(CKR_OK, self->b->C_CloseSession(self->sb));
	go_in_and_out(&self->good, self->a);
	for (i = 0; i < self->good.steps; i++)
		EXPECT_EQ(CKR_OK, self->good.rvs[i]) {
			TH_LOG("%s", self->good.names[i]);
		}
	for (i = 0; i < self->good.steps; i++) {
		name = self->good.names[i];
		/* With a session left in the backend there is no C_InitToken. */
		if (!first(&self->good, i) || strstr(name, "Session"))
			continue;
		snprintf(spec, sizeof(spec), "%s=fail:0x%lx", name, failure);
		atomic_store(fault_calls, 0);
		fault(spec);
		go_in_and_out(&self->bad, self->a);
		fault("");
		EXPECT_LT(0, atomic_load(fault_calls));
		EXPECT_EQ(passed_on(name),
			  returned(&self->bad, name, failure)) {
			TH_LOG("%s", name);
		}
		go_in_and_out(&self->after, self->a);
		EXPECT_EQ(NULL, differ(&self->good, &self->after)) {
			TH_LOG("after %s: %s", spec,
			       differ(&self->good, &self->after));
		}
	}
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
}

/* The backend is asked for a login while nobody is in. */
TEST_F(faults, logins_fail)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;

	ASSERT_EQ(CKR_OK, open_rw(self->a, &session));
	ASSERT_EQ(CKR_OK, self->b->C_Logout(self->sb));
	fault("C_Login=fail:0x80001234");
	EXPECT_EQ(0x80001234, login(self->a, session));
	fault("");
	EXPECT_EQ(CKR_OK, login(self->a, session));

	/* Out is out, also where the backend has trouble with it. */
	fault("C_Logout=fail:0x30");
	EXPECT_EQ(CKR_OK, self->a->C_Logout(session));
	EXPECT_EQ(0, find(self->a, session, CKO_PRIVATE_KEY, "key", &key));
	fault("");
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->a->C_Login(session, CKU_USER, PIN("4321")));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, login(self->a, session));
	EXPECT_EQ(1, find(self->a, session, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, sign(self->a, session, key));
}

/* ---- and of what came after 2.40 (backend_v3.c) ----------------------------------------- */

#define TEXT	data, sizeof(data)

static void messages(struct tour *tour, CK_FUNCTION_LIST_3_2 *p11,
		     CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private,
		     CK_OBJECT_HANDLE public)
{
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	unsigned char out[256] = { 0 };
	CK_ULONG n;

	DO(C_MessageEncryptInit, session, &mechanism, public);
	DO(C_EncryptMessage, session, TEXT, TEXT, TEXT, out, &n);
	DO(C_EncryptMessageBegin, session, TEXT, TEXT);
	DO(C_EncryptMessageNext, session, TEXT, TEXT, out, &n, 0);
	DO(C_MessageEncryptFinal, session);
	DO(C_MessageDecryptInit, session, &mechanism, private);
	DO(C_DecryptMessage, session, TEXT, TEXT, TEXT, out, &n);
	DO(C_DecryptMessageBegin, session, TEXT, TEXT);
	DO(C_DecryptMessageNext, session, TEXT, TEXT, out, &n, 0);
	DO(C_MessageDecryptFinal, session);
	DO(C_MessageSignInit, session, &mechanism, private);
	DO(C_SignMessage, session, TEXT, TEXT, out, &n);
	DO(C_SignMessageBegin, session, TEXT);
	DO(C_SignMessageNext, session, TEXT, TEXT, out, &n);
	DO(C_MessageSignFinal, session);
	DO(C_MessageVerifyInit, session, &mechanism, public);
	DO(C_VerifyMessage, session, TEXT, TEXT, out, 7);
	DO(C_VerifyMessageBegin, session, TEXT);
	DO(C_VerifyMessageNext, session, TEXT, TEXT, out, 7);
	DO(C_MessageVerifyFinal, session);
}

static void go_3_2(struct tour *tour, CK_FUNCTION_LIST_3_2 *p11)
{
	CK_FUNCTION_LIST *legacy = (CK_FUNCTION_LIST *)p11;
	CK_UTF8CHAR *name = (CK_UTF8CHAR *)"C_Sign";
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_OBJECT_HANDLE private = 0, public = 0, made;
	CK_SESSION_HANDLE session = 0;
	unsigned char out[256] = { 0 };
	CK_ASYNC_DATA result;
	CK_FLAGS flags;
	CK_ULONG n;

	tour->steps = 0;
	open_rw(legacy, &session);
	DO(C_LoginUser, session, CKU_USER, PIN(USER_PIN),
	   (CK_UTF8CHAR *)"alice", 5);
	/* It may have failed; what follows has its own failures. */
	login(legacy, session);
	find(legacy, session, CKO_PRIVATE_KEY, "key", &private);
	find(legacy, session, CKO_PUBLIC_KEY, "key", &public);
	messages(tour, p11, session, private, public);
	DO(C_VerifySignatureInit, session, &mechanism, public, TEXT);
	DO(C_VerifySignature, session, TEXT);
	DO(C_VerifySignatureUpdate, session, TEXT);
	DO(C_VerifySignatureFinal, session);
	DO(C_EncapsulateKey, session, &mechanism, public, NULL, 0, out, &n,
	   &made);
	DO(C_DecapsulateKey, session, &mechanism, private, NULL, 0, TEXT,
	   &made);
	DO(C_WrapKeyAuthenticated, session, &mechanism, public, private, TEXT,
	   out, &n);
	DO(C_UnwrapKeyAuthenticated, session, &mechanism, private, TEXT, NULL,
	   0, TEXT, &made);
	DO(C_GetSessionValidationFlags, session, 1, &flags);
	DO(C_AsyncComplete, session, name, &result);
	DO(C_AsyncGetID, session, name, &n);
	DO(C_AsyncJoin, session, name, 1, TEXT);
	DO(C_SessionCancel, session, CKF_SIGN);
	legacy->C_CloseSession(session);
}

/* A caller's list of 3.2, from that of 2.40. */
static CK_FUNCTION_LIST_3_2 *list_3_2(CK_FUNCTION_LIST *p11)
{
	CK_RV (*get)(CK_FUNCTION_LIST *, const CK_UTF8CHAR *,
		     const CK_VERSION *, CK_INTERFACE **, CK_FLAGS) =
		module_symbol("tokmux_pkcs11_caller_interface");
	CK_INTERFACE *interface;

	return get(p11, NULL, NULL, &interface, 0) == CKR_OK ?
		       interface->pFunctionList : NULL;
}

FIXTURE(faults_3_2) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sb;
	struct tour good, bad, after;
	const char **fails;
};

FIXTURE_SETUP(faults_3_2)
{
	ASSERT_TRUE(world_begin());
	setenv("BACKEND_VERSION", "3.2", 1);
	world_configure_plugin(PLUGIN("backend_v3"), "lease = shared");
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	self->fails = backend_symbol(PLUGIN("backend_v3"), "backend_fails");
	ASSERT_NE(NULL, self->fails);
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
}

FIXTURE_TEARDOWN(faults_3_2)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

TEST_F_TIMEOUT(faults_3_2, each_call_fails_in_turn, 600)
{
	CK_FUNCTION_LIST_3_2 *p11 = list_3_2(self->a);
	unsigned char random[4];
	int i;

	ASSERT_NE(NULL, p11);
	go_3_2(&self->good, p11);
	for (i = 0; i < self->good.steps; i++) {
		EXPECT_EQ(CKR_OK, self->good.rvs[i]) {
			TH_LOG("%s", self->good.names[i]);
		}
		*self->fails = self->good.names[i];
		go_3_2(&self->bad, p11);
		*self->fails = "";
		EXPECT_EQ(0x80001234, self->bad.rvs[i]) {
			TH_LOG("%s", self->good.names[i]);
		}
		EXPECT_EQ(CKR_OK, self->b->C_GenerateRandom(self->sb, random,
							    4));
	}
	go_3_2(&self->after, p11);
	EXPECT_EQ(NULL, differ(&self->good, &self->after)) {
		TH_LOG("%s", differ(&self->good, &self->after));
	}
}

/* ---- nothing is left out ------------------------------------------------------------- */

static bool visits(const struct tour *tour, const char *function)
{
	int i;

	for (i = 0; i < tour->steps; i++)
		if (!strcmp(tour->names[i], function))
			return true;
	return false;
}

TEST_F(faults, each_function_is_in_a_tour)
{
	/* The backend isn't asked by these, or not by one caller alone. */
	static const char *const elsewhere[] = {
		"C_Initialize", "C_Finalize", "C_GetFunctionList",
		"C_GetInterfaceList", "C_GetInterface", "C_CloseAllSessions",
		"C_WaitForSlotEvent", "C_GetFunctionStatus", "C_CancelFunction",
	};
	static const char *const all[] = {
#define F(version, function, ...) #function,
#include <pkcs11/functions/functions.def>
	};
	size_t i, j;

	ONCE();
	go(&self->good, self->a);
	go_in_and_out(&self->bad, self->a);
	go_3_2(&self->after, list_3_2(self->a));
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		for (j = 0; j < sizeof(elsewhere) / sizeof(*elsewhere); j++)
			if (!strcmp(elsewhere[j], all[i]))
				break;
		EXPECT_EQ(j == sizeof(elsewhere) / sizeof(*elsewhere),
			  visits(&self->good, all[i]) ||
			  visits(&self->bad, all[i]) ||
			  visits(&self->after, all[i])) {
			TH_LOG("%s", all[i]);
		}
	}
}

/* ---- a PIN that no program sees (R12) ---------------------------------------------- */

static CK_RV login_on_keys(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	return p11->C_Login(session, CKU_USER, NULL, 0);
}

TEST_F(faults, a_pin_is_typed_on_the_readers_keys)
{
	CK_SESSION_HANDLE session;
	CK_TOKEN_INFO token;

	fault("C_Login=keys");
	ASSERT_EQ(CKR_OK, open_rw(self->a, &session));
	ASSERT_EQ(CKR_OK, self->a->C_GetTokenInfo(the_slot(self->a), &token));
	EXPECT_TRUE(token.flags & CKF_PROTECTED_AUTHENTICATION_PATH);
	/* B has shown a PIN to the program: no PIN is not that one. */
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  login_on_keys(self->a, session));
	EXPECT_EQ(CKR_OK, login(self->a, session));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(session));
	EXPECT_EQ(CKR_OK, self->b->C_Logout(self->sb));

	/* Nobody is in: the keys decide. There is nothing to compare with then. */
	atomic_store(fault_calls, 0);
	EXPECT_EQ(CKR_OK, login_on_keys(self->a, session));
	EXPECT_LT(0, atomic_load(fault_calls));
	EXPECT_EQ(1, find(self->a, session, CKO_PRIVATE_KEY, "key", NULL));
	EXPECT_EQ(0, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", NULL));
	atomic_store(fault_calls, 0);
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  login_on_keys(self->b, self->sb));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  login(self->b, self->sb));
	EXPECT_EQ(0, atomic_load(fault_calls));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(session));
	EXPECT_EQ(0, find(self->a, session, CKO_PRIVATE_KEY, "key", NULL));
	EXPECT_EQ(CKR_OK, login_on_keys(self->b, self->sb));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", NULL));
}

/* ---- crashes --------------------------------------------------------------------------- */

/* Return: what the process said before it died, which it has to do by @signal. */
static const char *last_words(CK_FUNCTION_LIST *p11, const char *spec,
			      int signal)
{
	static char log[4096];
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	int status, fd;
	pid_t pid;

	fd = open(world_path("log"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	pid = fork();
	if (!pid) {
		dup2(fd, STDERR_FILENO);
		fault(spec);
		if (p11->C_Initialize(NULL) == CKR_OK &&
		    open_rw(p11, &session) == CKR_OK &&
		    login(p11, session) == CKR_OK &&
		    find(p11, session, CKO_PRIVATE_KEY, "key", &key) == 1)
			sign(p11, session, key);
		p11->C_Finalize(NULL);
		kill(getpid(), signal);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	memset(log, 0, sizeof(log));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != signal ||
	    pread(fd, log, sizeof(log) - 1, 0) < 0)
		strcpy(log, "it didn't die of that");
	close(fd);
	return log;
}

TEST_F(faults, a_crash_is_named)
{
	static const struct {
		const char *spec, *words;
	} crashes[] = {
		{ "C_Initialize=crash", "faulty crashes in C_Initialize: SIGSEGV\n" },
		{ "C_Login=crash", "faulty crashes in C_Login: SIGSEGV\n" },
		{ "C_Sign=crash", "faulty crashes in C_Sign: SIGSEGV\n" },
		{ "C_Sign=unknown", "faulty crashes in C_Sign: SIGABRT\n" },
	};
	size_t i;

	if (getenv("SAN"))
		SKIP(return, "a sanitizer takes the signal itself");
	for (i = 0; i < sizeof(crashes) / sizeof(*crashes); i++) {
		bool abrt = strstr(crashes[i].words, "SIGABRT");
		const char *words;

		/* The guest's kernel speaks of a fault, which counts as its own. */
		if (!abrt && !strcmp(world_arbiter(), "kernel"))
			continue;
		words = last_words(self->a, crashes[i].spec,
				   abrt ? SIGABRT : SIGSEGV);
		EXPECT_NE(NULL, strstr(words, crashes[i].words)) {
			TH_LOG("%s: %s", crashes[i].spec, words);
		}
	}
	/* And a signal that comes when nobody is inside kills as ever. */
	EXPECT_EQ(NULL, strstr(last_words(self->a, "", SIGSEGV), "crashes"));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, self->key));
}

static struct sigaction before_mine;

/* As Go's runtime does, where a fault isn't in its own code. */
static void forward(int signal, siginfo_t *info, void *context)
{
	before_mine.sa_sigaction(signal, info, context);
}

TEST_F(faults, a_crash_that_is_forwarded_is_the_end)
{
	struct sigaction mine = {
		.sa_sigaction = forward,
		.sa_flags = SA_SIGINFO,
	};
	static const int signals[] = { SIGSEGV, SIGABRT };
	int status, i;
	pid_t pid;

	if (getenv("SAN"))
		SKIP(return, "a sanitizer takes the signal itself");
	for (i = 0; i < 2; i++) {
		if (signals[i] == SIGSEGV && !strcmp(world_arbiter(), "kernel"))
			continue;
		pid = fork();
		if (!pid) {
			alarm(20);
			MUST(self->a->C_Initialize(NULL));
			sigaction(signals[i], &mine, &before_mine);
			if (signals[i] == SIGABRT)
				raise(SIGABRT);
			*(volatile int *)NULL = 1;
			_exit(0);
		}
		EXPECT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(signals[i], WTERMSIG(status));
	}
}

static void own_handler(int signal)
{
}

TEST_F(faults, a_programs_own_handler_stays)
{
	struct sigaction now;

	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	signal(SIGSEGV, own_handler);
	EXPECT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(0, sigaction(SIGSEGV, NULL, &now));
	EXPECT_TRUE(now.sa_handler == own_handler);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	ASSERT_EQ(0, sigaction(SIGSEGV, NULL, &now));
	EXPECT_TRUE(now.sa_handler == own_handler);
	EXPECT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Initialize(NULL));
}

/* ---- hangs ----------------------------------------------------------------------------- */

struct signer {
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	CK_RV rv;
};

static int log_fd, true_stderr;

static void hear_log(void)
{
	log_fd = open(world_path("log"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
	true_stderr = dup(STDERR_FILENO);
	dup2(log_fd, STDERR_FILENO);
}

static const char *heard_log(void)
{
	static char log[4096];

	dup2(true_stderr, STDERR_FILENO);
	close(true_stderr);
	memset(log, 0, sizeof(log));
	if (pread(log_fd, log, sizeof(log) - 1, 0) < 0)
		strcpy(log, "no log");
	close(log_fd);
	return log;
}

static void *sign_once(void *arg)
{
	struct signer *signer = arg;

	signer->rv = sign(signer->p11, signer->session, signer->key);
	return NULL;
}

/*
 * Others go on where the token takes parallel work, else they are told in time,
 * and the log says whom they wait for.
 */
TEST_F_TIMEOUT(faults, a_call_hangs, 120)
{
	struct signer hung = { .p11 = self->a };
	bool shared = !strcmp(variant->lease, "shared");
	pthread_t thread;
	const char *log;
	long begin;
	CK_RV rv;

	ASSERT_EQ(CKR_OK, open_rw(self->a, &hung.session));
	ASSERT_EQ(CKR_OK, login(self->a, hung.session));
	ASSERT_EQ(1, find(self->a, hung.session, CKO_PRIVATE_KEY, "key",
			  &hung.key));
	atomic_store(fault_calls, 0);
	fault("C_Sign=hang");
	ASSERT_EQ(0, pthread_create(&thread, NULL, sign_once, &hung));
	while (!atomic_load(fault_calls))
		sched_yield();

	begin = now_ms();
	hear_log();
	rv = self->b->C_SeedRandom(self->sb, data, sizeof(data));
	log = heard_log();
	EXPECT_EQ(shared, !strstr(log, "backend faulty: C_Sign has not returned for ")) {
		TH_LOG("%s", log);
	}
	EXPECT_EQ(shared ? CKR_OK : CKR_FUNCTION_FAILED, rv);
	EXPECT_GT(25000, now_ms() - begin);
	EXPECT_LE(shared ? 0 : 290, now_ms() - begin);

	fault("");
	pthread_join(thread, NULL);
	EXPECT_EQ(CKR_OK, hung.rv);
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, self->key));
}

/* What the backend lacks in the middle of a call went with the session. */
TEST_F(faults, a_session_is_closed_meanwhile)
{
	struct signer signer[2] = { { .p11 = self->a }, { .p11 = self->a } };
	CK_SLOT_ID slot = the_slot(self->a);
	pthread_t thread;
	int i;

	if (strcmp(variant->lease, "shared"))
		SKIP(return, "C_CloseAllSessions would wait");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(CKR_OK, open_rw(self->a, &signer[i].session));
		ASSERT_EQ(CKR_OK, login(self->a, signer[i].session));
		ASSERT_EQ(1, find(self->a, signer[i].session, CKO_PRIVATE_KEY,
				  "key", &signer[i].key));
		atomic_store(fault_calls, 0);
		fault("C_SignInit=hang");
		ASSERT_EQ(0, pthread_create(&thread, NULL, sign_once,
					    &signer[i]));
		while (!atomic_load(fault_calls))
			sched_yield();
		EXPECT_EQ(CKR_OK, i ? self->a->C_Finalize(NULL) :
				      self->a->C_CloseAllSessions(slot));
		fault("C_SignInit=fail:5");
		pthread_join(thread, NULL);
		fault("");
	}
	EXPECT_EQ(CKR_SESSION_CLOSED, signer[0].rv);
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, signer[1].rv);
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
}

/* ---- the token is gone --------------------------------------------------------------------- */

TEST_F(faults, the_token_is_removed)
{
	unsigned char random[8];
	CK_SESSION_HANDLE session;
	CK_TOKEN_INFO token;
	CK_SLOT_ID slot = the_slot(self->a);

	ASSERT_EQ(CKR_OK, open_rw(self->a, &session));
	fault("*=removed");
	EXPECT_EQ(CKR_DEVICE_REMOVED, sign(self->b, self->sb, self->key));
	/* Everybody's sessions went with it: the backend isn't asked again. */
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_GenerateRandom(session, random, 8));
	EXPECT_EQ(CKR_TOKEN_NOT_PRESENT, self->a->C_GetTokenInfo(slot, &token));
	EXPECT_EQ(CKR_TOKEN_NOT_PRESENT,
		  self->a->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL,
					 &session));
	EXPECT_EQ(CKR_OK, self->a->C_CloseAllSessions(slot));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, self->b->C_Logout(self->sb));
	EXPECT_EQ(CKR_OK, self->b->C_CloseSession(self->sb));
	/* It was a loose contact: SoftHSM2 below never closed or logged out. */
	fault("");
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "key",
			  &self->key));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, self->key));
}

/* A backend says so once, and its sessions are open still. */
TEST_F(faults, the_token_was_gone_for_a_moment)
{
	CK_SESSION_HANDLE sessions[2], fresh;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(CKR_OK, open_rw(self->a, &sessions[0]));
		ASSERT_EQ(CKR_OK, open_rw(self->b, &sessions[1]));
		ASSERT_EQ(1, find(self->b, sessions[1], CKO_PRIVATE_KEY, "key",
				  &self->key));
		fault("C_Sign=fail:50");
		EXPECT_EQ(CKR_DEVICE_REMOVED,
			  sign(self->b, sessions[1], self->key));
		/* Now a handle may have come to mean another session. */
		if (i)
			ASSERT_EQ(CKR_OK, open_rw(self->a, &fresh));
		fault("C_CloseSession=number:0");
		atomic_store(fault_calls, 0);
		EXPECT_EQ(CKR_OK, self->a->C_CloseSession(sessions[0]));
		EXPECT_EQ(CKR_OK, self->b->C_CloseSession(sessions[1]));
		EXPECT_EQ(i ? 0 : 2, atomic_load(fault_calls));
		fault("");
		EXPECT_EQ(CKR_OK, open_rw(self->b, &self->sb));
		EXPECT_EQ(CKR_OK, login(self->b, self->sb));
	}
}

TEST_F(faults, all_ends_without_the_token)
{
	fault("*=removed");
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	fault("");
	EXPECT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Initialize(NULL));
}

TEST_HARNESS_MAIN
