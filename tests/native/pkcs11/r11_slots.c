// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Slots that come and go, tokens that are exchanged (R11, R15): no handle of one
 * token leads to another, and events reach everybody.
 */
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(slots) {
	CK_FUNCTION_LIST *a, *b;
	void (*insert)(int token);
	void (*attach)(bool other);
};

FIXTURE_VARIANT(slots) {
	const char *lease;
};

FIXTURE_VARIANT_ADD(slots, shared) {
	.lease = "shared",
};

FIXTURE_VARIANT_ADD(slots, call) {
	.lease = "call",
};

FIXTURE_VARIANT_ADD(slots, operation) {
	.lease = "operation",
};

/* A second one, with an object that the first hasn't. */
static void make_second_token(void)
{
	CK_FUNCTION_LIST *p11 = world_softhsm();
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;
	unsigned char label[32];
	CK_ULONG count = 8;
	CK_SLOT_ID slots[8];

	memset(label, ' ', sizeof(label));
	MUST(p11->C_Initialize(NULL));
	MUST(p11->C_GetSlotList(CK_FALSE, slots, &count));
	MUST(p11->C_InitToken(slots[count - 1], PIN(SO_PIN), label));
	MUST(p11->C_OpenSession(slots[count - 1],
				CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
				&session));
	MUST(make_data(p11, session, "second", true, false, &object));
	MUST(p11->C_Login(session, CKU_SO, PIN(SO_PIN)));
	MUST(p11->C_InitPIN(session, PIN("another-pin")));
	_exit(0);
}

/* Which of SoftHSM2's slots has which isn't said: by what is on them. */
static int first, second;

static void look_where(void)
{
	CK_FUNCTION_LIST *p11 = world_softhsm();
	CK_SESSION_HANDLE session;
	CK_ULONG count = 8;
	CK_SLOT_ID slots[8];

	MUST(p11->C_Initialize(NULL));
	MUST(p11->C_GetSlotList(CK_TRUE, slots, &count));
	MUST(p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION, NULL, NULL,
				&session));
	_exit(find(p11, session, CKO_DATA, "second", NULL));
}

static int in_child(void (*what)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		what();
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

FIXTURE_SETUP(slots)
{
	void *backend;

	ASSERT_TRUE(world_begin());
	ASSERT_EQ(0, in_child(make_second_token));
	first = in_child(look_where);
	ASSERT_LE(0, first);
	ASSERT_GE(1, first);
	second = !first;

	world_write("tokmux.conf",
		    "[global]\narbiter = %s\nlog = none\n[backend slots]\nmodule = %s\nlease = %s\n",
		    world_arbiter(), PLUGIN("backend_slots"), variant->lease);
	backend = dlopen(PLUGIN("backend_slots"), RTLD_NOW);
	ASSERT_NE(NULL, backend);
	self->insert = dlsym(backend, "backend_insert");
	self->attach = dlsym(backend, "backend_attach");
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
}

FIXTURE_TEARDOWN(slots)
{
	/* Nothing that was lost keeps them from leaving. */
	EXPECT_NE(CKR_GENERAL_ERROR, self->a->C_Finalize(NULL));
	EXPECT_NE(CKR_GENERAL_ERROR, self->b->C_Finalize(NULL));
	world_end();
}

static CK_SLOT_ID only_slot(CK_FUNCTION_LIST *p11)
{
	CK_ULONG count = 4;
	CK_SLOT_ID slots[4] = { 99, 99 };

	p11->C_GetSlotList(CK_FALSE, slots, &count);
	return slots[0];
}

static CK_RV open_at(CK_FUNCTION_LIST *p11, CK_SLOT_ID id,
		     CK_SESSION_HANDLE *session)
{
	return p11->C_OpenSession(id, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
				  NULL, session);
}

static CK_RV read_value(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			CK_OBJECT_HANDLE object)
{
	unsigned char value[64];
	CK_ATTRIBUTE attribute = { CKA_LABEL, value, sizeof(value) };

	return p11->C_GetAttributeValue(session, object, &attribute, 1);
}

TEST_F(slots, come_and_go_under_the_same_id)
{
	CK_ULONG count = 4, i;
	CK_SLOT_ID slots[4], other;
	CK_SLOT_INFO info;

	ASSERT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, slots, &count));
	EXPECT_EQ(1, count);
	self->attach(true);
	count = 4;
	ASSERT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, slots, &count));
	ASSERT_EQ(2, count);
	other = slots[1];
	EXPECT_EQ(CKR_OK, self->b->C_GetSlotInfo(other, &info));
	for (i = 0; i < 3; i++) {
		self->attach(false);
		count = 4;
		ASSERT_EQ(CKR_OK, self->b->C_GetSlotList(CK_FALSE, slots,
							 &count));
		ASSERT_EQ(1, count);
		EXPECT_NE(other, slots[0]);
		EXPECT_EQ(CKR_SLOT_ID_INVALID,
			  self->a->C_GetSlotInfo(other, &info));
		self->attach(true);
		count = 4;
		ASSERT_EQ(CKR_OK, self->b->C_GetSlotList(CK_FALSE, slots,
							 &count));
		ASSERT_EQ(2, count);
		EXPECT_EQ(other, slots[1]);
		EXPECT_EQ(CKR_OK, self->a->C_GetSlotInfo(other, &info));
	}
}

