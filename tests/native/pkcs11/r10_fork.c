// SPDX-License-Identifier: LGPL-2.1-or-later
/* R10: after fork the child starts afresh, the parent never notices. */
#include <glob.h>
#include <sys/inotify.h>
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

/*
 * SoftHSM2 leaves the token's file empty for a moment in each login, unlocked: another
 * process that initializes just then finds no token.
 */
static bool empty_until_read(const char *path)
{
	static char content[4096];
	struct inotify_event event;
	ssize_t size = 0;
	int seen, fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
	seen = inotify_init1(IN_CLOEXEC);
	if (fd < 0 || seen < 0)
		return false;
	size = read(fd, content, sizeof(content));
	if (size <= 0 || ftruncate(fd, 0) ||
	    inotify_add_watch(seen, path, IN_CLOSE_NOWRITE) < 0)
		return false;
	if (fork())
		return true;
	alarm(60);
	if (read(seen, &event, sizeof(event)) != sizeof(event) ||
	    pwrite(fd, content, size, 0) != size)
		_exit(1);
	_exit(0);
}

TEST_F(fork, the_child_finds_the_parents_token)
{
	CK_SLOT_ID slot = the_slot(self->a);
	CK_SESSION_HANDLE session;
	int status = -1;
	glob_t found;
	pid_t pid;

	ASSERT_EQ(0, glob(world_path("tokens/*/token.object"), 0, NULL, &found));
	pid = fork();
	if (!pid) {
		alarm(60);
		if (!empty_until_read(found.gl_pathv[0]))
			_exit(1);
		if (self->a->C_Initialize(NULL) != CKR_OK)
			_exit(2);
		/* The parent's slot, without a look at the list. */
		if (self->a->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL,
					   &session) != CKR_OK)
			_exit(3);
		_exit(login(self->a, session) == CKR_OK ? 0 : 4);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
	globfree(&found);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_F(fork, the_parents_token_is_gone)
{
	CK_SLOT_ID slot = the_slot(self->a);
	CK_SESSION_HANDLE session;
	int status = -1;
	pid_t pid;

	ASSERT_EQ(0, rename(world_path("tokens"), world_path("elsewhere")));
	ASSERT_EQ(0, mkdir(world_path("tokens"), 0700));
	pid = fork();
	if (!pid) {
		alarm(60);
		if (self->a->C_Initialize(NULL) != CKR_OK)
			_exit(1);
		_exit(self->a->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL,
					     &session) == CKR_SLOT_ID_INVALID ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
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

static atomic_bool stop_signing;

static void *sign_on(void *arg)
{
	CK_FUNCTION_LIST *p11 = arg;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	bool fine = open_rw(p11, &session) == CKR_OK &&
		    find(p11, session, CKO_PRIVATE_KEY, "key", &key) == 1;

	while (fine && !atomic_load(&stop_signing))
		fine = sign(p11, session, key) == CKR_OK;
	return fine ? arg : NULL;
}

/*
 * LeakSanitizer asks at the exit of a process. What only the stacks of other threads
 * point to is no leak, but in a child of fork() those threads don't exist.
 */
static bool threads_are_lost;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return threads_are_lost;
}

/* A backend knows nothing of the fork: it is left with nobody in it. */
TEST_F(fork, while_others_sign)
{
	pthread_t threads[3];
	void *fine;
	int i, status;

	atomic_store(&stop_signing, false);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, sign_on, self->a));
	for (i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(20);
			threads_are_lost = true;
			/* the backend's destructors run in every other child */
			if (i % 2)
				exit(0);
			_exit(ask(self->a, self->b));
		}
		waitpid(pid, &status, 0);
		EXPECT_EQ(0, status);
	}
	atomic_store(&stop_signing, true);
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], &fine);
		EXPECT_NE(NULL, fine);
	}
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/* Ten times, as it takes luck to end in the middle of a call. */
TEST_F(fork, the_end_while_others_sign)
{
	pthread_t thread;
	int i, j, status;

	for (i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (!pid) {
			alarm(20);
			if (ask(self->a, self->b) ||
			    self->a->C_Initialize(NULL) != CKR_OK ||
			    open_rw(self->a, &self->session) != CKR_OK ||
			    login(self->a, self->session) != CKR_OK)
				_exit(1);
			for (j = 0; j < 3; j++) {
				pthread_create(&thread, NULL, sign_on, self->a);
				pthread_detach(thread);
			}
			usleep(10000 + 1000 * i);
			threads_are_lost = true;
			exit(0);
		}
		waitpid(pid, &status, 0);
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/*
 * SoftHSM2 shares OpenSSL with the program, which takes what is in its queue of errors
 * for its own. Return: which step failed.
 */
static int keep_openssl_errors(CK_FUNCTION_LIST *a, bool before)
{
	void *backend = dlopen(SOFTHSM, RTLD_NOW | RTLD_NOLOAD);
	void *(*open_file)(const char *name, const char *mode);
	unsigned long (*first_error)(void), (*last_error)(void), last;
	void (*clear)(void);
	CK_SESSION_HANDLE session;

	if (!backend)
		return 1;
	first_error = (unsigned long (*)(void))dlsym(backend, "ERR_peek_error");
	last_error = (unsigned long (*)(void))dlsym(backend,
						    "ERR_peek_last_error");
	open_file = (void *(*)(const char *, const char *))
		dlsym(backend, "BIO_new_file");
	clear = (void (*)(void))dlsym(backend, "ERR_clear_error");
	if (!first_error || !last_error || !open_file || !clear)
		return 0;	/* it is built with another library */
	clear();
	if (before && (open_file("/no/such/file", "r") || !first_error()))
		return 2;
	last = last_error();
	if (a->C_Initialize(NULL) != CKR_OK || open_rw(a, &session) != CKR_OK ||
	    a->C_Finalize(NULL) != CKR_OK)
		return 3;
	return last_error() == last && !first_error() == !before ? 0 : 4;
}

TEST_F(fork, nothing_is_left_in_openssls_queue)
{
	int status, before;
	pid_t pid;

	for (before = 0; before < 2; before++) {
		pid = fork();
		if (!pid)
			_exit(keep_openssl_errors(self->a, before));
		waitpid(pid, &status, 0);
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/* ---- calls that can't be waited for -------------------------------------------- */

FIXTURE(fork_in_time) {
	CK_FUNCTION_LIST *a;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
};

static const char *plugin;

FIXTURE_SETUP(fork_in_time)
{
	ASSERT_TRUE(world_begin());
	self->a = CALLER_A;
}

FIXTURE_TEARDOWN(fork_in_time)
{
	world_end();
}

static CK_RV come(CK_FUNCTION_LIST *a, CK_SESSION_HANDLE *session,
		  CK_OBJECT_HANDLE *key)
{
	CK_RV rv;

	world_configure_plugin(plugin, "lease = shared");
	rv = a->C_Initialize(NULL);
	if (rv == CKR_OK)
		rv = open_rw(a, session);
	if (rv == CKR_OK)
		rv = login(a, *session);
	if (rv == CKR_OK && find(a, *session, CKO_PRIVATE_KEY, "key", key) != 1)
		rv = CKR_GENERAL_ERROR;
	return rv;
}

/* Return: how long it took. */
static long fork_once(void)
{
	long since = now_ms();
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	since = now_ms() - since;
	waitpid(pid, NULL, 0);
	return since;
}

struct signing {
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	CK_RV rv;
};

static void *sign_once(void *arg)
{
	struct signing *signing = arg;

	signing->rv = sign(signing->p11, signing->session, signing->key);
	return NULL;
}

/* The first fork waits for it, but not for ever, and no other does. */
TEST_F(fork_in_time, beside_a_call_that_hangs)
{
	void (*fault)(const char *spec);
	atomic_int *fault_calls;
	struct signing signing;
	pthread_t thread;
	CK_INFO info;

	plugin = PLUGIN("backend_fault");
	ASSERT_EQ(CKR_OK, come(self->a, &self->session, &self->key));
	fault = (void (*)(const char *))backend_symbol(plugin, "backend_fault_set");
	fault_calls = backend_symbol(plugin, "backend_fault_calls");
	signing = (struct signing){ self->a, self->session, self->key, ~0ul };
	fault("C_Sign=hang");
	ASSERT_EQ(0, pthread_create(&thread, NULL, sign_once, &signing));
	while (!atomic_load(fault_calls))
		usleep(1000);
	EXPECT_GT(15000, fork_once());
	EXPECT_GT(1500, fork_once());
	EXPECT_EQ(CKR_OK, self->a->C_GetInfo(&info));
	fault("");
	pthread_join(thread, NULL);
	EXPECT_EQ(CKR_OK, signing.rv);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

static atomic_int made;
static atomic_long fork_took;		/* the longer one */

/* Two threads are here at once: neither is to wait for the other. */
static void fork_within(void)
{
	long took, longest = 0;

	atomic_fetch_add(&made, 1);
	while (atomic_load(&made) < 2)
		usleep(1000);
	took = fork_once();
	while (took > longest &&
	       !atomic_compare_exchange_weak(&fork_took, &longest, took))
		;
}

static void *make_once(void *arg)
{
	struct signing *signing = arg;
	CK_OBJECT_HANDLE object;

	signing->rv = make_data(signing->p11, signing->session, "made",
				CK_FALSE, CK_FALSE, &object);
	return NULL;
}

/* A backend may start a program, as a PIN's dialog, from within a call. */
TEST_F(fork_in_time, from_within_a_call)
{
	struct signing one, other;
	void (**made_hook)(void);
	pthread_t thread;

	plugin = PLUGIN("backend_quirks");
	ASSERT_EQ(CKR_OK, come(self->a, &self->session, &self->key));
	made_hook = backend_symbol(plugin, "backend_made");
	one = (struct signing){ self->a, self->session, self->key, ~0ul };
	other = one;
	ASSERT_EQ(CKR_OK, open_rw(self->a, &other.session));
	*made_hook = fork_within;
	ASSERT_EQ(0, pthread_create(&thread, NULL, make_once, &other));
	make_once(&one);
	pthread_join(thread, NULL);
	*made_hook = NULL;
	EXPECT_EQ(CKR_OK, one.rv);
	EXPECT_EQ(CKR_OK, other.rv);
	EXPECT_GT(1500, atomic_load(&fork_took));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_HARNESS_MAIN
