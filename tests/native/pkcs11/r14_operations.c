// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R14: leases that are kept from an operation's Init to its end, or from a
 * caller's first session to its last; how they end, and who may take them.
 *
 * With wait = 0 a call that would wait fails at once, which tells whether
 * somebody keeps the lease without any sleeping.
 */
#include "world.h"
#include <pkcs11/cryptoki.h>
#include <tokmux.h>
#include <kselftest_harness.h>

#define BUSY	CKR_FUNCTION_FAILED

static CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
static CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };

static CK_RV randomly(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	unsigned char random[4];

	return p11->C_GenerateRandom(session, random, sizeof(random));
}

static CK_RV digest_end(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	unsigned char digest[32];
	CK_ULONG length = sizeof(digest);

	return p11->C_DigestFinal(session, digest, &length);
}

static CK_FUNCTION_LIST_3_2 *new_list(CK_FUNCTION_LIST *list)
{
	CK_RV (*get)(CK_FUNCTION_LIST *, const CK_UTF8CHAR *,
		     const CK_VERSION *, CK_INTERFACE **, CK_FLAGS) =
		module_symbol("tokmux_pkcs11_caller_interface");
	CK_INTERFACE *interface;

	return get(list, NULL, NULL, &interface, 0) == CKR_OK ?
		       interface->pFunctionList : NULL;
}

/* ---- lease = operation ------------------------------------------------------------ */

FIXTURE(operation) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
};

FIXTURE_SETUP(operation)
{
	ASSERT_TRUE(world_begin());
	world_configure("", "lease = operation\nwait = 0\n");
	TWO_CALLERS();
}

FIXTURE_TEARDOWN(operation)
{
	self->a->C_Finalize(NULL);
	self->b->C_Finalize(NULL);
	world_end();
}

#define EXPECT_BUSY()	EXPECT_EQ(BUSY, randomly(self->b, self->sb))
#define EXPECT_FREE()	EXPECT_EQ(CKR_OK, randomly(self->b, self->sb))

TEST_F(operation, keeps_others_away_until_its_end)
{
	unsigned char out[32];
	CK_ULONG length = 0;

	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, self->a->C_DigestUpdate(self->sa, out, 8));
	EXPECT_BUSY();
	/* Only how long it will be: it isn't over. */
	EXPECT_EQ(CKR_OK, self->a->C_DigestFinal(self->sa, NULL, &length));
	EXPECT_EQ(32, length);
	EXPECT_BUSY();
	length = 4;
	EXPECT_EQ(CKR_BUFFER_TOO_SMALL,
		  self->a->C_DigestFinal(self->sa, out, &length));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, digest_end(self->a, self->sa));
	EXPECT_FREE();
	/* And the other way round. */
	ASSERT_EQ(CKR_OK, self->b->C_DigestInit(self->sb, &sha256));
	EXPECT_EQ(BUSY, self->a->C_DigestInit(self->sa, &sha256));
	EXPECT_EQ(CKR_OK, digest_end(self->b, self->sb));
}

TEST_F(operation, of_any_kind)
{
	unsigned char out[128] = "digest";
	CK_OBJECT_HANDLE key, public;
	CK_ULONG length = 0, count;

	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", &key));
	ASSERT_EQ(1, find(self->a, self->sa, CKO_PUBLIC_KEY, "key", &public));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->a->C_SignInit(self->sa, &ecdsa, key));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, self->a->C_Sign(self->sa, out, 32, NULL, &length));
	EXPECT_BUSY();
	length = sizeof(out);
	EXPECT_EQ(CKR_OK, self->a->C_Sign(self->sa, out, 32, out, &length));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->a->C_VerifyInit(self->sa, &ecdsa, public));
	EXPECT_BUSY();
	EXPECT_NE(CKR_OK, self->a->C_Verify(self->sa, out, 32, out, 64));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->a->C_FindObjectsInit(self->sa, NULL, 0));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, self->a->C_FindObjects(self->sa, &key, 1, &count));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, self->a->C_FindObjectsFinal(self->sa));
	EXPECT_FREE();
	/* One that doesn't begin keeps nothing. */
	EXPECT_NE(CKR_OK, self->a->C_SignInit(self->sa, &sha256, key));
	EXPECT_FREE();
	/* Two at once: until both are over. */
	ASSERT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_FREE();
}

TEST_F(operation, two_sessions_of_a_caller)
{
	CK_SESSION_HANDLE other;
	CK_TOKEN_INFO info;

	ASSERT_EQ(CKR_OK, open_ro(self->a, &other));
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	/* It keeps the lease from others, not from itself. */
	EXPECT_EQ(CKR_OK, randomly(self->a, other));
	EXPECT_EQ(CKR_OK, self->a->C_GetTokenInfo(the_slot(self->a), &info));
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(other, &sha256));
	EXPECT_EQ(CKR_OK, digest_end(self->a, self->sa));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, digest_end(self->a, other));
	EXPECT_FREE();
}

