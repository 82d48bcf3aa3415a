// SPDX-License-Identifier: LGPL-2.1-or-later
/* R10: any number of C_Initialize and C_Finalize, by any number of threads. */
#include <malloc.h>
#include <sys/syscall.h>
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(init) {
	CK_FUNCTION_LIST *a, *b;
};

FIXTURE_SETUP(init)
{
	ASSERT_TRUE(world_begin());
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->b);
}

FIXTURE_TEARDOWN(init)
{
	world_end();
}

TEST_F(init, each_caller_counts_its_own)
{
	CK_FUNCTION_LIST *softhsm = world_softhsm();
	CK_SESSION_HANDLE session;
	CK_INFO info;

	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, self->a->C_GetInfo(&info));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, softhsm->C_GetInfo(&info));

	EXPECT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, softhsm->C_GetInfo(&info));
	/* The other one has not initialized anything. */
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, self->b->C_Finalize(NULL));

	EXPECT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, open_rw(self->a, &session));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, open_rw(self->a, &session));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, self->a->C_Finalize(NULL));

	EXPECT_EQ(CKR_OK, open_rw(self->b, &session));
	EXPECT_EQ(CKR_OK, softhsm->C_GetInfo(&info));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, open_rw(self->a, &session));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, softhsm->C_GetInfo(&info));
}

TEST_F(init, strict_as_the_standard_has_it)
{
	world_configure("initialize = strict", "");
	EXPECT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_ALREADY_INITIALIZED,
		  self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
}

static CK_RV mutex1(void **mutex)
{
	return CKR_OK;
}

static CK_RV mutex2(void *mutex)
{
	return CKR_OK;
}

TEST_F(init, arguments)
{
	CK_C_INITIALIZE_ARGS args = { 0 };

	args.pReserved = "x";
	EXPECT_EQ(CKR_ARGUMENTS_BAD, self->a->C_Initialize(&args));
	args.pReserved = NULL;
	EXPECT_EQ(CKR_OK, self->a->C_Initialize(&args));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, self->a->C_Finalize("x"));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));

	args.CreateMutex = mutex1;
	args.flags = CKF_OS_LOCKING_OK;
	EXPECT_EQ(CKR_ARGUMENTS_BAD, self->a->C_Initialize(&args));
	args.DestroyMutex = args.LockMutex = args.UnlockMutex = mutex2;
	EXPECT_EQ(CKR_OK, self->a->C_Initialize(&args));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	/* That works with every usual module. */
	args.flags = 0;
	EXPECT_EQ(CKR_OK, self->a->C_Initialize(&args));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/* One caller signs all the time. */
struct signer {
	CK_FUNCTION_LIST *p11;
	atomic_bool stop;
	atomic_int signatures;
	_Atomic CK_RV rv;
};

static void *keep_signing(void *arg)
{
	struct signer *signer = arg;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key = 0;

	signer->rv = open_ro(signer->p11, &session);
	if (signer->rv == CKR_OK)
		signer->rv = login(signer->p11, session);
	if (signer->rv == CKR_OK &&
	    find(signer->p11, session, CKO_PRIVATE_KEY, "key", &key) != 1)
		signer->rv = CKR_GENERAL_ERROR;
	while (signer->rv == CKR_OK && !atomic_load(&signer->stop)) {
		signer->rv = sign(signer->p11, session, key);
		atomic_fetch_add(&signer->signatures, 1);
	}
	return NULL;
}

TEST_F(init, others_come_and_go_while_one_signs)
{
	struct signer signer = { .p11 = self->b };
	CK_SESSION_HANDLE session[3];
	pthread_t thread;
	int i, j;

	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, keep_signing, &signer));
	for (i = 0; i < 20 || atomic_load(&signer.signatures) < 20; i++) {
		ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
		for (j = 0; j < 3; j++)
			ASSERT_EQ(CKR_OK, open_rw(self->a, &session[j]));
		if (i % 4 == 0)
			ASSERT_EQ(CKR_OK, login(self->a, session[0]));
		if (i % 2)
			ASSERT_EQ(CKR_OK, self->a->C_CloseAllSessions(
						  the_slot(self->a)));
		ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
		ASSERT_EQ(CKR_OK, signer.rv);
		if (i > 10000)
			break;
	}
	atomic_store(&signer.stop, true);
	pthread_join(thread, NULL);
	EXPECT_EQ(CKR_OK, signer.rv);
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
}

