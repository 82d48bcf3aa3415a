// SPDX-License-Identifier: GPL-2.0-only
/*
 * R8 in numbers: 1,000 waiters, 10,000 sessions, 1,000 tokens, 10,000 callers.
 * All of it works, and what an operation costs there is printed beside what it
 * costs with 10: for information, since a time is no verdict on a shared
 * machine. What a caller takes of the kernel's memory is checked on kernels
 * that make no objects larger for debugging.
 */
#include <pthread.h>
#include <sys/resource.h>
#include "token.h"
#include "kselftest_harness.h"

#define FEW		10
#define WAITERS		1000
#define SESSIONS	10000
#define TOKENS		1000
#define CALLERS		10000
#define ROUNDS		5	/* alternating; the median counts */
#define OPERATIONS	200
#define CALLER_BYTES	1024

#define USER_TOKENS	"/sys/module/tokmux/parameters/user_tokens"

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

#define PRINT_RATIO(_what, _few, _many, _nr) do {			\
	double few_ = median(_few), many_ = median(_many);		\
									\
	TH_LOG("%s: %.1f us at %d, %.1f us at %d, ratio %.2f", _what,	\
	       few_ / 1000, FEW, many_ / 1000, _nr, many_ / few_);	\
} while (0)

FIXTURE(r8)
{
	int watch;
	unsigned int user_tokens;
};

FIXTURE_SETUP(r8)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER,
				     .max_sessions = SESSIONS };
	struct rlimit files = { CALLERS + 1000, CALLERS + 1000 };

	self->user_tokens = get_number(USER_TOKENS);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, create(own_name(), &arg));
	self->watch = arg.fd;
}

FIXTURE_TEARDOWN(r8)
{
	close(self->watch);
	put_number(USER_TOKENS, self->user_tokens);
}

/* ---- waiters ---- */

static unsigned int in_line;	/* who has been served, under the lease */

static void *wait_in_line(void *arg)
{
	int fd = *(int *)arg;
	long failures;

	failures = acquire(fd, TOKMUX_EXCLUSIVE, FOREVER) != 0;
	in_line++;
	failures += release(fd) != 0;
	return (void *)failures;
}

/* How long it takes to serve one of @nr waiters, or less than 0. */
static double serve(int fd, int *files, unsigned int nr)
{
	static pthread_t threads[WAITERS];
	pthread_attr_t attr;
	void *failures;
	bool failed = false;
	int64_t begin, end;
	unsigned int i;

	if (acquire(fd, TOKMUX_EXCLUSIVE, 0))
		return -1;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	in_line = 0;
	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], &attr, wait_in_line, &files[i]))
			return -2;
	if (!EVENTUALLY(info(fd).waiters == nr))
		return -3;
	begin = now_ns();
	release(fd);
	/* behind all of them */
	if (acquire(fd, TOKMUX_EXCLUSIVE, FOREVER))
		return -4;
	end = now_ns();
	if (in_line != nr)
		return -5;
	release(fd);
	for (i = 0; i < nr; i++) {
		pthread_join(threads[i], &failures);
		failed |= !!failures;
	}
	return failed ? -6 : (double)(end - begin) / nr;
}

TEST_F_TIMEOUT(r8, waiters, 300)
{
	double few[ROUNDS], many[ROUNDS];
	int fd = open_bound(own_name(), 0), i;
	static int files[WAITERS];

	for (i = 0; i < WAITERS; i++) {
		files[i] = open_bound(own_name(), 0);
		ASSERT_GE(files[i], 0);
	}
	for (i = 0; i < ROUNDS; i++) {
		few[i] = serve(fd, files, FEW);
		ASSERT_GT(few[i], 0);
		many[i] = serve(fd, files, WAITERS);
		ASSERT_GT(many[i], 0);
	}
	EXPECT_EQ(0, info(fd).waiters);
	EXPECT_EQ(0, info(fd).holders);
	PRINT_RATIO("hand the token on to who waits", few, many, WAITERS);
}

/* ---- sessions ---- */

static double open_and_close(int fd)
{
	int64_t begin = now_ns();

	for (int i = 0; i < OPERATIONS; i++) {
		int id = session_open(fd, 0);

		if (id <= 0 || session_close(fd, id))
			return -1;
	}
	return (double)(now_ns() - begin) / OPERATIONS;
}

