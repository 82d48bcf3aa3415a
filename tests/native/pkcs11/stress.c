// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R10, R11, R12 under stress: three callers of eight threads each. Two of them
 * end their own sessions, logins, operations and even themselves at any moment,
 * while another thread is in the middle; processes fork all the time. The third
 * does its work and must never see anything but CKR_OK. The threads of a fourth are
 * cancelled (R15), on a token of their own: SoftHSM2 isn't made for that.
 *
 * TOKMUX_STRESS_SECONDS is how long (3), TOKMUX_STRESS_SEED repeats a run as far
 * as threads let it.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include "world.h"

#define THREADS		8
#define CHILDREN	32

struct caller {
	CK_FUNCTION_LIST *p11;
	const char *name;
	CK_SLOT_ID slot;
	_Atomic(CK_SESSION_HANDLE) sessions[THREADS];	/* for others to close */
};

struct worker {
	struct caller *caller;
	int index;
	unsigned int seed;
	atomic_ulong rounds;
	const char *step;	/* what went wrong */
	CK_RV rv;
};

static struct caller callers[3];
static struct worker workers[3][THREADS];
static atomic_bool stop;

static unsigned int chance(struct worker *worker, unsigned int n)
{
	return (unsigned int)rand_r(&worker->seed) % n;
}

/* ---- one that nobody disturbs ------------------------------------------------------ */

#define STEP(name, call) do {						\
	worker->rv = (call);						\
	if (worker->rv != CKR_OK) {					\
		worker->step = name;					\
		return;							\
	}								\
} while (0)

static CK_RV digest_in_parts(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			     int parts)
{
	CK_MECHANISM mechanism = { CKM_SHA256, NULL, 0 };
	unsigned char out[32];
	CK_ULONG n = sizeof(out);
	CK_RV rv;

	rv = p11->C_DigestInit(session, &mechanism);
	while (rv == CKR_OK && parts--) {
		rv = p11->C_DigestUpdate(session, out, sizeof(out));
		sched_yield();
	}
	return rv ?: p11->C_DigestFinal(session, out, &n);
}

/* Its first thread keeps a session, and with it the login, for all. */
static void work(struct worker *worker)
{
	CK_FUNCTION_LIST *p11 = worker->caller->p11;
	CK_OBJECT_HANDLE key, object;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;

	STEP("open", open_rw(p11, &session));
	STEP("info", p11->C_GetSessionInfo(session, &info));
	STEP("state", info.state != CKS_RW_USER_FUNCTIONS);
	STEP("find", find(p11, session, CKO_PRIVATE_KEY, "key", &key) != 1);
	STEP("sign", sign(p11, session, key));
	STEP("digest", digest_in_parts(p11, session, 4));
	STEP("create", make_data(p11, session, "mine", false, true, &object));
	STEP("destroy", p11->C_DestroyObject(session, object));
	STEP("close", p11->C_CloseSession(session));
}

/* ---- two that disturb themselves ------------------------------------------------------ */

/* What may come of it, and nothing else. */
static bool fair(CK_RV rv)
{
	static const CK_RV list[] = {
		CKR_OK, CKR_CRYPTOKI_NOT_INITIALIZED, CKR_KEY_HANDLE_INVALID,
		CKR_OBJECT_HANDLE_INVALID, CKR_OPERATION_ACTIVE,
		CKR_OPERATION_NOT_INITIALIZED, CKR_SESSION_HANDLE_INVALID,
		CKR_USER_ALREADY_LOGGED_IN, CKR_USER_NOT_LOGGED_IN,
	};
	size_t i;

	for (i = 0; i < sizeof(list) / sizeof(*list); i++)
		if (rv == list[i])
			return true;
	return false;
}

#define TRY(name, call) do {						\
	worker->rv = (call);						\
	if (!fair(worker->rv)) {					\
		worker->step = name;					\
		return;							\
	}								\
	worker->rv = CKR_OK;						\
} while (0)

