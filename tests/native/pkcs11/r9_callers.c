// SPDX-License-Identifier: LGPL-2.1-or-later
/* R9: who is the caller. */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "world.h"
#include <kselftest_harness.h>

FIXTURE(callers) {
	CK_FUNCTION_LIST *a, *b;
};

FIXTURE_SETUP(callers)
{
	ASSERT_TRUE(world_begin());
	self->a = CALLER_A;
	self->b = CALLER_B;
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->b);
}

FIXTURE_TEARDOWN(callers)
{
	world_end();
}

static void *own_list(CK_FUNCTION_LIST *list, unsigned char major,
		      unsigned char minor)
{
	CK_VERSION version = { major, minor };
	CK_INTERFACE *interface = NULL;
	CK_RV (*get)(CK_FUNCTION_LIST *, const CK_UTF8CHAR *,
		     const CK_VERSION *, void *, CK_FLAGS) =
		module_symbol("tokmux_pkcs11_caller_interface");

	if (get(list, NULL, &version, &interface, 0) != CKR_OK)
		return NULL;
	return interface->pFunctionList;
}

TEST_F(callers, the_same_object_has_the_same_list)
{
	CK_FUNCTION_LIST *again = NULL;

	EXPECT_EQ(self->a, CALLER_A);
	EXPECT_EQ(self->b, CALLER_B);
	EXPECT_NE(self->a, self->b);
	EXPECT_EQ(CKR_OK, self->a->C_GetFunctionList(&again));
	EXPECT_EQ(self->a, again);
	EXPECT_EQ(CKR_ARGUMENTS_BAD, self->a->C_GetFunctionList(NULL));
}

TEST_F(callers, just_thirteen_functions_differ)
{
	void **a = (void **)&self->a->C_Initialize;
	void **b = (void **)&self->b->C_Initialize;
	size_t count = (sizeof(CK_FUNCTION_LIST) -
			offsetof(CK_FUNCTION_LIST, C_Initialize)) / sizeof(*a);
	size_t i, differ = 0;

	EXPECT_EQ(2, self->a->version.major);
	EXPECT_EQ(40, self->a->version.minor);
	EXPECT_EQ(68, count);
	for (i = 0; i < count; i++) {
		EXPECT_NE(NULL, a[i]);
		differ += a[i] != b[i];
	}
	EXPECT_EQ(13, differ);
}

TEST_F(callers, by_name_and_by_list_is_one_caller)
{
	CK_C_GetFunctionList get = module_symbol("C_GetFunctionList");
	CK_C_Initialize initialize = module_symbol("C_Initialize");
	CK_C_Finalize finalize = module_symbol("C_Finalize");
	CK_FUNCTION_LIST *mine;

	ASSERT_EQ(CKR_OK, get(&mine));
	EXPECT_NE(self->a, mine);
	EXPECT_EQ(CKR_OK, initialize(NULL));
	EXPECT_EQ(CKR_OK, mine->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, finalize(NULL));
}

