// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R13: what a read-only session makes isn't on the token, and what is there
 * doesn't become another thing, also where the backend doesn't mind
 * (backend_quirks.c): its session is read/write.
 */
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(read_only) {
	CK_FUNCTION_LIST *p11, *other;
	CK_SESSION_HANDLE session, others;
	bool *ignores_token, *sets_anything;
};

FIXTURE_SETUP(read_only)
{
	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_quirks"), "lease = shared");
	self->p11 = CALLER_A;
	self->other = CALLER_B;
	ASSERT_EQ(CKR_OK, self->p11->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->other->C_Initialize(NULL));
	self->ignores_token = backend_symbol(PLUGIN("backend_quirks"),
					     "backend_ignores_token");
	self->sets_anything = backend_symbol(PLUGIN("backend_quirks"),
					     "backend_sets_anything");
	ASSERT_NE(NULL, self->sets_anything);
	ASSERT_EQ(CKR_OK, open_ro(self->p11, &self->session));
	ASSERT_EQ(CKR_OK, open_rw(self->other, &self->others));
	ASSERT_EQ(CKR_OK, login(self->p11, self->session));
	ASSERT_EQ(CKR_OK, login(self->other, self->others));
}

FIXTURE_TEARDOWN(read_only)
{
	EXPECT_EQ(CKR_OK, self->p11->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->other->C_Finalize(NULL));
	world_end();
}

TEST_F(read_only, what_lands_on_the_token_is_destroyed)
{
	CK_OBJECT_HANDLE public, private;
	CK_SESSION_HANDLE writes;

	/* world.h's token has one pair of that label. */
	*self->ignores_token = true;
	EXPECT_EQ(CKR_SESSION_READ_ONLY,
		  make_key_pair(self->p11, self->session, false, &public,
				&private));
	EXPECT_EQ(1, find(self->other, self->others, CKO_PRIVATE_KEY, "key",
			  NULL));
	EXPECT_EQ(1, find(self->other, self->others, CKO_PUBLIC_KEY, "key",
			  NULL));
	/* In one that may write it stays, and is what it is. */
	ASSERT_EQ(CKR_OK, open_rw(self->p11, &writes));
	EXPECT_EQ(CKR_OK, make_key_pair(self->p11, writes, false, &public,
					&private));
	EXPECT_EQ(2, find(self->other, self->others, CKO_PRIVATE_KEY, "key",
			  NULL));
	*self->ignores_token = false;
	EXPECT_EQ(CKR_OK, make_key_pair(self->p11, self->session, false,
					&public, &private));
}

TEST_F(read_only, a_template_says_once_where_it_goes)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &no, 1 },
		{ CKA_PRIVATE, &no, 1 },
		{ CKA_TOKEN, &yes, 1 },
	};
	CK_OBJECT_HANDLE object;

	EXPECT_EQ(CKR_TEMPLATE_INCONSISTENT,
		  self->p11->C_CreateObject(self->session, template, 4,
					    &object));
	template[3].type = CKA_PRIVATE;
	EXPECT_EQ(CKR_TEMPLATE_INCONSISTENT,
		  self->p11->C_CreateObject(self->session, template, 4,
					    &object));
	template[1].ulValueLen = 0;
	EXPECT_EQ(CKR_ATTRIBUTE_VALUE_INVALID,
		  self->p11->C_CreateObject(self->session, template, 3,
					    &object));
	template[1].ulValueLen = 1;
	EXPECT_EQ(CKR_OK, self->p11->C_CreateObject(self->session, template, 3,
						    &object));
	EXPECT_EQ(CKR_TEMPLATE_INCONSISTENT,
		  self->p11->C_CopyObject(self->session, object, template + 1,
					  3, &object));
}

TEST_F(read_only, an_object_stays_where_it_is)
{
	CK_ATTRIBUTE token = { CKA_TOKEN, &yes, 1 };
	CK_ATTRIBUTE private = { CKA_PRIVATE, &no, 1 };
	CK_ATTRIBUTE label = { CKA_LABEL, "new", 3 };
	CK_OBJECT_HANDLE object;

	*self->sets_anything = true;
	ASSERT_EQ(CKR_OK, make_data(self->p11, self->session, "old", false,
				    true, &object));
	EXPECT_EQ(CKR_ATTRIBUTE_READ_ONLY,
		  self->p11->C_SetAttributeValue(self->session, object, &token,
						 1));
	EXPECT_EQ(CKR_ATTRIBUTE_READ_ONLY,
		  self->p11->C_SetAttributeValue(self->session, object,
						 &private, 1));
	EXPECT_EQ(CKR_OK, self->p11->C_SetAttributeValue(self->session, object,
							 &label, 1));
}

TEST_HARNESS_MAIN
