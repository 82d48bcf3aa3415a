// SPDX-License-Identifier: LGPL-2.1-or-later
/* R9: who is the caller. */
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(callers) {
	CK_FUNCTION_LIST *a, *b;
};

FIXTURE_SETUP(callers)
{
	ASSERT_TRUE(world_begin());
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->b);
}

FIXTURE_TEARDOWN(callers)
{
	world_end();
}

TEST_F(callers, the_same_object_has_the_same_list)
{
	CK_FUNCTION_LIST *again = NULL;

	EXPECT_EQ(self->a, CALLER_A);
	EXPECT_EQ(self->b, CALLER_B);
	EXPECT_NE(self->a, self->b);
	EXPECT_EQ(CKR_OK, self->a->C_GetFunctionList(&again));
	EXPECT_EQ(self->a, again);
	EXPECT_EQ(CKR_ARGUMENTS_BAD, self->a->C_GetFunctionList(NULL));
}

TEST_F(callers, just_seven_functions_differ)
{
	void **a = (void **)&self->a->C_Initialize;
	void **b = (void **)&self->b->C_Initialize;
	size_t count = (sizeof(CK_FUNCTION_LIST) -
			offsetof(CK_FUNCTION_LIST, C_Initialize)) / sizeof(*a);
	size_t i, differ = 0;

	EXPECT_EQ(2, self->a->version.major);
	EXPECT_EQ(40, self->a->version.minor);
	EXPECT_EQ(68, count);
	for (i = 0; i < count; i++) {
		EXPECT_NE(NULL, a[i]);
		differ += a[i] != b[i];
	}
	EXPECT_EQ(7, differ);
}

TEST_F(callers, by_name_and_by_list_is_one_caller)
{
	CK_C_GetFunctionList get = module_symbol("C_GetFunctionList");
	CK_C_Initialize initialize = module_symbol("C_Initialize");
	CK_C_Finalize finalize = module_symbol("C_Finalize");
	CK_FUNCTION_LIST *mine;

	ASSERT_EQ(CKR_OK, get(&mine));
	EXPECT_NE(self->a, mine);
	EXPECT_EQ(CKR_OK, initialize(NULL));
	EXPECT_EQ(CKR_OK, mine->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, finalize(NULL));
}

TEST_F(callers, every_exported_function_is_the_lists)
{
	CK_FUNCTION_LIST *mine;
	CK_C_GetFunctionList get = module_symbol("C_GetFunctionList");

	ASSERT_EQ(CKR_OK, get(&mine));
	EXPECT_EQ(module_symbol("C_Sign"), mine->C_Sign);
	EXPECT_EQ(module_symbol("C_Login"), mine->C_Login);
	EXPECT_EQ(NULL, module_symbol("session_get"));
	EXPECT_EQ(NULL, module_symbol("backend_load"));
}

TEST_F(callers, as_many_as_there_are_lists)
{
	CK_RV (*new_caller)(CK_FUNCTION_LIST **) =
		module_symbol("tokmux_pkcs11_new_caller");
	CK_RV (*free_caller)(CK_FUNCTION_LIST *) =
		module_symbol("tokmux_pkcs11_free_caller");
	CK_FUNCTION_LIST *lists[300], *last = NULL;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	int i, n;

	ASSERT_NE(NULL, new_caller);
	for (n = 0; n < 300; n++)
		if (new_caller(&lists[n]) != CKR_OK)
			break;
	/* The two plug-ins have theirs. */
	EXPECT_EQ(254, n);
	EXPECT_EQ(CKR_HOST_MEMORY, new_caller(&last));
	EXPECT_EQ(NULL, last);
	EXPECT_EQ(CKR_ARGUMENTS_BAD, new_caller(NULL));

	/* The last one works like any, and what it has ends with it. */
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, lists[n - 1]->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(lists[n - 1], &session));
	EXPECT_EQ(CKR_OK, free_caller(lists[n - 1]));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_OK, new_caller(&last));
	EXPECT_EQ(CKR_OK, free_caller(last));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, free_caller(last));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, free_caller(self->a));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, free_caller(NULL));
	for (i = 0; i < n - 1; i++)
		EXPECT_EQ(CKR_OK, free_caller(lists[i]));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

static void *get_list(void *result)
{
	*(CK_FUNCTION_LIST **)result = CALLER_A;
	return NULL;
}

TEST_F(callers, threads_of_one_object_are_one_caller)
{
	CK_FUNCTION_LIST *lists[8];
	pthread_t threads[8];
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, get_list,
					    &lists[i]));
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(self->a, lists[i]);
	}
}

TEST_HARNESS_MAIN
