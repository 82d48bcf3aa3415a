// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux check: our PKCS#11 module, its configuration and its backends. They
 * are tried in a child: what a backend does to a process, it does to that one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"

#define SECONDS		30
#define MAX_SLOTS	64

/* ---- in the child: one line on stdout, or what is wrong on stderr ------------ */

static int name_token(CK_FUNCTION_LIST *p11, CK_SLOT_ID slot)
{
	CK_TOKEN_INFO info;
	int length = sizeof(info.label);

	if (p11->C_GetTokenInfo(slot, &info))
		return 0;
	while (length && info.label[length - 1] == ' ')
		length--;
	if (!length)
		return 0;
	printf(" \"%.*s\"", length, (const char *)info.label);
	return 1;
}

static int try_slots(CK_FUNCTION_LIST *p11)
{
	CK_SLOT_ID slots[MAX_SLOTS];
	CK_ULONG count = MAX_SLOTS, i;
	CK_RV rv;

	rv = p11->C_Initialize(NULL);
	if (rv) {
		fprintf(stderr, "C_Initialize: 0x%lx\n", rv);
		return 1;
	}
	rv = p11->C_GetSlotList(CK_TRUE, slots, &count);
	if (rv && rv != CKR_BUFFER_TOO_SMALL) {
		fprintf(stderr, "C_GetSlotList: 0x%lx\n", rv);
		return 1;
	}
	printf("%lu slots with a token:", count);
	for (i = 0; i < count && i < MAX_SLOTS; i++)
		name_token(p11, slots[i]);
	putchar('\n');
	p11->C_Finalize(NULL);
	return 0;
}

static int try_module(const char *module)
{
	CK_RV (*get)(CK_FUNCTION_LIST **list);
	CK_FUNCTION_LIST *p11 = NULL;
	void *dl = dlopen(module, RTLD_NOW | RTLD_LOCAL);

	if (!dl) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	*(void **)&get = dlsym(dl, "C_GetFunctionList");
	if (!get || get(&p11)) {
		fprintf(stderr, "it is no PKCS#11 module\n");
		return 1;
	}
	return try_slots(p11);
}

/* ---- in the parent ------------------------------------------------------------ */

/* The first line the child says is its result; on stderr, what is wrong. */
static void first_line(int fd, char *line, size_t size)
{
	FILE *f = fdopen(fd, "r");
	char *p;

	*line = '\0';
	if (!f) {
		close(fd);
		return;
	}
	if (!fgets(line, size, f))
		*line = '\0';
	/* The rest, so that the child isn't held up. */
	while (fgetc(f) != EOF)
		;
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	for (p = line; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
}

static int try_in_child(const char *module, char *line, size_t size)
{
	int fds[2], status = 0;
	pid_t child;

	*line = '\0';
	if (pipe(fds))
		return -1;
	fflush(stdout);
	child = fork();
	if (child < 0) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (!child) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		/* A backend that hangs is a finding as well. */
		alarm(SECONDS);
		status = try_module(module);
		fflush(stdout);
		_exit(status);
	}
	close(fds[1]);
	first_line(fds[0], line, size);
	waitpid(child, &status, 0);
	return status;
}

static void check_p11_kit(struct findings *findings)
{
	if (!access(P11KITDIR "/tokmux.module", R_OK))
		finding(findings, "p11-kit", GOOD, NULL,
			P11KITDIR "/tokmux.module");
	else
		finding(findings, "p11-kit", WARNING,
			"install tokmux-pkcs11, or name the module to each program",
			"p11-kit does not know our module");
}

void check_pkcs11(struct findings *findings, const char *module)
{
	char line[512];
	int status;

	if (access(module, R_OK)) {
		finding(findings, "pkcs11", WARNING, "install tokmux-pkcs11",
			"%s: %s", module, strerror(errno));
		return;
	}
	status = try_in_child(module, line, sizeof(line));
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		finding(findings, "pkcs11", GOOD, NULL, "%s: %s", module, line);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		finding(findings, "pkcs11", BAD,
			"a backend hangs; with log = info the module says which",
			"%s did not answer in %d s", module, SECONDS);
	else if (WIFSIGNALED(status))
		finding(findings, "pkcs11", BAD,
			"a backend crashes; with log = info the module says which",
			"%s died of signal %d", module, WTERMSIG(status));
	else
		finding(findings, "pkcs11", BAD,
			"see tokmux.conf(5)", "%s: %s", module, line);
	check_p11_kit(findings);
}
