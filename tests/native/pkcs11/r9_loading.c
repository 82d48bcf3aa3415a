// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R9: however a program loads the module, a backend's functions are the backend's.
 */
#include "world.h"
#include <kselftest_harness.h>

#define PRELOADED	"TOKMUX_TEST_PRELOADED"

static CK_RV use(void *object)
{
	CK_C_GetFunctionList get;
	CK_SESSION_HANDLE session;
	CK_FUNCTION_LIST *p11;
	unsigned char random[8];
	CK_RV rv;

	if (!object)
		return CKR_HOST_MEMORY;
	get = (CK_C_GetFunctionList)dlsym(object, "C_GetFunctionList");
	rv = get(&p11);
	if (rv == CKR_OK)
		rv = p11->C_Initialize(NULL);
	if (rv == CKR_OK)
		rv = open_rw(p11, &session);
	if (rv == CKR_OK)
		rv = login(p11, session);
	if (rv == CKR_OK)
		rv = p11->C_GenerateRandom(session, random, sizeof(random));
	if (rv == CKR_OK)
		rv = p11->C_Finalize(NULL);
	return rv;
}

/* In the program that a test starts, instead of the tests, and before world.h's. */
__attribute__((constructor(101))) static void use_preloaded(void)
{
	if (getenv(PRELOADED))
		_exit(use(dlopen(MODULE, RTLD_NOW)) != CKR_OK);
}

FIXTURE(loading) {
};

FIXTURE_SETUP(loading)
{
	ASSERT_TRUE(world_begin());
}

FIXTURE_TEARDOWN(loading)
{
	world_end();
}

/* valgrind stands in for malloc() in the first of a process' libcs only. */
static bool with_valgrind(void)
{
	const char *san = getenv("SAN");

	return san && !strcmp(san, "valgrind");
}

/* They can't bear RTLD_DEEPBIND. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED	1
#else
#define SANITIZED	0
#endif

TEST_F(loading, for_all_to_see)
{
	if (SANITIZED)
		SKIP(return, "not with a sanitizer");
	EXPECT_EQ(CKR_OK, use(dlopen(MODULE, RTLD_NOW | RTLD_GLOBAL)));
}

TEST_F(loading, after_its_backend)
{
	if (SANITIZED)
		SKIP(return, "not with a sanitizer");
	ASSERT_NE(NULL, dlopen(SOFTHSM, RTLD_NOW | RTLD_GLOBAL));
	EXPECT_EQ(CKR_OK, use(dlopen(MODULE, RTLD_NOW)));
}

TEST_F(loading, into_a_namespace_of_its_own)
{
	if (SANITIZED || with_valgrind())
		SKIP(return, "not with a sanitizer");
	EXPECT_EQ(CKR_OK, use(dlmopen(LM_ID_NEWLM, MODULE, RTLD_NOW)));
	EXPECT_EQ(CKR_OK, use(dlmopen(LM_ID_NEWLM, MODULE, RTLD_NOW)));
	EXPECT_EQ(CKR_OK, use(dlopen(MODULE, RTLD_NOW)));
}

TEST_F(loading, before_the_program)
{
	int status = -1;
	pid_t pid;

	if (SANITIZED)
		SKIP(return, "not with a sanitizer");
	pid = fork();
	if (!pid) {
		setenv("LD_PRELOAD", MODULE, 1);
		setenv(PRELOADED, "", 1);
		run_again();
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