static void wreck(struct worker *worker)
{
	struct caller *caller = worker->caller;
	CK_FUNCTION_LIST *p11 = caller->p11;
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_SESSION_HANDLE session = caller->sessions[worker->index];
	CK_OBJECT_HANDLE key = 0;

	switch (chance(worker, 24)) {
	case 0 ... 5:
		TRY("open", p11->C_OpenSession(caller->slot, CKF_SERIAL_SESSION,
					       NULL, NULL, &session));
		caller->sessions[worker->index] = session;
		break;
	case 6 ... 7:
		TRY("login", login(p11, session));
		break;
	case 8 ... 12:
		find(p11, session, CKO_PRIVATE_KEY, "key", &key);
		TRY("sign", sign(p11, session, key));
		break;
	case 13 ... 15:
		TRY("digest", digest_in_parts(p11, session, 8));
		break;
	case 16:	/* begun and never ended */
		find(p11, session, CKO_PRIVATE_KEY, "key", &key);
		TRY("sign init", p11->C_SignInit(session, &ecdsa, key));
		break;
	case 17 ... 19:	/* another thread's, in the middle of what it does */
		session = caller->sessions[chance(worker, THREADS)];
		TRY("close", p11->C_CloseSession(session));
		break;
	case 20:
		TRY("logout", p11->C_Logout(session));
		break;
	case 21:
		TRY("close all", p11->C_CloseAllSessions(caller->slot));
		break;
	case 22:
		TRY("finalize", p11->C_Finalize(NULL));
		break;
	case 23:
		TRY("initialize", p11->C_Initialize(NULL));
		break;
	}
	/* So that there is one most of the time. */
	if (worker->rv == CKR_OK && !chance(worker, 8))
		TRY("initialize", p11->C_Initialize(NULL));
}

/*
 * ThreadSanitizer keeps about 1 MiB of address space for each dlopen(), and the
 * module calls it in each first C_Initialize. In the end fork() fails.
 */
static unsigned long most_rounds(const struct worker *worker)
{
	const char *san = getenv("SAN");

	return worker->caller != &callers[2] && san && !strcmp(san, "thread") ?
		1000 : ULONG_MAX;
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	while (!atomic_load(&stop) && !worker->step &&
	       worker->rounds < most_rounds(worker)) {
		if (worker->caller == &callers[2])
			work(worker);
		else
			wreck(worker);
		atomic_fetch_add(&worker->rounds, 1);
	}
	return NULL;
}

/* ---- one whose threads are cancelled ---------------------------------------------------- */

static CK_SLOT_ID mock_slot(CK_FUNCTION_LIST *p11)
{
	CK_TOKEN_INFO info;
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8, i;

	MUST(p11->C_GetSlotList(CK_TRUE, slots, &count));
	for (i = 0; i < count; i++)
		if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
		    !memcmp(info.model, "mock", 4))
			return slots[i];
	abort();
}

/* What takes leases, turns and locks, and waits for them. */
static void take_and_wait(struct worker *worker)
{
	struct caller *caller = worker->caller;
	CK_FUNCTION_LIST *p11 = caller->p11;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;
	CK_TOKEN_INFO info;

	TRY("open", p11->C_OpenSession(caller->slot, CKF_SERIAL_SESSION |
				       CKF_RW_SESSION, NULL, NULL, &session));
	TRY("login", login(p11, session));
	TRY("seed", p11->C_SeedRandom(session, (unsigned char *)"seed", 4));
	TRY("create", make_data(p11, session, "x", false, true, &object));
	TRY("token", p11->C_GetTokenInfo(caller->slot, &info));
	if (!chance(worker, 4))
		TRY("logout", p11->C_Logout(session));
	TRY("close", p11->C_CloseSession(session));
	/* What the cancelled ones have left open. */
	if (!chance(worker, 16))
		TRY("close all", p11->C_CloseAllSessions(caller->slot));
}

static void *run_until_cancelled(void *arg)
{
	struct worker *worker = arg;

	while (!worker->step) {
		take_and_wait(worker);
		atomic_fetch_add(&worker->rounds, 1);
	}
	return NULL;
}

static struct {
	struct caller caller;
	struct worker workers[THREADS];
	unsigned long cancelled;
} mock;

