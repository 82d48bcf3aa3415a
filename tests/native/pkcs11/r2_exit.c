// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R2: a process that exits without C_Finalize is logged out, as it has not crashed.
 *
 * Each test has a child that exits while it is logged in. With the arbiter "kernel" the
 * next process must not be told that the token's state is unknown; where the child
 * could not log out, or crashed, it must be.
 */
#include <signal.h>
#include "world.h"
#include <tokmux.h>
#include <kselftest_harness.h>

#define QUIRKS	PLUGIN("backend_quirks")

/* What the child's backend was told, and when the child does what. */
static int told[2], ready[2];
static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;

FIXTURE(exits) {
	unsigned int token;
	char name[32];
	int made;
};

FIXTURE_SETUP(exits)
{
	self->made = -1;
	ASSERT_TRUE(world_begin());
	snprintf(self->name, sizeof(self->name), "r2-%d", getpid());
	if (!strcmp(world_arbiter(), "kernel")) {
		self->made = tokmux_create_system(self->name, 0, 0, &self->token);
		ASSERT_EQ(0, self->made);
	}
	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, pipe(ready));
}

FIXTURE_TEARDOWN(exits)
{
	if (!self->made)
		tokmux_remove_system(self->token);
	world_end();
}

static void configure(const char *name, const char *lease)
{
	char lines[256];

	snprintf(lines, sizeof(lines), "token = %s\nlease = %s\non-unclean = refuse\n",
		 name, lease);
	world_configure_plugin(QUIRKS, lines);
}

/* ---- in the child ------------------------------------------------------------- */

static CK_RV logs_out(void)
{
	return write(told[1], "l", 1) == 1 ? CKR_OK : CKR_GENERAL_ERROR;
}

static CK_RV fails_to(void)
{
	return CKR_DEVICE_ERROR;
}

static void begin(CK_RV (*at_logout)(void))
{
	MUST(CALLER_B->C_Initialize(NULL));
	p11 = CALLER_A;
	MUST(p11->C_Initialize(NULL));
	*(CK_RV (**)(void))backend_symbol(QUIRKS, "backend_logs_out") = at_logout;
	MUST(open_rw(p11, &session));
	MUST(login(p11, session));
	if (find(p11, session, CKO_PRIVATE_KEY, "key", &key) != 1)
		_exit(10);
}

static void plain(void)
{
	begin(logs_out);
}

/* Another caller is logged in as well, and has a session more. */
static void two_callers(void)
{
	CK_SESSION_HANDLE other;

	begin(logs_out);
	MUST(open_rw(CALLER_B, &other));
	MUST(login(CALLER_B, other));
}

static void *sign_for_ever(void *arg)
{
	while (sign(p11, session, key) == CKR_OK)
		if (write(ready[1], "", 1) != 1)
			_exit(11);
	for (;;)
		pause();
	return NULL;
}

static void workers(void)
{
	pthread_t thread;
	char byte;

	begin(logs_out);
	pthread_create(&thread, NULL, sign_for_ever, NULL);
	if (read(ready[0], &byte, 1) != 1)
		_exit(12);
}

static void hang(void)
{
	if (write(ready[1], "", 1) != 1)
		_exit(13);
	for (;;)
		pause();
}

static void *create(void *arg)
{
	CK_OBJECT_HANDLE object;

	make_data(p11, session, "hangs", false, false, &object);
	return NULL;
}

static void a_hung_call(void)
{
	pthread_t thread;
	char byte;

	begin(logs_out);
	*(void (**)(void))backend_symbol(QUIRKS, "backend_made") = hang;
	pthread_create(&thread, NULL, create, NULL);
	if (read(ready[0], &byte, 1) != 1)
		_exit(14);
}

static void a_refusal(void)
{
	begin(fails_to);
}

static void a_crash(void)
{
	begin(logs_out);
	_exit(0);
}