/* Threads race through everything; only what may happen happens. */
struct racer {
	CK_FUNCTION_LIST *p11;
	int unexpected;
	CK_RV rv;
};

static void *race(void *arg)
{
	struct racer *racer = arg;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	CK_RV rv;
	int i;

	for (i = 0; i < 50; i++) {
		rv = racer->p11->C_Initialize(NULL);
		if (rv != CKR_OK)
			goto wrong;
		rv = open_rw(racer->p11, &session);
		if (rv != CKR_OK)
			goto wrong;
		/* Others of this caller may only count down from 2 or more. */
		rv = racer->p11->C_GetSessionInfo(session, &info);
		if (rv != CKR_OK)
			goto wrong;
		if (i % 2)
			rv = racer->p11->C_CloseSession(session);
		if (rv != CKR_OK)
			goto wrong;
		rv = racer->p11->C_Finalize(NULL);
		if (rv != CKR_OK)
			goto wrong;
	}
	return NULL;
wrong:
	racer->unexpected++;
	racer->rv = rv;
	return NULL;
}

TEST_F_TIMEOUT(init, eight_threads_race, 300)
{
	struct racer racers[8] = { 0 };
	pthread_t threads[8];
	int i;

	for (i = 0; i < 8; i++) {
		racers[i].p11 = i % 2 ? self->a : self->b;
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, race,
					    &racers[i]));
	}
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, racers[i].unexpected) {
			TH_LOG("thread %d: 0x%lx", i, racers[i].rv);
		}
	}
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, self->b->C_Finalize(NULL));
}

/* A session that is opened while its caller leaves is none, or ends with it. */
struct opener {
	CK_FUNCTION_LIST *p11;
	CK_SLOT_ID slot;
	atomic_bool stop;
	CK_SESSION_HANDLE last;
	_Atomic CK_RV rv;
};

static void *keep_opening(void *arg)
{
	struct opener *opener = arg;
	CK_SESSION_HANDLE session;
	CK_RV rv;

	while (!atomic_load(&opener->stop)) {
		rv = opener->p11->C_OpenSession(opener->slot,
						CKF_SERIAL_SESSION, NULL, NULL,
						&session);
		if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED)
			opener->rv = rv;
	}
	return NULL;
}

TEST_F(init, sessions_are_opened_while_the_caller_leaves)
{
	struct opener opener = { .p11 = self->a };
	pthread_t threads[2];
	long until;
	int i;

	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	opener.slot = the_slot(self->b);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, keep_opening,
					    &opener));
	for (until = now_ms() + 3000; now_ms() < until;) {
		ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
		sched_yield();
		ASSERT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	}
	atomic_store(&opener.stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(CKR_OK, opener.rv);
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
}

#ifndef __SANITIZE_THREAD__	/* which has its own */
/* A thread that stands still before one of the locks that it asks for. */
static __thread int locks_to_go;
static atomic_bool stands, go_on;

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*real)(pthread_mutex_t *mutex);

	if (!real)
		real = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT,
							 "pthread_mutex_lock");
	if (locks_to_go && !--locks_to_go) {
		atomic_store(&stands, true);
		while (!atomic_load(&go_on))
			sched_yield();
	}
	return real(mutex);
}

struct halting {
	struct opener opener;
	int locks;
};

static void *open_and_halt(void *arg)
{
	struct halting *halting = arg;
	struct opener *opener = &halting->opener;

	locks_to_go = halting->locks;
	opener->rv = opener->p11->C_OpenSession(opener->slot,
						CKF_SERIAL_SESSION, NULL, NULL,
						&opener->last);
	return NULL;
}

TEST_F(init, the_caller_leaves_wherever_a_session_is_opened)
{
	struct halting halting = { .opener.p11 = self->a };
	struct opener *opener = &halting.opener;
	CK_SESSION_INFO info;
	pthread_t thread;

	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	opener->slot = the_slot(self->b);
	do {
		halting.locks++;
		atomic_store(&stands, false);
		atomic_store(&go_on, false);
		ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
		ASSERT_EQ(0, pthread_create(&thread, NULL, open_and_halt,
					    &halting));
		while (!atomic_load(&stands))
			sched_yield();
		EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
		atomic_store(&go_on, true);
		pthread_join(thread, NULL);
		EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, opener->rv) {
			TH_LOG("before lock %d", halting.locks);
		}
		EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
			  self->b->C_GetSessionInfo(opener->last, &info));
		/* From the slot's lock on it holds some. */
	} while (halting.locks < 3);
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
}

