// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R15: what the kernel refuses, as PKCS#11 says it: a quota that is used up, and
 * a token whose last holder died (on-unclean).
 */
#include <fcntl.h>
#include <signal.h>
#include "world.h"
#include <tokmux.h>
#include <kselftest_harness.h>

FIXTURE(kernel) {
	CK_FUNCTION_LIST *a, *b;
	unsigned int token;
	char name[32];
	int made;
};

FIXTURE_SETUP(kernel)
{
	self->made = -1;
	/* Without it each test says that it is skipped. */
	if (strcmp(world_arbiter(), "kernel"))
		return;
	ASSERT_TRUE(world_begin());
	snprintf(self->name, sizeof(self->name), "r15-%d", getpid());
	self->made = tokmux_create_system(self->name, 0, 2, &self->token);
	ASSERT_EQ(0, self->made);
	self->a = CALLER_A;
	self->b = CALLER_B;
}

FIXTURE_TEARDOWN(kernel)
{
	if (self->made)
		return;
	self->a->C_Finalize(NULL);
	self->b->C_Finalize(NULL);
	tokmux_remove_system(self->token);
	world_end();
}

#define BEGIN(...) do {							\
	char lines_[256];						\
									\
	if (self->made)							\
		SKIP(return, "it takes the kernel module");		\
	snprintf(lines_, sizeof(lines_), "token = %s\n" __VA_ARGS__,	\
		 self->name);						\
	world_configure("log = none", lines_);				\
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));			\
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));			\
} while (0)

TEST_F(kernel, a_quota_is_of_all_callers_together)
{
	CK_SESSION_HANDLE one, two, three;
	long begin;

	BEGIN("session-wait = 300\n");
	ASSERT_EQ(CKR_OK, open_rw(self->a, &one));
	ASSERT_EQ(CKR_OK, open_ro(self->b, &two));
	begin = now_ms();
	EXPECT_EQ(CKR_SESSION_COUNT, open_ro(self->a, &three));
	EXPECT_LE(290, now_ms() - begin);
	EXPECT_EQ(CKR_SESSION_COUNT, open_ro(self->b, &three));
	/* And it is given back. */
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(one));
	EXPECT_EQ(CKR_OK, open_ro(self->b, &three));
	/* A caller that has all of it waits for nobody. */
	begin = now_ms();
	EXPECT_EQ(CKR_SESSION_COUNT, open_ro(self->b, &one));
	EXPECT_GT(290, now_ms() - begin);
}

