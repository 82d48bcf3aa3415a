// SPDX-License-Identifier: LGPL-2.1-or-later
/* R11: what one caller has or does, no other sees or feels. */
#include <limits.h>
#include "world.h"
#include <kselftest_harness.h>

/* With those of the fixture, and the one that is opened meanwhile, a power of two. */
#define SESSIONS	253

FIXTURE(isolation) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
};

FIXTURE_SETUP(isolation)
{
	ASSERT_TRUE(world_begin());
	TWO_CALLERS();
}

FIXTURE_TEARDOWN(isolation)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

TEST_F(isolation, close_all_closes_ones_own)
{
	CK_SESSION_HANDLE another;
	CK_SESSION_INFO info;

	ASSERT_EQ(CKR_OK, open_ro(self->b, &another));
	EXPECT_EQ(CKR_OK, self->b->C_CloseAllSessions(the_slot(self->b)));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->b->C_GetSessionInfo(another, &info));
	EXPECT_EQ(CKR_OK, self->a->C_GetSessionInfo(self->sa, &info));

	/* And the other way round. */
	ASSERT_EQ(CKR_OK, open_ro(self->b, &self->sb));
	EXPECT_EQ(CKR_OK, self->a->C_CloseAllSessions(the_slot(self->a)));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_GetSessionInfo(self->sa, &info));
	EXPECT_EQ(CKR_OK, self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKR_SLOT_ID_INVALID, self->a->C_CloseAllSessions(99));
}

TEST_F_TIMEOUT(isolation, handles_are_not_come_upon, 300)
{
	CK_SESSION_HANDLE old = self->sa;
	CK_SESSION_HANDLE fresh;
	CK_SESSION_INFO info;
	long delta;
	int bit, i;

	for (delta = -300; delta <= 300; delta++)
		if (delta && old + delta != self->sb)
			EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
				  self->a->C_GetSessionInfo(old + delta,
							    &info));
	for (bit = 0; bit < 64; bit++)
		EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
			  self->a->C_GetSessionInfo(old ^ 1ul << bit, &info));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_GetSessionInfo(0, &info));
	for (i = 0; i < 64; i++)
		EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
			  self->a->C_GetSessionInfo((CK_ULONG)i, &info));
	/* Nor an old one again. */
	ASSERT_EQ(CKR_OK, self->a->C_CloseSession(old));
	for (i = 0; i < 40000; i++) {
		ASSERT_EQ(CKR_OK, open_ro(self->a, &fresh));
		EXPECT_NE(old, fresh);
		/* Some programs keep it in an int. */
		ASSERT_GE(INT_MAX, fresh);
		ASSERT_EQ(CKR_OK, self->a->C_CloseSession(fresh));
	}
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_GetSessionInfo(old, &info));
}

/* However many are open: then the handles of few sessions would go round soon. */
TEST_F_TIMEOUT(isolation, old_handles_stay_invalid, 300)
{
	static CK_SESSION_HANDLE many[SESSIONS];
	CK_SESSION_HANDLE old, fresh;
	int i;

	for (i = 0; i < SESSIONS; i++)
		ASSERT_EQ(CKR_OK, open_ro(self->a, &many[i]));
	old = many[SESSIONS - 1];
	ASSERT_EQ(CKR_OK, self->a->C_CloseSession(old));
	for (i = 0; i < 100000; i++) {
		ASSERT_EQ(CKR_OK, open_ro(self->a, &fresh));
		ASSERT_NE(old, fresh);
		ASSERT_EQ(CKR_OK, self->a->C_CloseSession(fresh));
	}
}

TEST_F(isolation, sessions_that_are_counted_are_ones_own)
{
	CK_SESSION_HANDLE more;
	CK_TOKEN_INFO info;

	ASSERT_EQ(CKR_OK, open_ro(self->b, &more));
	ASSERT_EQ(CKR_OK, self->b->C_GetTokenInfo(the_slot(self->b), &info));
	EXPECT_EQ(2, info.ulSessionCount);
	EXPECT_EQ(1, info.ulRwSessionCount);
	ASSERT_EQ(CKR_OK, self->a->C_GetTokenInfo(the_slot(self->a), &info));
	EXPECT_EQ(1, info.ulSessionCount);
	EXPECT_EQ(1, info.ulRwSessionCount);
	ASSERT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	ASSERT_EQ(CKR_OK, self->a->C_GetTokenInfo(the_slot(self->a), &info));
	EXPECT_EQ(0, info.ulSessionCount);
	EXPECT_EQ(0, info.ulRwSessionCount);
}

