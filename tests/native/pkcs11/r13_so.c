// SPDX-License-Identifier: LGPL-2.1-or-later
/* R13: the security officer, and sessions that are read-only. */
#include <sched.h>
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(so) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
};

FIXTURE_SETUP(so)
{
	ASSERT_TRUE(world_begin());
	world_configure("", "wait = 300");
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_ro(self->b, &self->sb));
}

FIXTURE_TEARDOWN(so)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

TEST_F(so, others_read_only_sessions_dont_matter)
{
	CK_SESSION_HANDLE mine;
	CK_SESSION_INFO info;
	CK_TOKEN_INFO token;

	EXPECT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_OK, self->a->C_GetSessionInfo(self->sa, &info));
	EXPECT_EQ(CKS_RW_SO_FUNCTIONS, info.state);
	EXPECT_EQ(CKR_SESSION_READ_WRITE_SO_EXISTS, open_ro(self->a, &mine));
	EXPECT_EQ(CKR_OK, self->a->C_GetTokenInfo(the_slot(self->a), &token));
	EXPECT_EQ(CKR_OK, self->a->C_InitPIN(self->sa, PIN("2222")));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_OK, self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKR_OK, self->b->C_Login(self->sb, CKU_USER, PIN("2222")));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  self->b->C_InitPIN(self->sb, PIN("3333")));
}

TEST_F(so, ones_own_read_only_sessions_do)
{
	CK_SESSION_HANDLE mine;

	ASSERT_EQ(CKR_OK, open_ro(self->a, &mine));
	EXPECT_EQ(CKR_SESSION_READ_ONLY_EXISTS,
		  self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(mine));
	EXPECT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
}

TEST_F(so, not_beside_a_user)
{
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_OK, self->b->C_Logout(self->sb));
	EXPECT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  login(self->b, self->sb));
}

TEST_F(so, alone_if_so_configured)
{
	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure("so-login = alone", "");
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_ro(self->b, &self->sb));
	EXPECT_EQ(CKR_SESSION_EXISTS,
		  self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_OK, self->b->C_CloseSession(self->sb));
	EXPECT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
}

/* Less than any wait, even on a busy machine. */
#define AT_ONCE_MS	2000

static CK_RV make_trusted(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_OBJECT_HANDLE object;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &no, 1 },
		{ CKA_PRIVATE, &no, 1 },
		{ CKA_WRAP, &yes, 1 },
		{ CKA_VALUE, "0123456789abcdef", 16 },
		{ CKA_TRUSTED, &yes, 1 },
	};

	return p11->C_CreateObject(session, template, 7, &object);
}

TEST_F(so, others_go_on_at_once)
{
	CK_SESSION_HANDLE other;
	CK_OBJECT_HANDLE object;
	unsigned char random[8];
	CK_SESSION_INFO info;
	CK_TOKEN_INFO token;
	long begin;

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure("", "wait = 20000\nlease = call");
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_ro(self->b, &self->sb));
	ASSERT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	begin = now_ms();
	EXPECT_EQ(CKR_OK, self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKS_RO_PUBLIC_SESSION, info.state);
	EXPECT_EQ(CKR_OK, self->b->C_GetTokenInfo(the_slot(self->b), &token));
	EXPECT_EQ(CKR_OK, self->b->C_GenerateRandom(self->sb, random, 8));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_DATA, "public", &object));
	EXPECT_EQ(0, find(self->b, self->sb, CKO_DATA, "private", &object));
	EXPECT_EQ(CKR_OK, make_data(self->b, self->sb, "x", false, false,
				    &object));
	EXPECT_EQ(CKR_OK, open_rw(self->b, &other));
	EXPECT_EQ(CKR_OK, make_data(self->b, other, "x", true, false, &object));
	EXPECT_EQ(CKR_OK, self->b->C_DestroyObject(other, object));
	EXPECT_EQ(CKR_OK, self->b->C_CloseSession(other));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  login(self->b, self->sb));
	EXPECT_GT(AT_ONCE_MS, now_ms() - begin);
	/* Nor has the officer lost anything by that. */
	EXPECT_EQ(CKR_OK, self->a->C_InitPIN(self->sa, PIN("2222")));
	EXPECT_EQ(CKR_OK, self->a->C_SetPIN(self->sa, PIN(SO_PIN),
					    PIN("11111111")));
}

