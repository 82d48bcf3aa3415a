// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R15: a backend's function that doesn't return (backend_fault.c) keeps nobody
 * but who called it. One function after the other hangs, and others use the same
 * token, another backend, come and leave: all of it returns in time, the log
 * names the call, and when it returns after all, nothing of it is left.
 *
 * Each in a process of its own, all of them at once, as most of it is waiting.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "world.h"

/* Of waits of 300 ms and a second, on a busy machine; valgrind is slower yet. */
#define BOUND_MS	(15000 * slowness())
/* For each of two, within the lane's 120. */
#define DEADLINE_S	(50u * slowness())

static unsigned int slowness(void)
{
	const char *san = getenv("SAN");

	return san && !strcmp(san, "valgrind") ? 8 : 1;
}

static void (*fault)(const char *spec);
static atomic_int *fault_calls;

struct who {
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;	/* with the backend that hangs */
};

/* A calls what hangs, the others do what they do. */
static struct who a, b, c, d;
static CK_SLOT_ID faulty, other;
static CK_OBJECT_HANDLE key;
static const char *this;
static int failures;

static void complain(const char *what, CK_RV rv, long ms)
{
	fprintf(stderr, "# %s: %s: 0x%lx after %ld ms\n", this, what, rv, ms);
	failures++;
}

/* ---- what hangs --------------------------------------------------------------- */

static CK_RV do_login(void)
{
	return login(a.p11, a.session);
}

static CK_RV do_login_on_keys(void)
{
	return a.p11->C_Login(a.session, CKU_USER, NULL, 0);
}

static CK_RV do_logout(void)
{
	return a.p11->C_Logout(a.session);
}

static CK_RV do_set_pin(void)
{
	return a.p11->C_SetPIN(a.session, PIN(USER_PIN), PIN(USER_PIN));
}

static CK_RV do_so(void)
{
	return a.p11->C_Login(a.session, CKU_SO, PIN(SO_PIN));
}

static CK_RV do_init_pin(void)
{
	return a.p11->C_InitPIN(a.session, PIN(USER_PIN));
}

static CK_RV do_init_token(void)
{
	unsigned char label[32];

	memset(label, ' ', sizeof(label));
	return a.p11->C_InitToken(faulty, PIN(SO_PIN), label);
}

static CK_RV do_open(void)
{
	CK_SESSION_HANDLE session;

	return a.p11->C_OpenSession(faulty, CKF_SERIAL_SESSION, NULL, NULL,
				    &session);
}

static CK_RV do_close(void)
{
	return a.p11->C_CloseSession(a.session);
}

static CK_RV do_list(void)
{
	CK_ULONG count;

	return a.p11->C_GetSlotList(CK_TRUE, NULL, &count);
}

static CK_RV do_token_info(void)
{
	CK_TOKEN_INFO info;

	return a.p11->C_GetTokenInfo(faulty, &info);
}

static CK_RV do_wait(void)
{
	CK_SLOT_ID slot;
	CK_RV rv = a.p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL);

	return rv == CKR_NO_EVENT ? CKR_OK : rv;
}

static CK_RV do_sign(void)
{
	return sign(a.p11, a.session, key);
}

static CK_RV do_find(void)
{
	return find(a.p11, a.session, CKO_PRIVATE_KEY, "key", &key) == 1 ?
		       CKR_OK : CKR_GENERAL_ERROR;
}

static CK_RV do_log_in_and_find(void)
{
	CK_RV rv = do_login();

	return rv == CKR_OK ? do_find() : rv;
}

static CK_RV do_initialize(void)
{
	return a.p11->C_Initialize(NULL);
}

static CK_RV do_finalize(void)
{
	return a.p11->C_Finalize(NULL);
}

/* What would lead into the hung function itself. */
enum skip {
	NO_SESSIONS	= 1 << 0,	/* with that backend, by others */
	NO_TOKEN_INFO	= 1 << 1,
	NO_OPEN		= 1 << 2,
	NO_SESSION	= 1 << 3,	/* by the one that hangs, either */
	ALONE		= 1 << 4,	/* before any other is there */
};

