// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The failures that tokmux is there to end, each of them twice: against a
 * backend as it is, where it must be seen, and through tokmux, where it must
 * not. In one process the callers are plug-ins that know nothing of each other.
 *
 * Without the harness: each scene runs in a process of its own, that may hang
 * or crash with a bare backend, and there are two expectations a scene.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <tokmux.h>
#include "world.h"

#define ANY_FAILURE	ULONG_MAX	/* any error, a crash, a hang */
#define NO_RESULT	(ULONG_MAX - 2)	/* the scene itself didn't work */
#define UNSEEN		(ULONG_MAX - 1)	/* of a scene's own: it can't be seen */

static CK_FUNCTION_LIST *a, *b, *c;

static void begin_two(const char *module)
{
	CK_RV rv;

	a = plugin_of(PLUGIN("caller_a"), module);
	b = plugin_of(PLUGIN("caller_b"), module);
	MUST(a->C_Initialize(NULL));
	/* As all libraries do that expect others beside them. */
	rv = b->C_Initialize(NULL);
	if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		MUST(rv);
}

static void ready(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE *session,
		  CK_OBJECT_HANDLE *key)
{
	CK_RV rv;

	MUST(open_rw(p11, session));
	rv = login(p11, *session);
	if (rv != CKR_USER_ALREADY_LOGGED_IN)
		MUST(rv);
	if (find(p11, *session, CKO_PRIVATE_KEY, "key", key) != 1)
		MUST(CKR_GENERAL_ERROR);
}

/* ---- 1: initialized and finalized by others ---------------------------------------- */

static CK_RV finalize(const char *module)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;

	begin_two(module);
	ready(b, &session, &key);
	MUST(a->C_Finalize(NULL));
	return sign(b, session, key);
}

static atomic_bool stop;

static void *come_and_go(void *arg)
{
	CK_FUNCTION_LIST *p11 = arg;

	while (!atomic_load(&stop)) {
		p11->C_Initialize(NULL);
		p11->C_Finalize(NULL);
	}
	return NULL;
}

static CK_RV race(const char *module)
{
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	pthread_t threads[2];
	long until;
	CK_RV rv;

	begin_two(module);
	c = plugin_of(PLUGIN("caller_c"), module);
	rv = c->C_Initialize(NULL);
	if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		MUST(rv);
	rv = open_rw(c, &session);
	pthread_create(&threads[0], NULL, come_and_go, a);
	pthread_create(&threads[1], NULL, come_and_go, b);
	/* It takes no time without us, unless the machine is busy. */
	until = now_ms() + (strcmp(module, MODULE) ? 30000 : 1000);
	while (rv == CKR_OK && now_ms() < until)
		rv = c->C_GetSessionInfo(session, &info);
	atomic_store(&stop, true);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	return rv;
}

/* ---- 2: sessions closed by others ---------------------------------------------------- */

static CK_RV close_all(const char *module)
{
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;

	begin_two(module);
	MUST(open_rw(b, &session));
	MUST(a->C_CloseAllSessions(the_slot(a)));
	return b->C_GetSessionInfo(session, &info);
}

/* ---- 3: does the last session's end log out? ------------------------------------------ */

/* A's state after its only session was closed and a new one opened. */
static CK_RV state_after_close(const char *module, bool other)
{
	CK_SESSION_HANDLE session, others;
	CK_SESSION_INFO info;

	begin_two(module);
	if (other)
		MUST(open_rw(b, &others));
	MUST(open_rw(a, &session));
	MUST(login(a, session));
	MUST(a->C_CloseSession(session));
	MUST(open_rw(a, &session));
	MUST(a->C_GetSessionInfo(session, &info));
	return info.state;
}

static CK_RV close_alone(const char *module)
{
	return state_after_close(module, false);
}

static CK_RV close_beside_another(const char *module)
{
	return state_after_close(module, true);
}

/* ---- 4: logged in and out by others ---------------------------------------------------- */

