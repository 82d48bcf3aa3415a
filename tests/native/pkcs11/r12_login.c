// SPDX-License-Identifier: LGPL-2.1-or-later
/* R12: each caller shows its own PIN. */
#include <sys/resource.h>
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(login) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
};

FIXTURE_SETUP(login)
{
	ASSERT_TRUE(world_begin());
	TWO_CALLERS();
}

FIXTURE_TEARDOWN(login)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

static CK_STATE state(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO info = { .state = 99 };

	p11->C_GetSessionInfo(session, &info);
	return info.state;
}

TEST_F(login, belongs_to_a_caller)
{
	CK_SESSION_HANDLE another;

	ASSERT_EQ(CKR_OK, open_ro(self->a, &another));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(CKR_USER_ALREADY_LOGGED_IN, login(self->a, another));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, state(self->a, self->sa));
	EXPECT_EQ(CKS_RO_USER_FUNCTIONS, state(self->a, another));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state(self->b, self->sb));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN, self->b->C_Logout(self->sb));

	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(another));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state(self->a, self->sa));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, state(self->b, self->sb));
	EXPECT_EQ(CKR_USER_TYPE_INVALID,
		  self->a->C_Login(self->sa, 17, PIN(USER_PIN)));
}

/* As PKCS#11 has it: the process is one application. */
TEST_F(login, may_belong_to_the_process)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE later;

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure("login = process", "");
	TWO_CALLERS();

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, state(self->b, self->sb));
	EXPECT_EQ(CKR_USER_ALREADY_LOGGED_IN, login(self->b, self->sb));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, key));
	/* It lasts as long as any session, for callers that come later, too. */
	ASSERT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, key));
	ASSERT_EQ(CKR_OK, open_ro(self->a, &later));
	EXPECT_EQ(CKS_RO_USER_FUNCTIONS, state(self->a, later));
	/* Any caller ends it. */
	EXPECT_EQ(CKR_OK, self->a->C_Logout(later));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state(self->b, self->sb));
	EXPECT_NE(CKR_OK, sign(self->b, self->sb, key));
	EXPECT_EQ(0, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", NULL));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKS_RO_USER_FUNCTIONS, state(self->a, later));
	/* With the last session it is over. */
	ASSERT_EQ(CKR_OK, self->b->C_CloseSession(self->sb));
	ASSERT_EQ(CKR_OK, self->a->C_CloseSession(later));
	ASSERT_EQ(CKR_OK, open_ro(self->a, &later));
	EXPECT_EQ(CKS_RO_PUBLIC_SESSION, state(self->a, later));
	/* A security officer's is the officer's own. */
	ASSERT_EQ(CKR_OK, self->a->C_CloseSession(later));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
	ASSERT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state(self->b, self->sb));
}

/* Other code of this process, which uses the backend without us. */
TEST_F(login, of_a_neighbour_is_not_ours_to_end)
{
	CK_C_GetFunctionList get = (CK_C_GetFunctionList)
		dlsym(dlopen(SOFTHSM, RTLD_NOW), "C_GetFunctionList");
	CK_SESSION_HANDLE session, found;
	CK_FUNCTION_LIST *neighbour;
	CK_SLOT_ID slots[4];
	CK_ULONG count = 4;

	ASSERT_EQ(CKR_OK, get(&neighbour));
	ASSERT_EQ(CKR_CRYPTOKI_ALREADY_INITIALIZED,
		  neighbour->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, neighbour->C_GetSlotList(CK_TRUE, slots, &count));
	ASSERT_EQ(CKR_OK, neighbour->C_OpenSession(slots[0],
						   CKF_SERIAL_SESSION |
						   CKF_RW_SESSION, NULL, NULL,
						   &session));
	ASSERT_EQ(CKR_OK, login(neighbour, session));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  self->a->C_Login(self->sa, CKU_USER, PIN("4321")));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, state(neighbour, session));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  login(self->a, self->sa));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, state(neighbour, session));
	/* And it isn't lent to our callers. */
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state(self->a, self->sa));
	EXPECT_EQ(0, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &found));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, state(neighbour, session));

	EXPECT_EQ(CKR_OK, neighbour->C_Logout(session));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
}

