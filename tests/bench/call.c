// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that uses a PKCS#11 module: loads it, logs in on the token of the
 * given label if it is given a PIN, and then does what it is told, a line each
 * on standard input:
 *
 *	time OPERATION THREADS TIMES	answers nanoseconds for one, each thread
 *					in a session of its own doing batches
 *					of TIMES
 *	count OPERATION TIMES		the same once in one thread; under
 *					callgrind it dumps what this alone took
 *
 * A process for each module, so that tests/bench/measure can ask them in turn
 * and none knows of the other's sessions and logins. After each line an answer.
 */
#include <dlfcn.h>
#include <err.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <pkcs11/cryptoki.h>
#include <valgrind/callgrind.h>
#include "bench.h"

#define MAX_THREADS	16

#define MUST(call) do {							\
	CK_RV must_rv = (call);						\
									\
	if (must_rv != CKR_OK)						\
		errx(1, #call ": 0x%lx", must_rv);			\
} while (0)

static CK_FUNCTION_LIST *p11;
static CK_SLOT_ID slot;
static CK_OBJECT_HANDLE key;

/* ---- the operations: one each, in a session ---- */

static void info(CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO answer;

	MUST(p11->C_GetSessionInfo(session, &answer));
}

static void open_close(CK_SESSION_HANDLE session)
{
	MUST(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
	MUST(p11->C_CloseSession(session));
}

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template = { CKA_CLASS, &class, sizeof(class) };
	CK_OBJECT_HANDLE object;
	CK_ULONG count;

	MUST(p11->C_FindObjectsInit(session, &template, 1));
	MUST(p11->C_FindObjects(session, &object, 1, &count));
	MUST(p11->C_FindObjectsFinal(session));
	if (!count)
		errx(1, "the token has no private key");
	return object;
}

static void find(CK_SESSION_HANDLE session)
{
	find_key(session);
}

static void digest(CK_SESSION_HANDLE session)
{
	CK_MECHANISM mechanism = { CKM_SHA256, NULL, 0 };
	unsigned char data[64] = "", hash[32];
	CK_ULONG length = sizeof(hash);

	MUST(p11->C_DigestInit(session, &mechanism));
	MUST(p11->C_Digest(session, data, sizeof(data), hash, &length));
}

static void sign(CK_SESSION_HANDLE session)
{
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	unsigned char hash[32] = "to be signed", signature[64];
	CK_ULONG length = sizeof(signature);

	MUST(p11->C_SignInit(session, &mechanism, key));
	MUST(p11->C_Sign(session, hash, sizeof(hash), signature, &length));
}

static const struct operation {
	const char *name;
	void (*run)(CK_SESSION_HANDLE session);
} operations[] = {
	{ "info", info },
	{ "open-close", open_close },
	{ "find", find },
	{ "digest", digest },
	{ "sign", sign },
};

static const struct operation *find_operation(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	errx(2, "no operation '%s'", name);
}

/* ---- many times ---- */

static struct {
	const struct operation *operation;
	unsigned int times;
	pthread_barrier_t barrier;
	int64_t batches[MAX_THREADS][BATCHES];
} work;

static CK_SESSION_HANDLE sessions[MAX_THREADS];

static void *run(void *mine)
{
	CK_SESSION_HANDLE *session = mine;
	int64_t *batches = work.batches[session - sessions];
	unsigned int batch, i;

	work.operation->run(*session);
	pthread_barrier_wait(&work.barrier);
	for (batch = 0; batch < BATCHES; batch++) {
		batches[batch] = -now_ns();
		for (i = 0; i < work.times; i++)
			work.operation->run(*session);
		batches[batch] += now_ns();
	}
	return NULL;
}

static void measure(unsigned int threads)
{
	pthread_t others[MAX_THREADS];
	unsigned int i;

	if (!threads || threads > MAX_THREADS || !work.times)
		errx(2, "too many threads, or none");
	pthread_barrier_init(&work.barrier, NULL, threads);
	for (i = 0; i < threads; i++)
		if (pthread_create(&others[i], NULL, run, &sessions[i]))
			errx(1, "no thread");
	for (i = 0; i < threads; i++)
		pthread_join(others[i], NULL);
	pthread_barrier_destroy(&work.barrier);
	printf("%.1f\n", (double)median_ns(work.batches[0], threads * BATCHES) /
			 work.times);
}

static void count(const char *name)
{
	unsigned int i;

	work.operation->run(sessions[0]);
	CALLGRIND_ZERO_STATS;
	for (i = 0; i < work.times; i++)
		work.operation->run(sessions[0]);
	CALLGRIND_DUMP_STATS_AT(name);
	printf("%u\n", work.times);
}

/* ---- the module and its token ---- */

static void load(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get;
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

	if (!object)
		errx(1, "%s", dlerror());
	get = (CK_C_GetFunctionList)dlsym(object, "C_GetFunctionList");
	if (!get)
		errx(1, "%s", dlerror());
	MUST(get(&p11));
	MUST(p11->C_Initialize(&args));
}

static void find_slot(const char *label)
{
	CK_TOKEN_INFO token;
	CK_SLOT_ID slots[32];
	CK_ULONG i, nr = 32;

	MUST(p11->C_GetSlotList(CK_TRUE, slots, &nr));
	for (i = 0; i < nr; i++) {
		if (p11->C_GetTokenInfo(slots[i], &token) != CKR_OK ||
		    memcmp(token.label, label, strlen(label)))
			continue;
		slot = slots[i];
		return;
	}
	errx(1, "no token '%s'", label);
}

int main(int argc, char **argv)
{
	char line[128], name[32];
	unsigned int threads, i;

	if (argc != 3 && argc != 4)
		errx(2, "usage: call MODULE LABEL [PIN] <COMMANDS");
	load(argv[1]);
	find_slot(argv[2]);
	for (i = 0; i < MAX_THREADS; i++)
		MUST(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL,
					&sessions[i]));
	if (argc == 4) {
		MUST(p11->C_Login(sessions[0], CKU_USER, (unsigned char *)argv[3],
				  strlen(argv[3])));
		key = find_key(sessions[0]);
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "time %31s %u %u", name, &threads,
			   &work.times) == 3) {
			work.operation = find_operation(name);
			measure(threads);
		} else if (sscanf(line, "count %31s %u", name,
				  &work.times) == 2) {
			work.operation = find_operation(name);
			count(name);
		} else {
			errx(2, "what is '%s'", line);
		}
	}
	MUST(p11->C_Finalize(NULL));
	return 0;
}
