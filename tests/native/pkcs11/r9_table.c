// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is the same for each function of PKCS#11: it is there, it is refused without
 * C_Initialize, in a forked child, and without a session, and it logs its own name.
 *
 * Which functions there are is in functions.def.
 */
#include <fcntl.h>
#include "world.h"
#include <pkcs11/functions/arguments.h>
#include <kselftest_harness.h>

/* A row has the arguments that the function's declaration has. */
#define F(version, function, first, more, ...)				\
	_Static_assert(__builtin_types_compatible_p(CK_##function,	\
		       CK_RV (*)(P_##first P_##more)), #function);
#include <pkcs11/functions/functions.def>

/* ---- each function, called with nothing but a handle -------------------------------- */

#define Z0
#define Z1	, 0
#define Z2	Z1, 0
#define Z3	Z2, 0
#define Z4	Z3, 0
#define Z5	Z4, 0
#define Z6	Z5, 0
#define Z7	Z6, 0
#define Z8	Z7, 0
#define Z9	Z8, 0
#define ELEVENTH(a, b, c, d, e, f, g, h, i, j, eleventh, ...)	eleventh
/* A zero for each argument but the first. */
#define ZEROS(...)							\
	ELEVENTH(__VA_ARGS__, Z9, Z8, Z7, Z6, Z5, Z4, Z3, Z2, Z1, Z0)

#define CALL_NOTHING(function, more)
#define CALL_SLOT(function, more)					\
static CK_RV call_##function(const CK_FUNCTION_LIST_3_2 *p11,		\
			     unsigned long handle)			\
{									\
	return p11->function(handle ZEROS(handle A_##more));		\
}
#define CALL_SESSION	CALL_SLOT
#define F(version, function, first, more, ...) CALL_##first(function, more)
#include <pkcs11/functions/functions.def>

static const struct each {
	const char *name;
	bool session;			/* that it is told; else a slot */
	CK_RV (*call)(const CK_FUNCTION_LIST_3_2 *p11, unsigned long handle);
} each[] = {
#define EACH_NOTHING(function)
#define EACH_SLOT(function)	{ #function, false, call_##function },
#define EACH_SESSION(function)	{ #function, true, call_##function },
#define F(version, function, first, ...) EACH_##first(function)
#include <pkcs11/functions/functions.def>
};

#define EACH	(sizeof(each) / sizeof(*each))

/* They have one answer, whatever they are told. */
static bool does_nothing(const struct each *one)
{
	return !strcmp(one->name, "C_GetFunctionStatus") ||
	       !strcmp(one->name, "C_CancelFunction");
}

/*
 * Return: the first function that doesn't answer @rv to @handle, or "".
 * @sessions: of those only that are told a session
 */
static const char *other_answer(const CK_FUNCTION_LIST_3_2 *p11,
				unsigned long handle, bool sessions, CK_RV rv)
{
	size_t i;

	for (i = 0; i < EACH; i++) {
		if (sessions && !each[i].session)
			continue;
		if (each[i].call(p11, handle) !=
		    (does_nothing(&each[i]) ? CKR_FUNCTION_NOT_PARALLEL : rv))
			return each[i].name;
	}
	return "";
}

/* ---- the tests ---------------------------------------------------------------------- */

FIXTURE(table) {
	CK_FUNCTION_LIST_3_2 *p11;
};

FIXTURE_SETUP(table)
{
	CK_VERSION version = { 3, 2 };
	CK_INTERFACE *interface;
	CK_C_GetInterface get;

	ASSERT_TRUE(world_begin());
	get = (CK_C_GetInterface)module_symbol("C_GetInterface");
	ASSERT_EQ(CKR_OK, get(NULL, &version, &interface, 0));
	self->p11 = interface->pFunctionList;
}

FIXTURE_TEARDOWN(table)
{
	world_end();
}

TEST_F(table, no_function_is_missing)
{
	int count = 0;

#define F(version, function, ...)					\
	count++;							\
	EXPECT_NE(NULL, (void *)self->p11->function) {			\
		TH_LOG("%s in the list", #function);			\
	}								\
	EXPECT_NE(NULL, module_symbol(#function)) {			\
		TH_LOG("%s by name", #function);			\
	}
#include <pkcs11/functions/functions.def>
	EXPECT_EQ(104, count);
}

TEST_F(table, each_is_refused_before_c_initialize)
{
	EXPECT_STREQ("", other_answer(self->p11, 1, false,
				      CKR_CRYPTOKI_NOT_INITIALIZED));
}

TEST_F(table, each_is_refused_after_c_finalize)
{
	CK_SESSION_HANDLE session;

	ASSERT_EQ(CKR_OK, self->p11->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw((CK_FUNCTION_LIST *)self->p11, &session));
	ASSERT_EQ(CKR_OK, self->p11->C_Finalize(NULL));
	EXPECT_STREQ("", other_answer(self->p11, session, false,
				      CKR_CRYPTOKI_NOT_INITIALIZED));
}

TEST_F(table, each_is_refused_in_a_forked_child)
{
	CK_SESSION_HANDLE session;
	const char *other;
	int status = -1;
	pid_t pid;

	ASSERT_EQ(CKR_OK, self->p11->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw((CK_FUNCTION_LIST *)self->p11, &session));
	pid = fork();
	if (!pid) {
		alarm(60);
		other = other_answer(self->p11, session, false,
				     CKR_CRYPTOKI_NOT_INITIALIZED);
		if (*other)
			TH_LOG("%s isn't refused", other);
		_exit(*other != '\0');
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
	EXPECT_EQ(CKR_OK, self->p11->C_Finalize(NULL));
}

TEST_F(table, each_refuses_a_session_that_is_closed)
{
	CK_SESSION_HANDLE session;

	ASSERT_EQ(CKR_OK, self->p11->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw((CK_FUNCTION_LIST *)self->p11, &session));
	ASSERT_EQ(CKR_OK, self->p11->C_CloseSession(session));
	EXPECT_STREQ("", other_answer(self->p11, session, true,
				      CKR_SESSION_HANDLE_INVALID));
	EXPECT_STREQ("", other_answer(self->p11, 0, true,
				      CKR_SESSION_HANDLE_INVALID));
	EXPECT_EQ(CKR_OK, self->p11->C_Finalize(NULL));
}

TEST_F(table, each_is_logged_under_its_name)
{
	char line[64], log[256];
	int saved = dup(2), file;
	ssize_t length;
	size_t i;

	world_configure("log = calls", "");
	ASSERT_EQ(CKR_OK, self->p11->C_Initialize(NULL));
	for (i = 0; i < EACH; i++) {
		if (does_nothing(&each[i]))
			continue;
		file = open(world_path("log"), O_RDWR | O_CREAT | O_TRUNC, 0600);
		dup2(file, 2);
		each[i].call(self->p11, ~0ul);
		dup2(saved, 2);
		length = pread(file, log, sizeof(log) - 1, 0);
		close(file);
		log[length > 0 ? length : 0] = '\0';
		snprintf(line, sizeof(line), "call: %s caller ", each[i].name);
		EXPECT_NE(NULL, strstr(log, line)) {
			TH_LOG("%s: %s", each[i].name, log);
		}
	}
	close(saved);
	EXPECT_EQ(CKR_OK, self->p11->C_Finalize(NULL));
}

TEST_HARNESS_MAIN