TEST_F(operation, abandoned_ends_with_what_it_is_in)
{
	CK_FUNCTION_LIST_3_2 *a3 = new_list(self->a);
	CK_SLOT_ID slot = the_slot(self->a);
	CK_SESSION_HANDLE other;

	ASSERT_NE(NULL, a3);
	ASSERT_EQ(CKR_OK, open_ro(self->a, &other));
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, a3->C_SessionCancel(self->sa, CKF_DIGEST));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, NULL));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(other, &sha256));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, self->a->C_CloseAllSessions(slot));
	EXPECT_FREE();
	ASSERT_EQ(CKR_OK, open_ro(self->a, &other));
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(other, &sha256));
	EXPECT_BUSY();
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_FREE();
}

/* ---- what is kept for too long -------------------------------------------------------- */

FIXTURE(hold) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa;
};

FIXTURE_SETUP(hold)
{
	ASSERT_TRUE(world_begin());
	self->a = CALLER_A;
	self->b = CALLER_B;
}

FIXTURE_TEARDOWN(hold)
{
	self->a->C_Finalize(NULL);
	self->b->C_Finalize(NULL);
	world_end();
}

#define BEGIN(lease) do {						\
	world_configure("log = none",					\
			"lease = " lease "\nwait = 60000\nhold = 100\n"); \
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));			\
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));			\
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));			\
} while (0)

TEST_F(hold, an_abandoned_operation_is_lost_to_who_waits)
{
	CK_SESSION_HANDLE sb;
	long begun;

	BEGIN("operation");
	begun = now_ms();
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &sb));
	EXPECT_LE(begun + 100, now_ms());
	EXPECT_EQ(CKR_OK, randomly(self->b, sb));
	/* Told once; the session is as good as new. */
	EXPECT_EQ(CKR_DEVICE_ERROR, digest_end(self->a, self->sa));
	EXPECT_EQ(CKR_OPERATION_NOT_INITIALIZED, digest_end(self->a, self->sa));
	EXPECT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	EXPECT_EQ(CKR_OK, digest_end(self->a, self->sa));
	/* Or not told, by who begins another one. */
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	EXPECT_EQ(CKR_OK, randomly(self->b, sb));
	EXPECT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	EXPECT_EQ(CKR_OK, digest_end(self->a, self->sa));
}

TEST_F(hold, nobody_loses_what_nobody_waits_for)
{
	long begun;

	BEGIN("operation");
	begun = now_ms();
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->sa, &sha256));
	while (now_ms() < begun + 150)
		EXPECT_EQ(CKR_OK, self->a->C_DigestUpdate(self->sa,
							  prime256v1, 8));
	EXPECT_EQ(CKR_OK, digest_end(self->a, self->sa));
}

TEST_F(hold, a_session_is_lost_to_who_waits)
{
	CK_SESSION_HANDLE sb;

	BEGIN("session");
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &sb));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, randomly(self->b, self->sa));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, login(self->a, self->sa));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->sa));
	/* It was logged in: that is over as well. */
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	EXPECT_EQ(0, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", NULL));
	EXPECT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_EQ(1, find(self->a, self->sa, CKO_PRIVATE_KEY, "key", NULL));
}

/* No lease is kept for the login, so there is none to take. */
TEST_F(hold, a_security_officer_stays_logged_in)
{
	CK_SESSION_HANDLE sb;
	CK_SESSION_INFO info;

	BEGIN("shared");
	ASSERT_EQ(CKR_OK, self->a->C_Login(self->sa, CKU_SO, PIN(SO_PIN)));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &sb));
	ASSERT_EQ(CKR_OK, self->a->C_GetSessionInfo(self->sa, &info));
	EXPECT_EQ(CKS_RW_SO_FUNCTIONS, info.state);
	EXPECT_EQ(CKR_OK, self->a->C_InitPIN(self->sa, PIN(USER_PIN)));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, login(self->b, sb));
}

/* ---- lease = session ---------------------------------------------------------------------- */

FIXTURE(session) {
	CK_FUNCTION_LIST *a, *b;
};

FIXTURE_SETUP(session)
{
	ASSERT_TRUE(world_begin());
	world_configure("", "lease = session\nwait = 0\n");
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
}

FIXTURE_TEARDOWN(session)
{
	self->a->C_Finalize(NULL);
	self->b->C_Finalize(NULL);
	world_end();
}