TEST_F_TIMEOUT(r8, sessions, 300)
{
	double few[ROUNDS], many[ROUNDS];
	int fd = open_bound(own_name(), 0), other = open_bound(own_name(), 0);
	unsigned int last = 0, id;
	int i, j;

	ASSERT_GE(other, 0);
	for (i = 0; i < FEW; i++)
		ASSERT_GT(session_open(other, 0), 0);
	for (i = 0; i < ROUNDS; i++) {
		few[i] = open_and_close(fd);
		ASSERT_GT(few[i], 0);
		for (j = FEW; j < SESSIONS - 1; j++) {
			id = session_open(other, 0);
			ASSERT_GT(id, last);
			last = id;
		}
		ASSERT_EQ(SESSIONS - 1, info(fd).sessions);
		many[i] = open_and_close(fd);
		ASSERT_GT(many[i], 0);
		ASSERT_GT(session_open(fd, 0), 0);
		ASSERT_EQ(-EAGAIN, session_open(fd, 0));
		ASSERT_EQ(-EAGAIN, session_open(other, 0));
		ASSERT_EQ(0, session_close_all(fd));
		ASSERT_EQ(0, session_close_all(other));
		ASSERT_EQ(0, info(fd).sessions);
		for (j = 0; j < FEW; j++) {
			last = session_open(other, 0);
			ASSERT_GT(last, 0);
		}
	}
	PRINT_RATIO("open and close a session", few, many, SESSIONS);
}

/* ---- tokens ---- */

static void token_name(char *name, unsigned int i)
{
	snprintf(name, TOKMUX_NAME_SIZE, "%.40s-%u", own_name(), i);
}

static double open_and_close_token(unsigned int nr)
{
	int64_t begin = now_ns();

	for (unsigned int i = 0; i < OPERATIONS; i++) {
		struct tokmux_open arg = {};

		token_name(arg.name, i * 7919 % nr);
		if (control_verb(TOKMUX_CTL_OPEN, &arg) || close(arg.fd))
			return -1;
	}
	return (double)(now_ns() - begin) / OPERATIONS;
}

TEST_F_TIMEOUT(r8, user_tokens, 300)
{
	double few[ROUNDS], many[ROUNDS];
	char name[TOKMUX_NAME_SIZE];
	static int files[TOKENS];
	int i, j;

	if (put_number(USER_TOKENS, TOKENS + 1))
		SKIP(return, "needs root to raise the limit");
	for (i = 0; i < ROUNDS; i++) {
		for (j = 0; j < TOKENS; j++) {
			if (j == FEW) {
				few[i] = open_and_close_token(FEW);
				ASSERT_GT(few[i], 0);
			}
			token_name(name, j);
			files[j] = open_token(name);
			ASSERT_GE(files[j], 0);
		}
		/* and the fixture's */
		token_name(name, TOKENS);
		ASSERT_EQ(-EDQUOT, open_token(name));
		many[i] = open_and_close_token(TOKENS);
		ASSERT_GT(many[i], 0);
		for (j = 0; j < TOKENS; j++)
			close(files[j]);
	}
	PRINT_RATIO("find, open and close a user token", few, many, TOKENS);
}

/* ---- callers ---- */

static double bind_and_close(void)
{
	int64_t begin = now_ns();

	for (int i = 0; i < OPERATIONS; i++) {
		int fd = open_bound(own_name(), 0);

		if (fd < 0 || acquire(fd, TOKMUX_SHARED, 0) || release(fd) || close(fd))
			return -1;
	}
	return (double)(now_ns() - begin) / OPERATIONS;
}