static void *cancel_one_after_the_other(void *seed)
{
	struct worker random = { .seed = *(unsigned int *)seed };
	pthread_t threads[THREADS];
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run_until_cancelled,
				   &mock.workers[i]))
			abort();
	while (!atomic_load(&stop)) {
		i = chance(&random, THREADS);
		pthread_cancel(threads[i]);
		pthread_join(threads[i], NULL);
		mock.cancelled++;
		if (pthread_create(&threads[i], NULL, run_until_cancelled,
				   &mock.workers[i]))
			abort();
	}
	for (i = 0; i < THREADS; i++) {
		pthread_cancel(threads[i]);
		pthread_join(threads[i], NULL);
	}
	return NULL;
}

static void begin_cancelling(unsigned int seed)
{
	CK_RV (*make)(CK_FUNCTION_LIST **list);
	int i;

	make = (CK_RV (*)(CK_FUNCTION_LIST **))
		module_symbol("tokmux_pkcs11_new_caller");
	MUST(make(&mock.caller.p11));
	MUST(mock.caller.p11->C_Initialize(NULL));
	mock.caller.slot = mock_slot(mock.caller.p11);
	for (i = 0; i < THREADS; i++) {
		mock.workers[i].caller = &mock.caller;
		mock.workers[i].seed = seed + (unsigned int)i;
	}
}

/* They have left nothing behind that another caller would wait for. */
static bool nothing_is_left(CK_FUNCTION_LIST *p11)
{
	CK_SLOT_ID slot = mock.caller.slot;
	CK_SESSION_HANDLE session;
	long begun = now_ms();
	int i;

	for (i = 0; i < THREADS; i++) {
		if (!mock.workers[i].step)
			continue;
		printf("# thread %d: %s: 0x%lx\n", i, mock.workers[i].step,
		       mock.workers[i].rv);
		return false;
	}
	printf("# %lu threads cancelled\n", mock.cancelled);
	MUST(mock.caller.p11->C_Finalize(NULL));
	MUST(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
				NULL, &session));
	MUST(login(p11, session));
	MUST(p11->C_CloseSession(session));
	return mock.cancelled && now_ms() - begun < 10000;
}

/* ---- forks ------------------------------------------------------------------------- */

/*
 * While other threads are at it the child just asks: SoftHSM2's locks, and the
 * loader's, are not ours to make safe.
 */
static bool child_is_fresh(void)
{
	CK_SESSION_HANDLE session = callers[2].sessions[0];
	CK_SESSION_INFO info;
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGALRM, SIG_DFL);
		alarm(getenv("SAN") ? 200 : 20);
		_exit(callers[2].p11->C_GetSessionInfo(session, &info) !=
		      CKR_CRYPTOKI_NOT_INITIALIZED ||
		      callers[0].p11->C_Finalize(NULL) !=
		      CKR_CRYPTOKI_NOT_INITIALIZED);
	}
	if (pid < 0)
		printf("# fork: %s\n", strerror(errno));
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/*
 * No login: SoftHSM2 writes to its token then, and another process that is just
 * reading it takes it for none.
 *
 * Return: 0, or which step failed.
 */
static int child_works(void)
{
	CK_FUNCTION_LIST *p11 = callers[2].p11;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;

	signal(SIGALRM, SIG_DFL);
	alarm(getenv("SAN") ? 200 : 60);
	if (p11->C_Initialize(NULL))
		return 1;
	if (open_rw(p11, &session))
		return 2;
	if (find(p11, session, CKO_PRIVATE_KEY, "key", &object))
		return 3;
	if (find(p11, session, CKO_DATA, "public", &object) != 1)
		return 4;
	if (digest_in_parts(p11, session, 4))
		return 5;
	return p11->C_Finalize(NULL) ? 6 : 0;
}

/* Many at once, each of which does all there is to do. */
static int fork_storm(void)
{
	pid_t pids[CHILDREN];
	int i, status, bad = 0;

	for (i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(child_works());
		if (pids[i] < 0)
			printf("# fork: %s\n", strerror(errno));
	}
	for (i = 0; i < CHILDREN; i++) {
		if (waitpid(pids[i], &status, 0) == pids[i] && !status)
			continue;
		printf("# a child: status 0x%x\n", status);
		bad++;
	}
	return bad;
}