static void *close_and_halt(void *arg)
{
	struct halting *halting = arg;
	struct opener *opener = &halting->opener;

	locks_to_go = halting->locks;
	opener->rv = opener->p11->C_CloseSession(opener->last);
	halting->locks = locks_to_go ? 0 : halting->locks + 1;
	atomic_store(&stands, true);
	return NULL;
}

struct leaver {
	CK_FUNCTION_LIST *p11;
	atomic_int tid;
	CK_RV rv;
};

static void *leave(void *arg)
{
	struct leaver *leaver = arg;

	atomic_store(&leaver->tid, (int)syscall(SYS_gettid));
	leaver->rv = leaver->p11->C_Finalize(NULL);
	atomic_store(&leaver->tid, -1);
	return NULL;
}

/* The login ends in the backend, and the lease with it, as the backend is finalized. */
TEST_F_TIMEOUT(init, the_last_caller_leaves_wherever_a_session_is_closed, 120)
{
	struct halting halting = { .opener.p11 = self->a, .locks = 1 };
	struct opener *opener = &halting.opener;
	struct leaver leaver = { .p11 = self->a };
	pthread_t threads[2];
	int seen, tid;

	/* What is freed too early isn't there any more. */
	mallopt(M_PERTURB, 0x5a);
	while (halting.locks) {
		atomic_store(&stands, false);
		atomic_store(&go_on, false);
		atomic_store(&leaver.tid, 0);
		ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
		ASSERT_EQ(CKR_OK, open_rw(self->a, &opener->last));
		ASSERT_EQ(CKR_OK, login(self->a, opener->last));
		ASSERT_EQ(0, pthread_create(&threads[0], NULL, close_and_halt,
					    &halting));
		while (!atomic_load(&stands))
			sched_yield();
		ASSERT_EQ(0, pthread_create(&threads[1], NULL, leave, &leaver));
		/* It waits for the other one, or is through. */
		for (seen = 0; seen < 5 && (tid = atomic_load(&leaver.tid)) >= 0;) {
			usleep(500);
			seen = tid && thread_sleeps(tid) ? seen + 1 : 0;
		}
		atomic_store(&go_on, true);
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
		EXPECT_EQ(CKR_OK, leaver.rv);
		EXPECT_TRUE(opener->rv == CKR_OK ||
			    opener->rv == CKR_SESSION_HANDLE_INVALID ||
			    opener->rv == CKR_CRYPTOKI_NOT_INITIALIZED) {
			TH_LOG("before lock %d: 0x%lx", halting.locks,
			       opener->rv);
		}
	}
}
#endif

/* A call that is in the session finishes; the close doesn't pull it away. */
struct closer {
	CK_FUNCTION_LIST *p11;
	_Atomic CK_SESSION_HANDLE session;
	atomic_bool stop;
	int unexpected;
};

static void *use_sessions(void *arg)
{
	struct closer *closer = arg;
	unsigned char random[64];
	CK_RV rv;

	while (!atomic_load(&closer->stop)) {
		rv = closer->p11->C_GenerateRandom(closer->session, random,
						   sizeof(random));
		if (rv != CKR_OK && rv != CKR_SESSION_HANDLE_INVALID)
			closer->unexpected++;
	}
	return NULL;
}

TEST_F_TIMEOUT(init, sessions_are_closed_under_calls, 300)
{
	struct closer closer = { .p11 = self->a };
	CK_SESSION_HANDLE session, first;
	pthread_t threads[3];
	int i;

	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &first));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, use_sessions,
					    &closer));
	for (i = 0; i < 2000; i++) {
		ASSERT_EQ(CKR_OK, open_rw(self->a, &session));
		closer.session = session;
		ASSERT_EQ(CKR_OK, self->a->C_CloseSession(session));
		ASSERT_EQ(CKR_SESSION_HANDLE_INVALID,
			  self->a->C_CloseSession(session));
	}
	atomic_store(&closer.stop, true);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, closer.unexpected);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

static void *draw(void *arg)
{
	CK_FUNCTION_LIST *p11 = arg;
	CK_SESSION_HANDLE session;
	unsigned char random[16];
	int i;

	if (open_rw(p11, &session) != CKR_OK)
		return "open";
	for (i = 0; i < 100; i++)
		if (p11->C_GenerateRandom(session, random, 16) != CKR_OK)
			return "draw";
	return NULL;
}

