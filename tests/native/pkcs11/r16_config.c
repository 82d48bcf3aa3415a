// SPDX-License-Identifier: LGPL-2.1-or-later
/* R16: the configuration, and what is refused in it. */
#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "world.h"
#include <pkcs11/cryptoki.h>
#include <kselftest_harness.h>

static unsigned char data[] = "hello";

FIXTURE(config) {
	CK_FUNCTION_LIST *a;
	char log[4096];
};

FIXTURE_SETUP(config)
{
	ASSERT_TRUE(world_begin());
	setenv("TOKMUX_LOG", "errors", 1);
	self->a = CALLER_A;
	ASSERT_NE(NULL, self->a);
}

FIXTURE_TEARDOWN(config)
{
	world_end();
}

/* C_Initialize, and what it said on stderr. */
static CK_RV initialize(CK_FUNCTION_LIST *p11, char *log, size_t size)
{
	int saved = dup(2);
	int file = open(world_path("log"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	ssize_t n;
	CK_RV rv;

	dup2(file, 2);
	rv = p11->C_Initialize(NULL);
	dup2(saved, 2);
	close(saved);
	n = pread(file, log, size - 1, 0);
	log[n < 0 ? 0 : n] = '\0';
	close(file);
	return rv;
}

static const struct {
	const char *text;
	const char *where;	/* line, and what is said of it */
} wrong[] = {
	{ "arbiter = local\n", ":1: arbiter stands before any section" },
	{ "[global]\nwords\n", ":2: expected \"key = value\"" },
	{ "[global]\n\n# c\nnothing = 1\n", ":4: [global] has no key" },
	{ "[global]\narbiter = both\n", ":2: arbiter cannot be \"both\"" },
	{ "[global]\narbiter =\n", ":2: arbiter has no value" },
	{ "[global]\ninitialize = maybe\n", ":2: initialize cannot be" },
	{ "[global]\nso-login = never\n", ":2: so-login cannot be" },
	{ "[global]\nlogin = user\n", ":2: login cannot be" },
	{ "[backend x]\nlogin = user\n", ":2: login cannot be" },
	{ "[backend x]\nwrite-login = no\n", ":2: write-login cannot be" },
	{ "[backend x]\nkey-login = some\n", ":2: key-login cannot be" },
	{ "[global]\nlog = loud\n", ":2: log cannot be \"loud\"" },
	{ "[global]\nlease = call\n", ":2: [global] has no key \"lease\"" },
	{ "[backend x]\nlog = info\n", ":2: [backend x] has no key \"log\"" },
	{ "[backend x]\non-unclean = wash\n", ":2: on-unclean cannot be" },
	{ "[backend x]\nlease = ever\n", ":2: lease cannot be \"ever\"" },
	{ "[backend x]\nwait = 99999999999\n", ":2: wait is a number" },
	{ "[backend x]\ntoken = a/b\n", ":2: \"a/b\" is not a token's name" },
	{ "[backend x]\nmodule =\n", ":2: module has no value" },
	{ "[global\n", ":1: a section ends with" },
	{ "[other]\n", ":1: no section is called \"other\"" },
	{ "[backend]\n", ":1: a backend has a name" },
	{ "[backendx]\n", ":1: no section is called" },
	{ "[backend x]\nlease = call\n", ":1: [backend x] names no module" },
	{ "[backend x]\nmodule = " SOFTHSM "\nlease = both\n",
	  ":3: lease cannot be \"both\"" },
	{ "[backend x]\nmodule = " SOFTHSM "\nhold = never\n",
	  ":3: hold is" },
	{ "[backend x]\nmodule = " SOFTHSM "\nwait = soon\n", ":3: wait is" },
	{ "[backend x]\nmodule = " SOFTHSM "\nwait = -1\n", ":3: wait is" },
	{ "[backend x]\nmodule = " SOFTHSM "\ntoken = a b\n", ":3: " },
	{ "[backend x]\nmodule = " SOFTHSM "\ntoken = pkcs11:%ZZ name\n",
	  ":3: \"pkcs11:%ZZ\" is not a token's URI" },
	{ "[backend x]\nmodule = /no/such/module.so\n",
	  ":2: backend x: /no/such/module.so: cannot open" },
	{ "[backend x]\nmodule = " MODULE "\n", ":2: backend x: this is tokmux" },
	{ "[backend x]\nmodule = libc.so.6\n", ":2: backend x: no PKCS#11" },
	{ "[backend x]\nmodule = relative/softhsm.so\n",
	  ":2: module is the relative path \"relative/softhsm.so\"" },
	{ "[backend x]\nmodule = ./softhsm.so\n",
	  ":2: module is the relative path \"./softhsm.so\"" },
	{ "[backend x]\nmodule = elsewhere.so\n",
	  ":2: there is no \"elsewhere.so\" where PKCS#11 modules are kept" },
	{ "[backend y]\nmodule = " SOFTHSM "\n[backend x]\nmodule = /nowhere\n",
	  ":4: backend x: " },
};

TEST_F(config, a_bad_line_is_refused_with_its_place)
{
	CK_FUNCTION_LIST *softhsm = world_softhsm();
	CK_INFO info;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char expected[256];

		world_write("tokmux.conf", "%s", wrong[i].text);
		EXPECT_EQ(CKR_GENERAL_ERROR,
			  initialize(self->a, self->log, sizeof(self->log))) {
			TH_LOG("%s", wrong[i].text);
			self->a->C_Finalize(NULL);
		}
		snprintf(expected, sizeof(expected), "%s%s",
			 world_path("tokmux.conf"), wrong[i].where);
		EXPECT_NE(NULL, strstr(self->log, expected)) {
			TH_LOG("expected %s, got %s", expected, self->log);
		}
		EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED,
			  self->a->C_GetInfo(&info));
		EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED,
			  softhsm->C_GetInfo(&info));
	}
	/* And then a good one is taken. */
	world_configure("", "");
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_STREQ("", self->log);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_F(config, tokens_are_named)
{
	CK_RV (*name_of)(CK_SLOT_ID, char *, CK_ULONG) =
		module_symbol("tokmux_pkcs11_token_name");
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	char name[64] = "x";
	CK_RV rv;

	ASSERT_NE(NULL, name_of);
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, name_of(0, name, sizeof(name)));

	unsetenv("TOKMUX_LOG");
	world_configure("initialize = counted\nso-login = beside\nlog = info",
			"# comment\n  lease=call  \nwait = 0\n"
			"on-unclean = refuse\n"
			"token = pkcs11:token=other wrong-name\n"
			"token = pkcs11:token=test;model=SoftHSM%20v2 the-name\n"
			"token = every-other");
	rv = initialize(self->a, self->log, sizeof(self->log));
	EXPECT_EQ(CKR_OK, rv) {
		TH_LOG("%s", self->log);
	}
	/* Told once a session needs it: look at what comes then. */
	{
		int saved = dup(2);
		int file = open(world_path("log"), O_RDWR | O_CREAT | O_TRUNC,
				0600);

		dup2(file, 2);
		EXPECT_EQ(CKR_OK, open_rw(self->a, &session));
		dup2(saved, 2);
		close(saved);
		self->log[pread(file, self->log, 4000, 0)] = '\0';
		close(file);
	}
	EXPECT_NE(NULL, strstr(self->log, "token the-name\n")) {
		TH_LOG("%s", self->log);
	}
	ASSERT_EQ(CKR_OK, self->a->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, name_of(info.slotID, NULL, 0));
	EXPECT_EQ(CKR_SLOT_ID_INVALID, name_of(~0UL, name, sizeof(name)));
	EXPECT_EQ(CKR_BUFFER_TOO_SMALL, name_of(info.slotID, name,
					       strlen("the-name")));
	EXPECT_STREQ("x", name);
	EXPECT_EQ(CKR_OK, name_of(info.slotID, name, sizeof(name)));
	EXPECT_STREQ("the-name", name);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_F(config, a_file_that_is_named_must_be_there)
{
	setenv("TOKMUX_CONF", "/no/such/file", 1);
	EXPECT_EQ(CKR_GENERAL_ERROR,
		  initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_NE(NULL, strstr(self->log, "/no/such/file: "));
}

TEST_F(config, the_users_own_is_read)
{
	unsetenv("TOKMUX_CONF");
	setenv("XDG_CONFIG_HOME", world_dir, 1);
	ASSERT_EQ(0, mkdir(world_path("tokmux"), 0700));
	world_write("tokmux/tokmux.conf", "[global]\nwhat\n");
	EXPECT_EQ(CKR_GENERAL_ERROR,
		  initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_NE(NULL, strstr(self->log, "/tokmux/tokmux.conf:2: "));
}

/* The user's file alone, where C_Initialize reads it and the machine has none. */
static bool only_the_users(void)
{
	unsetenv("TOKMUX_CONF");
	setenv("XDG_CONFIG_HOME", world_dir, 1);
	return access("/etc/tokmux/tokmux.conf", F_OK) &&
	       !mkdir(world_path("tokmux"), 0700);
}

TEST_F(config, an_optional_file_that_cant_be_read_is_as_good_as_none)
{
	const char *file = strdup(world_path("tokmux/tokmux.conf"));

	if (!only_the_users())
		SKIP(return, "this machine has a configuration");
	/* a folder, a circle, nobody writes to it */
	ASSERT_EQ(0, mkdir(file, 0700));
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	rmdir(file);
	ASSERT_EQ(0, symlink(file, file));
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	unlink(file);
	ASSERT_EQ(0, mkfifo(file, 0600));
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	unlink(file);
	/* not allowed to */
	world_write("tokmux/tokmux.conf", "[global]\nwhat\n");
	ASSERT_EQ(0, chmod(file, 0));
	if (!geteuid())
		ASSERT_EQ(0, chmod(world_dir, 0755) || seteuid(65534));
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	/* A named one has to be there, whatever it is that keeps us from it. */
	setenv("TOKMUX_CONF", file, 1);
	EXPECT_EQ(CKR_GENERAL_ERROR,
		  initialize(self->a, self->log, sizeof(self->log)));
	if (!getuid())
		ASSERT_EQ(0, seteuid(0));
}

TEST_F(config, root_reads_no_other_users)
{
	const char *file = strdup(world_path("tokmux/tokmux.conf"));

	if (geteuid())
		SKIP(return, "not root");
	if (!only_the_users())
		SKIP(return, "this machine has a configuration");
	world_write("tokmux/tokmux.conf", "[global]\nwhat\n");
	ASSERT_EQ(0, chown(file, 1000, 1000));
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	/* Whose the folder is may put any file there that is root's. */
	ASSERT_EQ(0, chown(file, 0, 0) || chown(world_dir, 1000, 1000));
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	ASSERT_EQ(0, chown(world_dir, 0, 0));
	EXPECT_EQ(CKR_GENERAL_ERROR,
		  initialize(self->a, self->log, sizeof(self->log)));
}

/* ---- where it is said ------------------------------------------------------- */

/* Return: a socket where the system's log would listen, or -1. */
static int be_the_systems_log(void)
{
	struct sockaddr_un address = {
		.sun_family = AF_UNIX,
		.sun_path = "/dev/log",
	};
	int fd;

	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
	    mount("none", "/dev", "tmpfs", 0, ""))
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	return fd;
}

TEST_F(config, standard_error_is_not_ours)
{
	int fd = be_the_systems_log();
	char line[1024] = "";

	unsetenv("TOKMUX_LOG");
	world_write("tokmux.conf", "what\n");
	EXPECT_EQ(CKR_GENERAL_ERROR,
		  initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_STREQ("", self->log);
	if (fd < 0)
		SKIP(return, "no place for a log of our own");
	EXPECT_LT(0, recv(fd, line, sizeof(line) - 1, 0));
	EXPECT_TRUE(line == strstr(line, "<11>r16_config: tokmux-pkcs11: "));
	EXPECT_NE(NULL, strstr(line, "/tokmux.conf:1: ")) {
		TH_LOG("%s", line);
	}
	/* As soon as a file asks for it. */
	world_write("tokmux.conf", "[global]\nlog = errors\nwhat\n");
	EXPECT_EQ(CKR_GENERAL_ERROR,
		  initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_NE(NULL, strstr(self->log, "/tokmux.conf:3: "));
	EXPECT_GT(0, recv(fd, line, sizeof(line) - 1, 0));
	/* And no longer than that. */
	world_write("tokmux.conf", "what\n");
	EXPECT_EQ(CKR_GENERAL_ERROR,
		  initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_STREQ("", self->log);
}

TEST_F(config, unless_it_is_a_terminal)
{
	char text[1024] = "";
	ssize_t n, at = 0;
	int terminal;
	pid_t pid;

	unsetenv("TOKMUX_LOG");
	world_write("tokmux.conf", "what\n");
	pid = forkpty(&terminal, NULL, NULL, NULL);
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(self->a->C_Initialize(NULL) != CKR_GENERAL_ERROR);
	while ((n = read(terminal, text + at, sizeof(text) - 1 - at)) > 0)
		at += n;
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_NE(NULL, strstr(text, "/tokmux.conf:1: ")) {
		TH_LOG("%s", text);
	}
}

/* ---- without any ------------------------------------------------------------ */

TEST_F(config, without_a_file_softhsm_is_found)
{
	CK_RV (*name_of)(CK_SLOT_ID, char *, CK_ULONG) =
		module_symbol("tokmux_pkcs11_token_name");
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	char name[64] = "";

	if (!access("/etc/tokmux/tokmux.conf", F_OK))
		SKIP(return, "this machine has a configuration");
	unsetenv("TOKMUX_CONF");
	setenv("XDG_CONFIG_HOME", world_dir, 1);
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, open_rw(self->a, &session));
	/* A name that is made up is no URI. */
	ASSERT_EQ(CKR_OK, self->a->C_GetSessionInfo(session, &info));
	EXPECT_EQ(CKR_OK, name_of(info.slotID, name, sizeof(name)));
	EXPECT_EQ(0, strncmp(name, "p11_SoftHSM_v2:", 15)) {
		TH_LOG("%s", name);
	}
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/*
 * A copy of this program that is set-uid, and run by another user: what is loaded
 * runs with more rights than its user has, and may heed the user's environment.
 */
#define SETUID_PROBE	"R16_CONFIG_SETUID_PROBE"

static __attribute__((constructor)) void be_the_probe(void)
{
	CK_FUNCTION_LIST *p11;
	CK_ULONG count = 0;
	CK_RV (*get)(CK_FUNCTION_LIST **);
	void *module;

	if (!getenv(SETUID_PROBE))
		return;
	module = dlopen(MODULE, RTLD_NOW);
	*(void **)&get = module ? dlsym(module, "C_GetFunctionList") : NULL;
	if (!getauxval(AT_SECURE) || !get || get(&p11) ||
	    p11->C_Initialize(NULL) ||
	    p11->C_GetSlotList(CK_FALSE, NULL, &count))
		_exit(100);
	_exit(count < 100 ? count : 99);
}

static int run_setuid(const char *program)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (setresgid(65534, 65534, 65534) ||
		    setresuid(65534, 65534, 65534))
			_exit(101);
		setenv(SETUID_PROBE, "1", 1);
		execl(program, program, NULL);
		_exit(102);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

TEST_F(config, a_setuid_program_loads_what_the_system_names)
{
	char command[1024], program[256];
	int slots;

	if (geteuid() || getenv("SAN") ||
	    !access("/etc/tokmux/tokmux.conf", F_OK))
		SKIP(return, "needs root, and no configuration");
	unsetenv("TOKMUX_CONF");
	snprintf(program, sizeof(program), "%s", world_path("setuid"));
	snprintf(command, sizeof(command),
		 "chmod 755 %s && cp /proc/%d/exe %s && chmod 4755 %s",
		 world_dir, getpid(), program, program);
	ASSERT_EQ(0, system(command));
	slots = run_setuid(program);
	if (slots == 100 || slots == 102)
		SKIP(return, "set-uid has no effect here");
	EXPECT_EQ(0, slots);
}

TEST_F(config, two_backends_have_slots_of_their_own)
{
	CK_SLOT_ID slots[16], again[16];
	CK_ULONG count, n;
	CK_INFO info;

	world_write("tokmux.conf",
		    "[global]\narbiter = %s\n[backend one]\nmodule = " SOFTHSM
		    "\n[backend two]\nmodule = opensc-pkcs11.so\n",
		    world_arbiter());
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, self->a->C_GetInfo(&info));
	EXPECT_EQ(0, memcmp(info.manufacturerID, "tokmux   ", 9));
	EXPECT_EQ(CKR_ARGUMENTS_BAD,
		  self->a->C_GetSlotList(CK_FALSE, NULL, NULL));
	ASSERT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, NULL, &count));
	EXPECT_LE(2, count);
	n = 1;
	EXPECT_EQ(CKR_BUFFER_TOO_SMALL,
		  self->a->C_GetSlotList(CK_FALSE, slots, &n));
	EXPECT_EQ(count, n);
	n = 16;
	EXPECT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, slots, &n));
	EXPECT_EQ(count, n);
	EXPECT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, again, &n));
	EXPECT_EQ(0, memcmp(slots, again, n * sizeof(*slots)));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/* Return: the id of the slot of token "test", -1 if there is none. */