/* ---- */

static int number, failed;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++number, what);
	failed += !good;
}

static void say_deadlock(int signal)
{
	static const char words[] = "# a deadlock\n";

	if (write(STDOUT_FILENO, words, sizeof(words) - 1) < 0) {
		/* There is nobody left to tell. */
	}
	abort();
}

static unsigned long environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoul(value, NULL, 0) : otherwise;
}

int main(void)
{
	unsigned long seconds = environment("TOKMUX_STRESS_SECONDS", 3);
	unsigned long seed = environment("TOKMUX_STRESS_SEED",
					 (unsigned long)time(NULL));
	static const char *const names[] = { "caller_a", "caller_b", "caller_c" };
	unsigned long rounds[3] = { 0 }, forks = 0;
	pthread_t threads[3][THREADS];
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	bool fresh = true;
	char path[256];
	long until;
	pthread_t canceller;
	unsigned int random;
	int i, j;

	setlinebuf(stdout);	/* nothing of it is a child's */
	printf("TAP version 13\n1..7\n# TOKMUX_STRESS_SEED=%lu\n", seed);
	if (!world_begin())
		return 1;
	world_configure("", "[backend mock]\nlease = call\nmodule = "
			PLUGIN("backend_mock"));
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), PLUGIN("%s"), names[i]);
		callers[i].p11 = plugin_of(path, MODULE);
		callers[i].name = names[i];
		MUST(callers[i].p11->C_Initialize(NULL));
		callers[i].slot = the_slot(callers[i].p11);
	}
	MUST(open_rw(callers[2].p11, &session));
	callers[2].sessions[0] = session;
	MUST(login(callers[2].p11, session));
	random = (unsigned int)seed + 3 * THREADS;
	begin_cancelling(random);

	/* Before whoever runs this loses patience: after 120 s for the 3 here. */
	signal(SIGALRM, say_deadlock);
	alarm((unsigned int)seconds * 2 + (getenv("SAN") ? 400 : 90));
	until = now_ms() + (long)seconds * 1000;
	for (i = 0; i < 3; i++)
		for (j = 0; j < THREADS; j++) {
			workers[i][j].caller = &callers[i];
			workers[i][j].index = j;
			workers[i][j].seed = (unsigned int)seed +
					     (unsigned int)(i * THREADS + j);
			if (pthread_create(&threads[i][j], NULL, run,
					   &workers[i][j]))
				return 1;
		}
	if (pthread_create(&canceller, NULL, cancel_one_after_the_other,
			   &random))
		return 1;
	while (now_ms() < until && fresh) {
		fresh = child_is_fresh();
		forks++;
	}
	atomic_store(&stop, true);
	pthread_join(canceller, NULL);
	for (i = 0; i < 3; i++)
		for (j = 0; j < THREADS; j++) {
			struct worker *worker = &workers[i][j];

			pthread_join(threads[i][j], NULL);
			rounds[i] += worker->rounds;
			if (worker->step) {
				printf("# %s, thread %d, round %lu: %s: 0x%lx\n",
				       names[i], j, worker->rounds,
				       worker->step, worker->rv);
				rounds[i] = 0;
			}
		}
	printf("# %lu, %lu and %lu rounds, %lu forks\n", rounds[0], rounds[1],
	       rounds[2], forks);
	ok(rounds[0] && rounds[1], "two callers wreck what is theirs");
	ok(rounds[2], "the third does its work");
	ok(fresh && forks, "a child has initialized nothing");
	ok(find(callers[2].p11, session, CKO_PRIVATE_KEY, "key", &key) == 1 &&
	   sign(callers[2].p11, session, key) == CKR_OK,
	   "and is still logged in");
	ok(nothing_is_left(callers[2].p11), "cancelled threads leave nothing");
	ok(!fork_storm(), "many children work at once");
	for (i = 0; i < 3; i++)
		while (callers[i].p11->C_Finalize(NULL) == CKR_OK)
			;
	ok(callers[2].p11->C_GetSlotList(CK_FALSE, NULL, &key) ==
	   CKR_CRYPTOKI_NOT_INITIALIZED, "all of it ends");
	world_end();
	return failed > 0;
}
