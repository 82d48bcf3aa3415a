// SPDX-License-Identifier: LGPL-2.1-or-later
/* R9: interfaces, and every function that came after 2.40. */
#include "world.h"
#include <pkcs11/cryptoki.h>
#include <kselftest_harness.h>

static CK_FUNCTION_LIST_3_2 *list_of(CK_FUNCTION_LIST_3_2 *any,
				     unsigned char major, unsigned char minor)
{
	CK_VERSION version = { major, minor };
	CK_INTERFACE *interface = NULL;
	CK_C_GetInterface get = any ? any->C_GetInterface :
				      (CK_C_GetInterface)
				      module_symbol("C_GetInterface");

	if (get((CK_UTF8CHAR *)"PKCS 11", &version, &interface, 0) != CKR_OK)
		return NULL;
	return interface->pFunctionList;
}

/* ---- interfaces --------------------------------------------------------------- */

FIXTURE(interfaces) {
	CK_FUNCTION_LIST_3_2 *p11;
};

FIXTURE_SETUP(interfaces)
{
	ASSERT_TRUE(world_begin());
	self->p11 = list_of(NULL, 3, 2);
	ASSERT_NE(NULL, self->p11);
}

FIXTURE_TEARDOWN(interfaces)
{
	world_end();
}

TEST_F(interfaces, all_versions_are_offered)
{
	CK_C_GetInterfaceList get = module_symbol("C_GetInterfaceList");
	static const CK_VERSION versions[] = {
		{ 3, 0 }, { 3, 1 }, { 3, 2 }, { 2, 40 }
	};
	CK_INTERFACE interfaces[5];
	CK_VERSION *version;
	CK_ULONG count = 0;
	int i;

	ASSERT_EQ(CKR_OK, get(NULL, &count));
	ASSERT_EQ(4, count);
	count = 3;
	EXPECT_EQ(CKR_BUFFER_TOO_SMALL, get(interfaces, &count));
	EXPECT_EQ(4, count);
	count = 5;
	ASSERT_EQ(CKR_OK, get(interfaces, &count));
	ASSERT_EQ(4, count);
	EXPECT_EQ(CKR_ARGUMENTS_BAD, get(interfaces, NULL));
	for (i = 0; i < 4; i++) {
		EXPECT_STREQ("PKCS 11", (char *)interfaces[i].pInterfaceName);
		EXPECT_EQ(0, interfaces[i].flags);
		version = interfaces[i].pFunctionList;
		EXPECT_EQ(versions[i].major, version->major);
		EXPECT_EQ(versions[i].minor, version->minor);
	}
}

TEST_F(interfaces, one_is_found_by_what_is_asked_for)
{
	CK_VERSION unknown = { 3, 3 };
	CK_INTERFACE *interface = NULL;

	/* Who doesn't say which gets what today's callers know. */
	ASSERT_EQ(CKR_OK, self->p11->C_GetInterface(NULL, NULL, &interface, 0));
	EXPECT_EQ(list_of(self->p11, 3, 0), interface->pFunctionList);
	ASSERT_EQ(CKR_OK,
		  self->p11->C_GetInterface((CK_UTF8CHAR *)"PKCS 11", NULL,
					    &interface, 0));
	EXPECT_EQ(list_of(self->p11, 3, 0), interface->pFunctionList);
	EXPECT_EQ(CKR_ARGUMENTS_BAD,
		  self->p11->C_GetInterface(NULL, &unknown, &interface, 0));
	EXPECT_EQ(CKR_ARGUMENTS_BAD,
		  self->p11->C_GetInterface((CK_UTF8CHAR *)"Vendor X", NULL,
					    &interface, 0));
	EXPECT_EQ(CKR_ARGUMENTS_BAD,
		  self->p11->C_GetInterface(NULL, NULL, &interface,
					    CKF_INTERFACE_FORK_SAFE));
	EXPECT_EQ(CKR_ARGUMENTS_BAD,
		  self->p11->C_GetInterface(NULL, NULL, NULL, 0));
}

