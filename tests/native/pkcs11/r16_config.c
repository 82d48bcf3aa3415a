// SPDX-License-Identifier: LGPL-2.1-or-later
/* R16: the configuration, and what is refused in it. */
#include <fcntl.h>
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
	CK_SESSION_HANDLE session;
	CK_RV rv;

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

TEST_F(config, without_a_file_softhsm_is_found)
{
	CK_SESSION_HANDLE session;

	if (!access("/etc/tokmux/tokmux.conf", F_OK))
		SKIP(return, "this machine has a configuration");
	unsetenv("TOKMUX_CONF");
	setenv("XDG_CONFIG_HOME", world_dir, 1);
	EXPECT_EQ(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	EXPECT_EQ(CKR_OK, open_rw(self->a, &session));
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
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

	world_write("tokmux.conf", "[global]\narbiter = %s\n[backend nss]\n"
		    "module = libsoftokn3.so\n", world_arbiter());
	EXPECT_NE(CKR_OK, initialize(self->a, self->log, sizeof(self->log)));
	world_write("tokmux.conf", "[global]\narbiter = %s\n[backend nss]\n"
		    "module = libsoftokn3.so\n"
		    "init-args = configdir='' flags=noCertDB,noModDB\n",
		    world_arbiter());
	ASSERT_EQ(CKR_OK, self->a->C_Initialize(NULL));
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