TEST_F(callers, every_function_is_found_by_name)
{
	CK_C_GetFunctionList get = module_symbol("C_GetFunctionList");
	CK_C_SignInit sign_init = module_symbol("C_SignInit");
	CK_C_Sign do_sign = module_symbol("C_Sign");
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	unsigned char hash[32] = "a hash", signature[128];
	CK_ULONG length = sizeof(signature);
	CK_SESSION_HANDLE session;
	CK_FUNCTION_LIST *mine;
	CK_OBJECT_HANDLE key;

	ASSERT_EQ(CKR_OK, get(&mine));
	ASSERT_EQ(CKR_OK, mine->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(mine, &session));
	ASSERT_EQ(CKR_OK, login(mine, session));
	ASSERT_EQ(1, find(mine, session, CKO_PRIVATE_KEY, "key", &key));
	/* By name as by list, and both are of one session. */
	EXPECT_EQ(CKR_OK, sign_init(session, &ecdsa, key));
	EXPECT_EQ(CKR_OK, mine->C_Sign(session, hash, sizeof(hash), signature,
				       &length));
	EXPECT_EQ(CKR_OK, mine->C_SignInit(session, &ecdsa, key));
	length = sizeof(signature);
	EXPECT_EQ(CKR_OK, do_sign(session, hash, sizeof(hash), signature,
				  &length));
	EXPECT_EQ(CKR_OK, mine->C_Finalize(NULL));
#define F(version, function, ...)					\
	EXPECT_NE(NULL, module_symbol(#function));
#include <pkcs11/functions/functions.def>
	EXPECT_EQ(NULL, module_symbol("session_get"));
	EXPECT_EQ(NULL, module_symbol("backend_load"));
}

/* What would end or change what the other one has; the rest acts for the owner. */
TEST_F(callers, anothers_session_is_refused)
{
	CK_RV (*close)(CK_SESSION_HANDLE) = module_symbol("C_CloseSession");
	CK_FUNCTION_LIST_3_0 *b = (void *)own_list(self->b, 3, 0);
	CK_SESSION_HANDLE session, own;
	unsigned char random[8];
	CK_SESSION_INFO info;

	ASSERT_NE(NULL, b);
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(self->a, &session));
	ASSERT_EQ(CKR_OK, open_rw(self->b, &own));
	ASSERT_EQ(CKR_OK, login(self->a, session));

	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, b->C_CloseSession(session));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID, b->C_Logout(session));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  b->C_Login(session, CKU_USER, PIN(USER_PIN)));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  b->C_Login(session, CKU_CONTEXT_SPECIFIC, PIN(USER_PIN)));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  b->C_LoginUser(session, CKU_USER, PIN(USER_PIN), PIN("")));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  b->C_SetPIN(session, PIN(USER_PIN), PIN("9999")));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  b->C_SessionCancel(session, CKF_FIND_OBJECTS));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(session));
	ASSERT_EQ(CKR_OK, self->a->C_Login(session, CKU_SO, PIN(SO_PIN)));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  b->C_InitPIN(session, PIN("9999")));
	EXPECT_EQ(CKR_OK, self->a->C_Logout(session));
	EXPECT_EQ(CKR_OK, login(self->a, session));

	EXPECT_EQ(CKR_OK, b->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKS_RW_USER_FUNCTIONS, info.state);
	EXPECT_EQ(CKR_OK, b->C_GenerateRandom(session, random, 8));
	/* By its name, nobody knows. */
	EXPECT_EQ(CKR_OK, close(session));
	EXPECT_EQ(CKR_OK, b->C_CloseSession(own));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_F(callers, as_many_as_there_are_lists)
{
	CK_RV (*new_caller)(CK_FUNCTION_LIST **) =
		module_symbol("tokmux_pkcs11_new_caller");
	CK_RV (*free_caller)(CK_FUNCTION_LIST *) =
		module_symbol("tokmux_pkcs11_free_caller");
	CK_FUNCTION_LIST *lists[300], *last = NULL;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	int i, n;

	ASSERT_NE(NULL, new_caller);
	for (n = 0; n < 300; n++)
		if (new_caller(&lists[n]) != CKR_OK)
			break;
	/* The two plug-ins have theirs. */
	EXPECT_EQ(254, n);
	EXPECT_EQ(CKR_HOST_MEMORY, new_caller(&last));
	EXPECT_EQ(NULL, last);
	EXPECT_EQ(CKR_ARGUMENTS_BAD, new_caller(NULL));

	/* The last one works like any, and what it has ends with it. */
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, lists[n - 1]->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(lists[n - 1], &session));
	EXPECT_EQ(CKR_OK, free_caller(lists[n - 1]));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  self->a->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_OK, new_caller(&last));
	EXPECT_EQ(CKR_OK, free_caller(last));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, free_caller(last));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, free_caller(self->a));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, free_caller(NULL));
	for (i = 0; i < n - 1; i++)
		EXPECT_EQ(CKR_OK, free_caller(lists[i]));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/* ---- callers that are unloaded ------------------------------------------------- */

/* A file of its own, and so an object of its own, that does what caller_a does. */
static char *copy_plugin(int number)
{
	char name[32], block[4096];
	FILE *from, *to;
	size_t n;

	snprintf(name, sizeof(name), "plugin%d.so", number);
	from = fopen(PLUGIN("caller_a"), "r");
	to = fopen(world_path(name), "w");
	if (!from || !to)
		abort();
	while ((n = fread(block, 1, sizeof(block), from)) > 0)
		if (fwrite(block, 1, n, to) != n)
			abort();
	fclose(from);
	fclose(to);
	return strdup(world_path(name));
}