TEST_F(interfaces, lists_are_the_callers)
{
	CK_FUNCTION_LIST_3_2 *v30 = list_of(NULL, 3, 0);
	CK_FUNCTION_LIST *legacy, *other = CALLER_A;
	CK_C_GetFunctionList get = module_symbol("C_GetFunctionList");

	ASSERT_NE(NULL, v30);
	ASSERT_EQ(CKR_OK, get(&legacy));
	EXPECT_EQ(legacy, (void *)list_of(self->p11, 2, 40));
	/* Each leads to all of this caller's. */
	EXPECT_EQ(self->p11, list_of(v30, 3, 2));
	ASSERT_NE(NULL, list_of(v30, 3, 1));
	EXPECT_EQ(v30, list_of(list_of(v30, 3, 1), 3, 0));
	EXPECT_EQ((void *)v30->C_Sign, (void *)list_of(v30, 3, 1)->C_Sign);
	EXPECT_EQ(v30, list_of(self->p11, 3, 0));
	EXPECT_EQ(CKR_OK, v30->C_GetFunctionList(&other));
	EXPECT_EQ(legacy, other);
	/* They are one caller: what one begins the other ends. */
	EXPECT_EQ(CKR_OK, v30->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, legacy->C_Finalize(NULL));
	EXPECT_EQ(CKR_CRYPTOKI_NOT_INITIALIZED, self->p11->C_Finalize(NULL));
}

TEST_F(interfaces, each_says_its_version)
{
	CK_FUNCTION_LIST_3_2 *legacy = list_of(NULL, 2, 40);
	CK_INFO info;

	ASSERT_EQ(CKR_OK, legacy->C_Initialize(NULL));
	EXPECT_EQ(CKR_OK, legacy->C_GetInfo(&info));
	EXPECT_EQ(2, info.cryptokiVersion.major);
	EXPECT_EQ(CKR_OK, self->p11->C_GetInfo(&info));
	EXPECT_EQ(3, info.cryptokiVersion.major);
	EXPECT_EQ(2, info.cryptokiVersion.minor);
	EXPECT_EQ(CKR_OK, list_of(NULL, 3, 1)->C_GetInfo(&info));
	EXPECT_EQ(1, info.cryptokiVersion.minor);
	EXPECT_EQ(CKR_OK, list_of(NULL, 3, 0)->C_GetInfo(&info));
	EXPECT_EQ(0, info.cryptokiVersion.minor);
	EXPECT_EQ(CKR_OK, legacy->C_Finalize(NULL));
}

TEST_F(interfaces, by_request_too)
{
	CK_RV (*new_caller)(CK_FUNCTION_LIST **) =
		module_symbol("tokmux_pkcs11_new_caller");
	CK_RV (*free_caller)(CK_FUNCTION_LIST *) =
		module_symbol("tokmux_pkcs11_free_caller");
	CK_RV (*get)(CK_FUNCTION_LIST *, const CK_UTF8CHAR *,
		     const CK_VERSION *, CK_INTERFACE **, CK_FLAGS) =
		module_symbol("tokmux_pkcs11_caller_interface");
	CK_INTERFACE *interface;
	CK_FUNCTION_LIST *list;

	ASSERT_EQ(CKR_OK, new_caller(&list));
	ASSERT_EQ(CKR_OK, get(list, NULL, NULL, &interface, 0));
	EXPECT_NE(self->p11, interface->pFunctionList);
	EXPECT_EQ((void *)list, list_of(interface->pFunctionList, 2, 40));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, get(interface->pFunctionList, NULL, NULL,
					 &interface, 0));
	EXPECT_EQ(CKR_OK, free_caller(list));
}

/* ---- functions ------------------------------------------------------------------ */

/* Through a backend of each version: see backend_v3.c for what it is. */
FIXTURE(functions) {
	CK_FUNCTION_LIST_3_2 *p11;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key, public;
	const char *last;
};

FIXTURE_VARIANT(functions) {
	const char *version;
	CK_RV v30, v32;			/* what functions of it say */
};

FIXTURE_VARIANT_ADD(functions, v2_40) {
	.v30 = CKR_FUNCTION_NOT_SUPPORTED,
	.v32 = CKR_FUNCTION_NOT_SUPPORTED,
};

FIXTURE_VARIANT_ADD(functions, v3_0) {
	.version = "3.0",
	.v32 = CKR_FUNCTION_NOT_SUPPORTED,
};