/* Most cards ask for a login before anything is written to them. */
TEST_F(login, is_lent_to_nobody)
{
	void (*fault)(const char *spec);
	CK_OBJECT_HANDLE object;

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure_plugin(PLUGIN("backend_fault"), "lease = shared");
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	fault = (void (*)(const char *))
		backend_symbol(PLUGIN("backend_fault"), "backend_fault_set");
	ASSERT_NE(NULL, fault);
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));

	fault("C_CreateObject=fail:257");
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  make_data(self->b, self->sb, "x", true, false, &object));
	fault("");
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  make_data(self->b, self->sb, "x", true, false, &object));
	EXPECT_EQ(CKR_OK,
		  make_data(self->a, self->sa, "x", true, false, &object));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_DATA, "x", &object));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  self->b->C_DestroyObject(self->sb, object));
	/* It hasn't asked for one to make session objects. */
	EXPECT_EQ(CKR_OK,
		  make_data(self->b, self->sb, "y", false, false, &object));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK,
		  make_data(self->b, self->sb, "z", true, false, &object));
}

/* ---- what else a token may ask a login for ------------------------------------- */

static CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };

/* One that isn't CKA_PRIVATE, as PIV's key for card authentication. */
static CK_RV make_open_key(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			   CK_OBJECT_HANDLE *private)
{
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE public_template[] = {
		{ CKA_PRIVATE, &no, 1 },
		{ CKA_EC_PARAMS, prime256v1, sizeof(prime256v1) },
	};
	CK_ATTRIBUTE private_template[] = {
		{ CKA_TOKEN, &yes, 1 },
		{ CKA_PRIVATE, &no, 1 },
		{ CKA_SIGN, &yes, 1 },
		{ CKA_LABEL, "open", 4 },
	};
	CK_OBJECT_HANDLE public;

	return p11->C_GenerateKeyPair(session, &mechanism, public_template, 2,
				      private_template, 4, &public, private);
}

/* Each of these once, with the open key where it takes one. */
static CK_RV ask_random(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			CK_OBJECT_HANDLE key)
{
	unsigned char random[8];

	return p11->C_GenerateRandom(session, random, sizeof(random));
}

static CK_RV ask_seed(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
		      CK_OBJECT_HANDLE key)
{
	unsigned char seed[8] = "seed";

	return p11->C_SeedRandom(session, seed, sizeof(seed));
}

static CK_RV ask_digest(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			CK_OBJECT_HANDLE key)
{
	unsigned char digest[32];
	CK_ULONG length = sizeof(digest);
	CK_RV rv;

	rv = p11->C_DigestInit(session, &sha256);
	return rv != CKR_OK ? rv : p11->C_Digest(session, PIN("data"), digest,
						 &length);
}

static CK_RV ask_key_pair(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			  CK_OBJECT_HANDLE key)
{
	CK_RV rv = make_open_key(p11, session, &key);

	if (rv == CKR_OK)
		p11->C_DestroyObject(session, key);
	return rv;
}

static CK_RV ask_change(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			CK_OBJECT_HANDLE key)
{
	CK_ATTRIBUTE id = { CKA_ID, "id", 2 };

	return p11->C_SetAttributeValue(session, key, &id, 1);
}

/* In a session of its own, where a refused one goes on in the backend. */
static CK_RV ask_signature(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			   CK_OBJECT_HANDLE key)
{
	CK_RV rv = open_ro(p11, &session);

	if (rv == CKR_OK)
		rv = sign(p11, session, key);
	p11->C_CloseSession(session);
	return rv;
}

FIXTURE(asking) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
	CK_OBJECT_HANDLE open;
	void (*fault)(const char *spec);
};

