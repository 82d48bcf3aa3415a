// SPDX-License-Identifier: LGPL-2.1-or-later
/* R13: the security officer, and sessions that are read-only. */
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

TEST_F_TIMEOUT(so, keeps_the_others_waiting_in_bounded_time, 120)
{
	unsigned char random[8];
	long begin;

	ASSERT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_OK, self->a->C_GenerateRandom(self->sa, random, 8));
	begin = now_ms();
	EXPECT_EQ(CKR_FUNCTION_FAILED,
		  self->b->C_GenerateRandom(self->sb, random, 8));
	EXPECT_LE(290, now_ms() - begin);
	EXPECT_GT(25000, now_ms() - begin);
	/* Its own last session gives the token back. */
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	EXPECT_EQ(CKR_OK, self->b->C_GenerateRandom(self->sb, random, 8));
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
