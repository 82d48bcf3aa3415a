// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R15: a thread that is cancelled, in a backend or while it waits for another thread,
 * leaves nothing behind: no lock, no turn, no lease, no session.
 *
 * One thread hangs in the backend, a second one waits for it. Both are cancelled, the
 * second one first, and what they used is used again.
 */
#include <sys/syscall.h>
#include "world.h"
#include <tokmux.h>
#include <kselftest_harness.h>

#define SOON_MS	5000

static CK_FUNCTION_LIST *a, *b;
static CK_SESSION_HANDLE sa, sb;
static CK_OBJECT_HANDLE ka, kb;
static void (*fault)(const char *spec);
static atomic_int *fault_calls;

/* ---- what a thread does ---------------------------------------------------------- */

static CK_RV do_sign(void)
{
	return sign(b, sb, kb);
}

static CK_RV do_random(void)
{
	unsigned char random[8];

	return b->C_GenerateRandom(sb, random, sizeof(random));
}

static CK_RV do_login(void)
{
	return login(b, sb);
}

static CK_RV do_wrong_login(void)
{
	b->C_Login(sb, CKU_USER, PIN("wrong"));
	b->C_Login(sb, CKU_USER, PIN("wrong"));
	b->C_Login(sb, CKU_USER, PIN("wrong"));
	b->C_Login(sb, CKU_USER, PIN("wrong"));
	return b->C_Login(sb, CKU_USER, PIN("wrong"));
}

static CK_RV do_logout(void)
{
	return b->C_Logout(sb);
}

static CK_RV do_set_pin(void)
{
	return b->C_SetPIN(sb, PIN(USER_PIN), PIN(USER_PIN));
}

static CK_RV do_open(void)
{
	CK_SESSION_HANDLE session;

	return open_rw(b, &session);
}

static CK_RV do_close(void)
{
	return b->C_CloseSession(sb);
}

static CK_RV do_token_info(void)
{
	CK_TOKEN_INFO info;

	return b->C_GetTokenInfo(the_slot(b), &info);
}

static CK_RV do_list(void)
{
	CK_ULONG count;

	return b->C_GetSlotList(CK_TRUE, NULL, &count);
}

static CK_RV do_wait(void)
{
	CK_SLOT_ID slot;

	return b->C_WaitForSlotEvent(0, &slot, NULL);
}

static CK_RV do_find(void)
{
	CK_OBJECT_HANDLE key;

	return find(b, sb, CKO_PRIVATE_KEY, "key", &key) ? CKR_OK :
							   CKR_GENERAL_ERROR;
}

/* ---- a thread that is cancelled ---------------------------------------------------- */

struct victim {
	CK_RV (*does)(void);
	pthread_t thread;
	atomic_int tid;
};

static void *run_victim(void *arg)
{
	struct victim *victim = arg;

	atomic_store(&victim->tid, (int)syscall(SYS_gettid));
	for (;;)
		victim->does();
	return NULL;
}

static void begin(struct victim *victim, CK_RV (*does)(void))
{
	int seen = 0, tid;

	victim->does = does;
	atomic_store(&victim->tid, 0);
	if (pthread_create(&victim->thread, NULL, run_victim, victim))
		abort();
	while (!(tid = atomic_load(&victim->tid)))
		usleep(1000);
	/* It sleeps wherever one looks. */
	while (seen < 20) {
		usleep(2000);
		seen = thread_sleeps(tid) ? seen + 1 : 0;
	}
}

/* Return: does it end soon? */
static bool end(struct victim *victim)
{
	struct timespec until;
	void *result;

	pthread_cancel(victim->thread);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SOON_MS / 1000;
	return !pthread_timedjoin_np(victim->thread, &result, &until) &&
	       result == PTHREAD_CANCELED;
}

/* ---- the world ---------------------------------------------------------------------- */

FIXTURE(cancel) {
	struct victim hangs, waits;
};

FIXTURE_VARIANT(cancel) {
	const char *hangs;		/* in the backend */
	CK_RV (*does)(void);		/* that leads there */
	CK_RV (*waits)(void);		/* for that, or the same once more */
	bool login;
};

#define VARIANT(name, ...)						\
	FIXTURE_VARIANT_ADD(cancel, name) { __VA_ARGS__ }

