// SPDX-License-Identifier: LGPL-2.1-or-later
/* R10: after fork the child starts afresh, the parent never notices. */
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(fork) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
};

FIXTURE_SETUP(fork)
{
	ASSERT_TRUE(world_begin());
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->session));
	ASSERT_EQ(CKR_OK, login(self->a, self->session));
	ASSERT_EQ(1, find(self->a, self->session, CKO_PRIVATE_KEY, "key",
			  &self->key));
}

FIXTURE_TEARDOWN(fork)
{
	world_end();
}

/* Return: 0, or which step failed. */
static int child(CK_FUNCTION_LIST *a, CK_SESSION_HANDLE parents,
		 CK_OBJECT_HANDLE parents_key)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	CK_SESSION_INFO info;
	CK_INFO module;

	if (a->C_GetInfo(&module) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 1;
	if (a->C_GetSessionInfo(parents, &info) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 2;
	if (a->C_Finalize(NULL) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 3;
	if (a->C_Initialize(NULL) != CKR_OK)
		return 4;
	if (a->C_GetSessionInfo(parents, &info) != CKR_SESSION_HANDLE_INVALID)
		return 5;
	if (open_rw(a, &session) != CKR_OK)
		return 6;
	if (a->C_GetSessionInfo(session, &info) != CKR_OK ||
	    info.state != CKS_RW_PUBLIC_SESSION)
		return 7;
	if (find(a, session, CKO_PRIVATE_KEY, "key", &key))
		return 8;
	if (login(a, session) != CKR_OK)
		return 9;
	if (find(a, session, CKO_PRIVATE_KEY, "key", &key) != 1)
		return 10;
	if (sign(a, session, key) != CKR_OK)
		return 11;
	if (a->C_Finalize(NULL) != CKR_OK)
		return 12;
	return 0;
}

static int run_child(CK_FUNCTION_LIST *a, CK_SESSION_HANDLE session,
		     CK_OBJECT_HANDLE key)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		_exit(child(a, session, key));
	}
	waitpid(pid, &status, 0);
	return status ? WIFEXITED(status) ? WEXITSTATUS(status) : -status : 0;
}

TEST_F(fork, the_child_starts_afresh)
{
	CK_SESSION_INFO info;

	EXPECT_EQ(0, run_child(self->a, self->session, self->key));
	EXPECT_EQ(CKR_OK, self->a->C_GetSessionInfo(self->session, &info));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, info.state);
	EXPECT_EQ(CKR_OK, sign(self->a, self->session, self->key));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_F(fork, the_grandchild_too)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(run_child(self->a, self->session, self->key));
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
	EXPECT_EQ(CKR_OK, sign(self->a, self->session, self->key));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/* The locks of our own may be held by another thread at that moment. */
struct busy {
	CK_FUNCTION_LIST *p11;
	atomic_bool stop;
	atomic_int rounds;
	CK_RV rv;
};

static void *open_and_close(void *arg)
{
	struct busy *busy = arg;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;

	while (busy->rv == CKR_OK && !atomic_load(&busy->stop)) {
		busy->rv = busy->p11->C_Initialize(NULL);
		if (busy->rv == CKR_OK)
			busy->rv = open_rw(busy->p11, &session);
		if (busy->rv == CKR_OK)
			busy->rv = busy->p11->C_GetSessionInfo(session, &info);
		if (busy->rv == CKR_OK)
			busy->rv = busy->p11->C_Finalize(NULL);
		atomic_fetch_add(&busy->rounds, 1);
	}
	return NULL;
}

/*
 * SoftHSM2's own locks, and the C library's loader, are not ours to make safe:
 * the child initializes nothing, it only asks.
 */
static int ask(CK_FUNCTION_LIST *a, CK_FUNCTION_LIST *b)
{
	CK_SESSION_HANDLE session;
	CK_INFO info;

	if (a->C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 1;
	if (b->C_Finalize(NULL) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 2;
	if (a->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session) !=
	    CKR_CRYPTOKI_NOT_INITIALIZED)
		return 3;
	return 0;
}

TEST_F(fork, while_others_are_busy)
{
	struct busy busy = { .p11 = self->b };
	pthread_t thread;
	int i, status;

	ASSERT_EQ(0, pthread_create(&thread, NULL, open_and_close, &busy));
	for (i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(20);
			_exit(ask(self->a, self->b));
		}
		waitpid(pid, &status, 0);
		EXPECT_EQ(0, status);
		EXPECT_EQ(CKR_OK, sign(self->a, self->session, self->key));
	}
	atomic_store(&busy.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(CKR_OK, busy.rv);
	EXPECT_LT(0, busy.rounds);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_HARNESS_MAIN
