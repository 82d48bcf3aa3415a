// SPDX-License-Identifier: LGPL-2.1-or-later
/* R14: leases around calls, by either kind. */
#include "world.h"
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <tokmux.h>
#include <kselftest_harness.h>

FIXTURE(leases) {
	CK_FUNCTION_LIST *a, *b;
};

FIXTURE_VARIANT(leases) {
	const char *backend;
};

FIXTURE_VARIANT_ADD(leases, shared) {
	.backend = "lease = shared",
};

FIXTURE_VARIANT_ADD(leases, call) {
	.backend = "lease = call",
};

FIXTURE_SETUP(leases)
{
	ASSERT_TRUE(world_begin());
	world_configure("", variant->backend);
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
}

FIXTURE_TEARDOWN(leases)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

static void *work(void *arg)
{
	CK_FUNCTION_LIST *p11 = arg;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	CK_TOKEN_INFO token;
	CK_RV rv;
	int i;

	for (i = 0; i < 10; i++) {
		if (open_rw(p11, &session) != CKR_OK)
			return "open";
		rv = login(p11, session);
		if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
			return "login";
		/* Another thread of this caller may close the last one but ours. */
		if (find(p11, session, CKO_PRIVATE_KEY, "key", &key) != 1)
			return "find";
		if (sign(p11, session, key) != CKR_OK)
			return "sign";
		if (p11->C_GetTokenInfo(the_slot(p11), &token) != CKR_OK)
			return "token";
		if (p11->C_CloseSession(session) != CKR_OK)
			return "close";
	}
	return NULL;
}

/* Each login takes a slow hash, slower still in a guest. */
TEST_F_TIMEOUT(leases, everybody_gets_its_turn, 300)
{
	pthread_t threads[6];
	void *failed;
	int i;

	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, work,
					    i % 2 ? self->a : self->b));
	for (i = 0; i < 6; i++) {
		pthread_join(threads[i], &failed);
		EXPECT_EQ(NULL, failed) {
			TH_LOG("thread %d: %s", i, (char *)failed);
		}
	}
}

#define CALLS	100

/* In a process that is traced: it stops before the calls and after them. */
static void call_between_stops(CK_FUNCTION_LIST *p11)
{
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	pid_t self = getpid();
	CK_RV rv;
	int i;

	/* The bare backend doesn't know that it is in a forked child. */
	rv = p11->C_Initialize(NULL);
	if ((rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) ||
	    open_rw(p11, &session) != CKR_OK ||
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	for (i = -3; i < CALLS; i++) {
		if (!i)
			kill(self, SIGUSR1);
		if (p11->C_GetSessionInfo(session, &info) != CKR_OK)
			_exit(1);
	}
	kill(self, SIGUSR1);
	_exit(0);
}

static bool stopped_by(pid_t pid, int signal)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == signal;
}

/* Return: how many system calls the calls take, and the one that stops it again. */
static int system_calls(CK_FUNCTION_LIST *p11)
{
	int stops = 0, status = 0;
	pid_t pid = fork();

	if (!pid)
		call_between_stops(p11);
	if (!stopped_by(pid, SIGUSR1))
		return -1;
	while (!ptrace(PTRACE_SYSCALL, pid, NULL, NULL) &&
	       waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == SIGTRAP)
		stops++;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return stops / 2;
}

/* Whichever the arbiter is: where no other caller wants the token no lease takes one. */
TEST_F(leases, a_call_that_nobody_disturbs_makes_no_system_call)
{
	int bare;

	if (getenv("SAN"))
		SKIP(return, "sanitizers and valgrind make some of their own");
	bare = system_calls(world_softhsm());
	ASSERT_LT(0, bare);
	EXPECT_EQ(bare, system_calls(self->a));
}

/* Security officers come and go among signers: nobody waits for ever. */
static void *be_so(void *arg)
{
	CK_FUNCTION_LIST *p11 = arg;
	CK_SESSION_HANDLE session;
	CK_RV rv;
	int i;

	for (i = 0; i < 10; i++) {
		if (open_rw(p11, &session) != CKR_OK)
			return "open";
		rv = p11->C_Login(session, CKU_SO, PIN(SO_PIN));
		if (rv != CKR_OK && rv != CKR_USER_ANOTHER_ALREADY_LOGGED_IN)
			return "login";
		if (rv == CKR_OK && p11->C_Logout(session) != CKR_OK)
			return "logout";
		if (p11->C_CloseSession(session) != CKR_OK)
			return "close";
	}
	return NULL;
}