VARIANT(in_sign, "C_Sign", do_sign, do_random, true);
VARIANT(before_a_login, "C_GenerateRandom", do_random, do_login, false);
VARIANT(before_a_logout, "C_GenerateRandom", do_random, do_logout, true);
VARIANT(before_a_pin, "C_GenerateRandom", do_random, do_set_pin, true);
VARIANT(before_a_session, "C_GenerateRandom", do_random, do_open, false);
VARIANT(before_a_close, "C_GenerateRandom", do_random, do_close, false);
VARIANT(before_a_search, "C_GenerateRandom", do_random, do_find, false);
VARIANT(before_a_token, "C_GenerateRandom", do_random, do_token_info, false);
VARIANT(in_a_search, "C_FindObjects", do_find, do_find, false);
VARIANT(in_an_opening, "C_OpenSession", do_open, do_open, false);
VARIANT(in_a_list, "C_GetSlotList", do_list, do_list, false);
VARIANT(in_a_token, "C_GetTokenInfo", do_token_info, do_token_info, false);
VARIANT(in_events, "C_WaitForSlotEvent", do_wait, do_wait, false);
VARIANT(after_wrong_pins, "C_GenerateRandom", do_random, do_wrong_login, false);

FIXTURE_SETUP(cancel)
{
	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_fault"), "lease = call");
	a = CALLER_A;
	b = CALLER_B;
	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, b->C_Initialize(NULL));
	fault = (void (*)(const char *))backend_symbol(PLUGIN("backend_fault"),
						       "backend_fault_set");
	fault_calls = backend_symbol(PLUGIN("backend_fault"),
				     "backend_fault_calls");
	ASSERT_EQ(CKR_OK, open_rw(a, &sa));
	ASSERT_EQ(CKR_OK, open_rw(b, &sb));
	ASSERT_EQ(CKR_OK, login(a, sa));
	ASSERT_EQ(1, find(a, sa, CKO_PRIVATE_KEY, "key", &ka));
	if (variant->login) {
		ASSERT_EQ(CKR_OK, login(b, sb));
		ASSERT_EQ(1, find(b, sb, CKO_PRIVATE_KEY, "key", &kb));
	}
}

FIXTURE_TEARDOWN(cancel)
{
	world_end();
}

TEST_F_TIMEOUT(cancel, nothing_is_left, 60)
{
	CK_SESSION_HANDLE session;
	char spec[64];
	long since;

	snprintf(spec, sizeof(spec), "%s=hang", variant->hangs);
	fault(spec);
	begin(&self->hangs, variant->does);
	ASSERT_LT(0, atomic_load(fault_calls));
	begin(&self->waits, variant->waits);
	EXPECT_TRUE(end(&self->waits));
	EXPECT_TRUE(end(&self->hangs));
	fault("");

	since = now_ms();
	EXPECT_EQ(CKR_OK, sign(a, sa, ka));
	EXPECT_EQ(CKR_OK, open_rw(b, &session));
	EXPECT_NE(0, find(a, sa, CKO_PRIVATE_KEY, "key", &ka));
	EXPECT_EQ(CKR_OK, b->C_CloseSession(session));
	EXPECT_EQ(CKR_OK, a->C_Logout(sa));
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
	/* All is closed: the backend isn't kept by what a dead thread had. */
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED,
		  world_softhsm()->C_GetInfo(&(CK_INFO){ 0 }));
	EXPECT_GT(SOON_MS, now_ms() - since);
}

/* A daemon ends its thread that waits for cards, and goes on. */
TEST(a_wait_for_events)
{
	struct victim waits;

	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_fault"), "lease = call");
	a = CALLER_A;
	b = CALLER_B;
	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, b->C_Initialize(NULL));
	begin(&waits, do_wait);
	EXPECT_TRUE(end(&waits));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	world_end();
}

static CK_RV do_as_random(void)
{
	unsigned char random[8];

	return a->C_GenerateRandom(sa, random, sizeof(random));
}

static CK_RV do_as_seed(void)
{
	return a->C_SeedRandom(sa, (unsigned char *)"seed", 4);
}

static CK_RV do_close_once(void)
{
	b->C_CloseSession(sb);
	return pause() ? CKR_OK : CKR_GENERAL_ERROR;
}

