/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the PKCS#11 tests share: a SoftHSM2 token of their own with a key on it,
 * a configuration, and callers that are shared objects of their own.
 *
 * The token is made through SoftHSM2 itself, in a child, so that nothing of it
 * is in the process when the test begins.
 */
#ifndef WORLD_H
#define WORLD_H

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <pkcs11/cryptoki.h>
#include <tokmux-pkcs11.h>

#define MODULE		BUILD "/tokmux-pkcs11.so"
#define SOFTHSM		"/usr/lib/softhsm/libsofthsm2.so"
#define PLUGIN(name)	BUILD "/tests/pkcs11/" name ".so"

#define USER_PIN	"1234"
#define SO_PIN		"87654321"
#define UNUSED		__attribute__((unused))

#define PIN(text)	(unsigned char *)(text), strlen(text)

static char world_dir[64];

/*
 * In a child: this program once more. By its name: /proc/self/exe of a program that
 * valgrind runs is valgrind, and after world.h's unshare() its path is none in a chroot.
 */
UNUSED static void run_again(void)
{
	execl(program_invocation_name, program_invocation_name, NULL);
	_exit(2);
}

/* ---- files ------------------------------------------------------------------ */

UNUSED static char *world_path(const char *name)
{
	static _Thread_local char path[4][160];
	static _Thread_local unsigned int turn;
	char *result = path[turn++ % 4];

	snprintf(result, sizeof(*path), "%s/%s", world_dir, name);
	return result;
}

UNUSED static void world_write(const char *name, const char *format, ...)
{
	FILE *file = fopen(world_path(name), "w");
	va_list args;

	if (!file)
		abort();
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fclose(file);
}

UNUSED static const char *world_arbiter(void)
{
	const char *arbiter = getenv("TOKMUX_TEST_ARBITER");

	return arbiter ? arbiter : "local";
}

/* With more keys for [global] and for the backend. */
UNUSED static void world_configure(const char *global, const char *backend)
{
	world_write("tokmux.conf",
		    "[global]\nlog = errors\narbiter = %s\n%s\n"
		    "[backend softhsm]\nmodule = " SOFTHSM "\n%s\n",
		    world_arbiter(), global, backend);
}

/* SoftHSM2 with a quirk instead. */
UNUSED static void world_configure_plugin(const char *path, const char *backend)
{
	world_write("tokmux.conf",
		    "[global]\nlog = errors\narbiter = %s\n"
		    "[backend plugin]\nmodule = %s\n%s\n",
		    world_arbiter(), path, backend);
}

/* NSS' softoken instead, without a database: its first slot needs no PIN. */
UNUSED static void world_configure_nss(const char *backend)
{
	world_write("tokmux.conf",
		    "[global]\nlog = errors\narbiter = %s\n"
		    "[backend nss]\nmodule = libsoftokn3.so\nlease = shared\n"
		    "init-args = configdir='' flags=noCertDB,noModDB\n%s\n",
		    world_arbiter(), backend);
}

/* ---- the token ---------------------------------------------------------------- */

UNUSED static CK_FUNCTION_LIST *world_softhsm(void)
{
	void *object = dlopen(SOFTHSM, RTLD_NOW);
	CK_C_GetFunctionList get;
	CK_FUNCTION_LIST *list;

	if (!object)
		return NULL;
	get = (CK_C_GetFunctionList)dlsym(object, "C_GetFunctionList");
	return get && get(&list) == CKR_OK ? list : NULL;
}

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;
static unsigned char prime256v1[] = {
	0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07
};

UNUSED static CK_RV make_data(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			      const char *label, bool token, bool private,
			      CK_OBJECT_HANDLE *object)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, token ? &yes : &no, 1 },
		{ CKA_PRIVATE, private ? &yes : &no, 1 },
		{ CKA_LABEL, (void *)label, strlen(label) },
		{ CKA_VALUE, "value", 5 },
	};

	return p11->C_CreateObject(session, template, 5, object);
}

UNUSED static CK_RV make_key_pair(CK_FUNCTION_LIST *p11,
				  CK_SESSION_HANDLE session, bool token,
				  CK_OBJECT_HANDLE *public,
				  CK_OBJECT_HANDLE *private)
{
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE public_template[] = {
		{ CKA_TOKEN, token ? &yes : &no, 1 },
		{ CKA_PRIVATE, &no, 1 },
		{ CKA_VERIFY, &yes, 1 },
		{ CKA_EC_PARAMS, prime256v1, sizeof(prime256v1) },
		{ CKA_LABEL, "key", 3 },
	};
	CK_ATTRIBUTE private_template[] = {
		{ CKA_TOKEN, token ? &yes : &no, 1 },
		{ CKA_PRIVATE, &yes, 1 },
		{ CKA_SIGN, &yes, 1 },
		{ CKA_LABEL, "key", 3 },
	};

	return p11->C_GenerateKeyPair(session, &mechanism, public_template, 5,
				      private_template, 4, public, private);
}