FIXTURE_VARIANT_ADD(functions, v3_2) {
	.version = "3.2",
};

FIXTURE_SETUP(functions)
{
	void *backend;

	ASSERT_TRUE(world_begin());
	self->last = "";
	if (variant->version) {
		setenv("BACKEND_VERSION", variant->version, 1);
		world_write("tokmux.conf",
			    "[global]\narbiter = %s\n[backend v3]\nmodule = %s\nlease = shared\n",
			    world_arbiter(), PLUGIN("backend_v3"));
		backend = dlopen(PLUGIN("backend_v3"), RTLD_NOW);
		ASSERT_NE(NULL, backend);
		self->last = dlsym(backend, "backend_last");
		ASSERT_NE(NULL, self->last);
	}
	self->p11 = list_of(NULL, 3, 2);
	ASSERT_NE(NULL, self->p11);
	ASSERT_EQ(CKR_OK, self->p11->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw((CK_FUNCTION_LIST *)self->p11,
				  &self->session));
	ASSERT_EQ(CKR_OK, login((CK_FUNCTION_LIST *)self->p11, self->session));
	ASSERT_EQ(1, find((CK_FUNCTION_LIST *)self->p11, self->session,
			  CKO_PRIVATE_KEY, "key", &self->key));
	ASSERT_EQ(1, find((CK_FUNCTION_LIST *)self->p11, self->session,
			  CKO_PUBLIC_KEY, "key", &self->public));
}

FIXTURE_TEARDOWN(functions)
{
	EXPECT_EQ(CKR_OK, self->p11->C_Finalize(NULL));
	world_end();
}

/* The backend got it, with what it was given. */
#define SAYS(version, said, call) do {					\
	EXPECT_EQ(variant->version, call);				\
	if (!variant->version)						\
		EXPECT_STREQ(said, self->last);				\
} while (0)

#define TEXT(text)	(unsigned char *)(text), strlen(text)

TEST_F(functions, messages_enciphered)
{
	CK_FUNCTION_LIST_3_2 *p11 = self->p11;
	CK_MECHANISM mechanism = { CKM_AES_CTR, NULL, 0 };
	CK_SESSION_HANDLE s = self->session;
	unsigned char out[8];
	CK_ULONG length = 8;

	/* Nobody's key gets nowhere. */
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  p11->C_MessageEncryptInit(s, &mechanism, 4711));
	SAYS(v30, "C_MessageEncryptInit 0x1086",
	     p11->C_MessageEncryptInit(s, &mechanism, self->key));
	SAYS(v30, "C_EncryptMessage iv aad in",
	     p11->C_EncryptMessage(s, TEXT("iv"), TEXT("aad"), TEXT("in"), out,
				   &length));
	SAYS(v30, "C_EncryptMessageBegin iv aad",
	     p11->C_EncryptMessageBegin(s, TEXT("iv"), TEXT("aad")));
	SAYS(v30, "C_EncryptMessageNext iv in 0x1",
	     p11->C_EncryptMessageNext(s, TEXT("iv"), TEXT("in"), out, &length,
				       CKF_END_OF_MESSAGE));
	SAYS(v30, "C_MessageEncryptFinal", p11->C_MessageEncryptFinal(s));

	SAYS(v30, "C_MessageDecryptInit 0x1086",
	     p11->C_MessageDecryptInit(s, &mechanism, self->key));
	SAYS(v30, "C_DecryptMessage iv aad in",
	     p11->C_DecryptMessage(s, TEXT("iv"), TEXT("aad"), TEXT("in"), out,
				   &length));
	SAYS(v30, "C_DecryptMessageBegin iv aad",
	     p11->C_DecryptMessageBegin(s, TEXT("iv"), TEXT("aad")));
	SAYS(v30, "C_DecryptMessageNext iv in 0x0",
	     p11->C_DecryptMessageNext(s, TEXT("iv"), TEXT("in"), out, &length,
				       0));
	SAYS(v30, "C_MessageDecryptFinal", p11->C_MessageDecryptFinal(s));
}