TEST_F(slots, an_empty_one_says_so)
{
	CK_SLOT_ID id = only_slot(self->a);
	CK_SESSION_HANDLE session;
	CK_TOKEN_INFO info;

	EXPECT_EQ(CKR_TOKEN_NOT_PRESENT, open_at(self->a, id, &session));
	EXPECT_EQ(CKR_TOKEN_NOT_PRESENT, self->a->C_GetTokenInfo(id, &info));
	self->insert(first);
	EXPECT_EQ(CKR_OK, open_at(self->a, id, &session));
	EXPECT_EQ(CKR_OK, self->a->C_GetTokenInfo(id, &info));
}

/* Nobody asked for events, and the new token is the next thing one uses. */
TEST_F(slots, exchanged_behind_everybodys_back)
{
	CK_SLOT_ID id = only_slot(self->a);
	CK_SESSION_HANDLE sa, sb, fresh;
	CK_OBJECT_HANDLE old, theirs;
	CK_SESSION_INFO info;

	self->insert(first);
	ASSERT_EQ(CKR_OK, open_at(self->a, id, &sa));
	ASSERT_EQ(CKR_OK, open_at(self->b, id, &sb));
	ASSERT_EQ(CKR_OK, login(self->a, sa));
	ASSERT_EQ(1, find(self->a, sa, CKO_DATA, "public", &old));
	ASSERT_EQ(CKR_OK, read_value(self->a, sa, old));

	self->insert(second);
	ASSERT_EQ(CKR_OK, open_at(self->b, id, &fresh));
	ASSERT_EQ(1, find(self->b, fresh, CKO_DATA, "second", &theirs));
	ASSERT_EQ(old, theirs) {
		TH_LOG("the backend gives the same handle for both");
	}
	/* What both had is over, also what they knew and that A logged in. */
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, read_value(self->a, sa, old));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->b->C_GetSessionInfo(sb, &info));
	ASSERT_EQ(CKR_OK, open_at(self->a, id, &fresh));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID, read_value(self->a, fresh, old));
	ASSERT_EQ(CKR_OK, self->a->C_GetSessionInfo(fresh, &info));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, info.state);
	EXPECT_EQ(CKR_PIN_INCORRECT, login(self->a, fresh));
	EXPECT_EQ(CKR_OK, self->a->C_Login(fresh, CKU_USER,
					   PIN("another-pin")));
	/* An old one can be closed, and nothing of the new one goes with it. */
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(sa));
	EXPECT_EQ(CKR_OK, self->b->C_CloseSession(sb));
	ASSERT_EQ(CKR_OK, self->a->C_GetSessionInfo(fresh, &info));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, info.state);
}

/* The one who had it opens a session first, without trying the old one. */
TEST_F(slots, exchanged_under_the_one_who_opens)
{
	CK_SLOT_ID id = only_slot(self->a);
	CK_SESSION_HANDLE sa, fresh;
	CK_OBJECT_HANDLE old, theirs;

	self->insert(first);
	ASSERT_EQ(CKR_OK, open_at(self->a, id, &sa));
	ASSERT_EQ(1, find(self->a, sa, CKO_DATA, "public", &old));
	self->insert(second);
	ASSERT_EQ(CKR_OK, open_at(self->a, id, &fresh));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID, read_value(self->a, fresh, old));
	ASSERT_EQ(1, find(self->a, fresh, CKO_DATA, "second", &theirs));
	EXPECT_EQ(CKR_OK, read_value(self->a, fresh, theirs));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, read_value(self->a, sa, theirs));
	/* All of them, of both tokens. */
	EXPECT_EQ(CKR_OK, self->a->C_CloseAllSessions(id));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, self->a->C_CloseSession(sa));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, self->a->C_CloseSession(fresh));
}