/* How many private keys does B see, that has shown no PIN? */
static CK_RV login_of_another(const char *module)
{
	CK_SESSION_HANDLE mine, others;
	CK_OBJECT_HANDLE key;

	begin_two(module);
	MUST(open_rw(a, &others));
	MUST(open_rw(b, &mine));
	MUST(login(a, others));
	return (CK_RV)find(b, mine, CKO_PRIVATE_KEY, "key", &key);
}

static CK_RV logout_of_another(const char *module)
{
	CK_SESSION_HANDLE mine, others;
	CK_OBJECT_HANDLE key;

	begin_two(module);
	ready(a, &others, &key);
	ready(b, &mine, &key);
	MUST(a->C_Logout(others));
	return sign(b, mine, key);
}

/* ---- 5: the security officer and others' read-only sessions ------------------------------ */

static CK_RV so_login(const char *module)
{
	CK_SESSION_HANDLE mine, others;

	begin_two(module);
	MUST(open_ro(b, &others));
	MUST(open_rw(a, &mine));
	return a->C_Login(mine, CKU_SO, PIN(SO_PIN));
}

/* ---- 6: processes ------------------------------------------------------------------------- */

static void one_process(const char *module, CK_SESSION_HANDLE *session,
			CK_OBJECT_HANDLE *key)
{
	a = plugin_of(PLUGIN("caller_a"), module);
	MUST(a->C_Initialize(NULL));
	ready(a, session, key);
}

/*
 * Without us until the two have met, which may take a while on a busy machine;
 * with us they never do.
 */
static CK_RV sign_until_they_meet(const char *module, CK_SESSION_HANDLE session,
				  CK_OBJECT_HANDLE key)
{
	bool bare = strcmp(module, MODULE);
	long until = now_ms() + (bare ? 30000 : 0);
	CK_RV rv = CKR_OK;
	int i;

	for (i = 0; i < 100 || now_ms() < until; i++) {
		rv = sign(a, session, key);
		if (rv != CKR_OK)
			world_write("met", "");
		if (rv != CKR_OK || (bare && !access(world_path("met"), F_OK)))
			break;
	}
	return rv;
}

/*
 * Two of them sign with a card that takes one command at a time. They log in one
 * after the other, since two at once are too much for SoftHSM2 itself.
 */
static CK_RV interleave(const char *module)
{
	CK_SESSION_HANDLE session;
	CK_RV rv = CKR_OK, other;
	CK_OBJECT_HANDLE key;
	int go[2], done[2], i;
	char byte = 0;

	if (pipe(go) || pipe(done))
		return CKR_GENERAL_ERROR;
	setenv("TOKMUX_FAULT_CARD", world_path("card"), 1);
	for (i = 0; i < 2; i++) {
		if (!fork()) {
			one_process(module, &session, &key);
			if (write(done[1], &rv, sizeof(rv)) < 0 ||
			    read(go[0], &byte, 1) != 1)
				_exit(1);
			rv = sign_until_they_meet(module, session, key);
			_exit(write(done[1], &rv, sizeof(rv)) < 0);
		}
		if (read(done[0], &other, sizeof(other)) != sizeof(other))
			return CKR_GENERAL_ERROR;
	}
	if (write(go[1], "go", 2) != 2)
		return CKR_GENERAL_ERROR;
	for (i = 0; i < 2; i++) {
		if (read(done[0], &other, sizeof(other)) != sizeof(other))
			return CKR_GENERAL_ERROR;
		if (rv == CKR_OK)
			rv = other;
	}
	return rv;
}

/*
 * One dies while the card is in the middle of its command. Is the next one told?
 * It is if the log says so, and told to refuse it doesn't touch the card.
 */