TEST_F(functions, messages_signed)
{
	CK_FUNCTION_LIST_3_2 *p11 = self->p11;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_SESSION_HANDLE s = self->session;
	unsigned char out[8];
	CK_ULONG length = 8;

	SAYS(v30, "C_MessageSignInit 0x1041",
	     p11->C_MessageSignInit(s, &mechanism, self->key));
	SAYS(v30, "C_SignMessage p in",
	     p11->C_SignMessage(s, TEXT("p"), TEXT("in"), out, &length));
	EXPECT_EQ(variant->v30 ? 8 : 7, length);
	SAYS(v30, "C_SignMessageBegin p",
	     p11->C_SignMessageBegin(s, TEXT("p")));
	SAYS(v30, "C_SignMessageNext p in",
	     p11->C_SignMessageNext(s, TEXT("p"), TEXT("in"), out, &length));
	SAYS(v30, "C_MessageSignFinal", p11->C_MessageSignFinal(s));

	SAYS(v30, "C_MessageVerifyInit 0x1041",
	     p11->C_MessageVerifyInit(s, &mechanism, self->public));
	SAYS(v30, "C_VerifyMessage p in",
	     p11->C_VerifyMessage(s, TEXT("p"), TEXT("in"), out, length));
	SAYS(v30, "C_VerifyMessageBegin p",
	     p11->C_VerifyMessageBegin(s, TEXT("p")));
	SAYS(v30, "C_VerifyMessageNext p in",
	     p11->C_VerifyMessageNext(s, TEXT("p"), TEXT("in"), out, length));
	SAYS(v30, "C_MessageVerifyFinal", p11->C_MessageVerifyFinal(s));
}

/* A message operation goes with its key's login, like any. */
TEST_F(functions, messages_end_with_the_login)
{
	CK_FUNCTION_LIST_3_2 *p11 = self->p11;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_ULONG length = 8;
	unsigned char out[8];

	if (variant->v30)
		return;
	ASSERT_EQ(CKR_OK, p11->C_MessageSignInit(self->session, &mechanism,
						 self->key));
	ASSERT_EQ(CKR_OK, p11->C_Logout(self->session));
	EXPECT_EQ(CKR_OPERATION_NOT_INITIALIZED,
		  p11->C_SignMessage(self->session, TEXT("p"), TEXT("in"), out,
				     &length));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  p11->C_MessageSignInit(self->session, &mechanism, self->key));
}

TEST_F(functions, signatures_known_first)
{
	CK_FUNCTION_LIST_3_2 *p11 = self->p11;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_SESSION_HANDLE s = self->session;

	SAYS(v32, "C_VerifySignatureInit sig",
	     p11->C_VerifySignatureInit(s, &mechanism, self->public,
					TEXT("sig")));
	SAYS(v32, "C_VerifySignature in", p11->C_VerifySignature(s, TEXT("in")));
	SAYS(v32, "C_VerifySignatureUpdate in",
	     p11->C_VerifySignatureUpdate(s, TEXT("in")));
	SAYS(v32, "C_VerifySignatureFinal", p11->C_VerifySignatureFinal(s));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  p11->C_VerifySignatureInit(s, &mechanism, 4711, TEXT("sig")));
}

TEST_F(functions, keys_encapsulated)
{
	CK_FUNCTION_LIST_3_2 *p11 = self->p11;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_SESSION_HANDLE s = self->session, ro;
	CK_ATTRIBUTE token = { CKA_TOKEN, &yes, 1 };
	CK_OBJECT_HANDLE made = 0;
	CK_ULONG length = 0, size;
	unsigned char out[8];

	/* Only how long it is: there is no key yet. */
	SAYS(v32, "C_EncapsulateKey 0",
	     p11->C_EncapsulateKey(s, &mechanism, self->public, NULL, 0, NULL,
				   &length, NULL));
	EXPECT_EQ(variant->v32 ? 0 : 3, length);
	SAYS(v32, "C_EncapsulateKey 0",
	     p11->C_EncapsulateKey(s, &mechanism, self->public, NULL, 0, out,
				   &length, &made));
	if (!variant->v32)
		EXPECT_EQ(CKR_OK, p11->C_GetObjectSize(s, made, &size));
	EXPECT_EQ(CKR_ARGUMENTS_BAD,
		  p11->C_EncapsulateKey(s, &mechanism, self->public, NULL, 0,
					out, &length, NULL));
	SAYS(v32, "C_DecapsulateKey 0 abc",
	     p11->C_DecapsulateKey(s, &mechanism, self->key, NULL, 0,
				   TEXT("abc"), &made));
	if (!variant->v32)
		EXPECT_EQ(CKR_OK, p11->C_GetObjectSize(s, made, &size));
	/* The template counts, the session and the key do. */
	ASSERT_EQ(CKR_OK, open_ro((CK_FUNCTION_LIST *)p11, &ro));
	EXPECT_EQ(CKR_SESSION_READ_ONLY,
		  p11->C_DecapsulateKey(ro, &mechanism, self->key, &token, 1,
					TEXT("abc"), &made));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  p11->C_DecapsulateKey(s, &mechanism, 4711, NULL, 0,
					TEXT("abc"), &made));
	EXPECT_EQ(CKR_KEY_HANDLE_INVALID,
		  p11->C_EncapsulateKey(s, &mechanism, 4711, NULL, 0, out,
					&length, &made));
}

