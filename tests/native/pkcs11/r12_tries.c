// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R12: wrong PINs are slowed, however they are tried, and nobody waits for what
 * another caller has tried.
 */
#include <signal.h>
#include <sys/time.h>
#include "world.h"
#include <kselftest_harness.h>

#define THREADS		8
#define TRIES		5	/* 100, 200, 400, 800 and 1600 ms */
#define TRIES_MS	3100

FIXTURE(tries) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
};

FIXTURE_SETUP(tries)
{
	ASSERT_TRUE(world_begin());
	TWO_CALLERS();
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
}

FIXTURE_TEARDOWN(tries)
{
	self->a->C_Finalize(NULL);
	self->b->C_Finalize(NULL);
	world_end();
}

static CK_FUNCTION_LIST *new_caller(void)
{
	CK_RV (*make)(CK_FUNCTION_LIST_PTR_PTR) =
		(CK_RV (*)(CK_FUNCTION_LIST_PTR_PTR))
			module_symbol("tokmux_pkcs11_new_caller");
	CK_FUNCTION_LIST *list = NULL;

	return make && make(&list) == CKR_OK ? list : NULL;
}

static CK_RV try_wrong(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	return p11->C_Login(session, CKU_USER, PIN("4321"));
}

/* Else who knows the user's PIN could try a security officer's as fast as he likes. */
TEST_F_TIMEOUT(tries, the_users_pin_makes_up_for_no_officers, 60)
{
	long begun = now_ms();
	int i;

	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	for (i = 0; i < TRIES; i++) {
		EXPECT_EQ(CKR_PIN_INCORRECT,
			  self->b->C_Login(self->sb, CKU_SO, PIN("4321")));
		EXPECT_EQ(CKR_OK, login(self->b, self->sb));
		EXPECT_EQ(CKR_OK, self->b->C_Logout(self->sb));
	}
	EXPECT_LE(begun + TRIES_MS, now_ms());
}

/* It takes the security officer's PIN, and tells whether that is right. */
TEST_F_TIMEOUT(tries, initializing_the_token_is_a_try, 60)
{
	CK_SLOT_ID slot = the_slot(self->b);
	CK_UTF8CHAR label[32];
	long begun;
	int i;

	memset(label, ' ', sizeof(label));
	EXPECT_EQ(CKR_OK, self->a->C_CloseAllSessions(slot));
	EXPECT_EQ(CKR_OK, self->b->C_CloseAllSessions(slot));
	begun = now_ms();
	for (i = 0; i < TRIES; i++)
		EXPECT_EQ(CKR_PIN_INCORRECT,
			  self->b->C_InitToken(slot, PIN("4321"), label));
	EXPECT_LE(begun + TRIES_MS, now_ms());
	/* It is this caller that has tried. */
	begun = now_ms();
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));
	EXPECT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_GT(begun + 1000, now_ms());
}

static void tick(int signal)
{
}

TEST_F_TIMEOUT(tries, a_signal_handler_shortens_no_wait, 60)
{
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { 0 };
	struct sigaction act = { .sa_handler = tick };
	long begun = now_ms();
	int i;

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < TRIES; i++)
		EXPECT_EQ(CKR_PIN_INCORRECT, try_wrong(self->b, self->sb));
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT_LE(begun + TRIES_MS, now_ms());
}

struct guesser {
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;
	const char *pin;
	CK_RV rv;
	long answered;
};

static void *guess(void *arg)
{
	struct guesser *guesser = arg;

	guesser->rv = guesser->p11->C_Login(guesser->session, CKU_USER,
					    PIN(guesser->pin));
	guesser->answered = now_ms();
	return NULL;
}

/* A PIN isn't looked at before the wrong ones that came first are answered. */
TEST_F_TIMEOUT(tries, threads_try_one_after_the_other, 60)
{
	struct guesser guessers[THREADS];
	pthread_t threads[THREADS];
	int i, j, early, wrong = 0;
	long begun = now_ms();

	for (i = 0; i < THREADS; i++) {
		guessers[i] = (struct guesser){
			.p11 = self->b, .session = self->sb, .pin = "4321",
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, guess,
					    &guessers[i]));
	}
	/* Half of them: the others would take half a minute. */
	while (now_ms() < begun + 3500)
		usleep(10000);
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < THREADS; i++) {
		wrong += guessers[i].rv == CKR_PIN_INCORRECT;
		early = 0;
		for (j = 0; j < THREADS; j++)
			early += guessers[j].rv == CKR_PIN_INCORRECT &&
				 guessers[j].answered < guessers[i].answered;
		/* As many as came before it had to be answered. */
		if (guessers[i].rv == CKR_PIN_INCORRECT)
			EXPECT_LE((100 << early) - 100,
				  guessers[i].answered - begun);
	}
	/* Five are answered by then, and a sixth was looked at. */
	EXPECT_LE(4, wrong);
	EXPECT_GE(6, wrong);
}