struct plugin {
	void *object;
	void *address;
	CK_FUNCTION_LIST *p11;
	CK_RV rv;
};

static bool load(struct plugin *plugin, const char *path)
{
	CK_FUNCTION_LIST *(*list)(const char *);

	plugin->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!plugin->object)
		return false;
	plugin->address = dlsym(plugin->object, "plugin_list");
	list = (CK_FUNCTION_LIST * (*)(const char *))plugin->address;
	plugin->p11 = list(MODULE);
	return plugin->p11;
}

/* Is it loaded, once its own reference is given back? */
static bool is_loaded(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_NOLOAD);

	if (object)
		dlclose(object);
	return object;
}

/* Initializes, logs in, and is closed by its program without C_Finalize. */
static CK_RV come_and_vanish(const char *path, struct plugin *plugin)
{
	CK_SESSION_HANDLE session;
	CK_RV rv;

	if (!load(plugin, path))
		return CKR_HOST_MEMORY;
	rv = plugin->p11->C_Initialize(NULL);
	if (rv == CKR_OK)
		rv = open_rw(plugin->p11, &session);
	if (rv == CKR_OK)
		rv = login(plugin->p11, session);
	dlclose(plugin->object);
	return rv;
}

/* What is loaded there next has nothing of it. */
static const char *what_it_inherits(struct plugin *plugin)
{
	CK_FUNCTION_LIST *p11 = plugin->p11;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	CK_OBJECT_HANDLE key;

	if (p11->C_Finalize(NULL) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return "C_Initialize";
	if (p11->C_Initialize(NULL) != CKR_OK ||
	    open_rw(p11, &session) != CKR_OK)
		return "nothing, but it doesn't work";
	if (p11->C_GetSessionInfo(session, &info) != CKR_OK ||
	    info.state != CKS_RW_PUBLIC_SESSION)
		return "the login";
	if (find(p11, session, CKO_PRIVATE_KEY, "key", &key))
		return "the private key";
	if (p11->C_Login(session, CKU_USER, PIN("4321")) != CKR_PIN_INCORRECT)
		return "the PIN";
	/* Which makes up for that one, so that the next round isn't slowed. */
	if (login(p11, session) != CKR_OK)
		return "nothing, but the right PIN is refused";
	return p11->C_Finalize(NULL) == CKR_OK ? NULL : "C_Finalize";
}

/* What is unloaded without C_Finalize has nothing any more, whatever is loaded there next. */
TEST_F(callers, an_address_is_no_caller)
{
	struct plugin first, second;
	const char *inherited;
	char *paths[2];
	int i, same = 0;

	paths[0] = copy_plugin(0);
	paths[1] = copy_plugin(1);
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(CKR_OK, come_and_vanish(paths[i % 2], &first));
		ASSERT_FALSE(is_loaded(paths[i % 2]));
		ASSERT_TRUE(load(&second, paths[(i + 1) % 2]));
		same += first.address == second.address;
		inherited = what_it_inherits(&second);
		EXPECT_EQ(NULL, inherited) {
			TH_LOG("round %d: %s", i, inherited);
		}
		dlclose(second.object);
		EXPECT_FALSE(is_loaded(paths[(i + 1) % 2]));
	}
	EXPECT_LT(1, same) {
		TH_LOG("none was loaded where another one had been");
	}
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
}

/* And itself, if another caller has called meanwhile. */
TEST_F(callers, one_that_is_unloaded_comes_as_new)
{
	const char *path = copy_plugin(0), *inherited;
	struct plugin plugin;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(CKR_OK, come_and_vanish(path, &plugin));
		ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
		EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
		ASSERT_TRUE(load(&plugin, path));
		inherited = what_it_inherits(&plugin);
		EXPECT_EQ(NULL, inherited) {
			TH_LOG("round %d: %s", i, inherited);
		}
		dlclose(plugin.object);
	}
}