static const struct hang {
	const char *function;
	const char *name;
	CK_RV (*before)(void);
	CK_RV (*hangs)(void);
	unsigned int skip;
} hangs[] = {
	{ "C_Login", "C_Login", NULL, do_login, 0 },
	{ "C_Login", "C_Login on a reader's keys", NULL, do_login_on_keys, 0 },
	{ "C_Logout", "C_Logout", do_login, do_logout, 0 },
	{ "C_SetPIN", "C_SetPIN", NULL, do_set_pin, 0 },
	{ "C_InitPIN", "C_InitPIN", do_so, do_init_pin, 0 },
	{ "C_InitToken", "C_InitToken", NULL, do_init_token,
	  NO_SESSIONS | NO_SESSION },
	{ "C_OpenSession", "C_OpenSession", NULL, do_open, NO_OPEN },
	{ "C_CloseSession", "C_CloseSession", NULL, do_close,
	  NO_SESSIONS | NO_OPEN },
	{ "C_GetSlotList", "C_GetSlotList", NULL, do_list, 0 },
	{ "C_GetTokenInfo", "C_GetTokenInfo", NULL, do_token_info,
	  NO_TOKEN_INFO },
	{ "C_WaitForSlotEvent", "C_WaitForSlotEvent", NULL, do_wait, 0 },
	{ "C_Sign", "C_Sign", do_log_in_and_find, do_sign, 0 },
	{ "C_FindObjects", "C_FindObjects", do_login, do_find, 0 },
	{ "C_Initialize", "C_Initialize", NULL, do_initialize, ALONE },
	{ "C_Finalize", "C_Finalize", do_initialize, do_finalize, ALONE },
};

#define HANGS	(sizeof(hangs) / sizeof(*hangs))

static const struct hang *hang;

static void *run_hang(void *result)
{
	*(CK_RV *)result = hang->hangs();
	return NULL;
}

static void begin_to_hang(pthread_t *thread, CK_RV *rv)
{
	char spec[64];

	snprintf(spec, sizeof(spec), "%s=hang", hang->function);
	atomic_store(fault_calls, 0);
	fault(spec);
	if (pthread_create(thread, NULL, run_hang, rv))
		abort();
	while (!atomic_load(fault_calls))
		usleep(1000);
}

/* ---- what others do -------------------------------------------------------------- */

/* @may_fail: with CKR_FUNCTION_FAILED, the wait ran out. */
#define STEP(what, may_fail, call) ({					\
	long since_ = now_ms();						\
	CK_RV rv_ = (call);						\
									\
	since_ = now_ms() - since_;					\
	if ((rv_ != CKR_OK && !((may_fail) && rv_ == CKR_FUNCTION_FAILED)) || \
	    since_ > BOUND_MS)						\
		complain(what, rv_, since_);				\
	rv_;								\
})

/* The other backend: as if nothing were. */
static void *use_other(void *arg)
{
	CK_FUNCTION_LIST *p11 = b.p11;
	unsigned char random[8];
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slots[16];
	CK_TOKEN_INFO info;
	CK_ULONG count = 16;
	CK_RV rv;

	STEP("list", false, p11->C_GetSlotList(CK_TRUE, slots, &count));
	STEP("other's token", false, p11->C_GetTokenInfo(other, &info));
	rv = STEP("other's session", false,
		  p11->C_OpenSession(other, CKF_SERIAL_SESSION, NULL, NULL,
				     &session));
	if (rv != CKR_OK)
		return NULL;
	STEP("other's random", false,
	     p11->C_GenerateRandom(session, random, 8));
	STEP("other's close", false, p11->C_CloseSession(session));
	rv = p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, slots, NULL);
	STEP("events", false, rv == CKR_NO_EVENT ? CKR_OK : rv);
	return NULL;
}

static void *ask_about_token(void *arg)
{
	CK_TOKEN_INFO info;

	if (!(hang->skip & NO_TOKEN_INFO))
		STEP("token", true, b.p11->C_GetTokenInfo(faulty, &info));
	return NULL;
}

static void *open_and_close(void *arg)
{
	CK_SESSION_HANDLE session;
	CK_RV rv;

	if (hang->skip & NO_OPEN)
		return NULL;
	rv = STEP("open", true, b.p11->C_OpenSession(faulty, CKF_SERIAL_SESSION,
						     NULL, NULL, &session));
	if (rv == CKR_OK)
		STEP("close", false, b.p11->C_CloseSession(session));
	return NULL;
}

static void *log_in(void *arg)
{
	CK_RV rv;

	if (!c.session)
		return NULL;
	rv = login(c.p11, c.session);
	/* A security officer is there, or nothing to compare the PIN with. */
	if (rv == CKR_USER_ANOTHER_ALREADY_LOGGED_IN)
		rv = CKR_OK;
	STEP("login", true, rv);
	return NULL;
}

static void *leave_and_come(void *arg)
{
	STEP("finalize", false, d.p11->C_Finalize(NULL));
	STEP("initialize", false, d.p11->C_Initialize(NULL));
	return NULL;
}

