// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a call costs where there are N of something, each in turn: for r11_growth,
 * which runs this with callgrind and counts the instructions, and for "make bench",
 * which takes the time.
 *
 * usage: growth MODULE BACKEND [CASE N]…
 *
 * For each CASE and N a line "CASE N nanoseconds", for one call; and under callgrind
 * a dump that is called "CASE N CALLS".
 */
#include <dlfcn.h>
#include <err.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <pkcs11/cryptoki.h>
#include <valgrind/callgrind.h>

#define MUST(call) do {							\
	CK_RV must_rv = (call);						\
									\
	if (must_rv != CKR_OK)						\
		errx(1, "%s:%d: %s: 0x%lx", __FILE__, __LINE__, #call,	\
		     must_rv);						\
} while (0)

#define MANY	100000
#define CALLS	20

typedef CK_FUNCTION_LIST *p11_list;

static CK_RV (*new_caller)(CK_FUNCTION_LIST **);
static CK_RV (*free_caller)(CK_FUNCTION_LIST *);
static CK_SESSION_HANDLE sessions[MANY];
static CK_OBJECT_HANDLE handles[MANY];

/* ---- callers, sessions, objects ------------------------------------------------ */

static p11_list come(void)
{
	p11_list p11;

	MUST(new_caller(&p11));
	MUST(p11->C_Initialize(NULL));
	return p11;
}

static void leave(p11_list p11)
{
	MUST(p11->C_Finalize(NULL));
	MUST(free_caller(p11));
}

static CK_SESSION_HANDLE begin(p11_list p11)
{
	CK_SESSION_HANDLE session;

	MUST(p11->C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
				NULL, &session));
	return session;
}

static void log_in(p11_list p11, CK_SESSION_HANDLE session)
{
	MUST(p11->C_Login(session, CKU_USER, (unsigned char *)"1234", 4));
}

static CK_OBJECT_HANDLE make(p11_list p11, CK_SESSION_HANDLE session,
			     bool token, bool private)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL on_token = token, is_private = private;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &on_token, 1 },
		{ CKA_PRIVATE, &is_private, 1 },
	};
	CK_OBJECT_HANDLE object;

	MUST(p11->C_CreateObject(session, template, 3, &object));
	return object;
}

static CK_ULONG find(p11_list p11, CK_SESSION_HANDLE session)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template = { CKA_CLASS, &class, sizeof(class) };
	static CK_OBJECT_HANDLE list[MANY];
	CK_ULONG count, total = 0;

	MUST(p11->C_FindObjectsInit(session, &template, 1));
	do {
		MUST(p11->C_FindObjects(session, list, MANY, &count));
		total += count;
	} while (count);
	MUST(p11->C_FindObjectsFinal(session));
	return total;
}

/* ---- measuring --------------------------------------------------------------- */

static struct timespec since;

static void start(void)
{
	clock_gettime(CLOCK_MONOTONIC, &since);
	CALLGRIND_ZERO_STATS;
}

static void stop(const char *name, unsigned int n, unsigned int calls)
{
	struct timespec now;
	char text[64];

	snprintf(text, sizeof(text), "%s %u %u", name, n, calls);
	CALLGRIND_DUMP_STATS_AT(text);
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%s %u %.1f\n", name, n,
	       ((double)(now.tv_sec - since.tv_sec) * 1e9 +
		(double)(now.tv_nsec - since.tv_nsec)) / calls);
	fflush(stdout);
}

/* ---- cases: what there are N of ---------------------------------------------------- */

/* For each of a caller's own private session objects: C_Logout. */
static void logout(const char *name, unsigned int n)
{
	p11_list a = come(), b = come();
	CK_SESSION_HANDLE s = begin(a), t = begin(b);
	unsigned int i;

	log_in(a, s);
	log_in(b, t);	/* so that the backend stays logged in */
	for (i = 0; i < n; i++)
		make(a, s, false, true);
	start();
	MUST(a->C_Logout(s));
	stop(name, n, n);
	leave(a);
	leave(b);
}

/* Private objects of the token that are known: C_Login and C_Logout. */
static void relogin(const char *name, unsigned int n)
{
	p11_list a = come();
	CK_SESSION_HANDLE s = begin(a);
	unsigned int i;

	log_in(a, s);
	for (i = 0; i < n; i++)
		make(a, s, true, true);
	start();
	for (i = 0; i < CALLS; i++) {
		MUST(a->C_Logout(s));
		log_in(a, s);
	}
	stop(name, n, CALLS);
	leave(a);
}

/* Sessions of one caller: close the oldest. */
static void oldest(const char *name, unsigned int n)
{
	p11_list a = come();
	unsigned int i;

	for (i = 0; i < n; i++)
		sessions[i] = begin(a);
	start();
	for (i = 0; i < n && i < CALLS; i++)
		MUST(a->C_CloseSession(sessions[i]));
	stop(name, n, i);
	leave(a);
}

