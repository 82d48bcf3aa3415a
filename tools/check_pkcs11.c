// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: our PKCS#11 module, its configuration and its backends. They
 * are tried in a child: what a backend does to a process, it does to that one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pkcs11/cryptoki.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"
#include "trial.h"

#define MAX_SLOTS	64
#define INSTALL		"as root, in the sources of tokmux: make install; or install the package tokmux-pkcs11"

/* ---- in the child: one line, the result or what is wrong ---------------------- */

/* Returns whether it has been initialized; until then it has no name. */
static bool name_token(FILE *result, CK_FUNCTION_LIST *p11, CK_SLOT_ID slot,
		       bool first)
{
	CK_TOKEN_INFO info;
	int length = sizeof(info.label);

	if (p11->C_GetTokenInfo(slot, &info) ||
	    !(info.flags & CKF_TOKEN_INITIALIZED))
		return false;
	while (length && info.label[length - 1] == ' ')
		length--;
	fprintf(result, "%s \"%.*s\"", first ? "tokens:" : ",", length,
		(const char *)info.label);
	return true;
}

static int try_slots(FILE *result, CK_FUNCTION_LIST *p11)
{
	CK_SLOT_ID slots[MAX_SLOTS];
	CK_ULONG count = MAX_SLOTS, named = 0, i;
	CK_RV rv;

	rv = p11->C_Initialize(NULL);
	if (rv) {
		fprintf(result, "C_Initialize: 0x%lx\n", rv);
		return 1;
	}
	rv = p11->C_GetSlotList(CK_TRUE, slots, &count);
	if (rv && rv != CKR_BUFFER_TOO_SMALL) {
		fprintf(result, "C_GetSlotList: 0x%lx\n", rv);
		return 1;
	}
	for (i = 0; i < count && i < MAX_SLOTS; i++)
		named += name_token(result, p11, slots[i], !named);
	if (!named)
		fputs("no token that has been initialized", result);
	fputc('\n', result);
	p11->C_Finalize(NULL);
	return 0;
}

static int try_module(FILE *result, const void *module)
{
	CK_RV (*get)(CK_FUNCTION_LIST **list);
	CK_FUNCTION_LIST *p11 = NULL;
	void *dl = dlopen(module, RTLD_NOW | RTLD_LOCAL);

	/* Why it fails goes to stderr, and nothing else, whatever is configured. */
	setenv("TOKMUX_LOG", "errors", 1);
	if (!dl) {
		fprintf(result, "%s\n", dlerror());
		return 1;
	}
	*(void **)&get = dlsym(dl, "C_GetFunctionList");
	if (!get || get(&p11)) {
		fprintf(result, "it is no PKCS#11 module\n");
		return 1;
	}
	return try_slots(result, p11);
}

/* ---- in the parent ------------------------------------------------------------ */

static void check_p11_kit(struct findings *findings)
{
	if (!access(P11KITDIR "/tokmux.module", R_OK))
		finding(findings, "p11-kit", GOOD, NULL,
			P11KITDIR "/tokmux.module");
	else
		finding(findings, "p11-kit", WARNING,
			INSTALL "; or name the module to each program",
			"p11-kit does not know our module");
}

static void judge(struct findings *findings, const char *module,
		  const struct trial *trial, unsigned int seconds)
{
	const char *said = trial->said, *colon = *said ? ": " : "";
	char which[PATH_MAX + 128];

	snprintf(which, sizeof(which),
		 "see which backend it comes to: TOKMUX_LOG=info pkcs11-tool -L --module %s",
		 module);
	if (trial->late)
		finding(findings, "pkcs11", BAD, which,
			"%s did not answer in %u s%s%s", module, seconds, colon,
			said);
	else if (WIFSIGNALED(trial->status))
		finding(findings, "pkcs11", BAD, which,
			"%s died of signal %d%s%s", module,
			WTERMSIG(trial->status), colon, said);
	/* Its last word is why, if there is one; the function's, that it fails. */
	else if (WEXITSTATUS(trial->status))
		finding(findings, "pkcs11", BAD, "man 5 tokmux.conf", "%s: %s",
			module, *said ? said : trial->result);
	else
		finding(findings, "pkcs11", GOOD, NULL, "%s: %s", module,
			trial->result);
}

void check_pkcs11(struct findings *findings, const char *module,
		  unsigned int seconds)
{
	struct trial trial;
	int ret;

	if (access(module, R_OK)) {
		finding(findings, "pkcs11", WARNING, INSTALL,
			"%s: %s", module, strerror(errno));
		return;
	}
	ret = trial_run(&trial, try_module, module, seconds);
	if (ret)
		finding(findings, "pkcs11", WARNING, NULL,
			"%s can't be tried: %s", module, strerror(-ret));
	else
		judge(findings, module, &trial, seconds);
	check_p11_kit(findings);
}