TEST_F(session, keeps_others_away_from_first_to_last)
{
	CK_SESSION_HANDLE one, two, other;
	CK_SLOT_ID slot = the_slot(self->a);

	ASSERT_EQ(CKR_OK, open_rw(self->a, &one));
	EXPECT_EQ(BUSY, open_rw(self->b, &other));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &two));
	ASSERT_EQ(CKR_OK, login(self->a, one));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(one));
	EXPECT_EQ(BUSY, open_rw(self->b, &other));
	EXPECT_EQ(1, find(self->a, two, CKO_PRIVATE_KEY, "key", NULL));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(two));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &other));
	EXPECT_EQ(BUSY, open_rw(self->a, &one));
	EXPECT_EQ(CKR_OK, self->b->C_CloseAllSessions(slot));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &one));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &other));
}

/* ---- in every order ----------------------------------------------------------------------- */

/*
 * Two tokens, each taken while the other is kept, in both orders, by threads of
 * two callers in two processes. Nobody can promise that all of it succeeds, but
 * each call comes back, and in the end everything is free.
 */
#define WAIT_MS		20000
#define ROUNDS		5

static void make_second_token(void)
{
	CK_FUNCTION_LIST *p11 = world_softhsm();
	unsigned char label[32];
	CK_ULONG count = 8;
	CK_SLOT_ID slots[8];

	memset(label, ' ', sizeof(label));
	MUST(p11->C_Initialize(NULL));
	MUST(p11->C_GetSlotList(CK_FALSE, slots, &count));
	MUST(p11->C_InitToken(slots[count - 1], PIN(SO_PIN), label));
	_exit(0);
}

struct worker {
	CK_FUNCTION_LIST *p11;
	CK_SLOT_ID slots[2];		/* in this order */
	pthread_t thread;
	const char *failed;
};

static bool expected(CK_RV rv)
{
	/* The wait ran out, or somebody else's did and took ours. */
	return rv == CKR_OK || rv == CKR_FUNCTION_FAILED ||
	       rv == CKR_DEVICE_ERROR || rv == CKR_OPERATION_NOT_INITIALIZED ||
	       rv == CKR_SESSION_HANDLE_INVALID;
}

/* With sessions of its own each round: they keep the lease, too, or may. */
static void *keep_both(void *arg)
{
	struct worker *worker = arg;
	CK_FUNCTION_LIST *p11 = worker->p11;
	CK_SESSION_HANDLE sessions[2];
	long begun;
	CK_RV rv;
	int i, j;

#define WITHIN(call) do {						\
	begun = now_ms();						\
	rv = (call);							\
	if (!expected(rv))						\
		worker->failed = #call;					\
	if (now_ms() > begun + WAIT_MS + 10000)				\
		worker->failed = "too long: " #call;			\
} while (0)

	for (i = 0; i < ROUNDS && !worker->failed; i++) {
		for (j = 0; j < 2; j++) {
			sessions[j] = 0;
			WITHIN(p11->C_OpenSession(worker->slots[j],
						  CKF_SERIAL_SESSION, NULL,
						  NULL, &sessions[j]));
		}
		for (j = 0; j < 2; j++)
			WITHIN(p11->C_DigestInit(sessions[j], &sha256));
		for (j = 0; j < 2; j++)
			WITHIN(digest_end(p11, sessions[j]));
		for (j = 0; j < 2; j++)
			WITHIN(p11->C_CloseSession(sessions[j]));
	}
	return (void *)worker->failed;
}

/* Return: what failed, or NULL. */
static const char *one_process(int threads)
{
	CK_FUNCTION_LIST *callers[2] = { CALLER_A, CALLER_B };
	struct worker workers[8] = { 0 };
	CK_SLOT_ID slots[4];
	const char *result = NULL;
	CK_ULONG count = 4;
	void *failed;
	int i;

	for (i = 0; i < 2; i++)
		if (callers[i]->C_Initialize(NULL) != CKR_OK)
			return "initialize";
	if (callers[0]->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK ||
	    count < 2)
		return "slots";
	for (i = 0; i < threads; i++) {
		workers[i].p11 = callers[i / 2 % 2];
		workers[i].slots[0] = slots[i % 2];
		workers[i].slots[1] = slots[!(i % 2)];
		pthread_create(&workers[i].thread, NULL, keep_both,
			       &workers[i]);
	}
	for (i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, &failed);
		if (failed)
			result = failed;
	}
	for (i = 0; i < 2; i++)
		if (callers[i]->C_Finalize(NULL) != CKR_OK)
			return "finalize";
	return result;
}

FIXTURE(order) {
};

FIXTURE_VARIANT(order) {
	const char *lease;
};

