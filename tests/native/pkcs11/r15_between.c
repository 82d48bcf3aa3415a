// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R12, R14, R15: what happens while a call is in the backend, which hangs there
 * until it has (backend_fault.c): a lease that is lost, a last session that is
 * closed, a token that becomes another.
 */
#include <fcntl.h>
#include "world.h"
#include <kselftest_harness.h>

#define HOLD_MS		"50"

static void (*fault)(const char *spec);
static atomic_int *fault_calls;

FIXTURE(between) {
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa;
	CK_SLOT_ID slot;
};

FIXTURE_SETUP(between)
{
	ASSERT_TRUE(world_begin());
	self->a = CALLER_A;
	self->b = CALLER_B;
}

FIXTURE_TEARDOWN(between)
{
	fault("");
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

/* With more of a configuration. Return: the slot. */
static CK_SLOT_ID begin(CK_FUNCTION_LIST *a, CK_FUNCTION_LIST *b,
			const char *lines)
{
	void *backend;

	world_write("tokmux.conf",
		    "[global]\narbiter = %s\nlog = info\n"
		    "[backend faulty]\nmodule = " PLUGIN("backend_fault") "\n"
		    "%s", world_arbiter(), lines);
	MUST(a->C_Initialize(NULL));
	MUST(b->C_Initialize(NULL));
	backend = dlopen(PLUGIN("backend_fault"), RTLD_NOW | RTLD_NOLOAD);
	fault = (void (*)(const char *))dlsym(backend, "backend_fault_set");
	fault_calls = dlsym(backend, "backend_fault_calls");
	return the_slot(a);
}

static void wait_inside(void)
{
	while (!atomic_load(fault_calls))
		usleep(1000);
}

struct act {
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slot;
	CK_RV rv;
};

static void *log_in(void *arg)
{
	struct act *act = arg;

	act->rv = login(act->p11, act->session);
	return NULL;
}

static void *close_one(void *arg)
{
	struct act *act = arg;

	act->rv = act->p11->C_CloseSession(act->session);
	return NULL;
}

static void *open_one(void *arg)
{
	struct act *act = arg;

	act->rv = act->p11->C_OpenSession(act->slot, CKF_SERIAL_SESSION, NULL,
					  NULL, &act->session);
	return NULL;
}

static CK_STATE state_of(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO info = { .state = ~0ul };

	p11->C_GetSessionInfo(session, &info);
	return info.state;
}

/* Pages that are locked, in kB: the hash of a PIN is on one, and nothing else. */
static int locked_kb(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[128];
	int kb = -1;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "VmLck: %d", &kb);
	if (file)
		fclose(file);
	return kb;
}

/* It loses its lease as soon as it has shown its PIN, and all that came of it. */
TEST_F(between, a_login_and_the_lease_is_lost)
{
	struct act in = { .p11 = self->a }, other = { .p11 = self->b };
	pthread_t threads[2];

	other.slot = begin(self->a, self->b,
			   "lease = session\nwait = 5000\nhold = " HOLD_MS "\n");
	ASSERT_EQ(CKR_OK, open_rw(self->a, &in.session));
	atomic_store(fault_calls, 0);
	fault("C_Login=hang");
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, log_in, &in));
	wait_inside();
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, open_one, &other));
	usleep(200000);
	fault("");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	EXPECT_EQ(CKR_OK, other.rv);
	/* Whichever comes first, it isn't logged in for longer than that. */
	EXPECT_TRUE(in.rv == CKR_OK || in.rv == CKR_SESSION_HANDLE_INVALID);
	EXPECT_EQ(~0ul, state_of(self->a, in.session));
	EXPECT_EQ(0, locked_kb());
	/* What it opens next is logged in no more than the caller. */
	EXPECT_EQ(CKR_OK, self->b->C_CloseSession(other.session));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(in.session));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &in.session));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state_of(self->a, in.session));
	EXPECT_EQ(0, find(self->a, in.session, CKO_PRIVATE_KEY, "key", NULL));
	EXPECT_EQ(CKR_OK, login(self->a, in.session));
	EXPECT_EQ(1, find(self->a, in.session, CKO_PRIVATE_KEY, "key", NULL));
}

/* A login belongs to the sessions that are open when it begins. */
TEST_F(between, a_login_and_the_last_session_is_closed)
{
	struct act in = { .p11 = self->a };
	CK_SESSION_HANDLE next;
	pthread_t thread;

	begin(self->a, self->b, "lease = shared\nwait = 5000\n");
	ASSERT_EQ(CKR_OK, open_rw(self->a, &in.session));
	atomic_store(fault_calls, 0);
	fault("C_Login=hang");
	ASSERT_EQ(0, pthread_create(&thread, NULL, log_in, &in));
	wait_inside();
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(in.session));
	EXPECT_EQ(CKR_OK, open_rw(self->a, &next));
	fault("");
	pthread_join(thread, NULL);
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, in.rv);
	EXPECT_EQ(0, locked_kb());
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state_of(self->a, next));
}

/* The hash goes when the login is lost, whenever that caller comes again. */
TEST_F(between, calls_the_login_is_lost)
{
	struct act in = { .p11 = self->a }, other = { .p11 = self->b };

	other.slot = begin(self->a, self->b,
			   "lease = session\nwait = 5000\nhold = " HOLD_MS "\n");
	ASSERT_EQ(CKR_OK, open_rw(self->a, &in.session));
	ASSERT_EQ(CKR_OK, login(self->a, in.session));
	/* A sanitizer leaves mlock() out. */
	if (!getenv("SAN"))
		EXPECT_LT(0, locked_kb());
	open_one(&other);
	EXPECT_EQ(CKR_OK, other.rv);
	EXPECT_EQ(0, locked_kb());
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_Logout(in.session));
}