/* The same one again: its sessions are closed as well. */
TEST_F(slots, taken_out_and_put_in_again)
{
	CK_SLOT_ID id = only_slot(self->a);
	CK_SESSION_HANDLE sa, fresh;
	CK_OBJECT_HANDLE old;

	self->insert(first);
	ASSERT_EQ(CKR_OK, open_at(self->a, id, &sa));
	ASSERT_EQ(1, find(self->a, sa, CKO_DATA, "public", &old));
	self->insert(-1);
	self->insert(first);
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, read_value(self->a, sa, old));
	ASSERT_EQ(CKR_OK, open_at(self->b, id, &fresh));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, login(self->a, sa));
	ASSERT_EQ(CKR_OK, open_at(self->a, id, &fresh));
	EXPECT_EQ(CKR_OBJECT_HANDLE_INVALID, read_value(self->a, fresh, old));
	EXPECT_EQ(CKR_OK, login(self->a, fresh));
}

TEST_F(slots, in_the_middle_of_an_operation)
{
	CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };
	CK_SLOT_ID id = only_slot(self->a);
	CK_SESSION_HANDLE sa, sb;
	CK_ULONG length = 32;
	unsigned char digest[32];

	self->insert(first);
	ASSERT_EQ(CKR_OK, open_at(self->a, id, &sa));
	ASSERT_EQ(CKR_OK, self->a->C_DigestInit(sa, &sha256));
	self->insert(second);
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_DigestFinal(sa, digest, &length));
	/* Whatever it kept keeps nobody away. */
	ASSERT_EQ(CKR_OK, open_at(self->b, id, &sb));
	EXPECT_EQ(1, find(self->b, sb, CKO_DATA, "second", NULL));
}

/* ---- events --------------------------------------------------------------------- */

TEST_F(slots, an_event_is_told_to_everybody_once)
{
	CK_SESSION_HANDLE sa;
	CK_SESSION_INFO info;
	CK_SLOT_ID id;

	EXPECT_EQ(CKR_NO_EVENT,
		  self->a->C_WaitForSlotEvent(CKF_DONT_BLOCK, &id, NULL));
	self->insert(first);
	EXPECT_EQ(CKR_OK,
		  self->a->C_WaitForSlotEvent(CKF_DONT_BLOCK, &id, NULL));
	EXPECT_EQ(only_slot(self->a), id);
	EXPECT_EQ(CKR_OK,
		  self->b->C_WaitForSlotEvent(CKF_DONT_BLOCK, &id, NULL));
	EXPECT_EQ(CKR_NO_EVENT,
		  self->a->C_WaitForSlotEvent(CKF_DONT_BLOCK, &id, NULL));
	/* A removal is noticed as it is told. */
	ASSERT_EQ(CKR_OK, open_at(self->a, id, &sa));
	self->insert(-1);
	EXPECT_EQ(CKR_OK,
		  self->b->C_WaitForSlotEvent(CKF_DONT_BLOCK, &id, NULL));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_GetSessionInfo(sa, &info));
}

struct wait {
	CK_FUNCTION_LIST *p11;
	CK_SLOT_ID id;
	CK_RV rv;
	atomic_bool in, out;
	pthread_t thread;
};

static void *wait_for_event(void *arg)
{
	struct wait *wait = arg;

	atomic_store(&wait->in, true);
	wait->rv = wait->p11->C_WaitForSlotEvent(0, &wait->id, NULL);
	atomic_store(&wait->out, true);
	return NULL;
}

static void begin(struct wait *wait, CK_FUNCTION_LIST *p11)
{
	*wait = (struct wait){ .p11 = p11, .id = 99 };
	pthread_create(&wait->thread, NULL, wait_for_event, wait);
	while (!atomic_load(&wait->in))
		sched_yield();
}

TEST_F(slots, waiting_ends_with_an_event)
{
	struct wait one, two;

	begin(&one, self->a);
	begin(&two, self->b);
	EXPECT_FALSE(atomic_load(&one.out));
	self->insert(first);
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	EXPECT_EQ(CKR_OK, one.rv);
	EXPECT_EQ(CKR_OK, two.rv);
	EXPECT_EQ(only_slot(self->a), one.id);
	EXPECT_EQ(only_slot(self->a), two.id);
}

TEST_F(slots, waiting_ends_with_its_caller_only)
{
	struct wait one, two;

	begin(&one, self->a);
	begin(&two, self->b);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	pthread_join(one.thread, NULL);
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, one.rv);
	EXPECT_FALSE(atomic_load(&two.out));
	/* The last one, while it waits. */
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	pthread_join(two.thread, NULL);
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, two.rv);
}

TEST_HARNESS_MAIN