static void *be_anybody(void *arg)
{
	CK_FUNCTION_LIST *p11 = arg;
	CK_SESSION_HANDLE session;
	unsigned char random[8];
	int i;

	for (i = 0; i < 200; i++) {
		if (open_ro(p11, &session) != CKR_OK)
			return "open";
		if (p11->C_GenerateRandom(session, random, 8) != CKR_OK)
			return "random";
		if (p11->C_CloseSession(session) != CKR_OK)
			return "close";
	}
	return NULL;
}

TEST_F(leases, exclusive_work_between_shared)
{
	pthread_t threads[4];
	void *failed;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    i ? be_anybody : be_so,
					    i ? self->b : self->a));
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		EXPECT_EQ(NULL, failed) {
			TH_LOG("thread %d: %s", i, (char *)failed);
		}
	}
}

/*
 * SoftHSM2 reads its tokens in C_Initialize, when no lease can be asked for yet,
 * and writes to them in C_Login: without the kernel many of these see no token.
 */
static const char *start_and_log_in(void)
{
	CK_FUNCTION_LIST *p11 = CALLER_A;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;

	if (p11->C_Initialize(NULL) != CKR_OK)
		return "initialize";
	if (open_rw(p11, &session) != CKR_OK)
		return "open";
	if (login(p11, session) != CKR_OK)
		return "login";
	if (find(p11, session, CKO_PRIVATE_KEY, "key", &key) != 1)
		return "find";
	if (sign(p11, session, key) != CKR_OK)
		return "sign";
	return p11->C_Finalize(NULL) == CKR_OK ? NULL : "finalize";
}

TEST_F_TIMEOUT(leases, processes_start_while_others_log_in, 120)
{
	const char *failed;
	int ready[2], status, i;
	pid_t pids[32];
	char byte;

	if (strcmp(world_arbiter(), "kernel") ||
	    !strstr(variant->backend, "shared"))
		SKIP(return, "it takes the kernel, and is for shared leases");
	/* All at once, when the other end is closed. */
	ASSERT_EQ(0, pipe(ready));
	for (i = 0; i < 32; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		close(ready[1]);
		if (read(ready[0], &byte, 1))
			_exit(1);
		failed = start_and_log_in();
		if (failed)
			fprintf(stderr, "# process %d: %s\n", i, failed);
		_exit(failed != NULL);
	}
	close(ready[1]);
	for (i = 0; i < 32; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	close(ready[0]);
}

TEST_F(leases, events_without_waiting)
{
	CK_SLOT_ID slot;

	EXPECT_EQ(CKR_NO_EVENT,
		  self->a->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
	EXPECT_EQ(CKR_ARGUMENTS_BAD,
		  self->a->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL));
	EXPECT_EQ(CKR_FUNCTION_NOT_PARALLEL, self->a->C_GetFunctionStatus(0));
	EXPECT_EQ(CKR_FUNCTION_NOT_PARALLEL, self->a->C_CancelFunction(0));
}

/* Signs, which hangs. */
struct signer {
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	CK_RV rv;
};

static void *sign_once(void *arg)
{
	struct signer *signer = arg;

	signer->rv = sign(signer->p11, signer->session, signer->key);
	return NULL;
}

/*
 * Return: what calls of another session are answered while the signer's hangs, for
 * @for_ms; the first one that fails.
 */
static CK_RV call_beside_another(CK_FUNCTION_LIST *b, CK_SESSION_HANDLE session,
				 struct signer *signer, int for_ms)
{
	void (*fault)(const char *spec);
	unsigned char random[8];
	atomic_int *calls;
	pthread_t thread;
	long until;
	CK_RV rv;

	fault = backend_symbol(PLUGIN("backend_fault"), "backend_fault_set");
	calls = backend_symbol(PLUGIN("backend_fault"), "backend_fault_calls");
	fault("C_Sign=hang");
	if (pthread_create(&thread, NULL, sign_once, signer))
		abort();
	for (until = now_ms() + 20000; !atomic_load(calls) && now_ms() < until;)
		sched_yield();
	until = now_ms() + for_ms;
	do
		rv = b->C_GenerateRandom(session, random, sizeof(random));
	while (rv == CKR_OK && now_ms() < until);
	fault("");
	pthread_join(thread, NULL);
	return rv;
}

FIXTURE(by_default) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE session;
	struct signer signer;
};

FIXTURE_VARIANT(by_default) {
	const char *card;	/* a file, if the token can be taken out */
	CK_RV beside;
};

/* An HSM takes parallel work. */
FIXTURE_VARIANT_ADD(by_default, a_token_that_stays) {
	.beside = CKR_OK,
};

FIXTURE_VARIANT_ADD(by_default, a_card) {
	.card = "card",
	.beside = CKR_FUNCTION_FAILED,
};