TEST_F(init, a_backend_that_cannot_lock_is_serialized)
{
	atomic_int *overlaps;
	pthread_t threads[4];
	void *failed;
	int i;

	world_write("tokmux.conf",
		    "[global]\narbiter = %s\n[backend nolock]\nmodule = %s\nlease = shared\n",
		    world_arbiter(), PLUGIN("backend_nolock"));
	overlaps = dlsym(dlopen(PLUGIN("backend_nolock"), RTLD_NOW),
			 "backend_overlaps");
	ASSERT_NE(NULL, overlaps);
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, draw,
					    i % 2 ? self->a : self->b));
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		EXPECT_EQ(NULL, failed);
	}
	EXPECT_EQ(0, atomic_load(overlaps));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
}

/* ---- in the loader ---------------------------------------------------------------- */

void (*in_constructor)(void);
static CK_FUNCTION_LIST *constructors, *programs;
static atomic_int in, programs_tid;
static CK_RV constructors_rv;

/* The loader's lock is this thread's, as it runs a constructor. */
static void initialize_in_constructor(void)
{
	int seen = 0, tid;

	atomic_store(&in, 1);
	while (!(tid = atomic_load(&programs_tid)))
		usleep(1000);
	/* It waits for the loader. */
	while (seen < 20) {
		usleep(2000);
		seen = thread_sleeps(tid) ? seen + 1 : 0;
	}
	constructors_rv = constructors->C_Initialize(NULL);
}

static void *load_plugin(void *arg)
{
	return dlopen(PLUGIN("plugin_constructor"), RTLD_NOW);
}

TEST(in_a_constructor)
{
	pthread_t thread;
	void *plugin;
	long since;

	ASSERT_TRUE(world_begin());
	constructors = CALLER_A;
	/* One for which nothing is asked of the loader. */
	MUST(((CK_RV (*)(CK_FUNCTION_LIST **))module_symbol(
		"tokmux_pkcs11_new_caller"))(&programs));
	/* The loader gives this thread its variables. */
	ASSERT_EQ(CKR_OK, programs->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, programs->C_Finalize(NULL));
	since = now_ms();
	in_constructor = initialize_in_constructor;
	ASSERT_EQ(0, pthread_create(&thread, NULL, load_plugin, NULL));
	while (!atomic_load(&in))
		usleep(1000);
	atomic_store(&programs_tid, (int)syscall(SYS_gettid));
	EXPECT_EQ(CKR_OK, programs->C_Initialize(NULL));
	pthread_join(thread, &plugin);
	EXPECT_NE(NULL, plugin);
	EXPECT_EQ(CKR_OK, constructors_rv);
	EXPECT_GT(10000, now_ms() - since);
	EXPECT_EQ(CKR_OK, constructors->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, programs->C_Finalize(NULL));
	world_end();
}

static void *initialize(void *p11)
{
	return (void *)((CK_FUNCTION_LIST *)p11)->C_Initialize(NULL);
}

/* A destructor that finalizes in any case has the loader's lock, which a start may want. */
TEST(one_that_is_not_in_waits_for_no_start)
{
	CK_FUNCTION_LIST *a, *b;
	void (*fault)(const char *spec);
	atomic_int *calls;
	pthread_t thread;
	void *rv;
	long since;

	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_fault"), "");
	a = CALLER_A;
	b = CALLER_B;
	ASSERT_NE(NULL, dlopen(PLUGIN("backend_fault"), RTLD_NOW | RTLD_NODELETE));
	fault = (void (*)(const char *))backend_symbol(PLUGIN("backend_fault"),
						       "backend_fault_set");
	calls = backend_symbol(PLUGIN("backend_fault"), "backend_fault_calls");
	fault("C_Initialize=hang");
	ASSERT_EQ(0, pthread_create(&thread, NULL, initialize, b));
	while (!atomic_load(calls))
		usleep(1000);
	since = now_ms();
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, a->C_Finalize(NULL));
	EXPECT_GT(5000, now_ms() - since);
	fault("");
	ASSERT_EQ(0, pthread_join(thread, &rv));
	EXPECT_EQ(CKR_OK, (CK_RV)rv);
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
	world_end();
}

TEST_HARNESS_MAIN
