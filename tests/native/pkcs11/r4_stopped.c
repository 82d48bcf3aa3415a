// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R4: a process that is stopped in the middle of a call is in another one's way for
 * no longer than "hold", also where leases are for single calls.
 */
#include <signal.h>
#include "world.h"
#include <kselftest_harness.h>

#define HOLD_MS	500
#define WAIT_MS	20000

static int in_the_backend[2];

/* In the thread that is in the backend, with its lease. */
static void stop(void)
{
	if (write(in_the_backend[1], "", 1) == 1)
		raise(SIGSTOP);
}

FIXTURE(stopped) {
	pid_t child;
};

FIXTURE_VARIANT(stopped) {
	const char *lease;
};

FIXTURE_VARIANT_ADD(stopped, call) { .lease = "call" };
FIXTURE_VARIANT_ADD(stopped, shared) { .lease = "shared" };

static void stop_in_a_call(void)
{
	void (*fault)(const char *spec);
	CK_FUNCTION_LIST *c = CALLER_B;
	CK_SESSION_HANDLE session;
	unsigned char random[8];

	if (c->C_Initialize(NULL) || open_rw(c, &session))
		_exit(1);
	fault = (void (*)(const char *))
		backend_symbol(PLUGIN("backend_fault"), "backend_fault_set");
	*(void (**)(void))backend_symbol(PLUGIN("backend_fault"),
					 "backend_fault_hook") = stop;
	fault("C_GenerateRandom=hook");
	c->C_GenerateRandom(session, random, sizeof(random));
	_exit(0);
}

FIXTURE_SETUP(stopped)
{
	char keys[96], byte;

	self->child = 0;
	if (strcmp(world_arbiter(), "kernel"))
		SKIP(return, "it takes the kernel module");
	ASSERT_TRUE(world_begin());
	snprintf(keys, sizeof(keys), "lease = %s\nwait = %d\nhold = %d",
		 variant->lease, WAIT_MS, HOLD_MS);
	world_configure_plugin(PLUGIN("backend_fault"), keys);
	ASSERT_EQ(0, pipe(in_the_backend));
	self->child = fork();
	if (!self->child)
		stop_in_a_call();
	close(in_the_backend[1]);
	ASSERT_EQ(1, read(in_the_backend[0], &byte, 1));
}

FIXTURE_TEARDOWN(stopped)
{
	if (!self->child)
		return;
	kill(self->child, SIGKILL);
	waitpid(self->child, NULL, 0);
	world_end();
}

TEST_F(stopped, in_a_call_it_is_in_nobodys_way)
{
	CK_FUNCTION_LIST *a = CALLER_A;
	CK_SESSION_HANDLE session;
	long begin = now_ms();

	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(a, &session));
	ASSERT_EQ(CKR_OK, a->C_Login(session, CKU_SO, PIN(SO_PIN)));
	/* With the exclusive lease, whatever "lease" is. */
	EXPECT_EQ(CKR_OK, a->C_InitPIN(session, PIN(USER_PIN)));
	EXPECT_GT(WAIT_MS, now_ms() - begin);
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
}

TEST_HARNESS_MAIN
