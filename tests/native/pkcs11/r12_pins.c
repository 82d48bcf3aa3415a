// SPDX-License-Identifier: LGPL-2.1-or-later
/* R12: a PIN that is shown again for one operation, and PINs that change. */
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(pins) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
};

FIXTURE_VARIANT(pins) {
	const char *lease;
};

FIXTURE_VARIANT_ADD(pins, shared) {
	.lease = "lease = shared",
};

FIXTURE_VARIANT_ADD(pins, operation) {
	.lease = "lease = operation",
};

FIXTURE_SETUP(pins)
{
	ASSERT_TRUE(world_begin());
	world_configure("", variant->lease);
	TWO_CALLERS();
}

FIXTURE_TEARDOWN(pins)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

static CK_RV make_careful_key(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			      CK_OBJECT_HANDLE *key)
{
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE public_template[] = {
		{ CKA_EC_PARAMS, prime256v1, sizeof(prime256v1) },
	};
	CK_ATTRIBUTE private_template[] = {
		{ CKA_PRIVATE, &yes, 1 },
		{ CKA_SIGN, &yes, 1 },
		{ CKA_ALWAYS_AUTHENTICATE, &yes, 1 },
	};
	CK_OBJECT_HANDLE public;

	return p11->C_GenerateKeyPair(session, &mechanism, public_template, 1,
				      private_template, 3, &public, key);
}

static CK_RV again(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
		   const char *pin)
{
	return p11->C_Login(session, CKU_CONTEXT_SPECIFIC, PIN(pin));
}

TEST_F(pins, shown_again_for_one_operation)
{
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	unsigned char digest[32] = "digest", signature[128];
	CK_ULONG length = sizeof(signature);
	CK_OBJECT_HANDLE key;
	long begun;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, make_careful_key(self->a, self->sa, &key));
	ASSERT_EQ(CKR_OK, self->a->C_SignInit(self->sa, &ecdsa, key));
	begun = now_ms();
	EXPECT_EQ(CKR_PIN_INCORRECT, again(self->a, self->sa, "wrong"));
	EXPECT_EQ(CKR_OK, again(self->a, self->sa, USER_PIN));
	/* After a wrong one it had to wait. */
	EXPECT_LE(begun + 100, now_ms());
	EXPECT_EQ(CKR_OK, self->a->C_Sign(self->sa, digest, sizeof(digest),
					  signature, &length));
	/* It was for one. */
	ASSERT_EQ(CKR_OK, self->a->C_SignInit(self->sa, &ecdsa, key));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  self->a->C_Sign(self->sa, digest, sizeof(digest), signature,
				  &length));
	/* And it makes a login of nobody's. */
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN, again(self->b, self->sb, USER_PIN));
}

TEST_F(pins, one_changes_it_for_all)
{
	CK_SESSION_INFO info;
	long begun;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	begun = now_ms();
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->a->C_SetPIN(self->sa, PIN("wrong"), PIN("5678")));
	ASSERT_EQ(CKR_OK,
		  self->a->C_SetPIN(self->sa, PIN(USER_PIN), PIN("5678")));
	EXPECT_LE(begun + 100, now_ms());
	/* Who was logged in still is; who comes needs the new one. */
	ASSERT_EQ(CKR_OK, self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, info.state);
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Logout(self->sb));
	EXPECT_EQ(CKR_PIN_INCORRECT, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, self->b->C_Login(self->sb, CKU_USER, PIN("5678")));
}

/* Another process, which doesn't log in unless @pin is the right one. */
static int change_in_child(bool by_officer, const char *old_pin)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		CK_FUNCTION_LIST *p11 = CALLER_A;
		CK_SESSION_HANDLE session;
		CK_RV rv;

		MUST(p11->C_Initialize(NULL));
		MUST(open_rw(p11, &session));
		if (by_officer) {
			MUST(p11->C_Login(session, CKU_SO, PIN(old_pin)));
			rv = p11->C_InitPIN(session, PIN("5678"));
		} else {
			rv = p11->C_SetPIN(session, PIN(old_pin), PIN("5678"));
		}
		_exit(rv == CKR_OK ? 0 : rv == CKR_PIN_INCORRECT ? 1 : 2);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Nothing is accepted, or refused as wrong, from a memory that may be old. */
TEST_F(pins, another_process_changes_it)
{
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(0, change_in_child(false, USER_PIN));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  self->b->C_Login(self->sb, CKU_USER, PIN("5678")));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  login(self->b, self->sb));
}

TEST_F(pins, another_processs_officer_changes_it)
{
	/* The kernel lets no officer in beside a user. */
	if (strcmp(world_arbiter(), "local"))
		SKIP(return, "for processes that don't know of each other");
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(0, change_in_child(true, SO_PIN));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  self->b->C_Login(self->sb, CKU_USER, PIN("5678")));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  login(self->b, self->sb));
}

TEST_F(pins, another_process_fails_to_change_it)
{
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(1, change_in_child(false, "wrong"));
	EXPECT_EQ(CKR_OK, login(self->b, self->sb));
}

TEST_F(pins, the_officer_sets_a_new_one)
{
	ASSERT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  self->b->C_InitPIN(self->sb, PIN("5678")));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, login(self->b, self->sb));
	ASSERT_EQ(CKR_OK, self->a->C_InitPIN(self->sa, PIN("5678")));
	ASSERT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_PIN_INCORRECT, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, self->b->C_Login(self->sb, CKU_USER, PIN("5678")));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", NULL));
}

TEST_HARNESS_MAIN