static int64_t slab_bytes(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

TEST_F_TIMEOUT(r8, callers, 300)
{
	double few[ROUNDS], many[ROUNDS];
	int64_t accounted, slab;
	static int files[CALLERS];
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		accounted = accounted_bytes();
		slab = slab_bytes();
		for (j = 0; j < CALLERS; j++) {
			if (j == FEW) {
				few[i] = bind_and_close();
				ASSERT_GT(few[i], 0);
			}
			files[j] = open_bound(own_name(), 0);
			ASSERT_GE(files[j], 0);
		}
		slab = slab_bytes() - slab;
		many[i] = bind_and_close();
		ASSERT_GT(many[i], 0);
		accounted = accounted_bytes() - accounted;
		/* all of them hold it, and all are told that somebody waits */
		if (!i) {
			int64_t begin = now_ns();
			struct tokmux_event event;

			for (j = 0; j < CALLERS; j++)
				ASSERT_EQ(0, acquire(files[j], TOKMUX_SHARED, 0));
			ASSERT_EQ(CALLERS, info(self->watch).holders);
			TH_LOG("acquire: %.1f us each", (now_ns() - begin) / 1e3 / CALLERS);
			ASSERT_EQ(-ETIMEDOUT, acquire(open_bound(own_name(), 0),
						      TOKMUX_EXCLUSIVE, 1));
			for (j = 0; j < CALLERS; j++)
				ASSERT_EQ(TOKMUX_EVENT_WANTED, next_event(files[j], &event));
			TH_LOG("kernel memory of a caller with its file: %ld bytes of slab",
			       (long)(slab / CALLERS));
			/* there are such caches where memory can be accounted */
			if (accounted_bytes()) {
				TH_LOG("that is ours: %ld bytes", (long)(accounted / CALLERS));
				EXPECT_GT(accounted / CALLERS, CALLER_BYTES / 4);
				EXPECT_LE(accounted / CALLERS, CALLER_BYTES);
			}
		}
		for (j = 0; j < CALLERS; j++)
			close(files[j]);
		ASSERT_EQ(0, info(self->watch).holders);
	}
	PRINT_RATIO("open, bind, acquire, release, close", few, many, CALLERS);
}

/* Another process binds and dies. */
static double live_and_die(void)
{
	int64_t begin = now_ns();

	for (int i = 0; i < FEW; i++) {
		pid_t pid = child();

		if (!pid)
			_exit(open_bound(own_name(), 0) < 0);
		if (reap(pid))
			return -1;
	}
	return (double)(now_ns() - begin) / FEW;
}

static bool has_many_callers(void *of)
{
	int i;

	for (i = 0; i < CALLERS; i++) {
		int fd = open_bound(own_name(), 0);

		if (fd < 0 || acquire(fd, TOKMUX_SHARED, 0))
			return false;
	}
	return true;
}

/* A process with as many callers dies, and so do others while it lives. */
TEST_F_TIMEOUT(r8, callers_die, 300)
{
	double few[ROUNDS], many[ROUNDS];
	int64_t begin;
	int i, status;
	pid_t pid;

	for (i = 0; i < ROUNDS; i++)
		few[i] = live_and_die();
	pid = child_that_stays(has_many_callers, NULL);
	ASSERT_LT(0, pid);
	ASSERT_EQ(CALLERS, info(self->watch).holders);
	for (i = 0; i < ROUNDS; i++) {
		many[i] = live_and_die();
		ASSERT_GT(many[i], 0);
	}
	PRINT_RATIO("a process beside them binds and dies", few, many, CALLERS);
	begin = now_ns();
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, info(self->watch).holders);
	TH_LOG("death of a process: %.1f us a caller", (now_ns() - begin) / 1e3 / CALLERS);
}

/* ---- system tokens; the last, since udev is busy with them for long ---- */

static double open_and_close_device(const unsigned int *indices, unsigned int nr)
{
	int64_t begin = now_ns();

	for (unsigned int i = 0; i < OPERATIONS; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/dev/tokmux%u", indices[i * 7919 % nr]);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || close(fd))
			return -1;
	}
	return (double)(now_ns() - begin) / OPERATIONS;
}

TEST_F_TIMEOUT(r8, system_tokens, 300)
{
	double few[ROUNDS], many[ROUNDS];
	static unsigned int indices[TOKENS];
	int64_t begin;
	int i;

	if (geteuid())
		SKIP(return, "needs root");
	begin = now_ns();
	for (i = 0; i < TOKENS; i++) {
		struct tokmux_create arg = {};
		char name[TOKMUX_NAME_SIZE];

		token_name(name, i);
		ASSERT_EQ(0, create(name, &arg));
		indices[i] = arg.index;
	}
	TH_LOG("create a system token: %.1f us", (now_ns() - begin) / 1e3 / TOKENS);
	for (i = 0; i < ROUNDS; i++) {
		few[i] = open_and_close_device(indices, FEW);
		ASSERT_GT(few[i], 0);
		many[i] = open_and_close_device(indices, TOKENS);
		ASSERT_GT(many[i], 0);
	}
	for (i = 0; i < TOKENS; i++) {
		struct tokmux_remove arg = { .index = indices[i] };

		ASSERT_EQ(0, control_verb(TOKMUX_CTL_REMOVE, &arg));
	}
	PRINT_RATIO("open and close a system token", few, many, TOKENS);
}

TEST_HARNESS_MAIN
