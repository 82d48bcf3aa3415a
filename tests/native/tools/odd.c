// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PKCS#11 module with one slot that does to tokmux check what ODD says: no more
 * of a module than check asks.
 */
#include <pkcs11/cryptoki.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *odd(void)
{
	return getenv("ODD") ?: "";
}

static CK_RV initialize(void *args)
{
	/* A daemon that keeps what it has inherited for longer than is waited. */
	if (!strcmp(odd(), "leaves") && !fork()) {
		alarm(90);
		pause();
		_exit(0);
	}
	/* Not even the alarm ends it. */
	if (!strcmp(odd(), "hangs")) {
		sigset_t all;

		fprintf(stderr, "waiting for a card\n");
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		for (;;)
			pause();
	}
	if (!strcmp(odd(), "crashes")) {
		fprintf(stderr, "about to die\n");
		raise(SIGKILL);
	}
	if (!strcmp(odd(), "talks")) {
		printf("welcome\n");
		fprintf(stderr, "it is on\nit is off\n");
		return CKR_GENERAL_ERROR;
	}
	/* More than a pipe takes. */
	if (!strcmp(odd(), "babbles"))
		for (int i = 0; i < 100000; i++)
			fprintf(stderr, "and %d\n", i);
	return CKR_OK;
}

static CK_RV finalize(void *args)
{
	return CKR_OK;
}

static CK_RV get_slot_list(unsigned char present, CK_SLOT_ID *slots,
			   unsigned long *count)
{
	*slots = 0;
	*count = 1;
	return CKR_OK;
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	memset(info, 0, sizeof(*info));
	info->flags = CKF_TOKEN_INITIALIZED;
	memset(info->label, ' ', sizeof(info->label));
	/* Latin 1, an escape sequence, UTF-8. */
	memcpy(info->label, "caf\xe9 \033[31m \xc3\xa9", 14);
	return CKR_OK;
}

static CK_FUNCTION_LIST list = {
	.version = { 2, 40 },
	.C_Initialize = initialize,
	.C_Finalize = finalize,
	.C_GetSlotList = get_slot_list,
	.C_GetTokenInfo = get_token_info,
};

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
	*out = &list;
	return CKR_OK;
}