FIXTURE_VARIANT(asking) {
	const char *fault;
	CK_RV (*ask)(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
		     CK_OBJECT_HANDLE key);
};

FIXTURE_VARIANT_ADD(asking, for_random) {
	.fault = "C_GenerateRandom=fail:257", .ask = ask_random,
};

FIXTURE_VARIANT_ADD(asking, for_seeding) {
	.fault = "C_SeedRandom=fail:257", .ask = ask_seed,
};

FIXTURE_VARIANT_ADD(asking, for_digests) {
	.fault = "C_DigestInit=fail:257", .ask = ask_digest,
};

FIXTURE_VARIANT_ADD(asking, for_key_pairs) {
	.fault = "C_GenerateKeyPair=fail:257", .ask = ask_key_pair,
};

FIXTURE_VARIANT_ADD(asking, for_changes) {
	.fault = "C_SetAttributeValue=fail:257", .ask = ask_change,
};

FIXTURE_VARIANT_ADD(asking, for_a_key) {
	.fault = "C_SignInit=fail:257", .ask = sign,
};

/* As OpenSC does. */
FIXTURE_VARIANT_ADD(asking, for_a_keys_signature) {
	.fault = "C_Sign=fail:257", .ask = ask_signature,
};

FIXTURE_SETUP(asking)
{
	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_fault"), "lease = shared");
	TWO_CALLERS();
	self->fault = (void (*)(const char *))
		backend_symbol(PLUGIN("backend_fault"), "backend_fault_set");
	ASSERT_NE(NULL, self->fault);
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, make_open_key(self->a, self->sa, &self->open));
	ASSERT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "open",
			  &self->open));
}

FIXTURE_TEARDOWN(asking)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

/* What it asked for once, while nobody was logged in, takes one's own login. */
TEST_F(asking, is_not_lent)
{
	CK_OBJECT_HANDLE key = self->open;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	/* It hasn't asked yet. */
	EXPECT_EQ(CKR_OK, variant->ask(self->b, self->sb, key));
	ASSERT_EQ(CKR_OK, self->a->C_Logout(self->sa));

	self->fault(variant->fault);
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN, variant->ask(self->b, self->sb, key));
	self->fault("");
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN, variant->ask(self->b, self->sb, key));
	EXPECT_EQ(CKR_OK, variant->ask(self->a, self->sa, key));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, variant->ask(self->b, self->sb, key));
	ASSERT_EQ(CKR_OK, self->b->C_Logout(self->sb));
	ASSERT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	/* It is asked again. */
	EXPECT_EQ(CKR_OK, variant->ask(self->b, self->sb, key));
}

/* An operation that was begun before may go on with the login of another caller. */
TEST_F(asking, is_not_lent_in_the_middle)
{
	unsigned char digest[32] = "digest", signature[128];
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_ULONG length = sizeof(signature);

	if (variant->ask != ask_signature)
		SKIP(return, "it is no operation with a key");
	self->fault(variant->fault);
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  variant->ask(self->b, self->sb, self->open));
	self->fault("");
	ASSERT_EQ(CKR_OK, self->b->C_SignInit(self->sb, &ecdsa, self->open));
	EXPECT_EQ(CKR_OK, self->b->C_Sign(self->sb, digest, sizeof(digest),
					  signature, &length));
	ASSERT_EQ(CKR_OK, self->b->C_SignInit(self->sb, &ecdsa, self->open));
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	length = sizeof(signature);
	EXPECT_EQ(CKR_OPERATION_NOT_INITIALIZED,
		  self->b->C_Sign(self->sb, digest, sizeof(digest), signature,
				  &length));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, self->open));
}

TEST_F(login, ends_with_the_last_session)
{
	CK_SESSION_HANDLE another;

	ASSERT_EQ(CKR_OK, open_ro(self->a, &another));
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	EXPECT_EQ(CKS_RO_USER_FUNCTIONS, state(self->a, another));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(another));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state(self->a, self->sa));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, state(self->b, self->sb));
}