TEST_F(so, others_have_none_of_its_rights)
{
	CK_ATTRIBUTE trusted = { CKA_TRUSTED, &yes, 1 };
	CK_SESSION_HANDLE mine;
	CK_OBJECT_HANDLE object;

	ASSERT_EQ(CKR_OK, open_rw(self->b, &mine));
	EXPECT_EQ(CKR_ATTRIBUTE_READ_ONLY, make_trusted(self->b, mine));
	ASSERT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_OK, make_trusted(self->a, self->sa));
	EXPECT_EQ(CKR_ATTRIBUTE_READ_ONLY, make_trusted(self->b, mine));
	ASSERT_EQ(1, find(self->b, mine, CKO_DATA, "public", &object));
	EXPECT_EQ(CKR_ATTRIBUTE_READ_ONLY,
		  self->b->C_SetAttributeValue(mine, object, &trusted, 1));
	EXPECT_EQ(CKR_ATTRIBUTE_READ_ONLY,
		  self->b->C_CopyObject(mine, object, &trusted, 1, &object));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN, self->b->C_InitPIN(mine, PIN("3333")));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  self->b->C_SetPIN(mine, PIN(SO_PIN), PIN("11111111")));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
}

/* What SoftHSM2 itself says of a session: is it logged in as security officer? */
static CK_STATE state_below(void)
{
	CK_FUNCTION_LIST *below = world_softhsm();
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info = { 0 };

	if (open_rw(below, &session) == CKR_OK) {
		below->C_GetSessionInfo(session, &info);
		below->C_CloseSession(session);
	}
	return info.state;
}

/* A lease that is kept for the officer's sessions takes its login with it. */
TEST_F(so, its_rights_end_with_its_lease)
{
	CK_SESSION_HANDLE mine;
	CK_SESSION_INFO info;

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure("", "wait = 20000\nlease = session\nhold = 100");
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	ASSERT_EQ(CKS_RW_SO_FUNCTIONS, state_below());
	ASSERT_EQ(CKR_OK, open_rw(self->b, &mine));
	EXPECT_EQ(CKR_ATTRIBUTE_READ_ONLY, make_trusted(self->b, mine));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state_below());
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_GetSessionInfo(self->sa, &info));
}

/* A token that was out for a moment only: the backend is logged in still. */
TEST_F(so, its_rights_end_with_its_token)
{
	void (*fault)(const char *spec);
	CK_SESSION_HANDLE mine;
	unsigned char random[8];

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure_plugin(PLUGIN("backend_fault"), "lease = shared");
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	fault = backend_symbol(PLUGIN("backend_fault"), "backend_fault_set");
	ASSERT_NE(NULL, fault);
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	fault("C_GenerateRandom=fail:0x32");	/* CKR_DEVICE_REMOVED */
	EXPECT_EQ(CKR_DEVICE_REMOVED,
		  self->a->C_GenerateRandom(self->sa, random, 8));
	fault("");
	ASSERT_EQ(CKR_OK, open_rw(self->b, &mine));
	EXPECT_EQ(CKR_ATTRIBUTE_READ_ONLY, make_trusted(self->b, mine));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state_below());
	EXPECT_EQ(CKR_OK, login(self->b, mine));
}

static void *hang(void *arg)
{
	FIXTURE_DATA(so) *self = arg;
	unsigned char random[8];

	self->b->C_GenerateRandom(self->sb, random, 8);
	return NULL;
}