static CK_RV death(const char *module)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	char log[4096] = "";
	int fd;
	pid_t pid;

	setenv("TOKMUX_FAULT_CARD", world_path("card"), 1);
	pid = fork();
	if (!pid) {
		setenv("TOKMUX_FAULT", "C_Sign=hang", 1);
		one_process(module, &session, &key);
		sign(a, session, key);
		_exit(1);
	}
	while (access(world_path("card"), F_OK))
		if (waitpid(pid, NULL, WNOHANG))
			return CKR_GENERAL_ERROR;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	fd = open(world_path("log"), O_RDWR | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	a = plugin_of(PLUGIN("caller_a"), module);
	MUST(a->C_Initialize(NULL));
	if (open_rw(a, &session) == CKR_OK && login(a, session) == CKR_OK &&
	    find(a, session, CKO_PRIVATE_KEY, "key", &key) == 1)
		sign(a, session, key);
	if (pread(fd, log, sizeof(log) - 1, 0) <= 0)
		return UNSEEN;
	return strstr(log, "its last holder left it in an unknown state") ?
		       CKR_OK : UNSEEN;
}

/* ---- 7: who uses it? ------------------------------------------------------------------------ */

/* Does any token in /sys say that it has a session and a login? */
static bool in_sysfs(void)
{
	DIR *class = opendir("/sys/class/tokmux");
	struct dirent *entry;
	bool seen = false;

	while (class && (entry = readdir(class))) {
		static const char *const files[] = { "sessions", "users" };
		int i, n = 0, found = 0;

		for (i = 0; i < 2; i++) {
			char path[PATH_MAX];
			FILE *file;

			snprintf(path, sizeof(path), "/sys/class/tokmux/%s/%s",
				 entry->d_name, files[i]);
			file = fopen(path, "r");
			found += file && fscanf(file, "%d", &n) == 1 && n > 0;
			if (file)
				fclose(file);
		}
		seen |= found == 2;
	}
	if (class)
		closedir(class);
	return seen;
}

/*
 * Another process has a session and a login. A bare backend has just one place
 * to say so, and knows of its own process only.
 */
