// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that uses a token as it is told, for tests of several programs at once: a
 * line each on standard input, and after each one an answer, "RV MS": what PKCS#11
 * returned, in hex, and how many milliseconds it took.
 *
 * usage: peer MODULE LABEL
 *
 *	init			and look for the token; the first thing
 *	open, open-rw		one session more
 *	login PIN, so PIN	in the last session that was opened
 *	logout
 *	sign			with the private key whose label is "rsa"
 *	find			RV is the number of private keys instead
 *	signatures N		sign N times, or until one fails
 *	close			all sessions
 *	finalize
 */
#include <dlfcn.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cryptoki.h"

static CK_FUNCTION_LIST *p11;
static CK_SLOT_ID slot;
static CK_SESSION_HANDLE session;

static CK_RV init(const char *label)
{
	CK_SLOT_ID slots[64];
	CK_ULONG count = 64, i;
	CK_TOKEN_INFO info;
	CK_RV rv, why = CKR_TOKEN_NOT_PRESENT;

	rv = p11->C_Initialize(NULL);
	if (rv)
		return rv;
	rv = p11->C_GetSlotList(CK_TRUE, slots, &count);
	if (rv)
		return rv;
	if (!count)
		return CKR_SLOT_ID_INVALID;
	for (i = 0; i < count; i++) {
		slot = slots[i];
		rv = p11->C_GetTokenInfo(slot, &info);
		if (!rv && !strncmp((const char *)info.label, label, strlen(label)))
			return CKR_OK;
		if (rv)
			why = rv;
	}
	return why;
}

static CK_RV find(CK_OBJECT_HANDLE *key, CK_ULONG *count)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	char label[] = "rsa";
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_LABEL, label, strlen(label) },
	};
	CK_RV rv = p11->C_FindObjectsInit(session, template, 2);

	*count = 0;
	if (rv)
		return rv;
	rv = p11->C_FindObjects(session, key, 1, count);
	p11->C_FindObjectsFinal(session);
	return rv;
}

static CK_RV sign(unsigned long times)
{
	CK_MECHANISM mechanism = { CKM_SHA256_RSA_PKCS, NULL, 0 };
	unsigned char data[] = "to be signed", signature[512];
	CK_OBJECT_HANDLE key;
	CK_ULONG count, length;
	CK_RV rv = find(&key, &count);

	if (!rv && !count)
		rv = CKR_KEY_HANDLE_INVALID;
	while (!rv && times--) {
		length = sizeof(signature);
		rv = p11->C_SignInit(session, &mechanism, key);
		if (!rv)
			rv = p11->C_Sign(session, data, sizeof(data), signature, &length);
	}
	return rv;
}

static CK_RV login(CK_USER_TYPE user, char *pin)
{
	return p11->C_Login(session, user, (unsigned char *)pin, strlen(pin));
}

static CK_RV obey(const char *word, char *rest, const char *label)
{
	CK_FLAGS writes = strcmp(word, "open-rw") ? 0 : CKF_RW_SESSION;
	CK_OBJECT_HANDLE key;
	CK_ULONG count;
	CK_RV rv;

	if (!strcmp(word, "init"))
		return init(label);
	if (!strncmp(word, "open", 4))
		return p11->C_OpenSession(slot, CKF_SERIAL_SESSION | writes, NULL, NULL, &session);
	if (!strcmp(word, "login"))
		return login(CKU_USER, rest);
	if (!strcmp(word, "so"))
		return login(CKU_SO, rest);
	if (!strcmp(word, "logout"))
		return p11->C_Logout(session);
	if (!strcmp(word, "sign"))
		return sign(1);
	if (!strcmp(word, "signatures"))
		return sign(strtoul(rest, NULL, 10));
	if (!strcmp(word, "close"))
		return p11->C_CloseAllSessions(slot);
	if (!strcmp(word, "finalize"))
		return p11->C_Finalize(NULL);
	if (strcmp(word, "find"))
		errx(1, "what is '%s'?", word);
	rv = find(&key, &count);
	return rv ? rv : count;
}

int main(int argc, char **argv)
{
	CK_RV (*get)(CK_FUNCTION_LIST **list), rv;
	struct timespec began, ended;
	char line[256], *rest;
	void *dl;

	if (argc != 3)
		errx(2, "usage: peer MODULE LABEL");
	dl = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!dl)
		errx(1, "%s", dlerror());
	*(void **)&get = dlsym(dl, "C_GetFunctionList");
	if (!get || get(&p11))
		errx(1, "%s is no PKCS#11 module", argv[1]);
	setlinebuf(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		rest = line;
		rest[strcspn(rest, "\n")] = '\0';
		strsep(&rest, " ");
		clock_gettime(CLOCK_MONOTONIC, &began);
		rv = obey(line, rest ? rest : "", argv[2]);
		clock_gettime(CLOCK_MONOTONIC, &ended);
		printf("%lx %lld\n", rv, (ended.tv_sec - began.tv_sec) * 1000LL +
		       (ended.tv_nsec - began.tv_nsec) / 1000000);
	}
	return 0;
}