TEST_F(isolation, session_objects_are_ones_own)
{
	CK_OBJECT_HANDLE mine, found;
	CK_ULONG size;

	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "mine", false, false,
				    &mine));
	EXPECT_EQ(1, find(self->a, self->sa, CKO_DATA, "mine", &found));
	EXPECT_EQ(mine, found);
	EXPECT_EQ(0, find(self->b, self->sb, CKO_DATA, "mine", NULL));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_GetObjectSize(self->sb, mine, &size));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_DestroyObject(self->sb, mine));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_DATA, "public", NULL));

	/* Another session of the same caller has it until the first closes. */
	ASSERT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->a->C_GetObjectSize(self->sa, mine, &size));
}

TEST_F(isolation, a_handle_is_valid_for_who_got_it)
{
	CK_OBJECT_HANDLE public;
	CK_ATTRIBUTE value = { CKA_LABEL, NULL, 0 };

	ASSERT_EQ(1, find(self->a, self->sa, CKO_DATA, "public", &public));
	EXPECT_EQ(CKR_OK, self->a->C_GetAttributeValue(self->sa, public,
						       &value, 1));
	EXPECT_EQ(6, value.ulValueLen);
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_GetAttributeValue(self->sb, public, &value, 1));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_DATA, "public", &public));
	EXPECT_EQ(CKR_OK, self->b->C_GetAttributeValue(self->sb, public,
						       &value, 1));
	/* What one destroys is gone for all. */
	EXPECT_EQ(CKR_OK, self->b->C_DestroyObject(self->sb, public));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->a->C_GetAttributeValue(self->sa, public, &value, 1));
}

TEST_F(isolation, private_objects_are_seen_by_who_logged_in)
{
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_OBJECT_HANDLE key = 0, private = 0, other = 0;
	CK_ATTRIBUTE value = { CKA_LABEL, NULL, 0 };
	CK_SESSION_INFO info;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_DATA, "private", &private));

	EXPECT_EQ(CKR_OK, self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, info.state);
	EXPECT_EQ(0, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", &other));
	EXPECT_EQ(0, find(self->b, self->sb, CKO_DATA, "private", &other));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PUBLIC_KEY, "key", &other));
	/* Nor by a handle that is guessed, or told. */
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_GetAttributeValue(self->sb, private, &value, 1));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  self->b->C_SignInit(self->sb, &ecdsa, key));
	/* Nor is one made. */
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  make_data(self->b, self->sb, "x", true, true, &other));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  make_key_pair(self->b, self->sb, true, &other, &other));
}

/* One that isn't CKA_PRIVATE: everybody sees it. */
static CK_RV make_open_key(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE public_template[] = {
		{ CKA_EC_PARAMS, prime256v1, sizeof(prime256v1) },
	};
	CK_ATTRIBUTE private_template[] = {
		{ CKA_TOKEN, &yes, 1 },
		{ CKA_PRIVATE, &no, 1 },
		{ CKA_SIGN, &yes, 1 },
		{ CKA_LABEL, "open", 4 },
	};
	CK_OBJECT_HANDLE public, private;

	return p11->C_GenerateKeyPair(session, &mechanism, public_template, 1,
				      private_template, 4, &public, &private);
}

/* As PKCS#11 says; PIV's card authentication key is for use without a PIN. */
TEST_F(isolation, a_key_that_is_not_private_needs_no_pin)
{
	CK_OBJECT_HANDLE key;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, make_open_key(self->a, self->sa));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "open", &key));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, key));
	/* Nor is an operation with it over with a login. */
	ASSERT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, key));
}