/* For each of one caller's sessions: C_CloseAllSessions. */
static void close_all(const char *name, unsigned int n)
{
	p11_list a = come();
	unsigned int i;

	for (i = 0; i < n; i++)
		begin(a);
	start();
	MUST(a->C_CloseAllSessions(0));
	stop(name, n, n);
	leave(a);
}

/* Objects that a caller knows: one more in a session of its own. */
static void beside(const char *name, unsigned int n)
{
	p11_list a = come();
	CK_SESSION_HANDLE s = begin(a), t;
	unsigned int i;

	for (i = 0; i < n; i++)
		make(a, s, false, false);
	start();
	for (i = 0; i < CALLS; i++) {
		t = begin(a);
		make(a, t, false, false);
		MUST(a->C_CloseSession(t));
	}
	stop(name, n, CALLS);
	leave(a);
}

/* For each slot: C_GetSlotList. */
static void slots(const char *name, unsigned int n)
{
	CK_SLOT_ID *list = calloc(n, sizeof(*list));
	CK_ULONG count = n;
	char number[16];
	p11_list a;

	snprintf(number, sizeof(number), "%u", n);
	setenv("TOKMUX_MOCK_SLOTS", number, 1);
	a = come();
	start();
	MUST(a->C_GetSlotList(CK_FALSE, list, &count));
	stop(name, n, n);
	leave(a);
	unsetenv("TOKMUX_MOCK_SLOTS");
	free(list);
}

/* For each slot: C_Initialize and C_Finalize. */
static void initialize(const char *name, unsigned int n)
{
	char number[16];
	p11_list a;

	snprintf(number, sizeof(number), "%u", n);
	setenv("TOKMUX_MOCK_SLOTS", number, 1);
	MUST(new_caller(&a));
	start();
	MUST(a->C_Initialize(NULL));
	MUST(a->C_Finalize(NULL));
	stop(name, n, n);
	MUST(free_caller(a));
	unsetenv("TOKMUX_MOCK_SLOTS");
}

/* Slots: is there an event? */
static void event(const char *name, unsigned int n)
{
	char number[16];
	CK_SLOT_ID id;
	unsigned int i;
	p11_list a;

	snprintf(number, sizeof(number), "%u", n);
	setenv("TOKMUX_MOCK_SLOTS", number, 1);
	a = come();
	a->C_WaitForSlotEvent(CKF_DONT_BLOCK, &id, NULL);
	start();
	for (i = 0; i < CALLS; i++)
		a->C_WaitForSlotEvent(CKF_DONT_BLOCK, &id, NULL);
	stop(name, n, CALLS);
	leave(a);
	unsetenv("TOKMUX_MOCK_SLOTS");
}

/* Another caller's session objects: a search. */
static void others(const char *name, unsigned int n)
{
	p11_list a = come(), b = come();
	CK_SESSION_HANDLE s = begin(a), t = begin(b);
	unsigned int i;

	make(a, s, true, false);
	for (i = 0; i < n; i++)
		make(a, s, false, false);
	find(b, t);
	start();
	for (i = 0; i < CALLS; i++)
		if (find(b, t) != 1)
			errx(1, "%s: what is found is not its own", name);
	stop(name, n, CALLS);
	leave(a);
	leave(b);
}

/* For each object that is found: a search. */
static void found(const char *name, unsigned int n)
{
	p11_list a = come();
	CK_SESSION_HANDLE s = begin(a);
	unsigned int i;

	for (i = 0; i < n; i++)
		make(a, s, true, false);
	start();
	if (find(a, s) != n)
		errx(1, "%s: not all is found", name);
	stop(name, n, n);
	leave(a);
}

/* Objects: one of them is looked at. */
static void look(const char *name, unsigned int n)
{
	p11_list a = come();
	CK_SESSION_HANDLE s = begin(a);
	CK_BBOOL token;
	CK_ATTRIBUTE template = { CKA_TOKEN, &token, 1 };
	unsigned int i;

	for (i = 0; i < n; i++)
		handles[i] = make(a, s, false, false);
	start();
	for (i = 0; i < CALLS; i++)
		MUST(a->C_GetAttributeValue(s, handles[i * 7919 % n], &template,
					    1));
	stop(name, n, CALLS);
	leave(a);
}

/* Callers with a session each: what one of them does. */
static struct {
	p11_list p11[256];
	CK_SESSION_HANDLE session;
} crowd;

static void gather(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		crowd.p11[i] = come();
		crowd.session = begin(crowd.p11[i]);
	}
}

static void disperse(unsigned int n)
{
	while (n)
		leave(crowd.p11[--n]);
}

static void callers_object(const char *name, unsigned int n)
{
	CK_OBJECT_HANDLE object;
	unsigned int i;

	gather(n);
	start();
	for (i = 0; i < CALLS; i++) {
		object = make(crowd.p11[n - 1], crowd.session, false, false);
		MUST(crowd.p11[n - 1]->C_DestroyObject(crowd.session, object));
	}
	stop(name, n, CALLS);
	disperse(n);
}

