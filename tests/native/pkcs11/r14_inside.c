// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R14: a backend's callback, or a signal's handler, calls us in the middle of a call
 * of the same thread. It never waits for that call, nor for what its thread has.
 */
#include <sched.h>
#include "world.h"
#include <kselftest_harness.h>

/* Less than any wait, even on a busy machine. */
#define AT_ONCE_MS	3000

static CK_FUNCTION_LIST *a, *b;
static CK_SESSION_HANDLE sa, sb;
static CK_RV inner[6];
static long took;

/* In the thread that is in C_GenerateRandom, or C_Login. */
static void hook(void)
{
	long begin = now_ms();
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	CK_TOKEN_INFO token;

	inner[0] = a->C_GetSessionInfo(sa, &info);
	inner[1] = b->C_GetSessionInfo(sb, &info);
	inner[2] = a->C_GetTokenInfo(the_slot(a), &token);
	inner[3] = open_ro(a, &session);
	if (inner[3] == CKR_OK)
		inner[3] = a->C_CloseSession(session);
	inner[4] = b->C_Login(sb, CKU_USER, PIN("wrong"));
	inner[5] = a->C_Finalize(NULL);
	took = now_ms() - begin;
}

FIXTURE(inside) {
	void (*fault)(const char *spec);
};

FIXTURE_VARIANT(inside) {
	const char *lease;
};

FIXTURE_VARIANT_ADD(inside, shared) { .lease = "shared" };
FIXTURE_VARIANT_ADD(inside, call) { .lease = "call" };
FIXTURE_VARIANT_ADD(inside, session) { .lease = "session" };

FIXTURE_SETUP(inside)
{
	char keys[64];

	ASSERT_TRUE(world_begin());
	snprintf(keys, sizeof(keys), "lease = %s\nwait = 10000\nhold = 200",
		 variant->lease);
	world_configure_plugin(PLUGIN("backend_fault"), keys);
	a = CALLER_A;
	b = CALLER_B;
	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, b->C_Initialize(NULL));
	self->fault = (void (*)(const char *))
		backend_symbol(PLUGIN("backend_fault"), "backend_fault_set");
	ASSERT_NE(NULL, self->fault);
	*(void (**)(void))backend_symbol(PLUGIN("backend_fault"),
					 "backend_fault_hook") = hook;
	ASSERT_EQ(CKR_OK, open_rw(b, &sb));
	ASSERT_EQ(CKR_OK, open_rw(a, &sa));
}

FIXTURE_TEARDOWN(inside)
{
	self->fault("");
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
	world_end();
}

TEST_F(inside, a_call_never_waits_for_its_own_thread)
{
	unsigned char random[8];

	self->fault("C_GenerateRandom=hook");
	EXPECT_EQ(CKR_OK, a->C_GenerateRandom(sa, random, 8));
	EXPECT_EQ(CKR_OK, inner[0]);
	/* With lease = session it has lost its session to the other. */
	if (strcmp(variant->lease, "session"))
		EXPECT_EQ(CKR_OK, inner[1]);
	EXPECT_EQ(CKR_OK, inner[2]);
	EXPECT_EQ(CKR_OK, inner[3]);
	if (strcmp(variant->lease, "session"))
		EXPECT_EQ(CKR_PIN_INCORRECT, inner[4]);
	EXPECT_EQ(CKR_FUNCTION_FAILED, inner[5]);
	EXPECT_GT(AT_ONCE_MS, took);
}

/* That has the slot's turn as well, which is needed to log in. */
TEST_F(inside, nor_in_a_login)
{
	self->fault("C_Login=hook");
	EXPECT_EQ(CKR_OK, login(a, sa));
	EXPECT_EQ(CKR_OK, inner[0]);
	EXPECT_EQ(CKR_OK, inner[2]);
	EXPECT_EQ(CKR_OK, inner[3]);
	if (strcmp(variant->lease, "session"))
		EXPECT_EQ(CKR_FUNCTION_FAILED, inner[4]);
	EXPECT_EQ(CKR_FUNCTION_FAILED, inner[5]);
	EXPECT_GT(AT_ONCE_MS, took);
}

static void *change_pin(void *arg)
{
	a->C_InitPIN(sa, PIN("5555"));
	return NULL;
}

static pthread_t officer;

/* An exclusive lease is waited for, and with it all who come later. */
static void hook_before_officer(void)
{
	struct timespec pause = { 0, 1000000 };
	CK_SESSION_INFO info;
	long begin;

	pthread_create(&officer, NULL, change_pin, NULL);
	/* Until the other waits: then it has not returned, and is asleep. */
	for (begin = now_ms(); now_ms() - begin < 100;)
		nanosleep(&pause, NULL);
	begin = now_ms();
	inner[0] = b->C_GetSessionInfo(sb, &info);
	took = now_ms() - begin;
}

TEST_F(inside, nor_for_those_that_wait_for_it)
{
	unsigned char random[8];

	if (strcmp(variant->lease, "shared"))
		SKIP(return, "only where leases are shared");
	*(void (**)(void))backend_symbol(PLUGIN("backend_fault"),
					 "backend_fault_hook") =
		hook_before_officer;
	ASSERT_EQ(CKR_OK, a->C_Login(sa, CKU_SO, PIN(SO_PIN)));
	self->fault("C_GenerateRandom=hook");
	EXPECT_EQ(CKR_OK, b->C_GenerateRandom(sb, random, 8));
	pthread_join(officer, NULL);
	EXPECT_EQ(CKR_OK, inner[0]);
	EXPECT_GT(AT_ONCE_MS, took);
}

TEST_HARNESS_MAIN