TEST_F(isolation, a_key_that_needs_the_pin_is_not_copied_without)
{
	CK_ATTRIBUTE session_object = { CKA_TOKEN, &no, 1 };
	CK_OBJECT_HANDLE key, copy;

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure("", "key-login = all");
	TWO_CALLERS();
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, make_open_key(self->a, self->sa));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "open", &key));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN, sign(self->b, self->sb, key));
	EXPECT_EQ(CKR_USER_NOT_LOGGED_IN,
		  self->b->C_CopyObject(self->sb, key, &session_object, 1,
					&copy));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(CKR_OK, self->b->C_CopyObject(self->sb, key, &session_object,
						1, &copy));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, copy));
}

TEST_F(isolation, a_handle_from_before_the_logout_is_invalid)
{
	CK_OBJECT_HANDLE key = 0, public = 0, mine = 0, again = 0;
	CK_ATTRIBUTE value = { CKA_LABEL, NULL, 0 };

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_DATA, "public", &public));
	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "mine", false, true,
				    &mine));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));

	EXPECT_EQ(CKR_KEY_HANDLE_INVALID, sign(self->a, self->sa, key));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->a->C_GetAttributeValue(self->sa, key, &value, 1));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->a->C_GetAttributeValue(self->sa, mine, &value, 1));
	EXPECT_EQ(CKR_OK,
		  self->a->C_GetAttributeValue(self->sa, public, &value, 1));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, sign(self->b, self->sb, key));

	/* The private session object went with the login. */
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(0, find(self->a, self->sa, CKO_DATA, "mine", NULL));
	EXPECT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &again));
	EXPECT_EQ(CKR_OK, sign(self->a, self->sa, again));
}

/* By a caller that has come to know so much else that the old handle is forgotten. */
TEST_F(isolation, a_handle_of_a_later_login_is_valid)
{
	CK_OBJECT_HANDLE key = 0;
	int i;

	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	for (i = 0; i < 40; i++)
		ASSERT_EQ(CKR_OK, make_data(self->b, self->sb, "many", true,
					    true, &key));
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, sign(self->a, self->sa, key));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(40, find(self->a, self->sa, CKO_DATA, "many", NULL));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, sign(self->a, self->sa, key));
}

TEST_F(isolation, an_operation_ends_with_the_login_of_its_key)
{
	unsigned char digest[32] = "digest", signature[128];
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_ULONG length = sizeof(signature);
	CK_OBJECT_HANDLE key;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	ASSERT_EQ(CKR_OK, self->a->C_SignInit(self->sa, &ecdsa, key));
	ASSERT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_OPERATION_NOT_INITIALIZED,
		  self->a->C_Sign(self->sa, digest, sizeof(digest), signature,
				  &length));
	/* And is in nobody's way later. */
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(CKR_OPERATION_NOT_INITIALIZED,
		  self->a->C_Sign(self->sa, digest, sizeof(digest), signature,
				  &length));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, sign(self->a, self->sa, key));
}

TEST_F(isolation, a_search_ends_with_the_login_too)
{
	CK_OBJECT_HANDLE found[16];
	CK_ULONG count;

	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, self->a->C_FindObjectsInit(self->sa, NULL, 0));
	ASSERT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	ASSERT_EQ(CKR_OK, self->a->C_FindObjects(self->sa, found, 16, &count));
	EXPECT_EQ(2, count);	/* the public key and the public data */
	EXPECT_EQ(CKR_OK, self->a->C_FindObjectsFinal(self->sa));
}

TEST_F(isolation, a_callers_end_is_its_own)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_INFO info;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKR_OK, sign(self->a, self->sa, key));
	EXPECT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_ro(self->b, &self->sb));
	EXPECT_EQ(CKR_OK, self->b->C_GetSessionInfo(self->sb, &info));
	EXPECT_EQ(CKS_RO_PUBLIC_SESSION, info.state);
}