TEST_F(between, a_login_and_its_last_session_is_closed)
{
	struct act in = { .p11 = self->a };
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	pthread_t thread;

	begin(self->a, self->b, "lease = shared\nwait = 300\n");
	ASSERT_EQ(CKR_OK, open_rw(self->a, &in.session));
	atomic_store(fault_calls, 0);
	fault("C_Login=hang");
	ASSERT_EQ(0, pthread_create(&thread, NULL, log_in, &in));
	wait_inside();
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(in.session));
	fault("");
	pthread_join(thread, NULL);
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, in.rv);
	EXPECT_EQ(0, locked_kb());
	ASSERT_EQ(CKR_OK, open_rw(self->a, &session));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, state_of(self->a, session));
	EXPECT_EQ(0, find(self->a, session, CKO_PRIVATE_KEY, "key", &key));
	/* The backend isn't logged in for nobody: it looks at the next PIN. */
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  self->a->C_Login(session, CKU_USER, PIN("4321")));
	EXPECT_EQ(CKR_OK, login(self->a, session));
	EXPECT_EQ(1, find(self->a, session, CKO_PRIVATE_KEY, "key", &key));
}

/*
 * Who opens a session asks the backend whether those of others are still there:
 * they aren't closed under it, it might look at what is freed.
 */
TEST_F(between, a_session_is_closed_that_another_asks_about)
{
	struct act mine = { .p11 = self->a }, other = { .p11 = self->b };
	CK_SESSION_INFO info;
	bool waits = true;
	pthread_t threads[2];
	int i;

	other.slot = begin(self->a, self->b, "lease = shared\n");
	ASSERT_EQ(CKR_OK, open_rw(self->a, &mine.session));
	/* So that there is something to ask: 0xb3, CKR_SESSION_HANDLE_INVALID. */
	fault("C_GetSessionInfo=fail:0xb3");
	self->a->C_GetSessionInfo(mine.session, &info);
	atomic_store(fault_calls, 0);
	fault("C_GetSessionInfo=hang C_CloseSession=hang");
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, open_one, &other));
	wait_inside();
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, close_one, &mine));
	for (i = 0; i < 5000 && waits && atomic_load(fault_calls) == 1; i++) {
		usleep(1000);
		waits = pthread_tryjoin_np(threads[1], NULL);
	}
	EXPECT_EQ(1, atomic_load(fault_calls));
	fault("");
	if (waits)
		pthread_join(threads[1], NULL);
	pthread_join(threads[0], NULL);
	EXPECT_EQ(CKR_OK, mine.rv);
	EXPECT_EQ(CKR_OK, other.rv);
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_CloseSession(mine.session));
	EXPECT_EQ(CKR_OK, self->b->C_CloseSession(other.session));
}

static void *init_token(void *arg)
{
	struct act *act = arg;
	unsigned char label[32];

	memset(label, ' ', sizeof(label));
	act->rv = act->p11->C_InitToken(act->slot, PIN(SO_PIN), label);
	return NULL;
}

/* About the slot, but not what would show that it is another token. */
static void *count_mechanisms(void *arg)
{
	struct act *act = arg;
	CK_ULONG count;

	act->rv = act->p11->C_GetMechanismList(act->slot, NULL, &count);
	return NULL;
}

static void *ask_mechanism(void *arg)
{
	struct act *act = arg;
	CK_MECHANISM_INFO info;

	act->rv = act->p11->C_GetMechanismInfo(act->slot, CKM_ECDSA, &info);
	return NULL;
}

/* How often the log names a token, and does the last name differ? */
static int names_logged(bool *differ)
{
	char log[8192] = { 0 }, last[80] = "", *at = log;
	int count = 0, fd = open(world_path("log"), O_RDONLY);

	if (fd < 0 || read(fd, log, sizeof(log) - 1) < 0)
		return -1;
	close(fd);
	while ((at = strstr(at, "token p11_"))) {
		at[strcspn(at, "\n")] = '\0';
		*differ = *last && strcmp(last, at);
		snprintf(last, sizeof(last), "%s", at);
		at += strlen(at) + 1;
		count++;
	}
	return count;
}

/* It has a serial number now, and all processes call it by that. */
TEST_F(between, a_token_gets_another_name_while_one_waits)
{
	struct act init = { .p11 = self->a }, waits = { .p11 = self->b };
	struct act first = { .p11 = self->b };
	int fd, true_stderr = dup(STDERR_FILENO);
	pthread_t threads[3];
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;
	bool differ = false;
	int i;

	fd = open(world_path("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	begin(self->a, self->b, "lease = shared\nwait = 20000\n");
	ASSERT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, slots, &count));
	/* The last one isn't initialized yet. */
	init.slot = slots[count - 1];
	first.slot = init.slot;
	waits.slot = init.slot;
	atomic_store(fault_calls, 0);
	fault("C_GetMechanismInfo=hang");
	/* One after the other, for the same lease. */
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, ask_mechanism, &first));
	wait_inside();
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, init_token, &init));
	usleep(200000);
	ASSERT_EQ(0, pthread_create(&threads[2], NULL, count_mechanisms,
				    &waits));
	usleep(200000);
	fault("");
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(CKR_OK, init.rv);
	count_mechanisms(&waits);
	dup2(true_stderr, STDERR_FILENO);
	EXPECT_EQ(CKR_OK, waits.rv);
	EXPECT_EQ(2, names_logged(&differ));
	EXPECT_TRUE(differ);
}

TEST_HARNESS_MAIN