/* It is in no other caller's way, nor does it keep the backends. */
TEST_F(callers, one_that_is_unloaded_has_left)
{
	CK_FUNCTION_LIST *softhsm = world_softhsm();
	CK_UTF8CHAR label[32];
	struct plugin plugin;
	CK_INFO info;

	memset(label, ' ', sizeof(label));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, come_and_vanish(copy_plugin(0), &plugin));
	EXPECT_EQ(CKR_OK, self->b->C_InitToken(the_slot(self->b), PIN(SO_PIN),
					       label));
	ASSERT_TRUE(load(&plugin, copy_plugin(1)));
	EXPECT_EQ(CKR_OK, plugin.p11->C_Initialize(NULL));
	dlclose(plugin.object);
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, softhsm->C_GetInfo(&info));
}

/* A library's last act: the loader calls it in dlclose(). */
TEST_F(callers, one_that_finalizes_when_it_is_unloaded)
{
	CK_FUNCTION_LIST *softhsm = world_softhsm();
	CK_RV (*begin)(const char *);
	const char *path = copy_plugin(0);
	CK_INFO info;
	void *object;
	int i;

#ifdef __SANITIZE_THREAD__
	SKIP(return, "ThreadSanitizer calls a library's atexit() functions when the process exits");
#endif
	for (i = 0; i < 3; i++) {
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		ASSERT_NE(NULL, object);
		begin = (CK_RV (*)(const char *))dlsym(object, "plugin_begin");
		ASSERT_EQ(CKR_OK, begin(MODULE));
		EXPECT_EQ(CKR_OK, softhsm->C_GetInfo(&info));
		dlclose(object);
		EXPECT_FALSE(is_loaded(path));
		EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED,
			  softhsm->C_GetInfo(&info));
	}
}

/* ---- callers that leave C_Initialize to the program ----------------------------- */

TEST_F(callers, one_that_never_initialized)
{
	CK_FUNCTION_LIST *a = self->a, *b = self->b;
	CK_SESSION_HANDLE session, others;
	CK_SESSION_INFO info;
	CK_OBJECT_HANDLE key;
	CK_SLOT_ID slot;

	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, open_rw(b, &session));
	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(a, &others));
	EXPECT_EQ(CKR_NO_EVENT, b->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot,
						      NULL));
	ASSERT_EQ(CKR_OK, open_rw(b, &session));
	EXPECT_EQ(CKR_OK, login(b, session));
	EXPECT_EQ(1, find(b, session, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, sign(b, session, key));
	/* Of another's nothing. */
	EXPECT_EQ(0, find(a, others, CKO_PRIVATE_KEY, "key", &key));
	EXPECT_EQ(CKR_OK, b->C_CloseAllSessions(the_slot(b)));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  b->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_OK, a->C_GetSessionInfo(others, &info));
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, open_rw(b, &session));
}

/* What it has ends with the last one that has initialized; then it comes again. */
TEST_F(callers, one_that_never_initialized_is_left)
{
	CK_FUNCTION_LIST *a = self->a, *b = self->b, *c = plugin_of(PLUGIN("caller_c"), MODULE);
	CK_FUNCTION_LIST *softhsm = world_softhsm();
	CK_SESSION_HANDLE session, again;
	CK_SESSION_INFO info;
	CK_INFO module;

	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, c->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(b, &session));
	ASSERT_EQ(CKR_OK, login(b, session));
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, b->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_OK, c->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED,
		  b->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, open_rw(b, &session));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, b->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, softhsm->C_GetInfo(&module));

	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  b->C_GetSessionInfo(session, &info));
	ASSERT_EQ(CKR_OK, open_rw(b, &again));
	EXPECT_EQ(CKR_OK, b->C_GetSessionInfo(again, &info));
	EXPECT_EQ(CKS_RW_PUBLIC_SESSION, info.state);
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
}

TEST_F(callers, one_that_initializes_or_finalizes_late)
{
	CK_FUNCTION_LIST *a = self->a, *b = self->b;
	CK_FUNCTION_LIST *softhsm = world_softhsm();
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	CK_INFO module;

	ASSERT_EQ(CKR_OK, a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(b, &session));
	ASSERT_EQ(CKR_OK, b->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, b->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, softhsm->C_GetInfo(&module));

	/* a has finalized, so it is out until it initializes. */
	ASSERT_EQ(CKR_OK, b->C_Initialize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, open_rw(a, &session));
	a = plugin_of(PLUGIN("caller_c"), MODULE);
	ASSERT_EQ(CKR_OK, open_rw(a, &session));
	EXPECT_EQ(CKR_OK, a->C_Finalize(NULL));
	EXPECT_EQ(CKR_SESSION_HANDLE_INVALID,
		  a->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, open_rw(a, &session));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
}

