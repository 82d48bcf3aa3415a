/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the demo's programs share: a PKCS#11 module loaded the plain way, and a
 * key to sign with. The token is a throw-away one, and so is its PIN.
 */
#ifndef DEMO_H
#define DEMO_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pkcs11/cryptoki.h>

#define DEMO_PIN	"demo-1234"
#define DEMO_LABEL	"demo"
#define DEMO_TOKEN	"demo"	/* the kernel's name for it */

/* A line of the step's story. */
#define SAY(step, ...) do {				\
	char line_[256];				\
							\
	snprintf(line_, sizeof(line_), __VA_ARGS__);	\
	printf("%d\t%s\n", step, line_);		\
	fflush(stdout);					\
} while (0)

static inline const char *rv_name(CK_RV rv)
{
	static char other[32];

	switch (rv) {
	case CKR_OK: return "CKR_OK";
	case CKR_CRYPTOKI_ALREADY_INITIALIZED: return "CKR_CRYPTOKI_ALREADY_INITIALIZED";
	case CKR_CRYPTOKI_NOT_INITIALIZED: return "CKR_CRYPTOKI_NOT_INITIALIZED";
	case CKR_SESSION_HANDLE_INVALID: return "CKR_SESSION_HANDLE_INVALID";
	case CKR_USER_ALREADY_LOGGED_IN: return "CKR_USER_ALREADY_LOGGED_IN";
	case CKR_USER_NOT_LOGGED_IN: return "CKR_USER_NOT_LOGGED_IN";
	case CKR_KEY_HANDLE_INVALID: return "CKR_KEY_HANDLE_INVALID";
	case CKR_OBJECT_HANDLE_INVALID: return "CKR_OBJECT_HANDLE_INVALID";
	case CKR_PIN_INCORRECT: return "CKR_PIN_INCORRECT";
	case CKR_TOKEN_NOT_PRESENT: return "CKR_TOKEN_NOT_PRESENT";
	}
	snprintf(other, sizeof(other), "CKR 0x%lx", rv);
	return other;
}

/* What the spec calls an application, and isn't one: a library that signs. */
struct signer {
	CK_FUNCTION_LIST_PTR f;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
};

static inline CK_RV signer_load(struct signer *s, const char *module)
{
	CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR);
	void *so = dlopen(module, RTLD_NOW | RTLD_LOCAL);

	if (!so) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	get = (CK_RV (*)(CK_FUNCTION_LIST_PTR_PTR))dlsym(so, "C_GetFunctionList");
	if (!get) {
		fprintf(stderr, "%s is no PKCS#11 module\n", module);
		exit(1);
	}
	return get(&s->f);
}

static inline CK_RV signer_initialize(struct signer *s)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

	return s->f->C_Initialize(&args);
}

/* Open a session on the demo's token. */
static inline CK_RV signer_open(struct signer *s)
{
	CK_SLOT_ID slots[16];
	CK_ULONG n = 16, i;
	CK_TOKEN_INFO info;
	CK_RV rv;

	rv = s->f->C_GetSlotList(CK_TRUE, slots, &n);
	if (rv != CKR_OK)
		return rv;
	for (i = 0; i < n; i++)
		if (s->f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
		    !memcmp(info.label, DEMO_LABEL " ", sizeof(DEMO_LABEL)))
			break;
	if (i == n)
		return CKR_TOKEN_NOT_PRESENT;
	s->slot = slots[i];
	return s->f->C_OpenSession(s->slot, CKF_SERIAL_SESSION, NULL, NULL,
				   &s->session);
}

static inline CK_RV signer_login(struct signer *s)
{
	return s->f->C_Login(s->session, CKU_USER, (CK_UTF8CHAR_PTR)DEMO_PIN,
			     strlen(DEMO_PIN));
}

static inline CK_RV signer_find_key(struct signer *s)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template = { CKA_CLASS, &class, sizeof(class) };
	CK_ULONG n = 0;
	CK_RV rv;

	rv = s->f->C_FindObjectsInit(s->session, &template, 1);
	if (rv != CKR_OK)
		return rv;
	rv = s->f->C_FindObjects(s->session, &s->key, 1, &n);
	s->f->C_FindObjectsFinal(s->session);
	if (rv == CKR_OK && !n)
		return CKR_USER_NOT_LOGGED_IN;
	return rv;
}

static inline CK_RV signer_sign(struct signer *s)
{
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_BYTE hash[32] = "a document's hash", signature[256];
	CK_ULONG len = sizeof(signature);
	CK_RV rv;

	rv = s->f->C_SignInit(s->session, &mechanism, s->key);
	if (rv != CKR_OK)
		return rv;
	return s->f->C_Sign(s->session, hash, sizeof(hash), signature, &len);
}

#endif /* DEMO_H */