static void others_go_on(void)
{
	void *(*const things[])(void *) = {
		use_other, ask_about_token, open_and_close, log_in,
		leave_and_come,
	};
	pthread_t threads[5];
	int i;

	for (i = 0; i < 5; i++)
		if (pthread_create(&threads[i], NULL, things[i], NULL))
			abort();
	for (i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
}

/* ---- the world -------------------------------------------------------------------- */

static CK_SLOT_ID slot_of(const char *backend)
{
	static CK_SLOT_ID slots[16];
	static CK_ULONG count = 16;

	/* In the order of the configuration, each token and a free slot. */
	if (count == 16 &&
	    b.p11->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
		abort();
	return slots[strcmp(backend, "faulty") ? count / 2 : 0];
}

/*
 * One more SoftHSM2, that knows nothing of the first, and has tokens of its own: it
 * looks at another variable for them. Two in one process that share tokens don't
 * see each other's locks, which are the process'.
 */
static void copy_softhsm(void)
{
	static const char name[] = "SOFTHSM2_CONF", mine[] = "SOFTHSM2_CON2";
	char command[512], *library, *at;
	int fd = open(SOFTHSM, O_RDONLY);
	struct stat info;
	FILE *to = fopen(world_path("other.so"), "w");

	if (fd < 0 || fstat(fd, &info) || !to)
		abort();
	library = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE, fd, 0);
	if (library == MAP_FAILED)
		abort();
	at = memmem(library, (size_t)info.st_size, name, sizeof(name));
	if (!at)
		abort();
	memcpy(at, mine, sizeof(mine));
	if (fwrite(library, 1, (size_t)info.st_size, to) != (size_t)info.st_size ||
	    fclose(to))
		abort();
	munmap(library, (size_t)info.st_size);
	close(fd);
	snprintf(command, sizeof(command), "cp -r %s/tokens %s/others", world_dir,
		 world_dir);
	if (system(command))
		abort();
	configure_softhsm("other.conf", "others");
	setenv(mine, world_path("other.conf"), 1);
}

static void prepare(const char *lease)
{
	void *backend;

	if (!world_begin())
		abort();
	copy_softhsm();
	/* Names of this process: to the kernel's arbiter the cases are no others. */
	world_write("tokmux.conf",
		    "[global]\nlog = errors\narbiter = %s\n"
		    "[backend faulty-%d]\nmodule = " PLUGIN("backend_fault") "\n"
		    "token = faulty-%d\nlease = %s\nwait = 300\n"
		    "[backend other-%d]\nmodule = %s\ntoken = other-%d\nwait = 300\n",
		    world_arbiter(), getpid(), getpid(), lease, getpid(),
		    world_path("other.so"), getpid());
	backend = dlopen(PLUGIN("backend_fault"), RTLD_NOW | RTLD_NODELETE);
	if (!backend)
		abort();
	fault = (void (*)(const char *))dlsym(backend, "backend_fault_set");
	fault_calls = dlsym(backend, "backend_fault_calls");
	a.p11 = CALLER_A;
	b.p11 = CALLER_B;
	c.p11 = plugin_of(PLUGIN("caller_c"), MODULE);
	MUST(((CK_RV (*)(CK_FUNCTION_LIST **))module_symbol(
		"tokmux_pkcs11_new_caller"))(&d.p11));
}

static void open_faulty(struct who *who)
{
	MUST(who->p11->C_OpenSession(faulty, CKF_SERIAL_SESSION |
				     CKF_RW_SESSION, NULL, NULL, &who->session));
}

static void all_come(void)
{
	CK_TOKEN_INFO info;

	MUST(a.p11->C_Initialize(NULL));
	MUST(b.p11->C_Initialize(NULL));
	MUST(c.p11->C_Initialize(NULL));
	MUST(d.p11->C_Initialize(NULL));
	faulty = slot_of("faulty");
	other = slot_of("other");
	MUST(b.p11->C_GetTokenInfo(faulty, &info));
	if (!(hang->skip & NO_SESSION))
		open_faulty(&a);
	if (hang->skip & NO_SESSIONS)
		return;
	open_faulty(&c);
	open_faulty(&d);
}

static bool named(int fd)
{
	char log[16384] = { 0 }, words[128];

	snprintf(words, sizeof(words), "backend faulty-%d: %s has not returned for ",
		 getpid(), hang->function);
	if (pread(fd, log, sizeof(log) - 1, 0) < 0)
		return false;
	if (strstr(log, words))
		return true;
	fprintf(stderr, "# %s: the log doesn't name it:\n%s\n", this, log);
	return false;
}

static void works_again(void)
{
	CK_SESSION_HANDLE session;

	STEP("initialize again", false, a.p11->C_Initialize(NULL));
	STEP("open again", false,
	     a.p11->C_OpenSession(faulty, CKF_SERIAL_SESSION, NULL, NULL,
				  &session));
	if (!strcmp(hang->function, "C_InitToken"))
		goto out;	/* there is neither key nor PIN */
	STEP("login again", false, login(a.p11, session));
	if (find(a.p11, session, CKO_PRIVATE_KEY, "key", &key) != 1)
		complain("find again", 0, 0);
	STEP("sign again", false, sign(a.p11, session, key));
out:
	STEP("finalize again", false, a.p11->C_Finalize(NULL));
}

/* Something hangs while others are there. */
static void hang_among_others(void)
{
	CK_RV rv = CKR_OK;
	pthread_t thread;

	all_come();
	if (hang->before)
		MUST(hang->before());
	begin_to_hang(&thread, &rv);
	others_go_on();
	STEP("b leaves", false, b.p11->C_Finalize(NULL));
	STEP("c leaves", false, c.p11->C_Finalize(NULL));
	STEP("d leaves", false, d.p11->C_Finalize(NULL));
	STEP("a leaves", false, a.p11->C_Finalize(NULL));
	/* The module is still up, as a call is in it: others find it working. */
	STEP("b comes again", false, b.p11->C_Initialize(NULL));
	use_other(NULL);
	fault("");
	pthread_join(thread, NULL);
	STEP("b leaves again", false, b.p11->C_Finalize(NULL));
}

static void hang_at_the_door(void)
{
	CK_RV rv = CKR_OK;
	pthread_t thread;
	long since;

	if (hang->before)
		MUST(hang->before());
	begin_to_hang(&thread, &rv);
	since = now_ms();
	if (b.p11->C_Initialize(NULL) != CKR_FUNCTION_FAILED ||
	    now_ms() - since > BOUND_MS)
		complain("initialize", 0, now_ms() - since);
	if (c.p11->C_Finalize(NULL) == CKR_OK)
		complain("finalize", 0, 0);
	fault("");
	pthread_join(thread, NULL);
	if (rv != CKR_OK)
		complain("what hung", rv, 0);
	MUST(b.p11->C_Initialize(NULL));
	faulty = slot_of("faulty");
	other = slot_of("other");
	use_other(NULL);
	MUST(b.p11->C_Finalize(NULL));
	if (a.p11->C_Finalize(NULL) != (hang->before ?
					CKR_CRYPTOKI_NOT_INITIALIZED : CKR_OK))
		complain("a leaves", 0, 0);
}

/* Return: an exit status. */
static int one(const char *lease)
{
	int log, true_stderr = dup(STDERR_FILENO);
	CK_INFO info;

	alarm(DEADLINE_S);
	prepare(lease);
	log = open(world_path("log"), O_RDWR | O_CREAT | O_APPEND, 0600);
	dup2(log, STDERR_FILENO);
	if (hang->skip & ALONE)
		hang_at_the_door();
	else
		hang_among_others();
	if (world_softhsm()->C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED)
		complain("the backend is still initialized", 0, 0);
	failures += !named(log);
	works_again();
	dup2(true_stderr, STDERR_FILENO);
	if (failures) {
		char text[16384] = { 0 };

		if (pread(log, text, sizeof(text) - 1, 0) > 0)
			fputs(text, stderr);
	}
	world_end();
	return failures > 0;
}

int main(void)
{
	static const char *const leases[] = { "shared", "call" };
	const char *only = getenv("TOKMUX_HANG");
	pid_t pids[2][HANGS];
	int status, failed = 0;
	size_t i, j;

	setlinebuf(stdout);
	printf("TAP version 13\n1..%zu\n", 2 * HANGS);
	for (j = 0; j < 2; j++) {
		for (i = 0; i < HANGS; i++) {
			pids[j][i] = -1;
			if (only && strcmp(only, hangs[i].name))
				continue;
			pids[j][i] = fork();
			if (pids[j][i])
				continue;
			hang = &hangs[i];
			this = hang->name;
			exit(one(leases[j]));
		}
		for (i = 0; i < HANGS; i++) {
			status = 0;
			if (pids[j][i] > 0)
				waitpid(pids[j][i], &status, 0);
			printf("%sok %zu - %s hangs, lease = %s%s\n",
			       status ? "not " : "", j * HANGS + i + 1,
			       hangs[i].name, leases[j],
			       pids[j][i] > 0 ? "" : " # SKIP");
			if (status && WIFSIGNALED(status))
				printf("# it died of signal %d\n",
				       WTERMSIG(status));
			failed += status != 0;
		}
	}
	return failed > 0;
}