/* The one that came first is the last in any list. */
static void callers_session(const char *name, unsigned int n)
{
	CK_SESSION_HANDLE session;
	unsigned int i;

	gather(n);
	start();
	for (i = 0; i < CALLS; i++) {
		session = begin(crowd.p11[0]);
		MUST(crowd.p11[0]->C_CloseSession(session));
	}
	stop(name, n, CALLS);
	disperse(n);
}

static void callers_token(const char *name, unsigned int n)
{
	CK_TOKEN_INFO info;
	unsigned int i;

	gather(n);
	MUST(crowd.p11[0]->C_GetTokenInfo(0, &info));
	start();
	for (i = 0; i < CALLS; i++)
		MUST(crowd.p11[0]->C_GetTokenInfo(0, &info));
	stop(name, n, CALLS);
	disperse(n);
}

/* Threads that have made a call and live: another one's calls. */
static struct {
	p11_list p11;
	CK_SESSION_HANDLE session;
	pthread_barrier_t called, over;
} threads;

static void call(void)
{
	CK_SESSION_INFO info;

	MUST(threads.p11->C_GetSessionInfo(threads.session, &info));
}

static void *call_and_wait(void *arg)
{
	call();
	pthread_barrier_wait(&threads.called);
	pthread_barrier_wait(&threads.over);
	return NULL;
}

static void live(const char *name, unsigned int n)
{
	pthread_t *all = calloc(n, sizeof(*all));
	pthread_attr_t attr;
	unsigned int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_barrier_init(&threads.called, NULL, n + 1);
	pthread_barrier_init(&threads.over, NULL, n + 1);
	for (i = 0; i < n; i++)
		if (pthread_create(&all[i], &attr, call_and_wait, NULL))
			errx(1, "no thread number %u", i);
	pthread_barrier_wait(&threads.called);
	call();
	start();
	for (i = 0; i < 100 * CALLS; i++)
		call();
	stop(name, n, 100 * CALLS);
	pthread_barrier_wait(&threads.over);
	for (i = 0; i < n; i++)
		pthread_join(all[i], NULL);
	free(all);
}

static void *late(void *arg)
{
	void **args = arg;

	live(args[0], *(unsigned int *)args[1]);
	return NULL;
}

/* In a thread whose first call comes last. */
static void live_threads(const char *name, unsigned int n)
{
	void *args[] = { (void *)name, &n };
	pthread_t thread;

	threads.p11 = come();
	threads.session = begin(threads.p11);
	if (pthread_create(&thread, NULL, late, args))
		errx(1, "no thread");
	pthread_join(thread, NULL);
	leave(threads.p11);
}

static const struct {
	const char *name;
	void (*run)(const char *name, unsigned int n);
} cases[] = {
	{ "logout", logout },
	{ "relogin", relogin },
	{ "oldest", oldest },
	{ "close-all", close_all },
	{ "beside", beside },
	{ "slots", slots },
	{ "initialize", initialize },
	{ "event", event },
	{ "others", others },
	{ "found", found },
	{ "look", look },
	{ "callers-object", callers_object },
	{ "callers-session", callers_session },
	{ "callers-token", callers_token },
	{ "threads", live_threads },
};

#define CASES	(sizeof(cases) / sizeof(*cases))

static void configure(const char *backend)
{
	char path[] = "/tmp/tokmux-growth.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		err(1, "%s", path);
	dprintf(fd, "[global]\nlog = errors\narbiter = local\n"
		"[backend mock]\nmodule = %s\nlease = shared\n", backend);
	close(fd);
	setenv("TOKMUX_CONF", path, 1);
}

int main(int argc, char **argv)
{
	unsigned long n;
	void *module;
	size_t i;
	int arg;

	if (argc < 3)
		errx(2, "usage: growth MODULE BACKEND [CASE N]...");
	configure(argv[2]);
	module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!module)
		errx(1, "%s", dlerror());
	new_caller = (CK_RV (*)(CK_FUNCTION_LIST **))
		dlsym(module, "tokmux_pkcs11_new_caller");
	free_caller = (CK_RV (*)(CK_FUNCTION_LIST *))
		dlsym(module, "tokmux_pkcs11_free_caller");
	for (arg = 3; arg + 1 < argc; arg += 2) {
		n = strtoul(argv[arg + 1], NULL, 10);
		for (i = 0; i < CASES && strcmp(cases[i].name, argv[arg]); i++)
			;
		if (i == CASES || !n || n > MANY)
			errx(2, "what is %s %s", argv[arg], argv[arg + 1]);
		cases[i].run(cases[i].name, (unsigned int)n);
	}
	unlink(getenv("TOKMUX_CONF"));
	return 0;
}