static void finalizes_at_exit(void)
{
	if (p11->C_Finalize(NULL) != CKR_OK)
		_exit(15);
}

static void a_handler(void)
{
	atexit(finalizes_at_exit);
	begin(logs_out);
}

/* ---- what the next process sees -------------------------------------------------- */

/*
 * Return: how often the backend was told to log out; negative: the child failed.
 * *@ms: for how long the child's exit() took.
 */
static int run(void (*child)(void), long *ms)
{
	int status, count = 0, exits[2];
	long begin_ms = 0;
	char buf[16];
	pid_t pid;

	if (pipe(exits))
		return -1;
	pid = fork();
	if (!pid) {
		alarm(60);
		close(told[0]);
		child();
		begin_ms = now_ms();
		if (write(exits[1], &begin_ms, sizeof(begin_ms)) < 0)
			_exit(16);
		exit(0);
	}
	close(exits[1]);
	close(told[1]);
	waitpid(pid, &status, 0);
	if (ms && read(exits[0], &begin_ms, sizeof(begin_ms)) == sizeof(begin_ms))
		*ms = now_ms() - begin_ms;
	close(exits[0]);
	if (status) {
		fprintf(stderr, "# status 0x%x\n", status);
		return -1;
	}
	count = read(told[0], buf, sizeof(buf));
	close(told[0]);
	return count;
}

/* Return: what C_Login says. */
static CK_RV next_login(void)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		CK_RV rv = CALLER_A->C_Initialize(NULL);

		if (rv == CKR_OK)
			rv = open_rw(CALLER_A, &session);
		if (rv == CKR_OK)
			rv = login(CALLER_A, session);
		CALLER_A->C_Finalize(NULL);
		_exit((int)rv);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? (CK_RV)WEXITSTATUS(status) : ~0ul;
}

#define LEASES(lease)								\
TEST_F(exits, logged_in_##lease)						\
{										\
	configure(self->name, #lease);						\
	EXPECT_EQ(1, run(plain, NULL));						\
	EXPECT_EQ(CKR_OK, next_login());					\
}

LEASES(shared)
LEASES(call)
LEASES(session)

TEST_F(exits, two_callers_that_are_logged_in)
{
	configure(self->name, "call");
	EXPECT_EQ(1, run(two_callers, NULL));
	EXPECT_EQ(CKR_OK, next_login());
}

/* They are held back between two calls, wherever that is. */
TEST_F(exits, while_another_thread_signs)
{
	long ms = 0;

	configure(self->name, "call");
	EXPECT_EQ(1, run(workers, &ms));
	EXPECT_GT(1900, ms);
	EXPECT_EQ(CKR_OK, next_login());
}

/* C_Finalize in a handler that is older than the backend comes after the logout. */
TEST_F(exits, finalized_by_an_older_handler)
{
	configure(self->name, "session");
	EXPECT_EQ(1, run(a_handler, NULL));
	EXPECT_EQ(CKR_OK, next_login());
}

/* ---- what stays a crash ----------------------------------------------------------- */

TEST_F(exits, while_a_call_hangs)
{
	long ms = 0;

	configure(self->name, "shared");
	EXPECT_EQ(0, run(a_hung_call, &ms));
	EXPECT_GT(6000, ms);
	if (!self->made)
		EXPECT_EQ(CKR_DEVICE_ERROR, next_login());
}

TEST_F(exits, the_backend_refuses_to_log_out)
{
	configure(self->name, "shared");
	EXPECT_EQ(0, run(a_refusal, NULL));
	if (!self->made)
		EXPECT_EQ(CKR_DEVICE_ERROR, next_login());
}

TEST_F(exits, without_exit)
{
	configure(self->name, "shared");
	EXPECT_EQ(0, run(a_crash, NULL));
	if (!self->made)
		EXPECT_EQ(CKR_DEVICE_ERROR, next_login());
}

TEST_HARNESS_MAIN