/* With a backend that gives the handle of a destroyed object to the next one. */
TEST_F(isolation, a_handle_that_means_another_object_is_nobody_elses)
{
	CK_BBOOL token = 99;
	CK_ATTRIBUTE template = { CKA_TOKEN, &token, sizeof(token) };
	CK_OBJECT_HANDLE object, again, found;

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure_plugin(PLUGIN("backend_mock"), "lease = shared");
	TWO_CALLERS();

	/* Destroyed by the caller that named it last, and then the other's. */
	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "w", false, false,
				    &object));
	ASSERT_EQ(CKR_OK, self->a->C_DestroyObject(self->sa, object));
	ASSERT_EQ(CKR_OK, make_data(self->b, self->sb, "w", false, false,
				    &again));
	ASSERT_EQ(object, again);
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->a->C_GetAttributeValue(self->sa, object, &template, 1));
	ASSERT_EQ(CKR_OK, self->b->C_DestroyObject(self->sb, again));

	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "x", true, false,
				    &object));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_DATA, "x", &found));
	ASSERT_EQ(object, found);
	EXPECT_EQ(CKR_OK, self->b->C_GetAttributeValue(self->sb, found,
						       &template, 1));
	/* Destroyed by the other caller, and then its own. */
	ASSERT_EQ(CKR_OK, self->a->C_DestroyObject(self->sa, object));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_GetAttributeValue(self->sb, found, &template, 1));
	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "y", false, false,
				    &again));
	ASSERT_EQ(object, again);
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_GetAttributeValue(self->sb, found, &template, 1));
	EXPECT_EQ(0, find(self->b, self->sb, CKO_DATA, "y", NULL));
	/* On the token again it is found, and means that. */
	ASSERT_EQ(CKR_OK, self->a->C_DestroyObject(self->sa, again));
	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "z", true, false,
				    &again));
	ASSERT_EQ(object, again);
	ASSERT_EQ(1, find(self->b, self->sb, CKO_DATA, "z", &found));
	EXPECT_EQ(CKR_OK, self->b->C_GetAttributeValue(self->sb, found,
						       &template, 1));
	EXPECT_EQ(CK_TRUE, token);
}

/* A backend that has addresses for handles, which some programs' int can't hold. */
TEST_F(isolation, a_handle_fits_an_int)
{
	CK_OBJECT_HANDLE theirs = 0xb7001230ul + 1;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_OBJECT_HANDLE object, found, mine;
	CK_BBOOL token = 99;
	CK_ATTRIBUTE template = { CKA_TOKEN, &token, sizeof(token) };

	ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_configure_plugin(PLUGIN("backend_mock"), "lease = shared");
	setenv("TOKMUX_MOCK_HANDLES", "0xb7001230", 1);
	TWO_CALLERS();

	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "x", true, false,
				    &object));
	EXPECT_GE(INT_MAX, object);
	/* It is nobody's under the backend's own. */
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->a->C_GetAttributeValue(self->sa, theirs, &template, 1));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_GetAttributeValue(self->sb, object, &template, 1));
	ASSERT_EQ(1, find(self->b, self->sb, CKO_DATA, "x", &found));
	EXPECT_EQ(object, found);
	EXPECT_EQ(CKR_OK, self->b->C_GetAttributeValue(self->sb, found,
						       &template, 1));
	EXPECT_EQ(CK_TRUE, token);
	EXPECT_EQ(CKR_OK, self->b->C_SignInit(self->sb, &mechanism, found));

	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "y", false, false,
				    &mine));
	EXPECT_GE(INT_MAX, mine);
	EXPECT_NE(object, mine);
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  self->b->C_SignInit(self->sb, &mechanism, mine));
	EXPECT_EQ(CKR_OK, self->a->C_SignInit(self->sa, &mechanism, mine));
	EXPECT_EQ(2, find(self->a, self->sa, CKO_DATA, "", NULL));

	/* One that means nothing any more doesn't mean the next object. */
	ASSERT_EQ(CKR_OK, self->b->C_DestroyObject(self->sb, found));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->a->C_GetAttributeValue(self->sa, object, &template, 1));
	ASSERT_EQ(CKR_OK, make_data(self->b, self->sb, "z", true, false,
				    &found));
	EXPECT_NE(object, found);
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_DestroyObject(self->sb, object));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->a->C_GetAttributeValue(self->sa, mine, &template, 1));
	EXPECT_EQ(1, find(self->a, self->sa, CKO_DATA, "z", &object));
	EXPECT_EQ(found, object);
	unsetenv("TOKMUX_MOCK_HANDLES");
}

TEST_HARNESS_MAIN
