// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R9: however a program loads the module, a backend's functions are the backend's; and
 * however it closes the module, what it had ends.
 */
#include <sys/syscall.h>
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

/* ---- closed ------------------------------------------------------------------------ */

static CK_FUNCTION_LIST *list_of(void *object)
{
	CK_C_GetFunctionList get;
	CK_FUNCTION_LIST *p11;

	get = (CK_C_GetFunctionList)dlsym(object, "C_GetFunctionList");
	return get(&p11) == CKR_OK ? p11 : NULL;
}

static bool backend_is_up(void)
{
	return world_softhsm()->C_GetInfo(&(CK_INFO){ 0 }) == CKR_OK;
}

/* What a host does that just unloads it, and loads it again some day. */
TEST_F(loading, closed_without_finalizing)
{
	CK_SESSION_HANDLE session;
	CK_FUNCTION_LIST *p11;
	void *object, *again;
	int i;

	for (i = 0; i < 3; i++) {
		object = dlopen(MODULE, RTLD_NOW);
		ASSERT_NE(NULL, object);
		again = dlopen(MODULE, RTLD_NOW);
		p11 = list_of(object);
		EXPECT_EQ(CKR_OK, p11->C_Initialize(NULL));
		EXPECT_EQ(CKR_OK, p11->C_Initialize(NULL));
		ASSERT_EQ(CKR_OK, open_rw(p11, &session));
		EXPECT_EQ(CKR_OK, login(p11, session));
		/* It is open once more. */
		dlclose(again);
		EXPECT_EQ(CKR_OK, p11->C_Logout(session));
		EXPECT_EQ(CKR_OK, login(p11, session));
		EXPECT_TRUE(backend_is_up());
		dlclose(object);
		EXPECT_FALSE(backend_is_up());
	}
}

/* By one that asked for a list, and one that let others initialize. */
TEST_F(loading, closed_by_callers_of_all_kinds)
{
	CK_RV (*make)(CK_FUNCTION_LIST **list);
	CK_FUNCTION_LIST *p11, *more;
	CK_SESSION_HANDLE session;
	void *object;
	int i;

	for (i = 0; i < 3; i++) {
		object = dlopen(MODULE, RTLD_NOW);
		p11 = list_of(object);
		make = (CK_RV (*)(CK_FUNCTION_LIST **))
			dlsym(object, "tokmux_pkcs11_new_caller");
		ASSERT_EQ(CKR_OK, make(&more));
		EXPECT_EQ(CKR_OK, more->C_Initialize(NULL));
		ASSERT_EQ(CKR_OK, open_rw(p11, &session));
		EXPECT_EQ(CKR_OK, login(p11, session));
		ASSERT_EQ(CKR_OK, open_rw(more, &session));
		dlclose(object);
		EXPECT_FALSE(backend_is_up());
	}
}

/* A copy of the file in another place is the same module. */
TEST_F(loading, a_copy_is_closed)
{
	char command[512];
	CK_SESSION_HANDLE session;
	CK_FUNCTION_LIST *p11, *others;
	CK_SESSION_INFO info;
	void *object, *copy;

	snprintf(command, sizeof(command), "cp %s %s", MODULE, world_path("copy.so"));
	ASSERT_EQ(0, system(command));
	object = dlopen(MODULE, RTLD_NOW);
	p11 = list_of(object);
	ASSERT_EQ(CKR_OK, p11->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(p11, &session));
	copy = dlopen(world_path("copy.so"), RTLD_NOW);
	ASSERT_NE(NULL, copy);
	others = list_of(copy);
	EXPECT_EQ(p11, others);
	dlclose(copy);
	EXPECT_EQ(CKR_OK, p11->C_GetSessionInfo(session, &info));
	EXPECT_TRUE(backend_is_up());
	dlclose(object);
	EXPECT_FALSE(backend_is_up());
}

static atomic_int waiter;

static void *wait_for_event(void *p11)
{
	CK_SLOT_ID slot;

	atomic_store(&waiter, (int)syscall(SYS_gettid));
	return (void *)((CK_FUNCTION_LIST *)p11)->C_WaitForSlotEvent(0, &slot, NULL);
}

/* A thread that is still in one of its functions comes out. */
TEST_F(loading, closed_while_a_thread_waits)
{
	void *object = dlopen(MODULE, RTLD_NOW), *rv;
	CK_FUNCTION_LIST *p11 = list_of(object);
	pthread_t thread;

	ASSERT_EQ(CKR_OK, p11->C_Initialize(NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_event, p11));
	while (!atomic_load(&waiter) || !thread_sleeps(atomic_load(&waiter)))
		usleep(1000);
	dlclose(object);
	ASSERT_EQ(0, pthread_join(thread, &rv));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, (CK_RV)rv);
}

static void *opened;

static void close_at_exit(void)
{
	dlclose(opened);
}

/* A handler that is older than the backend: that has been destroyed by then. */
TEST_F(loading, closed_when_the_process_exits)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		CK_SESSION_HANDLE session;
		CK_FUNCTION_LIST *p11;

		opened = dlopen(MODULE, RTLD_NOW);
		p11 = list_of(opened);
		atexit(close_at_exit);
		if (p11->C_Initialize(NULL) != CKR_OK ||
		    open_rw(p11, &session) != CKR_OK ||
		    login(p11, session) != CKR_OK)
			_exit(1);
		exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