FIXTURE_VARIANT_ADD(order, call) {
	.lease = "call",
};

FIXTURE_VARIANT_ADD(order, operation) {
	.lease = "operation",
};

FIXTURE_VARIANT_ADD(order, session) {
	.lease = "session",
};

FIXTURE_SETUP(order)
{
	char backend[80];
	int status;
	pid_t pid;

	ASSERT_TRUE(world_begin());
	snprintf(backend, sizeof(backend),
		 "lease = %s\nwait = 20000\nhold = 50\n", variant->lease);
	world_configure("log = none", backend);
	pid = fork();
	if (!pid)
		make_second_token();
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
}

FIXTURE_TEARDOWN(order)
{
	world_end();
}

TEST_F_TIMEOUT(order, threads, 200)
{
	const char *failed;

	failed = one_process(6);
	EXPECT_EQ(NULL, failed) {
		TH_LOG("%s", failed);
	}
}

TEST_F_TIMEOUT(order, processes, 200)
{
	const char *failed;
	int i, status;
	pid_t pids[2];

	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		failed = one_process(6);
		if (failed)
			fprintf(stderr, "# process %d: %s\n", i, failed);
		_exit(failed != NULL);
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
}

/* ---- with the kernel: ejected, or taken for another process -------------------------------- */

FIXTURE(kernel) {
	CK_FUNCTION_LIST *a;
	CK_SESSION_HANDLE session;
};

FIXTURE_VARIANT(kernel) {
	const char *backend;
};

FIXTURE_VARIANT_ADD(kernel, operation) {
	.backend = "lease = operation\nhold = 100\ntoken = world-test\n",
};

FIXTURE_VARIANT_ADD(kernel, session) {
	.backend = "lease = session\nhold = 100\ntoken = world-test\n",
};

FIXTURE_VARIANT_ADD(kernel, shared) {
	.backend = "lease = shared\ntoken = world-test\n",
};

FIXTURE_SETUP(kernel)
{
	/* Without it each test says that it is skipped. */
	if (strcmp(world_arbiter(), "kernel"))
		return;
	ASSERT_TRUE(world_begin());
	world_configure("log = none", variant->backend);
	self->a = CALLER_A;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->session));
}

FIXTURE_TEARDOWN(kernel)
{
	if (self->a)
		self->a->C_Finalize(NULL);
	world_end();
}

#define NEEDS_KERNEL() do {						\
	if (!self->a)							\
		SKIP(return, "it takes the kernel to eject");		\
} while (0)

static int eject(void)
{
	struct tokmux_caller *caller;
	int r = tokmux_open("world-test", &caller);

	if (r)
		return r;
	r = tokmux_bind(caller, 0);
	if (!r)
		r = tokmux_eject(caller, NULL);
	tokmux_close(caller);
	return r;
}

TEST_F(kernel, ejected_in_the_middle)
{
	bool so = strstr(variant->backend, "shared");

	NEEDS_KERNEL();
	ASSERT_EQ(CKR_OK, so ? self->a->C_Login(self->session, CKU_SO,
						PIN(SO_PIN)) :
			       self->a->C_DigestInit(self->session, &sha256));
	ASSERT_EQ(0, eject());
	/* No lease is asked for here that could tell: it is kept. */
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  digest_end(self->a, self->session));
	if (so)
		EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
			  self->a->C_Logout(self->session));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->session));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->session));
	EXPECT_EQ(CKR_OK, login(self->a, self->session));
	EXPECT_EQ(1, find(self->a, self->session, CKO_PRIVATE_KEY, "key",
			  NULL));
}

/* Another process waits, and the kernel takes the lease for it. */
TEST_F(kernel, lost_to_another_process)
{
	struct tokmux_caller *other;
	int status;
	pid_t pid;

	NEEDS_KERNEL();
	if (strstr(variant->backend, "shared"))
		SKIP(return, "nothing is kept there");
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(self->session, &sha256));
	pid = fork();
	if (!pid) {
		if (tokmux_open("world-test", &other) ||
		    tokmux_bind(other, 0) ||
		    tokmux_acquire(other, TOKMUX_EXCLUSIVE, 20000, NULL))
			_exit(1);
		tokmux_close(other);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(strstr(variant->backend, "session") ?
			  CKR_SESSION_HANDLE_INVALID : CKR_DEVICE_ERROR,
		  digest_end(self->a, self->session));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(self->session));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->session));
	EXPECT_EQ(CKR_OK, self->a->C_DigestInit(self->session, &sha256));
	EXPECT_EQ(CKR_OK, digest_end(self->a, self->session));
}

TEST_HARNESS_MAIN