static CK_SLOT_ID slot_of_test(CK_FUNCTION_LIST *p11)
{
	CK_SLOT_ID slots[16], found = (CK_SLOT_ID)-1;
	CK_TOKEN_INFO info;
	CK_ULONG count = 16, i;

	if (p11->C_Initialize(NULL) != CKR_OK)
		return found;
	if (p11->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
		count = 0;
	for (i = 0; i < count; i++)
		if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
		    !memcmp(info.label, "test  ", 6))
			found = slots[i];
	p11->C_Finalize(NULL);
	return found;
}

#define TWO_BACKENDS	"[global]\nlog = errors\narbiter = %s\n"	\
			"[backend %s]\nmodule = %s\n"			\
			"[backend %s]\nmodule = %s\n"

/* A configuration may name it: the token has it whatever else there is. */
TEST_F(config, a_slot_keeps_its_id)
{
	CK_SLOT_ID slots[4];
	CK_ULONG count = 4;
	CK_SLOT_ID id, derived;

	id = slot_of_test(self->a);
	ASSERT_NE((CK_SLOT_ID)-1, id);
	EXPECT_EQ(id, slot_of_test(world_softhsm()));

	/* SoftHSM2's are as good as unique, whatever comes before. */
	world_write("tokmux.conf", TWO_BACKENDS, world_arbiter(), "readers",
		    PLUGIN("backend_slots"), "softhsm", SOFTHSM);
	EXPECT_EQ(id, slot_of_test(self->a));
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, slots, &count));
	EXPECT_EQ(7, slots[0]);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));

	/* Behind another one 7 might be the other's. */
	world_write("tokmux.conf", TWO_BACKENDS, world_arbiter(), "softhsm",
		    SOFTHSM, "readers", PLUGIN("backend_slots"));
	count = 4;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, slots, &count));
	ASSERT_EQ(3, count);
	derived = slots[2];
	EXPECT_NE(7, derived);
	EXPECT_GE(0x7fffffff, derived);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));

	/* The same without the slots before it. */
	world_write("tokmux.conf", TWO_BACKENDS, world_arbiter(), "nolock",
		    PLUGIN("backend_quirks"), "readers",
		    PLUGIN("backend_slots"));
	count = 4;
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->a->C_GetSlotList(CK_FALSE, slots, &count));
	ASSERT_LE(1, count);
	EXPECT_EQ(derived, slots[count - 1]);
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

