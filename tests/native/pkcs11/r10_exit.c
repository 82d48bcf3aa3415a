// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R10: C_Finalize when a process ends: in a handler of atexit(), in a destructor, or not
 * at all; when a library is closed; and exec in the middle.
 *
 * Each in a child, which is logged in and says by its status what went wrong.
 */
#include <dirent.h>
#include "world.h"

static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE key;
static bool ended;
static const char *self;

/* ---- at the end ------------------------------------------------------------------ */

/* All of it still works, and then ends. */
static void by_list(void)
{
	if (sign(p11, session, key) != CKR_OK)
		_exit(20);
	if (p11->C_Finalize(NULL) != CKR_OK)
		_exit(21);
	if (p11->C_Finalize(NULL) != CKR_CRYPTOKI_NOT_INITIALIZED)
		_exit(22);
	ended = true;
}

/* What was loaded later has been destroyed by then: it isn't to be called. */
static void by_list_only(void)
{
	if (p11->C_Finalize(NULL) != CKR_OK)
		_exit(23);
	ended = true;
}

static void by_name(void)
{
	CK_C_Finalize finalize = (CK_C_Finalize)module_symbol("C_Finalize");

	if (finalize(NULL) != CKR_OK)
		_exit(24);
	ended = true;
}

/* The first that is registered, so the last that is run. */
static void was_it(void)
{
	if (!ended)
		_exit(25);
}

/* ---- the children ------------------------------------------------------------------ */

static void begin(CK_FUNCTION_LIST *list)
{
	p11 = list;
	MUST(p11->C_Initialize(NULL));
	MUST(open_rw(p11, &session));
	MUST(login(p11, session));
	if (find(p11, session, CKO_PRIVATE_KEY, "key", &key) != 1)
		_exit(10);
}

static CK_FUNCTION_LIST *my_list(void)
{
	CK_C_GetFunctionList get = module_symbol("C_GetFunctionList");
	CK_FUNCTION_LIST *list;

	MUST(get(&list));
	return list;
}

static void registered_before(void)
{
	atexit(was_it);
	atexit(by_list_only);
	begin(my_list());
}

static void registered_after(void)
{
	atexit(was_it);
	begin(my_list());
	atexit(by_list);
}

static void registered_by_name(void)
{
	atexit(was_it);
	begin(my_list());
	atexit(by_name);
}

static void *load_plugin(void (*at_end)(void))
{
	void *object;

	begin(CALLER_A);
	object = dlopen(PLUGIN("caller_a"), RTLD_NOW | RTLD_NOLOAD);
	*(void (**)(void))dlsym(object, "plugin_at_end") = at_end;
	return object;
}

/* It comes after all handlers: nothing else says that it was there. */
static void by_list_and_out(void)
{
	by_list_only();
	_exit(0);
}

static void a_destructor(void)
{
	load_plugin(by_list_and_out);
	exit(26);
}

/* It comes with dlclose(), and the process goes on. */
static void a_destructor_in_dlclose(void)
{
	void *object = load_plugin(by_list);

	if (ended)
		_exit(30);
	dlclose(object);
	dlclose(object);	/* the first one was plugin_of()'s */
	if (!ended)
		_exit(31);
	ended = false;
	a_destructor();
}

/* There is no way back. */
static void too_late(void)
{
	by_list_only();
	if (p11->C_Initialize(NULL) != CKR_FUNCTION_FAILED)
		_exit(27);
}

static void initialized_too_late(void)
{
	atexit(too_late);
	begin(my_list());
}

static void *sign_for_ever(void *arg)
{
	while (sign(p11, session, key) == CKR_OK)
		;
	/* What a server does that can't go on. */
	_exit(33);
}

static void *open_one(void *arg)
{
	CK_SESSION_HANDLE another;

	if (open_rw(p11, &another) != CKR_OK)
		_exit(35);
	return NULL;
}

/* The backend is gone, the process not quite: it reports no error at its last moment. */
static void late_threads(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, open_one, NULL) ||
	    pthread_create(&thread, NULL, sign_for_ever, NULL))
		_exit(34);
	usleep(300000);
}

static void threads_that_sign(void)
{
	pthread_t thread;

	atexit(late_threads);
	begin(CALLER_A);
	if (pthread_create(&thread, NULL, sign_for_ever, NULL))
		_exit(34);
}

static void nothing_at_all(void)
{
	begin(CALLER_A);
}

/* ---- exec ---------------------------------------------------------------------------- */

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

static void exec_in_the_middle(void)
{
	char files[16];

	snprintf(files, sizeof(files), "%d", open_files());
	begin(CALLER_A);
	execl(self, self, "after", world_path("softhsm2.conf"),
	      world_path("tokmux.conf"), files, NULL);
	_exit(40);
}

/* Return: the status of who was executed. */
static int after_exec(char **argv)
{
	setenv("SOFTHSM2_CONF", argv[2], 1);
	setenv("TOKMUX_CONF", argv[3], 1);
	if (open_files() > atoi(argv[4]))
		return 41;
	p11 = CALLER_A;
	if (open_rw(p11, &session) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 42;
	begin(p11);
	if (sign(p11, session, key) != CKR_OK)
		return 43;
	return p11->C_Finalize(NULL) == CKR_OK ? 0 : 44;
}

/* ---- */

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "C_Finalize in a handler that was registered first",
	  registered_before },
	{ "all of it in a handler that was registered last", registered_after },
	{ "C_Finalize by name in a handler", registered_by_name },
	{ "C_Finalize in a destructor at exit", a_destructor },
	{ "C_Finalize in a destructor in dlclose", a_destructor_in_dlclose },
	{ "C_Initialize in a handler that was registered first",
	  initialized_too_late },
	{ "a thread that signs, and two that come late", threads_that_sign },
	{ "no C_Finalize", nothing_at_all },
	{ "exec in the middle", exec_in_the_middle },
};

#define CASES	(sizeof(cases) / sizeof(*cases))

int main(int argc, char **argv)
{
	int status, failed = 0;
	pid_t pid;
	size_t i;

	if (argc > 4)
		return after_exec(argv);
	self = argv[0];
	setlinebuf(stdout);
	printf("TAP version 13\n1..%zu\n", CASES);
	for (i = 0; i < CASES; i++) {
		if (!world_begin())
			return 1;
		pid = fork();
		if (!pid) {
			alarm(60);
			cases[i].run();
			exit(0);
		}
		waitpid(pid, &status, 0);
		printf("%sok %zu - %s\n", status ? "not " : "", i + 1,
		       cases[i].name);
		if (status)
			printf("# status 0x%x\n", status);
		failed += status != 0;
		world_end();
	}
	return failed > 0;
}
