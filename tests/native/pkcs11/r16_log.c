// SPDX-License-Identifier: LGPL-2.1-or-later
/* R16: log = calls says who called what, and never a secret. */
#include <fcntl.h>
#include "world.h"
#include <kselftest_harness.h>

#define DATA	"plain text nobody may read"

FIXTURE(log) {
	CK_FUNCTION_LIST *a, *b;
	int saved;
};

FIXTURE_VARIANT(log) {
	const char *level;
};

FIXTURE_VARIANT_ADD(log, calls) {
	.level = "log = calls",
};

FIXTURE_VARIANT_ADD(log, info) {
	.level = "log = info",
};

FIXTURE_SETUP(log)
{
	int file;

	ASSERT_TRUE(world_begin());
	world_configure(variant->level, "");
	self->a = CALLER_A;
	self->b = CALLER_B;
	self->saved = dup(2);
	file = open(world_path("log"), O_RDWR | O_CREAT | O_APPEND, 0600);
	dup2(file, 2);
	close(file);
}

static void end_log(int saved)
{
	dup2(saved, 2);
	close(saved);
}

FIXTURE_TEARDOWN(log)
{
	world_end();
}

static bool logged(const char *format, ...)
{
	char line[512], what[256];
	bool found = false;
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	file = fopen(world_path("log"), "r");
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, what);
	fclose(file);
	return found;
}

static void work(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE *session)
{
	CK_MECHANISM mechanism = { CKM_SHA256, NULL, 0 };
	unsigned char digest[32];
	CK_ULONG length = sizeof(digest);
	CK_OBJECT_HANDLE key;

	MUST(p11->C_Initialize(NULL));
	MUST(open_rw(p11, session));
	p11->C_Login(*session, CKU_USER, PIN("wrong-pin"));
	MUST(login(p11, *session));
	if (find(p11, *session, CKO_PRIVATE_KEY, "key", &key) == 1)
		MUST(sign(p11, *session, key));
	MUST(p11->C_DigestInit(*session, &mechanism));
	MUST(p11->C_Digest(*session, PIN(DATA), digest, &length));
	MUST(p11->C_SetPIN(*session, PIN(USER_PIN), PIN("new-pin")));
	MUST(p11->C_SetPIN(*session, PIN("new-pin"), PIN(USER_PIN)));
}

TEST_F(log, every_call_with_who_and_what_came_of_it)
{
	bool calls = strstr(variant->level, "calls");
	CK_SESSION_HANDLE sa, sb;
	CK_SESSION_INFO info;

	work(self->a, &sa);
	MUST(self->b->C_Initialize(NULL));
	MUST(open_ro(self->b, &sb));
	self->b->C_GetSessionInfo(4711, &info);
	MUST(self->a->C_CloseSession(sa));
	MUST(self->a->C_Finalize(NULL));
	MUST(self->b->C_Finalize(NULL));
	end_log(self->saved);

	/* Which backend it is that hangs or crashes. */
	EXPECT_TRUE(logged("backend softhsm: %s", SOFTHSM));
	/* Who they are is said once, the rest is numbers. */
	EXPECT_TRUE(logged("caller 0 is %s", PLUGIN("caller_a")));
	EXPECT_TRUE(logged("caller 1 is %s", PLUGIN("caller_b")));
	EXPECT_EQ(calls, logged("call: C_Initialize caller 0 session -: 0x0, "));
	EXPECT_EQ(calls, logged("call: C_OpenSession caller 0 session 0x%lx: 0x0, ",
				sa));
	EXPECT_EQ(calls, logged("call: C_OpenSession caller 1 session 0x%lx: 0x0, ",
				sb));
	EXPECT_EQ(calls, logged("call: C_Login caller 0 session 0x%lx: 0x%lx, ",
				sa, CKR_PIN_INCORRECT));
	EXPECT_EQ(calls, logged("call: C_Login caller 0 session 0x%lx: 0x0, ",
				sa));
	EXPECT_EQ(calls, logged("call: C_SignInit caller 0 session 0x%lx: 0x0, ",
				sa));
	EXPECT_EQ(calls, logged("call: C_Sign caller 0 session 0x%lx: 0x0, ",
				sa));
	EXPECT_EQ(calls, logged("call: C_SetPIN caller 0 session 0x%lx: 0x0, ",
				sa));
	EXPECT_EQ(calls, logged("call: C_GetSessionInfo caller - session 0x%lx: 0x%lx, ",
				4711ul, CKR_SESSION_HANDLE_INVALID));
	EXPECT_EQ(calls, logged("call: C_GetSlotList caller - session -: 0x0, "));
	EXPECT_EQ(calls, logged("call: C_CloseSession caller 0 session 0x%lx: 0x0, ",
				sa));
	EXPECT_EQ(calls, logged("call: C_Finalize caller 0 session -: 0x0, "));
	EXPECT_EQ(calls, logged(" us"));

	EXPECT_FALSE(logged("%s", "wrong-pin"));
	EXPECT_FALSE(logged("%s", "new-pin"));
	EXPECT_FALSE(logged("%s", "plain text"));
	/* A number by chance, were it not for a name around it. */
	EXPECT_FALSE(logged(" %s ", USER_PIN));
	EXPECT_FALSE(logged("\"%s\"", USER_PIN));
}

TEST_HARNESS_MAIN