#define MUST(call) do {							\
	CK_RV must_rv = (call);						\
									\
	if (must_rv != CKR_OK) {					\
		fprintf(stderr, "# %s:%d: " #call ": 0x%lx\n", __FILE__, \
			__LINE__, must_rv);				\
		_exit(1);						\
	}								\
} while (0)

static void make_token(void)
{
	CK_FUNCTION_LIST *p11 = world_softhsm();
	unsigned char label[32];
	CK_OBJECT_HANDLE object, other;
	CK_SESSION_HANDLE session;
	CK_ULONG count = 8;
	CK_SLOT_ID slots[8];

	if (!p11)
		_exit(1);
	memset(label, ' ', sizeof(label));
	memcpy(label, "test", 4);
	MUST(p11->C_Initialize(NULL));
	MUST(p11->C_GetSlotList(CK_FALSE, NULL, &count));
	MUST(p11->C_GetSlotList(CK_FALSE, slots, &count));
	MUST(p11->C_InitToken(slots[0], PIN(SO_PIN), label));
	MUST(p11->C_GetSlotList(CK_TRUE, NULL, &count));
	MUST(p11->C_GetSlotList(CK_TRUE, slots, &count));
	MUST(p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION,
				NULL, NULL, &session));
	MUST(p11->C_Login(session, CKU_SO, PIN(SO_PIN)));
	MUST(p11->C_InitPIN(session, PIN(USER_PIN)));
	MUST(p11->C_Logout(session));
	MUST(p11->C_Login(session, CKU_USER, PIN(USER_PIN)));
	MUST(make_key_pair(p11, session, true, &object, &other));
	MUST(make_data(p11, session, "public", true, false, &object));
	MUST(make_data(p11, session, "private", true, true, &object));
	MUST(p11->C_Finalize(NULL));
	_exit(0);
}

static int remove_one(const char *path, const struct stat *info, int type,
		      struct FTW *walk)
{
	return remove(path);
}

UNUSED static void world_end(void)
{
	if (*world_dir)
		nftw(world_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Where a SoftHSM2 has its tokens, in the directory @tokens. */
static void configure_softhsm(const char *name, const char *tokens)
{
	world_write(name, "directories.tokendir = %s/%s\n"
		    "objectstore.backend = file\nlog.level = ERROR\n",
		    world_dir, tokens);
}

/* Makes world_dir what a test expects to find, but for the token. */
static bool furnish(const char *dir)
{
	strcpy(world_dir, dir);
	if (!mkdtemp(world_dir) || mkdir(world_path("tokens"), 0700))
		return false;
	configure_softhsm("softhsm2.conf", "tokens");
	setenv("SOFTHSM2_CONF", world_path("softhsm2.conf"), 1);
	setenv("TOKMUX_CONF", world_path("tokmux.conf"), 1);
	world_configure("", "");
	return true;
}

/*
 * A token takes SoftHSM2 long to make, and each test wants one: it is made once
 * a program and copied.
 */
static char mold[64];
static pid_t mold_maker;

/*
 * Wrong PINs are counted by user, and another test of this user may begin at any time.
 * A user who isn't root can't help that. In a chroot the root is no mount, but /dev may
 * be one.
 */
static void have_own_shm(void)
{
	static const char *const above[] = { "/", "/dev", "/dev/shm" };
	unsigned int i;

	if (unshare(CLONE_NEWNS))
		return;
	for (i = 0; i < sizeof(above) / sizeof(*above); i++)
		if (!mount("", above[i], "", MS_REC | MS_PRIVATE, NULL))
			break;
	if (i < sizeof(above) / sizeof(*above))
		mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
}

__attribute__((constructor)) static void make_mold(void)
{
	int status = -1;
	pid_t pid;

	have_own_shm();
	if (furnish("/tmp/tokmux-p11-mold.XXXXXX")) {
		pid = fork();
		if (!pid)
			make_token();
		waitpid(pid, &status, 0);
	}
	strcpy(mold, world_dir);
	*world_dir = '\0';
	mold_maker = getpid();
	if (status)
		exit(1);
}

__attribute__((destructor)) static void remove_mold(void)
{
	if (*mold && getpid() == mold_maker)
		nftw(mold, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int copy_one(const char *path, const struct stat *info, int type,
		    struct FTW *walk)
{
	char *copy = world_path(path + strlen(mold) + 1);
	char block[4096];
	FILE *from, *to;
	size_t n;
	int r;

	if (type == FTW_D)
		return mkdir(copy, 0700) && errno != EEXIST;
	from = fopen(path, "r");
	to = fopen(copy, "w");
	if (!from || !to)
		return 1;
	while ((n = fread(block, 1, sizeof(block), from)) > 0)
		if (fwrite(block, 1, n, to) != n)
			return 1;
	r = ferror(from) || chmod(copy, info->st_mode & 0777);
	fclose(from);
	return fclose(to) || r;
}

/* What was tried in an earlier test slows down nobody in the next (record.c). */
static void forget_tries(void)
{
	char name[32];

	snprintf(name, sizeof(name), "/tokmux-1-%u", (unsigned int)geteuid());
	shm_unlink(name);
}

UNUSED static bool world_begin(void)
{
	char tokens[sizeof(mold) + 8];

	forget_tries();
	snprintf(tokens, sizeof(tokens), "%s/tokens", mold);
	return furnish("/tmp/tokmux-p11.XXXXXX") &&
	       !nftw(tokens, copy_one, 8, FTW_PHYS);
}

/* For a fixture: callers a and b, with a session each, sa and sb. */
#define TWO_CALLERS() do {						\
	self->a = CALLER_A;						\
	self->b = CALLER_B;						\
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));			\
	ASSERT_EQ(CKR_OK, self->b->C_Initialize(NULL));			\
	ASSERT_EQ(CKR_OK, open_rw(self->a, &self->sa));			\
	ASSERT_EQ(CKR_OK, open_rw(self->b, &self->sb));			\
} while (0)

/* ---- callers --------------------------------------------------------------------- */

/* A plug-in's list of a module's functions. */
UNUSED static CK_FUNCTION_LIST *plugin_of(const char *path, const char *module)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CK_FUNCTION_LIST *(*list)(const char *);

	if (!object)
		return NULL;
	list = (CK_FUNCTION_LIST * (*)(const char *))
		dlsym(object, "plugin_list");
	return list ? list(module) : NULL;
}