TEST_F(functions, keys_wrapped)
{
	CK_FUNCTION_LIST_3_2 *p11 = self->p11;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_SESSION_HANDLE s = self->session;
	CK_OBJECT_HANDLE made = 0;
	CK_ULONG length = 8, size;
	unsigned char out[8];

	SAYS(v32, "C_WrapKeyAuthenticated aad",
	     p11->C_WrapKeyAuthenticated(s, &mechanism, self->public, self->key,
					 TEXT("aad"), out, &length));
	SAYS(v32, "C_UnwrapKeyAuthenticated abc 0 aad",
	     p11->C_UnwrapKeyAuthenticated(s, &mechanism, self->key,
					   TEXT("abc"), NULL, 0, TEXT("aad"),
					   &made));
	if (!variant->v32)
		EXPECT_EQ(CKR_OK, p11->C_GetObjectSize(s, made, &size));
	EXPECT_EQ(CKR_WRAPPING_KEY_HANDLE_INVALID,
		  p11->C_WrapKeyAuthenticated(s, &mechanism, 4711, self->key,
					      TEXT("aad"), out, &length));
	EXPECT_EQ(CKR_UNWRAPPING_KEY_HANDLE_INVALID,
		  p11->C_UnwrapKeyAuthenticated(s, &mechanism, 4711,
						TEXT("abc"), NULL, 0,
						TEXT("aad"), &made));
}

TEST_F(functions, sessions_asked)
{
	CK_FUNCTION_LIST_3_2 *p11 = self->p11;
	CK_UTF8CHAR *name = (CK_UTF8CHAR *)"C_Sign";
	CK_SESSION_HANDLE s = self->session, other;
	CK_ASYNC_DATA result;
	CK_FLAGS flags = 0;
	CK_ULONG id, size;

	SAYS(v32, "C_GetSessionValidationFlags 1",
	     p11->C_GetSessionValidationFlags(s, 1, &flags));
	EXPECT_EQ(variant->v32 ? 0 : 42, flags);
	SAYS(v32, "C_AsyncComplete C_Sign",
	     p11->C_AsyncComplete(s, name, &result));
	if (!variant->v32)
		EXPECT_EQ(CKR_OK, p11->C_GetObjectSize(s, result.hObject,
						       &size));
	SAYS(v32, "C_AsyncGetID C_Sign", p11->C_AsyncGetID(s, name, &id));
	SAYS(v32, "C_AsyncJoin C_Sign 17 data",
	     p11->C_AsyncJoin(s, name, 17, TEXT("data")));
	/* Work that goes on after its call would go on without a lease. */
	EXPECT_EQ(CKR_SESSION_ASYNC_NOT_SUPPORTED,
		  p11->C_OpenSession(the_slot((CK_FUNCTION_LIST *)p11),
				     CKF_SERIAL_SESSION | CKF_ASYNC_SESSION,
				     NULL, NULL, &other));
}