TEST_F_TIMEOUT(tries, fresh_callers_are_slowed_as_one, 60)
{
	long begun = now_ms();
	CK_FUNCTION_LIST *fresh;
	CK_SESSION_HANDLE session;
	int i;

	for (i = 0; i < TRIES; i++) {
		fresh = new_caller();
		ASSERT_NE(NULL, fresh);
		ASSERT_EQ(CKR_OK, fresh->C_Initialize(NULL));
		ASSERT_EQ(CKR_OK, open_ro(fresh, &session));
		EXPECT_EQ(CKR_PIN_INCORRECT, try_wrong(fresh, session));
		EXPECT_EQ(CKR_OK, fresh->C_Finalize(NULL));
	}
	EXPECT_LE(begun + TRIES_MS, now_ms());
}

#define TRY	"TOKMUX_TEST_TRY"

/* A program of its own: a child alone would have its parent's memory. */
static void try_in_child(void)
{
	setenv(TRY, "", 1);
	run_again();
}

/* In that program, instead of the tests, and before world.h's. */
__attribute__((constructor(101))) static void try_if_asked(void)
{
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;

	if (!getenv(TRY))
		return;
	p11 = CALLER_A;
	if (p11->C_Initialize(NULL) != CKR_OK ||
	    open_rw(p11, &session) != CKR_OK)
		_exit(3);
	_exit(try_wrong(p11, session) != CKR_PIN_INCORRECT);
}

TEST_F_TIMEOUT(tries, processes_are_slowed_as_one, 60)
{
	long begun = now_ms();
	int i, status;
	pid_t pid;

	for (i = 0; i < TRIES; i++) {
		pid = fork();
		if (!pid)
			try_in_child();
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_LE(begun + TRIES_MS, now_ms());
}

/*
 * Everybody may write to the directory of the count. What is there under its name and
 * isn't a file of this user alone, with one name, stays as it is, and the process counts
 * for itself.
 */
static bool is_left_alone(void (*put)(const char *path))
{
	struct stat info;
	char path[64];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/dev/shm/tokmux-1-%u",
		 (unsigned int)geteuid());
	unlink(path);
	put(path);
	pid = fork();
	if (!pid)
		try_in_child();
	waitpid(pid, &status, 0);
	return !status && !lstat(path, &info) &&
	       (S_ISLNK(info.st_mode) || !info.st_size);
}

#define ANOTHER		"/dev/shm/tokmux-test-another"

static void put_open_to_all(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY | O_EXCL, 0600));
	chmod(path, 0644);
}

static void put_second_name(const char *path)
{
	close(open(ANOTHER, O_CREAT | O_WRONLY, 0600));
	if (link(ANOTHER, path))
		abort();
}

static void put_link(const char *path)
{
	close(open(ANOTHER, O_CREAT | O_WRONLY, 0600));
	if (symlink(ANOTHER, path))
		abort();
}

static void put_fifo(const char *path)
{
	if (mkfifo(path, 0600))
		abort();
}

TEST_F_TIMEOUT(tries, what_is_no_file_of_its_own_is_left_alone, 60)
{
	struct stat info;

	EXPECT_TRUE(is_left_alone(put_open_to_all));
	EXPECT_TRUE(is_left_alone(put_second_name));
	EXPECT_TRUE(is_left_alone(put_link));
	EXPECT_EQ(0, stat(ANOTHER, &info));
	EXPECT_EQ(0, info.st_size);
	EXPECT_TRUE(is_left_alone(put_fifo));
	unlink(ANOTHER);
	forget_tries();
}

TEST_F_TIMEOUT(tries, nobody_waits_for_what_others_tried, 60)
{
	struct guesser guesser = {
		.p11 = self->b, .session = self->sb, .pin = "4321",
	};
	CK_FUNCTION_LIST *fresh = new_caller();
	CK_SESSION_HANDLE session;
	pthread_t thread;
	long begun;
	int i;

	ASSERT_NE(NULL, fresh);
	ASSERT_EQ(CKR_OK, fresh->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_ro(fresh, &session));
	for (i = 0; i < TRIES; i++)
		try_wrong(self->b, self->sb);
	begun = now_ms();
	ASSERT_EQ(0, pthread_create(&thread, NULL, guess, &guesser));
	EXPECT_EQ(CKR_OK, login(fresh, session));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(self->sa));
	EXPECT_EQ(CKR_OK, login(self->a, self->sa));
	EXPECT_GT(1000, now_ms() - begun);
	/* Nor does C_Finalize, of the caller itself or the last one. */
	EXPECT_EQ(CKR_OK, fresh->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_GT(1000, now_ms() - begun);
	pthread_join(thread, NULL);
}

TEST_HARNESS_MAIN