TEST_F(callers, one_that_never_initialized_is_unloaded)
{
	const char *path = copy_plugin(0);
	CK_SESSION_HANDLE session;
	struct plugin plugin;
	CK_UTF8CHAR label[32];
	int i;

	memset(label, ' ', sizeof(label));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
		ASSERT_TRUE(load(&plugin, path));
		ASSERT_EQ(CKR_OK, open_rw(plugin.p11, &session));
		dlclose(plugin.object);
		EXPECT_FALSE(is_loaded(path));
		/* What it had is gone. */
		EXPECT_EQ(CKR_OK, self->a->C_InitToken(the_slot(self->a),
						       PIN(SO_PIN), label));
		EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	}
}

struct visitor {
	CK_FUNCTION_LIST *p11;
	CK_SLOT_ID slot;
	atomic_bool stop;
	atomic_int worked;
	CK_RV wrong;
};

static void *visit(void *arg)
{
	struct visitor *visitor = arg;
	CK_FUNCTION_LIST *p11 = visitor->p11;
	CK_SESSION_HANDLE session;
	CK_RV rv;

	while (!atomic_load(&visitor->stop)) {
		rv = p11->C_OpenSession(visitor->slot, CKF_SERIAL_SESSION, NULL,
					NULL, &session);
		if (rv == CKR_OK)
			rv = login(p11, session);
		if (rv == CKR_OK) {
			atomic_fetch_add(&visitor->worked, 1);
			rv = p11->C_CloseSession(session);
		}
		/* It may be left, and come again, in the middle. */
		if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED &&
		    rv != CKR_SESSION_HANDLE_INVALID &&
		    rv != CKR_USER_ALREADY_LOGGED_IN)
			visitor->wrong = rv;
	}
	return NULL;
}