TEST_F(functions, users_by_name)
{
	CK_FUNCTION_LIST_3_2 *p11 = self->p11;
	CK_FUNCTION_LIST *b = CALLER_B;
	CK_SESSION_HANDLE s = self->session, other;
	CK_RV no_name = variant->v30 ? variant->v30 : CKR_PIN_INCORRECT;
	CK_FUNCTION_LIST_3_2 *b3;
	CK_INTERFACE *interface;
	CK_RV (*get)(CK_FUNCTION_LIST *, const CK_UTF8CHAR *,
		     const CK_VERSION *, CK_INTERFACE **, CK_FLAGS) =
		module_symbol("tokmux_pkcs11_caller_interface");

	/* Without one it is C_Login, with any backend. */
	EXPECT_EQ(CKR_USER_ALREADY_LOGGED_IN,
		  p11->C_LoginUser(s, CKU_USER, PIN(USER_PIN), TEXT("")));
	EXPECT_EQ(CKR_OK, p11->C_Logout(s));
	EXPECT_EQ(CKR_OK,
		  p11->C_LoginUser(s, CKU_USER, PIN(USER_PIN), NULL, 0));
	EXPECT_EQ(CKR_OK, p11->C_Logout(s));
	EXPECT_EQ(CKR_ARGUMENTS_BAD,
		  p11->C_LoginUser(s, CKU_USER, PIN(USER_PIN), NULL, 3));
	EXPECT_EQ(no_name,
		  p11->C_LoginUser(s, CKU_USER, PIN(USER_PIN), TEXT("bob")));
	SAYS(v30, "C_LoginUser 1 alice",
	     p11->C_LoginUser(s, CKU_USER, PIN(USER_PIN), TEXT("alice")));
	if (variant->v30)
		return;

	/* Another caller: the same name and PIN, or nothing. */
	ASSERT_EQ(CKR_OK, get(b, NULL, NULL, &interface, 0));
	b3 = interface->pFunctionList;
	ASSERT_EQ(CKR_OK, b->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, open_rw(b, &other));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, login(b, other));
	EXPECT_EQ(CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
		  b3->C_LoginUser(other, CKU_USER, PIN(USER_PIN), TEXT("bob")));
	EXPECT_EQ(CKR_PIN_INCORRECT,
		  b3->C_LoginUser(other, CKU_USER, PIN("wrong"),
				  TEXT("alice")));
	EXPECT_EQ(CKR_OK, b3->C_LoginUser(other, CKU_USER, PIN(USER_PIN),
					  TEXT("alice")));
	EXPECT_EQ(CKR_OK, b->C_Finalize(NULL));
}

TEST_F(functions, operations_cancelled)
{
	CK_FUNCTION_LIST *p11 = (CK_FUNCTION_LIST *)self->p11;
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_SESSION_HANDLE s = self->session;

	if (!variant->v30) {
		SAYS(v30, "C_SessionCancel 0x800",
		     self->p11->C_SessionCancel(s, CKF_SIGN));
		return;
	}
	/* 2.40 has no such function: what is going on is known here. */
	EXPECT_EQ(CKR_OK, self->p11->C_SessionCancel(s, CKF_SIGN));
	ASSERT_EQ(CKR_OK, p11->C_FindObjectsInit(s, NULL, 0));
	EXPECT_EQ(CKR_OK, self->p11->C_SessionCancel(s, CKF_SIGN));
	EXPECT_EQ(CKR_OPERATION_ACTIVE, p11->C_FindObjectsInit(s, NULL, 0));
	EXPECT_EQ(CKR_OK, self->p11->C_SessionCancel(s, CKF_FIND_OBJECTS));
	ASSERT_EQ(CKR_OK, p11->C_SignInit(s, &mechanism, self->key));
	EXPECT_EQ(CKR_OPERATION_ACTIVE,
		  p11->C_SignInit(s, &mechanism, self->key));
	EXPECT_EQ(CKR_OK, self->p11->C_SessionCancel(s, CKF_SIGN));
	EXPECT_EQ(CKR_OK, sign(p11, s, self->key));

	/* Or an Init without a mechanism. */
	ASSERT_EQ(CKR_OK, p11->C_SignInit(s, &mechanism, self->key));
	EXPECT_EQ(CKR_OK, p11->C_SignInit(s, NULL, self->key));
	EXPECT_EQ(CKR_ARGUMENTS_BAD, p11->C_SignInit(s, NULL, self->key));
	EXPECT_EQ(CKR_OK, sign(p11, s, self->key));
}

TEST_HARNESS_MAIN