/* NSS's, a backend of 3.0 that isn't there without. */
TEST_F(config, a_backend_gets_its_arguments)
{
	CK_RV (*get)(CK_FUNCTION_LIST *, const CK_UTF8CHAR *,
		     const CK_VERSION *, CK_INTERFACE **, CK_FLAGS) =
		module_symbol("tokmux_pkcs11_caller_interface");
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_MECHANISM gcm = { CKM_AES_GCM, NULL, 0 };
	CK_ULONG length = 16, size = 5;
	CK_ATTRIBUTE template[] = {
		{ CKA_TOKEN, &no, 1 }, { CKA_ENCRYPT, &yes, 1 },
		{ CKA_VALUE_LEN, &length, sizeof(length) },
	};
	unsigned char iv[12] = { 0 }, tag[16], out[5];
	/* CK_GCM_MESSAGE_PARAMS */
	struct {
		unsigned char *iv;
		CK_ULONG iv_length, fixed_bits, generator;
		unsigned char *tag;
		CK_ULONG tag_bits;
	} params = { iv, sizeof(iv), 0, 0, tag, 8 * sizeof(tag) };
	CK_FUNCTION_LIST_3_2 *p11;
	CK_INTERFACE *interface;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;

	/* NSS makes its database where it is told to. */
	world_write("tokmux.conf", "[global]\narbiter = %s\n[backend nss]\n"
		    "module = libsoftokn3.so\n"
		    "init-args = configdir='sql:%s' flags=noModDB\n",
		    world_arbiter(), world_dir);
	EXPECT_NE(0, access(world_path("key4.db"), F_OK));
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
	EXPECT_EQ(0, access(world_path("key4.db"), F_OK));
	ASSERT_EQ(CKR_OK, get(self->a, NULL, NULL, &interface, 0));
	p11 = interface->pFunctionList;
	ASSERT_EQ(CKR_OK, p11->C_OpenSession(the_slot(self->a),
					     CKF_SERIAL_SESSION, NULL, NULL,
					     &session));
	ASSERT_EQ(CKR_OK, p11->C_GenerateKey(session, &generate, template, 3,
					     &key));
	/* Nothing of this is in 2.40. */
	ASSERT_EQ(CKR_OK, p11->C_MessageEncryptInit(session, &gcm, key));
	EXPECT_EQ(CKR_OK, p11->C_EncryptMessage(session, &params,
						sizeof(params), NULL, 0, data,
						5, out, &size));
	EXPECT_EQ(5, size);
	EXPECT_NE(0, memcmp(out, data, 5));
	EXPECT_EQ(CKR_OK, p11->C_MessageEncryptFinal(session));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_F(config, the_kernel_is_demanded)
{
	if (!access("/dev/tokmux-control", F_OK))
		SKIP(return, "the kernel module is loaded");
	setenv("TOKMUX_TEST_ARBITER", "kernel", 1);
	world_configure("", "");
	EXPECT_EQ(CKR_GENERAL_ERROR,
		  initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_NE(NULL, strstr(self->log, "arbiter = kernel, but"));
	setenv("TOKMUX_TEST_ARBITER", "auto", 1);
	world_configure("", "");
	EXPECT_EQ(CKR_OK,
		  initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
}

TEST_HARNESS_MAIN
