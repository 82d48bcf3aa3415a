// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R11: an operation ends with the login of its key and is in nobody's way later,
 * whatever else its session has (backend_quirks.c counts the backend's).
 */
#include "world.h"
#include <kselftest_harness.h>

static CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
static CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
static unsigned char digest[32] = "digest", out[128];

FIXTURE(operations) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
	int *backend_sessions;
};

FIXTURE_SETUP(operations)
{
	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_quirks"), "lease = shared");
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	self->backend_sessions = backend_symbol(PLUGIN("backend_quirks"),
						"backend_sessions");
	ASSERT_NE(NULL, self->backend_sessions);
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
	/* The backend stays logged in, so its operations go on. */
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
}

FIXTURE_TEARDOWN(operations)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	EXPECT_EQ(0, *self->backend_sessions);
	world_end();
}

/* Begins one, and goes without it. */
static CK_RV lose_one(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	CK_OBJECT_HANDLE key;
	CK_RV rv = login(p11, session);

	if (rv == CKR_OK && find(p11, session, CKO_PRIVATE_KEY, "key", &key) != 1)
		rv = CKR_KEY_HANDLE_INVALID;
	if (rv == CKR_OK)
		rv = p11->C_SignInit(session, &ecdsa, key);
	return rv == CKR_OK ? p11->C_Logout(session) : rv;
}

static CK_RV hash(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	CK_ULONG length = sizeof(out);
	CK_RV rv = p11->C_DigestInit(session, &sha256);

	return rv == CKR_OK ? p11->C_Digest(session, digest, 32, out, &length) :
			      rv;
}

TEST_F(operations, a_lost_one_leaves_the_session_and_its_objects)
{
	CK_OBJECT_HANDLE object, key;
	CK_ULONG length = sizeof(out), size;
	int i;

	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "mine", false, false,
				    &object));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(CKR_OK, lose_one(self->a, self->sa));
		EXPECT_EQ(CKR_OK, hash(self->a, self->sa));
		EXPECT_EQ(CKR_OPERATION_NOT_INITIALIZED,
			  self->a->C_Sign(self->sa, digest, 32, out, &length));
		EXPECT_EQ(CKR_OK, self->a->C_GetObjectSize(self->sa, object,
							   &size));
		EXPECT_EQ(1, find(self->a, self->sa, CKO_DATA, "mine", NULL));
	}
	/* One of the backend's for the object, and no more. */
	EXPECT_EQ(3, *self->backend_sessions);
	EXPECT_EQ(CKR_OK, self->a->C_DestroyObject(self->sa, object));
	ASSERT_EQ(CKR_OK, lose_one(self->a, self->sa));
	EXPECT_EQ(CKR_OK, hash(self->a, self->sa));
	EXPECT_EQ(2, *self->backend_sessions);
	/* Those that are made now go with the session as ever. */
	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "mine", false, false,
				    &object));
	ASSERT_EQ(CKR_OK, lose_one(self->a, self->sa));
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, sign(self->a, self->sa, key));
	EXPECT_EQ(3, *self->backend_sessions);
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	EXPECT_EQ(1, *self->backend_sessions);
}

TEST_F(operations, a_state_that_is_restored_brings_back_no_lost_one)
{
	CK_ULONG length = sizeof(out);

	ASSERT_EQ(CKR_OK, lose_one(self->a, self->sa));
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	/* The backend does nothing: what was going on there is the lost one. */
	EXPECT_EQ(CKR_OK, self->a->C_SetOperationState(self->sa, digest, 32, 0,
						       0));
	EXPECT_EQ(CKR_OPERATION_NOT_INITIALIZED,
		  self->a->C_Sign(self->sa, digest, 32, out, &length));
}

TEST_HARNESS_MAIN