/* It was closed while the thread waited for a lease, and so is the thread's to end. */
TEST_F_TIMEOUT(cancel, its_session_is_closed_first, 60)
{
	struct victim first, closes, then, waits;
	struct timespec until;
	long since = now_ms();

	if (strcmp(variant->hangs, "C_Sign"))
		SKIP(return, "once is enough");
	fault("C_GenerateRandom=hang C_SeedRandom=hang");
	begin(&first, do_as_random);
	begin(&closes, do_close_once);
	begin(&then, do_as_seed);
	begin(&waits, do_random);
	atomic_store(fault_calls, 0);
	fault("C_SeedRandom=hang");
	while (!atomic_load(fault_calls) && now_ms() - since < SOON_MS)
		usleep(1000);
	pthread_cancel(waits.thread);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	EXPECT_EQ(ETIMEDOUT, pthread_timedjoin_np(waits.thread, NULL, &until));
	atomic_store(fault_calls, 0);
	fault("C_CloseSession=number:0");
	EXPECT_TRUE(end(&waits));
	EXPECT_EQ(1, atomic_load(fault_calls));
	fault("C_GenerateRandom=hang C_SeedRandom=hang");
	EXPECT_TRUE(end(&first));
	EXPECT_TRUE(end(&then));
	EXPECT_TRUE(end(&closes));
	fault("");
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
}

/* Another process has the token, and the thread waits in the kernel. */
static pid_t take_token(int *let_go)
{
	struct tokmux_caller *caller;
	int ready[2], go[2];
	char byte;
	pid_t pid;

	if (pipe(ready) || pipe(go))
		abort();
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (tokmux_open("world-test", &caller) || tokmux_bind(caller, 0) ||
		    tokmux_acquire(caller, TOKMUX_EXCLUSIVE, 20000, NULL) ||
		    write(ready[1], "", 1) != 1 || read(go[0], &byte, 1))
			_exit(1);
		tokmux_close(caller);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	if (read(ready[0], &byte, 1) != 1)
		abort();
	close(ready[0]);
	*let_go = go[1];
	return pid;
}

TEST(a_wait_for_another_process)
{
	struct tokmux_caller *caller;
	struct tokmux_state state;
	struct victim waits[2];
	int status, go;
	long since;
	pid_t pid;

	if (strcmp(world_arbiter(), "kernel"))
		SKIP(return, "it takes the kernel module");
	ASSERT_TRUE(world_begin());
	world_configure("", "lease = call\ntoken = world-test\nhold = 0");
	a = b = CALLER_A;
	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(a, &sa));
	sb = sa;
	pid = take_token(&go);
	/* One waits in the kernel, the other one for its turn to do so. */
	begin(&waits[0], do_random);
	begin(&waits[1], do_random);
	EXPECT_TRUE(end(&waits[0]));
	EXPECT_TRUE(end(&waits[1]));
	ASSERT_EQ(0, tokmux_open("world-test", &caller));
	ASSERT_EQ(0, tokmux_info(caller, &state, sizeof(state)));
	EXPECT_EQ(0, state.waiters);
	tokmux_close(caller);
	close(go);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	since = now_ms();
	EXPECT_EQ(CKR_OK, do_random());
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_GT(SOON_MS, now_ms() - since);
	world_end();
}

/* Others have all sessions of the token, and the thread waits for one of them. */
TEST(a_wait_for_the_quota)
{
	CK_SESSION_HANDLE session;
	struct victim waits;
	unsigned int token;
	long since;

	if (strcmp(world_arbiter(), "kernel"))
		SKIP(return, "it takes the kernel module");
	ASSERT_TRUE(world_begin());
	ASSERT_EQ(0, tokmux_create_system("world-quota", 0, 2, &token));
	world_configure("", "token = world-quota\nsession-wait = 60000");
	a = CALLER_A;
	b = CALLER_B;
	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(a, &sa));
	ASSERT_EQ(CKR_OK, open_rw(a, &session));
	begin(&waits, do_open);
	EXPECT_TRUE(end(&waits));
	/* It has left no session, and no place in line, behind. */
	EXPECT_EQ(CKR_OK, a->C_CloseSession(session));
	since = now_ms();
	EXPECT_EQ(CKR_OK, open_rw(b, &sb));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_GT(SOON_MS, now_ms() - since);
	tokmux_remove_system(token);
	world_end();
}

TEST_HARNESS_MAIN
