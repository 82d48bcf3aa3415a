// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R20, R15: the backend is p11-kit's client, and the token another process' (p11-kit server).
 * When that process ends the program lives, and works again without C_Finalize.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "world.h"
#include <kselftest_harness.h>

#define CLIENT	"/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so"
/* Of a call whose other end is gone, on a busy machine. */
#define BOUND_MS	10000

FIXTURE(remote) {
	pid_t server;
	CK_FUNCTION_LIST *a, *b;
	CK_SESSION_HANDLE sa, sb;
};

static bool have_p11_kit(void)
{
	return !access(CLIENT, R_OK) && !system("command -v p11-kit >/dev/null");
}

/* The socket's file is there before anybody listens. */
static bool listens(const char *socket_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	bool does;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	does = !connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return does;
}

/* It may be connected to when this returns. */
static pid_t serve(void)
{
	char address[200], *path = world_path("socket");
	pid_t pid;

	unlink(path);
	snprintf(address, sizeof(address), "unix:path=%s", path);
	setenv("P11_KIT_SERVER_ADDRESS", address, 1);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen("/dev/null", "w", stdout))
			_exit(1);
		execlp("p11-kit", "p11-kit", "server", "--provider", SOFTHSM, "-f",
		       "-n", address, "pkcs11:", NULL);
		_exit(1);
	}
	while (!listens(path) && !waitpid(pid, NULL, WNOHANG))
		usleep(1000);
	return pid;
}

/* The process that serves this program's connection, and the server itself if @whole. */
static void end_server(pid_t server, bool whole)
{
	char command[100];

	snprintf(command, sizeof(command), "pkill -KILL -P %d", server);
	if (system(command))
		fprintf(stderr, "# nobody is served\n");
	if (whole) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
}

FIXTURE_SETUP(remote)
{
	if (!have_p11_kit())
		SKIP(return, "no p11-kit server");
	ASSERT_TRUE(world_begin());
	self->server = serve();
	world_configure_plugin(CLIENT, "lease = shared");
	TWO_CALLERS();
	ASSERT_EQ(CKR_OK, login(self->a, self->sa));
}

FIXTURE_TEARDOWN(remote)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	end_server(self->server, true);
	world_end();
}

static CK_RV random_of(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	unsigned char random[8];

	return p11->C_GenerateRandom(session, random, sizeof(random));
}

static bool says_gone(CK_RV rv)
{
	return rv == CKR_DEVICE_ERROR || rv == CKR_DEVICE_REMOVED;
}

TEST_F(remote, lost_and_found)
{
	CK_SLOT_ID slot = the_slot(self->a);
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;

	end_server(self->server, false);
	EXPECT_TRUE(says_gone(random_of(self->a, self->sa)));
	ASSERT_EQ(CKR_OK, self->a->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
						 NULL, NULL, &session));
	EXPECT_EQ(CKR_OK, random_of(self->a, session));
	/* Nothing of before is left, for nobody. */
	EXPECT_NE(CKR_OK, random_of(self->a, self->sa));
	EXPECT_NE(CKR_OK, random_of(self->b, self->sb));
	EXPECT_EQ(0, find(self->a, session, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, login(self->a, session));
	EXPECT_EQ(1, find(self->a, session, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, open_rw(self->b, &session));
	EXPECT_EQ(CKR_OK, random_of(self->b, session));
}

TEST_F(remote, gone_for_a_while)
{
	CK_SLOT_ID slot = the_slot(self->a);
	CK_SESSION_HANDLE session;
	int64_t begun = now_ms();
	int i;

	end_server(self->server, true);
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(says_gone(self->a->C_OpenSession(slot, CKF_SERIAL_SESSION,
							     NULL, NULL, &session)));
		EXPECT_NE(CKR_OK, random_of(self->b, self->sb));
	}
	EXPECT_GE(begun + BOUND_MS, now_ms());
	self->server = serve();
	ASSERT_EQ(CKR_OK, self->a->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL,
						 &session));
	EXPECT_EQ(CKR_OK, random_of(self->a, session));
	EXPECT_EQ(CKR_OK, login(self->a, session));
}

/* The program's own SIGPIPE still comes, and its mask is what it was. */
TEST_F(remote, the_programs_signals_are_its_own)
{
	struct timespec no_time = { };
	sigset_t mask, set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, raise(SIGPIPE));
	EXPECT_EQ(CKR_OK, random_of(self->a, self->sa));
	EXPECT_EQ(SIGPIPE, sigtimedwait(&set, NULL, &no_time));
	ASSERT_EQ(0, pthread_sigmask(SIG_UNBLOCK, &set, NULL));
	EXPECT_EQ(CKR_OK, random_of(self->a, self->sa));
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, NULL, &mask));
	EXPECT_EQ(0, sigismember(&mask, SIGPIPE));
}

TEST_HARNESS_MAIN