static CK_RV who(const char *module)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	CK_TOKEN_INFO token;
	CK_RV rv = UNSEEN;
	int up[2];
	char byte;
	pid_t pid;

	if (pipe(up))
		return CKR_GENERAL_ERROR;
	pid = fork();
	if (!pid) {
		one_process(module, &session, &key);
		if (write(up[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(up[1]);
	if (read(up[0], &byte, 1) != 1)
		return CKR_GENERAL_ERROR;
	a = plugin_of(PLUGIN("caller_a"), module);
	MUST(a->C_Initialize(NULL));
	MUST(a->C_GetTokenInfo(the_slot(a), &token));
	if (token.ulSessionCount && token.ulSessionCount != CK_UNAVAILABLE_INFORMATION)
		rv = CKR_OK;
	if (strcmp(module, MODULE) == 0 && in_sysfs())
		rv = CKR_OK;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return rv;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct {
	const char *failure;
	CK_RV (*scene)(const char *module);
	CK_RV bare, through_us;
	bool processes;			/* takes the kernel's arbiter */
} failures[] = {
	{ "1: one caller finalizes the module under another", finalize,
	  CKR_CRYPTOKI_NOT_INITIALIZED, CKR_OK, false },
	{ "1: two race through C_Initialize and C_Finalize beside a third",
	  race, ANY_FAILURE, CKR_OK, false },
	{ "2: C_CloseAllSessions closes another's", close_all,
	  CKR_SESSION_HANDLE_INVALID, CKR_OK, false },
	{ "3: the last session's end logs out, if it is alone", close_alone,
	  CKS_RW_PUBLIC_SESSION, CKS_RW_PUBLIC_SESSION, false },
	{ "3: but doesn't beside another's session", close_beside_another,
	  CKS_RW_USER_FUNCTIONS, CKS_RW_PUBLIC_SESSION, false },
	{ "4: a login logs in another, who sees private keys",
	  login_of_another, 1, 0, false },
	{ "4: a logout logs out another", logout_of_another,
	  ANY_FAILURE, CKR_OK, false },
	{ "5: another's read-only session is in the officer's way", so_login,
	  CKR_SESSION_READ_ONLY_EXISTS, CKR_OK, false },
	{ "6: two processes interleave on a card", interleave,
	  CKR_DEVICE_ERROR, CKR_OK, true },
	{ "6: one dies in the middle and the next isn't told", death,
	  UNSEEN, CKR_OK, true },
	{ "7: nobody sees who uses the token", who,
	  UNSEEN, CKR_OK, true },
};

static void crashed(int signal)
{
	_exit(128 + signal);
}

/*
 * In a process of its own, that leaves none behind. A crash is a result, and the
 * kernel needs not speak of it.
 */
static CK_RV play(CK_RV (*scene)(const char *module), const char *module)
{
	CK_RV rv = NO_RESULT;
	int result[2], status;
	pid_t pid;

	if (pipe2(result, O_CLOEXEC))
		return CKR_GENERAL_ERROR;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		alarm(60);
		signal(SIGSEGV, crashed);
		signal(SIGABRT, crashed);
		rv = scene(module);
		_exit(write(result[1], &rv, sizeof(rv)) != sizeof(rv));
	}
	setpgid(pid, pid);
	close(result[1]);
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);
	/* 66: ThreadSanitizer has seen one of the backend's races. */
	if (WIFSIGNALED(status) || WEXITSTATUS(status) > 128 ||
	    (WEXITSTATUS(status) == 66 && strcmp(module, MODULE)))
		rv = ANY_FAILURE;
	else if (read(result[0], &rv, sizeof(rv)) != sizeof(rv))
		rv = NO_RESULT;
	close(result[0]);
	return rv;
}

/* A token of the system's: a user's own is gone with its last process. */
static CK_RV play_card(CK_RV (*scene)(const char *module))
{
	unsigned int token;
	char name[32];
	CK_RV rv;
	int r;

	snprintf(name, sizeof(name), "card-%d", getpid());
	r = tokmux_create_system(name, 0, 0, &token);
	if (r < 0) {
		printf("# no system token: %s\n", tokmux_strerror(r));
		return NO_RESULT;
	}
	world_write("tokmux.conf",
		    "[global]\nlog = errors\narbiter = kernel\n"
		    "[backend card]\nmodule = %s\nlease = call\ntoken = %s\n",
		    PLUGIN("backend_fault"), name);
	rv = play(scene, MODULE);
	tokmux_remove_system(token);
	return rv;
}

static int failed, number;

static void expect(CK_RV got, CK_RV expected, const char *failure,
		   const char *how)
{
	bool good = expected == ANY_FAILURE ?
			    got != CKR_OK && got != NO_RESULT : got == expected;

	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++number, failure, how);
	if (!good)
		printf("# 0x%lx, expected 0x%lx\n", got, expected);
	failed += !good;
}

int main(void)
{
	bool kernel = !strcmp(world_arbiter(), "kernel");
	size_t i;

	setlinebuf(stdout);	/* nothing of it is a child's */
	printf("TAP version 13\n1..%zu\n",
	       2 * sizeof(failures) / sizeof(*failures));
	for (i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		const char *bare = failures[i].processes ?
				   PLUGIN("backend_fault") : SOFTHSM;

		if (!world_begin())
			return 1;
		expect(play(failures[i].scene, bare), failures[i].bare,
		       failures[i].failure, "seen without us");
		world_end();

		if (failures[i].processes && !kernel) {
			printf("ok %d - %s: gone # SKIP takes the kernel module\n",
			       ++number, failures[i].failure);
			continue;
		}
		if (!world_begin())
			return 1;
		expect(failures[i].processes ? play_card(failures[i].scene) :
		       play(failures[i].scene, MODULE),
		       failures[i].through_us, failures[i].failure, "gone");
		world_end();
	}
	return failed > 0;
}