/* A holder that is killed. */
static bool die_holding(const char *name)
{
	struct tokmux_caller *caller;
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return false;
	pid = fork();
	if (!pid) {
		if (tokmux_open(name, &caller) || tokmux_bind(caller, 0) ||
		    tokmux_acquire(caller, TOKMUX_EXCLUSIVE, 20000, NULL) ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return false;
	close(ready[0]);
	kill(pid, SIGKILL);
	return waitpid(pid, NULL, 0) == pid;
}

static int reset(const char *name)
{
	struct tokmux_caller *caller;
	int r = tokmux_open(name, &caller);

	if (r)
		return r;
	r = tokmux_bind(caller, 0);
	if (!r)
		r = tokmux_acquire(caller, TOKMUX_EXCLUSIVE, 20000, NULL);
	if (!r)
		r = tokmux_mark_clean(caller);
	tokmux_close(caller);
	return r;
}

TEST_F(kernel, an_unclean_token_is_refused_until_it_is_reset)
{
	CK_SESSION_HANDLE session;

	BEGIN("lease = call\non-unclean = refuse\n");
	ASSERT_TRUE(die_holding(self->name));
	EXPECT_EQ(CKR_DEVICE_ERROR, open_rw(self->a, &session));
	EXPECT_EQ(CKR_DEVICE_ERROR, open_rw(self->b, &session));
	/* The lease that was parked then says so again. */
	EXPECT_EQ(CKR_DEVICE_ERROR, open_rw(self->b, &session));
	ASSERT_EQ(0, reset(self->name));
	EXPECT_EQ(CKR_OK, open_rw(self->a, &session));
	/* In the middle of things, too. */
	ASSERT_TRUE(die_holding(self->name));
	EXPECT_EQ(CKR_DEVICE_ERROR, login(self->a, session));
	ASSERT_EQ(0, reset(self->name));
	EXPECT_EQ(CKR_OK, login(self->a, session));
}

TEST_F(kernel, an_unclean_token_is_marked_clean_if_so_configured)
{
	CK_SESSION_HANDLE session;
	int i;

	BEGIN("lease = call\n");
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(die_holding(self->name));
		EXPECT_EQ(CKR_OK, open_rw(self->a, &session));
		EXPECT_EQ(CKR_OK, self->a->C_CloseSession(session));
	}
}

/*
 * A daemon closes what it doesn't know, and opens files of its own instead: they are
 * neither read nor closed. Its child's neither.
 */
TEST_F(kernel, descriptors_that_the_program_closed)
{
	CK_SESSION_HANDLE one, two;
	CK_SESSION_INFO info;
	int fd, null, status;
	pid_t pid;

	BEGIN();
	ASSERT_EQ(CKR_OK, open_rw(self->a, &one));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &two));
	for (fd = 3; fd < 64; fd++)
		close(fd);
	null = open("/dev/null", O_RDWR);
	for (fd = null + 1; fd < 64; fd++)
		ASSERT_EQ(fd, dup(null));
	EXPECT_EQ(CKR_DEVICE_ERROR, self->a->C_GetSessionInfo(one, &info));
	EXPECT_EQ(CKR_OK, self->a->C_CloseSession(one));
	pid = fork();
	if (!pid) {
		for (fd = null; fd < 64; fd++)
			if (fcntl(fd, F_GETFD) < 0)
				_exit(fd);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	for (fd = null; fd < 64; fd++)
		EXPECT_LE(0, fcntl(fd, F_GETFD));
	for (fd = null; fd < 64; fd++)
		close(fd);
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, open_rw(self->a, &one));
}

/* Return: what C_OpenSession says where there is neither /dev nor /sys. */
static CK_RV open_in_chroot(CK_FUNCTION_LIST *a)
{
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slot;
	CK_ULONG count = 1;
	CK_RV rv;

	rv = a->C_Initialize(NULL);
	if (rv == CKR_OK)
		rv = a->C_GetSlotList(CK_TRUE, &slot, &count);
	if (rv == CKR_OK && (mkdir(world_path("empty"), 0700) ||
			     chroot(world_path("empty")) || chdir("/")))
		rv = CKR_GENERAL_ERROR;
	if (rv == CKR_OK)
		rv = a->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL,
				      &session);
	return rv;
}

static CK_RV child_in_chroot(CK_FUNCTION_LIST *a, const char *token)
{
	char lines[64];
	int status;
	pid_t pid;

	snprintf(lines, sizeof(lines), "lease = shared\ntoken = %s", token);
	world_configure_plugin(PLUGIN("backend_mock"), lines);
	pid = fork();
	if (!pid)
		_exit((int)open_in_chroot(a));
	waitpid(pid, &status, 0);
	rmdir(world_path("empty"));
	return WIFEXITED(status) ? (CK_RV)WEXITSTATUS(status) : ~0ul;
}

/*
 * A daemon goes into a chroot after C_Initialize. No user token takes the place of an
 * administrator's there.
 */
TEST_F(kernel, a_chroot_after_initialize)
{
	if (self->made)
		SKIP(return, "it takes the kernel module");
	EXPECT_EQ(CKR_OK, child_in_chroot(self->a, "r15-chroot"));
	EXPECT_EQ(CKR_DEVICE_REMOVED, child_in_chroot(self->a, self->name));
}

TEST_HARNESS_MAIN