FIXTURE_SETUP(by_default)
{
	ASSERT_TRUE(world_begin());
	if (variant->card)
		setenv("TOKMUX_FAULT_CARD", world_path(variant->card), 1);
	world_configure_plugin(PLUGIN("backend_fault"), "wait = 500");
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	self->signer.p11 = self->a;
	self->signer.rv = CKR_GENERAL_ERROR;
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->signer.session));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->session));
	ASSERT_EQ(CKR_OK, login(self->a, self->signer.session));
	ASSERT_EQ(1, find(self->a, self->signer.session, CKO_PRIVATE_KEY, "key",
			  &self->signer.key));
}

FIXTURE_TEARDOWN(by_default)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

/* Without a line lease =, it goes by what the slot says of its token. */
TEST_F(by_default, the_slot_decides)
{
	EXPECT_EQ(variant->beside, call_beside_another(self->b, self->session,
						       &self->signer, 0));
	EXPECT_EQ(CKR_OK, self->signer.rv);
}

/* ---- threads of one caller share its lease ------------------------------------- */

#define WAIT_MS	5000

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int entered;
	bool stop;
} relay = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* A call in the backend lasts until the next one is there, or can't come in. */
static void hand_over(void)
{
	struct timespec until;
	unsigned int mine;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&relay.lock);
	mine = ++relay.entered;
	pthread_cond_broadcast(&relay.changed);
	while (relay.entered == mine && !relay.stop &&
	       !pthread_cond_timedwait(&relay.changed, &relay.lock, &until))
		;
	pthread_mutex_unlock(&relay.lock);
}

FIXTURE(threads) {
	struct signer signer[2];
	CK_FUNCTION_LIST *a;
};

FIXTURE_SETUP(threads)
{
	char keys[128];
	int i;

	ASSERT_TRUE(world_begin());
	snprintf(keys, sizeof(keys),
		 "lease = shared\nwait = %d\nhold = %d\ntoken = world-test",
		 WAIT_MS, 4 * WAIT_MS);
	world_configure_plugin(PLUGIN("backend_fault"), keys);
	self->a = CALLER_A;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	for (i = 0; i < 2; i++) {
		self->signer[i].p11 = self->a;
		ASSERT_EQ(CKR_OK, open_rw(self->a, &self->signer[i].session));
	}
	ASSERT_EQ(CKR_OK, login(self->a, self->signer[0].session));
	ASSERT_EQ(1, find(self->a, self->signer[0].session, CKO_PRIVATE_KEY,
			  "key", &self->signer[0].key));
}

FIXTURE_TEARDOWN(threads)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	world_end();
}

/* However long one of them is in a call. */
TEST_F(threads, share_a_lease)
{
	EXPECT_EQ(CKR_OK, call_beside_another(self->a, self->signer[1].session,
					      &self->signer[0], 200));
	EXPECT_EQ(CKR_OK, self->signer[0].rv);
}

static void *call_for_ever(void *arg)
{
	struct signer *signer = arg;
	unsigned char random[8];

	while (!relay.stop && signer->rv == CKR_OK)
		signer->rv = signer->p11->C_GenerateRandom(signer->session,
							   random, 8);
	return NULL;
}

static int wait_exclusively(void)
{
	struct tokmux_caller *other;
	int r = tokmux_open("world-test", &other);

	if (r)
		return r;
	r = tokmux_bind(other, 0);
	if (!r)
		r = tokmux_acquire(other, TOKMUX_EXCLUSIVE, WAIT_MS, NULL);
	tokmux_close(other);
	return r;
}

/* R1: their calls overlap without end, and still another process has its turn. */
TEST_F(threads, and_let_others_have_their_turn)
{
	void (*fault)(const char *spec);
	pthread_t threads[2];
	int i, status, go[2];
	char byte;
	pid_t pid;

	if (strcmp(world_arbiter(), "kernel"))
		SKIP(return, "it takes the kernel module");
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid)
		_exit(read(go[0], &byte, 1) == 1 ? -wait_exclusively() : 1);
	fault = backend_symbol(PLUGIN("backend_fault"), "backend_fault_set");
	*(void (**)(void))backend_symbol(PLUGIN("backend_fault"),
					 "backend_fault_hook") = hand_over;
	fault("C_GenerateRandom=hook");
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, call_for_ever,
					    &self->signer[i]));
	pthread_mutex_lock(&relay.lock);
	while (relay.entered < 4)
		pthread_cond_wait(&relay.changed, &relay.lock);
	pthread_mutex_unlock(&relay.lock);

	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	pthread_mutex_lock(&relay.lock);
	relay.stop = true;
	pthread_cond_broadcast(&relay.changed);
	pthread_mutex_unlock(&relay.lock);
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(CKR_OK, self->signer[i].rv);
	}
}

TEST_HARNESS_MAIN
