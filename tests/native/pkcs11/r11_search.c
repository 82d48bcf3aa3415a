// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R11: what a search asks the backend for, and what others' searches come upon
 * (backend_quirks.c tells).
 */
#include "world.h"
#include <kselftest_harness.h>

#define SYMBOL(name)	backend_symbol(PLUGIN("backend_quirks"), name)

FIXTURE(search) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
	int *asked;
	void (**made)(void);
};

FIXTURE_SETUP(search)
{
	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_quirks"), "lease = shared");
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	self->asked = SYMBOL("backend_search");
	self->made = SYMBOL("backend_made");
	ASSERT_NE(NULL, self->made);
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));
}

FIXTURE_TEARDOWN(search)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

static int find_private(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			CK_BBOOL *private)
{
	CK_ATTRIBUTE template = { CKA_PRIVATE, private, 1 };
	CK_OBJECT_HANDLE found[16];
	CK_ULONG count = 99;

	if (p11->C_FindObjectsInit(session, &template, 1) != CKR_OK ||
	    p11->C_FindObjects(session, found, 16, &count) != CKR_OK ||
	    p11->C_FindObjectsFinal(session) != CKR_OK)
		return -1;
	return (int)count;
}

TEST_F(search, who_isnt_logged_in_asks_for_what_is_public)
{
	CK_OBJECT_CLASS hardware = CKO_HW_FEATURE;
	CK_ATTRIBUTE clock = { CKA_CLASS, &hardware, sizeof(hardware) };

	/* Nobody is: it is the backend's. */
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PUBLIC_KEY, "key", NULL));
	EXPECT_EQ(-1, *self->asked);
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", NULL));
	EXPECT_EQ(-1, *self->asked);
	EXPECT_EQ(0, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", NULL));
	EXPECT_EQ(0, *self->asked);
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PUBLIC_KEY, "key", NULL));
	EXPECT_EQ(0, *self->asked);
	ASSERT_EQ(CKR_OK, self->b->C_FindObjectsInit(self->sb, NULL, 0));
	EXPECT_EQ(0, *self->asked);
	EXPECT_EQ(CKR_OK, self->b->C_FindObjectsFinal(self->sb));
	/* What has no such attribute is found without it. */
	ASSERT_EQ(CKR_OK, self->b->C_FindObjectsInit(self->sb, &clock, 1));
	EXPECT_EQ(-1, *self->asked);
	EXPECT_EQ(CKR_OK, self->b->C_FindObjectsFinal(self->sb));
	/* What it says itself stays. */
	EXPECT_EQ(2, find_private(self->b, self->sb, &no));
	EXPECT_EQ(0, *self->asked);
	EXPECT_EQ(0, find_private(self->b, self->sb, &yes));
	EXPECT_EQ(1, *self->asked);
	EXPECT_EQ(2, find_private(self->a, self->sa, &yes));
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PRIVATE_KEY, "key", NULL));
	EXPECT_EQ(-1, *self->asked);
}

/* What is left out, others' session objects here, is never taken for the end. */
TEST_F(search, an_answer_is_as_long_as_there_is_more)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_LABEL, "z", 1 },
	};
	CK_OBJECT_HANDLE objects[8];
	CK_ULONG count, i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "z", false, false,
					    objects));
		ASSERT_EQ(CKR_OK, make_data(self->b, self->sb, "z", false, false,
					    objects));
	}
	ASSERT_EQ(CKR_OK, self->b->C_FindObjectsInit(self->sb, template, 2));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(CKR_OK, self->b->C_FindObjects(self->sb, objects, 8,
							 &count));
		EXPECT_EQ(8, count);
	}
	EXPECT_EQ(CKR_OK, self->b->C_FindObjects(self->sb, objects, 8, &count));
	EXPECT_EQ(4, count);
	EXPECT_EQ(CKR_OK, self->b->C_FindObjects(self->sb, objects, 8, &count));
	EXPECT_EQ(0, count);
	EXPECT_EQ(CKR_OK, self->b->C_FindObjectsFinal(self->sb));
}

TEST_F(search, nothing_of_ours_comes_between)
{
	int *between = SYMBOL("backend_between");
	int *sessions = SYMBOL("backend_sessions");

	EXPECT_EQ(2, *sessions);
	EXPECT_EQ(1, find(self->b, self->sb, CKO_PUBLIC_KEY, "key", NULL));
	EXPECT_EQ(1, find(self->b, self->sb, CKO_DATA, "public", NULL));
	EXPECT_EQ(0, *between);
	EXPECT_EQ(2, *sessions);
}

/* ---- an object that is just being made ------------------------------------------- */

static CK_FUNCTION_LIST *finder;
static CK_SESSION_HANDLE finders;
static CK_OBJECT_HANDLE found;
static int times;

static void find_it(void)
{
	times = find(finder, finders, CKO_DATA, "fresh", &found);
}

TEST_F(search, who_found_a_fresh_object_keeps_its_handle)
{
	CK_ATTRIBUTE value = { CKA_LABEL, NULL, 0 };
	CK_OBJECT_HANDLE object;

	finder = self->b;
	finders = self->sb;
	*self->made = find_it;
	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "fresh", true, false,
				    &object));
	EXPECT_EQ(1, times);
	EXPECT_EQ(CKR_OK, self->b->C_GetAttributeValue(self->sb, found, &value,
						       1));
	EXPECT_EQ(CKR_OK, self->a->C_DestroyObject(self->sa, object));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID,
		  self->b->C_GetAttributeValue(self->sb, found, &value, 1));
	/* What it can't see it doesn't find, however fresh. */
	ASSERT_EQ(CKR_OK, make_data(self->a, self->sa, "fresh", false, false,
				    &object));
	EXPECT_EQ(0, times);
	*self->made = NULL;
}

TEST_HARNESS_MAIN