/* What the token itself says of its tries. */
static CK_FLAGS token_flags(CK_FUNCTION_LIST *p11)
{
	CK_TOKEN_INFO info = { .flags = ~0ul };

	p11->C_GetTokenInfo(the_slot(p11), &info);
	return info.flags;
}

TEST_F_TIMEOUT(login, a_wrong_pin_is_refused_and_burns_no_try, 120)
{
	CK_RV rv;
	int i;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	for (i = 0; i < 3; i++) {
		rv = self->b->C_Login(self->sb, CKU_USER, PIN("4321"));
		EXPECT_EQ(CKR_PIN_INCORRECT, rv);
	}
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->b->C_Login(self->sb, CKU_USER, PIN("")));
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->b->C_Login(self->sb, CKU_USER, PIN("12345")));
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->b->C_Login(self->sb, CKU_USER, PIN("123")));
	EXPECT_EQ(0, token_flags(self->a) & CKF_USER_PIN_COUNT_LOW);
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state(self->b, self->sb));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, state(self->a, self->sa));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(0, token_flags(self->a) & CKF_USER_PIN_COUNT_LOW);

	/* While nobody is logged in, it is the token's to count. */
	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_OK, self->b->C_Logout(self->sb));
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->b->C_Login(self->sb, CKU_USER, PIN("4321")));
	EXPECT_NE(0, token_flags(self->a) & CKF_USER_PIN_COUNT_LOW);
}

static void wrong_ones(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
		       int times)
{
	while (times--)
		p11->C_Login(session, CKU_USER, PIN("4321"));
}

TEST_F_TIMEOUT(login, repeated_wrong_pins_are_slowed, 120)
{
	long begin = now_ms(), unslowed;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	unslowed = now_ms() - begin;
	wrong_ones(self->b, self->sb, 4);
	begin = now_ms();
	wrong_ones(self->b, self->sb, 1);
	EXPECT_LE(700, now_ms() - begin);
	/* Its next would wait twice as long; the other caller's doesn't. */
	begin = now_ms();
	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_GT(1500 + 3 * unslowed, now_ms() - begin);
}

/* Who leaves and comes back waits all the same. */
TEST_F_TIMEOUT(login, leaving_shortens_no_wait, 120)
{
	long begin;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	wrong_ones(self->b, self->sb, 3);
	begin = now_ms();
	wrong_ones(self->b, self->sb, 1);
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_LE(800, now_ms() - begin);

	/* Also if all leave, and the slots are made anew. */
	ASSERT_EQ(CKR_OK, self->b->C_Logout(self->sb));
	wrong_ones(self->b, self->sb, 4);
	begin = now_ms();
	wrong_ones(self->b, self->sb, 1);
	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_LE(1600, now_ms() - begin);
}

TEST_F(login, no_pin_no_login)
{
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  self->b->C_Login(self->sb, CKU_USER, NULL, 0));
}

TEST_F(login, a_changed_pin_is_what_counts)
{
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, self->a->C_SetPIN(self->sa, PIN(USER_PIN),
					    PIN("5678")));
	EXPECT_EQ(CKR_PIN_INCORRECT, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, self->b->C_Login(self->sb, CKU_USER, PIN("5678")));
}

/* On a small device, or with LimitAS=, there may be no more than this left. */
TEST_F(login, takes_next_to_no_memory)
{
	struct rlimit limit = { 0 };
	unsigned long pages = 0;
	FILE *statm;

	if (getenv("SAN"))
		SKIP(return, "a sanitizer's memory is its own");
	/* The backend has what it needs from its first one. */
	EXPECT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	statm = fopen("/proc/self/statm", "r");
	ASSERT_NE(NULL, statm);
	ASSERT_EQ(1, fscanf(statm, "%lu", &pages));
	fclose(statm);
	limit.rlim_cur = pages * 4096 + (1 << 20);
	limit.rlim_max = RLIM_INFINITY;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	EXPECT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
}

TEST_HARNESS_MAIN