/* No wait for a long call, and none for others behind it. */
TEST_F(so, a_wrong_pin_takes_nothing_from_anybody)
{
	void (*fault)(const char *spec);
	CK_SESSION_INFO info;
	atomic_int *calls;
	pthread_t thread;
	long begin;

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure_plugin(PLUGIN("backend_fault"),
			       "lease = shared\nwait = 10000");
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	fault = backend_symbol(PLUGIN("backend_fault"), "backend_fault_set");
	calls = backend_symbol(PLUGIN("backend_fault"), "backend_fault_calls");
	ASSERT_NE(NULL, fault);
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
	fault("C_GenerateRandom=hang");
	ASSERT_EQ(0, pthread_create(&thread, NULL, hang, self));
	while (!atomic_load(calls))
		sched_yield();
	begin = now_ms();
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->a->C_Login(self->sa, CKU_SO, PIN("wrong")));
	EXPECT_EQ(CKR_OK, self->a->C_GetSessionInfo(self->sa, &info));
	EXPECT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_OK, self->a->C_GetSessionInfo(self->sa, &info));
	EXPECT_EQ(CKS_RW_SO_FUNCTIONS, info.state);
	EXPECT_GT(AT_ONCE_MS, now_ms() - begin);
	fault("");
	pthread_join(thread, NULL);
}

TEST_F(so, read_only_is_kept_for_the_caller)
{
	CK_OBJECT_HANDLE object, public;
	CK_ATTRIBUTE label = { CKA_LABEL, "new", 3 };
	CK_SESSION_INFO info;

	EXPECT_EQ(CKR_OK, self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKF_SERIAL_SESSION, info.flags);
	EXPECT_EQ(the_slot(self->b), info.slotID);
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_SESSION_READ_ONLY,
		  make_data(self->b, self->sb, "x", true, false, &object));
	EXPECT_EQ(CKR_SESSION_READ_ONLY,
		  make_key_pair(self->b, self->sb, true, &object, &object));
	EXPECT_EQ(CKR_OK,
		  make_data(self->b, self->sb, "x", false, false, &object));
	EXPECT_EQ(CKR_OK, self->b->C_DestroyObject(self->sb, object));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_DATA, "public", &public));
	EXPECT_EQ(CKR_SESSION_READ_ONLY,
		  self->b->C_SetAttributeValue(self->sb, public, &label, 1));
	EXPECT_EQ(CKR_SESSION_READ_ONLY,
		  self->b->C_CopyObject(self->sb, public, &label, 1, &object));
	EXPECT_EQ(CKR_SESSION_READ_ONLY,
		  self->b->C_DestroyObject(self->sb, public));
	EXPECT_EQ(CKR_SESSION_READ_ONLY,
		  self->b->C_SetPIN(self->sb, PIN(USER_PIN), PIN("5678")));
	EXPECT_EQ(CKR_SESSION_PARALLEL_NOT_SUPPORTED,
		  self->b->C_OpenSession(the_slot(self->b), 0, NULL, NULL,
					 &self->sb));
}

TEST_F(so, a_token_in_use_is_not_initialized)
{
	unsigned char label[32];
	CK_TOKEN_INFO token;

	memset(label, ' ', sizeof(label));
	label[0] = 'n';
	EXPECT_EQ(CKR_SESSION_EXISTS,
		  self->a->C_InitToken(the_slot(self->a), PIN(SO_PIN), label));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	EXPECT_EQ(CKR_SESSION_EXISTS,
		  self->a->C_InitToken(the_slot(self->a), PIN(SO_PIN), label));
	EXPECT_EQ(CKR_OK, self->b->C_CloseSession(self->sb));
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->a->C_InitToken(the_slot(self->a), PIN("no"), label));
	EXPECT_EQ(CKR_OK,
		  self->a->C_InitToken(the_slot(self->a), PIN(SO_PIN), label));
	EXPECT_EQ(CKR_OK, self->b->C_GetTokenInfo(the_slot(self->b), &token));
	EXPECT_EQ('n', token.label[0]);
}

TEST_HARNESS_MAIN