/* The others come and go, all of them at once from time to time. */
TEST_F_TIMEOUT(callers, one_that_never_initialized_among_others, 120)
{
	struct visitor visitor = { .p11 = self->b };
	CK_FUNCTION_LIST *c = plugin_of(PLUGIN("caller_c"), MODULE);
	CK_SESSION_HANDLE session;
	pthread_t threads[2];
	CK_RV rv = CKR_OK;
	long end_ms;
	int i;

	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	visitor.slot = the_slot(self->a);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, visit,
					    &visitor));
	end_ms = now_ms() + 40000;
	for (i = 0; i < 50 || (now_ms() < end_ms && atomic_load(&visitor.worked) < 50);
	     i++) {
		rv = c->C_Initialize(NULL);
		if (rv == CKR_OK)
			rv = self->a->C_Finalize(NULL);
		if (rv == CKR_OK)
			rv = open_rw(c, &session);
		if (rv == CKR_OK && i % 2)
			rv = c->C_Finalize(NULL);
		if (rv == CKR_OK)
			rv = self->a->C_Initialize(NULL);
		if (rv == CKR_OK && !(i % 2))
			rv = c->C_Finalize(NULL);
		if (rv != CKR_OK)
			break;
	}
	atomic_store(&visitor.stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(CKR_OK, rv);
	EXPECT_EQ(CKR_OK, visitor.wrong);
	EXPECT_LT(0, atomic_load(&visitor.worked));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/* Nothing is written into it: all of its data may be read-only. */
TEST_F(callers, one_whose_data_is_read_only)
{
	CK_FUNCTION_LIST *(*list)(const char *), *p11;
	CK_SESSION_HANDLE session;
	void (*seal)(void);
	void *object;

	object = dlopen(copy_plugin(0), RTLD_NOW | RTLD_LOCAL);
	ASSERT_NE(NULL, object);
	seal = (void (*)(void))dlsym(object, "plugin_seal");
	list = (CK_FUNCTION_LIST * (*)(const char *))dlsym(object,
							   "plugin_list");
	seal();
	p11 = list(MODULE);
	ASSERT_NE(NULL, p11);
	EXPECT_EQ(CKR_OK, p11->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, open_rw(p11, &session));
	EXPECT_EQ(CKR_OK, p11->C_Finalize(NULL));
}

/* Its only C_Finalize comes when the process exits. */
TEST_F(callers, one_that_finalizes_at_exit)
{
	CK_RV (*begin)(const char *);
	const char *path = copy_plugin(0);
	void *object;
	pid_t child;
	int status;

	child = fork();
	if (!child) {
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		begin = (CK_RV (*)(const char *))dlsym(object, "plugin_begin");
		exit(begin(MODULE) != CKR_OK);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* It stays the same one, whatever else comes and goes. */
TEST_F(callers, others_are_unloaded)
{
	char *paths[2];
	struct plugin stays, goes, again;
	CK_SESSION_HANDLE session;
	int i;

	paths[0] = copy_plugin(0);
	paths[1] = copy_plugin(1);
	ASSERT_TRUE(load(&stays, paths[0]));
	ASSERT_EQ(CKR_OK, stays.p11->C_Initialize(NULL));
	for (i = 0; i < 50; i++) {
		ASSERT_TRUE(load(&goes, paths[1]));
		ASSERT_EQ(CKR_OK, goes.p11->C_Initialize(NULL));
		ASSERT_EQ(CKR_OK, goes.p11->C_Finalize(NULL));
		dlclose(goes.object);
		ASSERT_FALSE(is_loaded(paths[1]));
		ASSERT_TRUE(load(&again, paths[0]));
		ASSERT_EQ(stays.p11, again.p11);
		ASSERT_EQ(CKR_OK, open_rw(stays.p11, &session));
		dlclose(again.object);
	}
	EXPECT_EQ(CKR_OK, stays.p11->C_Finalize(NULL));
	dlclose(stays.object);
}

#define MANY	254	/* and the two of the fixture */

static void *work_as_one(void *arg)
{
	struct plugin *plugin = arg;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;

	plugin->rv = plugin->p11->C_Initialize(NULL);
	if (plugin->rv == CKR_OK)
		plugin->rv = open_rw(plugin->p11, &session);
	if (plugin->rv == CKR_OK)
		plugin->rv = plugin->p11->C_GetSessionInfo(session, &info);
	if (plugin->rv == CKR_OK)
		plugin->rv = plugin->p11->C_Finalize(NULL);
	return NULL;
}

/* All at once, each of them working, twice over. */
TEST_F_TIMEOUT(callers, as_many_as_there_may_be, 120)
{
	static struct plugin plugins[MANY + 1];
	pthread_t threads[MANY];
	int i, round, bad = 0;

	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));
	for (i = 0; i <= MANY; i++)
		copy_plugin(i);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < MANY; i++) {
			char name[32];

			snprintf(name, sizeof(name), "plugin%d.so", i);
			ASSERT_TRUE(load(&plugins[i], world_path(name))) {
				TH_LOG("round %d: the %d. has no place", round,
				       i);
			}
		}
		EXPECT_FALSE(load(&plugins[MANY], copy_plugin(MANY)));
		dlclose(plugins[MANY].object);
		for (i = 0; i < MANY; i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL,
						    work_as_one, &plugins[i]));
		for (i = 0; i < MANY; i++) {
			pthread_join(threads[i], NULL);
			bad += plugins[i].rv != CKR_OK;
		}
		EXPECT_EQ(0, bad);
		for (i = 0; i < MANY; i++)
			dlclose(plugins[i].object);
		/* The next ones come to be elsewhere. */
		for (i = 0; i < MANY; i++)
			mmap((void *)((uintptr_t)plugins[i].address & ~4095ul),
			     4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
			     MAP_FIXED_NOREPLACE, -1, 0);
	}
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
}

static void *get_list(void *result)
{
	*(CK_FUNCTION_LIST **)result = CALLER_A;
	return NULL;
}

TEST_F(callers, threads_of_one_object_are_one_caller)
{
	CK_FUNCTION_LIST *lists[8];
	pthread_t threads[8];
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, get_list,
					    &lists[i]));
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(self->a, lists[i]);
	}
}

TEST_HARNESS_MAIN