#define CALLER_A	plugin_of(PLUGIN("caller_a"), MODULE)
#define CALLER_B	plugin_of(PLUGIN("caller_b"), MODULE)

/* This program as a caller. */
UNUSED static void *module_symbol(const char *name)
{
	static void *object;

	if (!object)
		object = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);
	return object ? dlsym(object, name) : NULL;
}

/* A backend of ours beneath the module, once that is initialized. */
UNUSED static void *backend_symbol(const char *path, const char *name)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_NOLOAD);

	return object ? dlsym(object, name) : NULL;
}

/* ---- what callers do --------------------------------------------------------------- */

UNUSED static CK_SLOT_ID the_slot(CK_FUNCTION_LIST *p11)
{
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;

	if (p11->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK || !count)
		return (CK_SLOT_ID)-1;
	return slots[0];
}

UNUSED static CK_RV open_rw(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE *session)
{
	return p11->C_OpenSession(the_slot(p11),
				  CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
				  NULL, session);
}

UNUSED static CK_RV open_ro(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE *session)
{
	return p11->C_OpenSession(the_slot(p11), CKF_SERIAL_SESSION, NULL, NULL,
				  session);
}

/* How many objects of that label; the first one's handle. */
UNUSED static int find(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
		       CK_OBJECT_CLASS class, const char *label,
		       CK_OBJECT_HANDLE *object)
{
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_LABEL, (void *)label, strlen(label) },
	};
	CK_OBJECT_HANDLE found;
	CK_ULONG count;
	int total = 0;

	if (p11->C_FindObjectsInit(session, template, 2) != CKR_OK)
		return -1;
	for (;;) {
		if (p11->C_FindObjects(session, &found, 1, &count) != CKR_OK)
			return -1;
		if (!count)
			break;
		if (!total++ && object)
			*object = found;
	}
	return p11->C_FindObjectsFinal(session) == CKR_OK ? total : -1;
}

UNUSED static CK_RV sign(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
			 CK_OBJECT_HANDLE key)
{
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	unsigned char digest[32] = "digest", signature[128];
	CK_ULONG length = sizeof(signature);
	CK_RV rv;

	rv = p11->C_SignInit(session, &mechanism, key);
	if (rv != CKR_OK)
		return rv;
	return p11->C_Sign(session, digest, sizeof(digest), signature, &length);
}

UNUSED static CK_RV login(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
	return p11->C_Login(session, CKU_USER, PIN(USER_PIN));
}

/* Does a thread of this process wait for something? @tid: as gettid() says */
UNUSED static bool thread_sleeps(int tid)
{
	char path[64], line[128] = "";
	const char *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	state = strrchr(line, ')');
	return state && state[1] && state[2] == 'S';
}

UNUSED static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif /* WORLD_H */
