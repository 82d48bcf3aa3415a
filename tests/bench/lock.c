// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thing that one process uses at a time: what it costs to take it and give
 * it back, to wait for it, and to get it from one that was killed. The same
 * with each kind of lock:
 *
 *	tokmux	an exclusive lease, through libtokmux
 *	parked	the same, kept between its uses
 *	mixed	the first, but every second process wants a shared one (contend)
 *	ioctl	no lock: an ioctl of the same file that does nothing, twice
 *	flock	LOCK_EX and LOCK_UN of a file
 *	mutex	a robust mutex in shared memory: what user space can do at best
 *	pcscd	SCardBeginTransaction and SCardEndTransaction, no APDU between
 *
 * Prints samples only, as JSON, for tests/bench/measure.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <err.h>
#include <tokmux.h>
#include <winscard.h>
#include "bench.h"

#define MAX_PROCESSES	256
#define MAX_WAITS	20000	/* of each process; the rest isn't kept */

static struct shared {
	pthread_mutex_t mutex;
	unsigned int ready;
	bool holds;
	bool counts;
	bool stop;
	bool asks;
	int64_t granted_ns;
	/* Written by the holder. Holders of shared leases, "mixed", overwrite each other's. */
	struct process *last;
	int64_t given_ns;
	struct process {
		bool began;
		unsigned int grants;
		uint64_t longest_ns;
		/* where another process had it before */
		unsigned int nr_waits;
		uint32_t waits_ns[MAX_WAITS];	/* from asking to having it */
		uint32_t passes_ns[MAX_WAITS];	/* from its giving it back */
	} processes[MAX_PROCESSES];
} *shared;

static char lock_path[64];

/* ---- the kinds ---- */

static struct tokmux_caller *caller, *parker;

static struct tokmux_caller *open_caller(const char *token)
{
	struct tokmux_caller *opened;
	int ret = tokmux_open_user(token, 0, 0, &opened);

	if (ret >= 0)
		ret = tokmux_bind(opened, 0);
	if (ret < 0)
		errx(1, "tokmux: %s", tokmux_strerror(ret));
	return opened;
}

static void tokmux_begin(void)
{
	caller = open_caller("bench");
}

static void parked_begin(void)
{
	int ret;

	parker = open_caller("bench-parked");
	ret = tokmux_park(parker);
	if (ret < 0)
		errx(1, "tokmux: %s", tokmux_strerror(ret));
}

static bool parked_take(void)
{
	return !tokmux_acquire(parker, TOKMUX_EXCLUSIVE, -1, NULL);
}

static bool parked_give(void)
{
	return !tokmux_release(parker);
}

static bool tokmux_take(void)
{
	return !tokmux_acquire(caller, TOKMUX_EXCLUSIVE, -1, NULL);
}

static bool shares;	/* with "mixed": this process wants a shared lease */

static bool mixed_take(void)
{
	return !tokmux_acquire(caller, shares ? TOKMUX_SHARED : TOKMUX_EXCLUSIVE, -1,
			       NULL);
}

static bool tokmux_give(void)
{
	return !tokmux_release(caller);
}

/* Refused at once, by the module: there is no verb of that number. */
static bool ioctl_nothing(void)
{
	return ioctl(tokmux_fd(caller), _IO(TOKMUX_IOC_MAGIC, 0xff)) < 0;
}

static int lock_file = -1;

static void flock_begin(void)
{
	lock_file = open(lock_path, O_RDWR | O_CLOEXEC);
	if (lock_file < 0)
		err(1, "%s", lock_path);
}

static bool flock_take(void)
{
	return !flock(lock_file, LOCK_EX);
}

static bool flock_give(void)
{
	return !flock(lock_file, LOCK_UN);
}

static void mutex_begin(void)
{
}

static bool mutex_take(void)
{
	int ret = pthread_mutex_lock(&shared->mutex);

	if (ret == EOWNERDEAD)
		ret = pthread_mutex_consistent(&shared->mutex);
	return !ret;
}

static bool mutex_give(void)
{
	return !pthread_mutex_unlock(&shared->mutex);
}

static SCARDCONTEXT context;
static SCARDHANDLE card;
static DWORD protocol;

static void pcscd_begin(void)
{
	char readers[1024];
	DWORD length = sizeof(readers);
	LONG ret;

	ret = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
	if (ret == SCARD_S_SUCCESS)
		ret = SCardListReaders(context, NULL, readers, &length);
	if (ret == SCARD_S_SUCCESS)
		ret = SCardConnect(context, readers, SCARD_SHARE_SHARED,
				   SCARD_PROTOCOL_ANY, &card, &protocol);
	if (ret != SCARD_S_SUCCESS)
		errx(1, "pcscd: %s", pcsc_stringify_error(ret));
}

/* pcscd resets the card when its holder has died, and wants that to be seen. */
static bool pcscd_take(void)
{
	LONG ret;

	while ((ret = SCardBeginTransaction(card)) == SCARD_W_RESET_CARD) {
		ret = SCardReconnect(card, SCARD_SHARE_SHARED,
				     SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD,
				     &protocol);
		if (ret != SCARD_S_SUCCESS)
			break;
	}
	if (ret != SCARD_S_SUCCESS)
		warnx("pcscd: %s", pcsc_stringify_error(ret));
	return ret == SCARD_S_SUCCESS;
}

static bool pcscd_give(void)
{
	return SCardEndTransaction(card, SCARD_LEAVE_CARD) == SCARD_S_SUCCESS;
}

static const struct kind {
	const char *name;
	void (*begin)(void);	/* in each process */
	bool (*take)(void);
	bool (*give)(void);
} kinds[] = {
	{ "tokmux", tokmux_begin, tokmux_take, tokmux_give },
	{ "parked", parked_begin, parked_take, parked_give },
	{ "mixed", tokmux_begin, mixed_take, tokmux_give },
	{ "ioctl", tokmux_begin, ioctl_nothing, ioctl_nothing },
	{ "flock", flock_begin, flock_take, flock_give },
	{ "mutex", mutex_begin, mutex_take, mutex_give },
	{ "pcscd", pcscd_begin, pcscd_take, pcscd_give },
};

static const struct kind *find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	errx(2, "no kind '%s'", name);
}

/* ---- processes ---- */

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void reap(pid_t pid, bool killed)
{
	int status;

	if (waitpid(pid, &status, 0) != pid ||
	    !(killed ? WIFSIGNALED(status) : !status))
		errx(1, "a child ended with status %#x", status);
}

static void sleep_ns(int64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&ts, NULL);
}

/* A child that doesn't come that far has said why, and takes us with it. */
static void await(const bool *flag, pid_t pid)
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
		if (waitpid(pid, NULL, WNOHANG))
			errx(1, "a child ended too early");
		sleep_ns(100000);
	}
}

static void set(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

/* ---- pair: nobody else wants it ---- */

/* Return: nanoseconds for one pair. */
static double time_pairs(const struct kind *kind, unsigned int pairs)
{
	int64_t batches[BATCHES];
	unsigned int batch, i;

	for (batch = 0; batch < BATCHES; batch++) {
		batches[batch] = -now_ns();
		for (i = 0; i < pairs; i++)
			if (!kind->take() || !kind->give())
				err(1, "%s", kind->name);
		batches[batch] += now_ns();
	}
	return (double)median_ns(batches, BATCHES) / pairs;
}

/* Each round another one is first. */
static void pair(unsigned int rounds, unsigned int pairs, char **names)
{
	unsigned int round, count, i;
	const struct kind *kind;

	for (count = 0; names[count]; count++)
		if (strcmp(names[count], "ioctl"))
			find_kind(names[count])->begin();
	for (round = 0; round < rounds; round++) {
		printf("{");
		for (i = 0; i < count; i++) {
			kind = find_kind(names[(round + i) % count]);
			printf("%s\"%s\": %.1f", i ? ", " : "", kind->name,
			       time_pairs(kind, pairs));
		}
		printf("}\n");
	}
}

/* ---- contend: everybody wants it ---- */

static void contender(const struct kind *kind, struct process *me, int start,
		      unsigned int hold_us, unsigned int pause_us)
{
	int64_t asked, granted, longest = 0;
	bool counts;
	char none;

	kind->begin();
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
	if (read(start, &none, 1))
		errx(1, "not told to start");
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		asked = now_ns();
		if (!kind->take())
			errx(1, "%s: not granted", kind->name);
		granted = now_ns();
		counts = __atomic_load_n(&shared->counts, __ATOMIC_ACQUIRE);
		if (counts && shared->last != me && me->nr_waits < MAX_WAITS) {
			me->waits_ns[me->nr_waits] = granted - asked;
			me->passes_ns[me->nr_waits++] =
				asked < shared->given_ns ? granted - shared->given_ns : 0;
		}
		shared->last = me;
		if (counts && granted - asked > longest)
			longest = granted - asked;
		if (counts && !__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE))
			me->grants++;
		set(&me->began);
		while (now_ns() - granted < hold_us * 1000LL)
			;
		shared->given_ns = now_ns();
		if (!kind->give())
			errx(1, "%s: not given back", kind->name);
		if (pause_us)
			sleep_ns(pause_us * 1000LL);
	}
	me->longest_ns = longest;
	_exit(0);
}

static void print_all(const char *name, unsigned int n, size_t samples)
{
	const char *comma = "";
	unsigned int i, j;

	printf(", \"%s\": [", name);
	for (i = 0; i < n; i++) {
		const struct process *process = &shared->processes[i];
		const uint32_t *ns = (const void *)((const char *)process + samples);

		for (j = 0; j < process->nr_waits; j++) {
			printf("%s%u", comma, ns[j]);
			comma = ", ";
		}
	}
	printf("]");
}

static void contend(const struct kind *kind, unsigned int n, unsigned int ms,
		    unsigned int hold_us, unsigned int pause_us)
{
	unsigned int waited_ms = 0, i;
	pid_t pids[MAX_PROCESSES];
	int start[2];	/* all start when its other end is closed */

	if (!n || n > MAX_PROCESSES)
		errx(2, "1 to %d processes", MAX_PROCESSES);
	if (pipe(start))
		err(1, "pipe");
	for (i = 0; i < n; i++) {
		pids[i] = child();
		if (!pids[i]) {
			close(start[1]);
			shares = i % 2;
			contender(kind, &shared->processes[i], start[0], hold_us,
				  pause_us);
		}
	}
	while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < n) {
		if (waitpid(-1, NULL, WNOHANG))
			errx(1, "a child ended too early");
		sleep_ns(1000000);
	}
	close(start[1]);
	/* Not before all are in it; but with some kinds not all get there. */
	for (i = 0; i < n && waited_ms < ms / 2; waited_ms++) {
		sleep_ns(1000000);
		while (i < n && __atomic_load_n(&shared->processes[i].began, __ATOMIC_ACQUIRE))
			i++;
	}
	set(&shared->counts);
	sleep_ns(ms * 1000000LL);
	set(&shared->stop);
	for (i = 0; i < n; i++)
		reap(pids[i], false);

	printf("{\"grants\": [");
	for (i = 0; i < n; i++)
		printf("%s%u", i ? ", " : "", shared->processes[i].grants);
	printf("], \"longest_ns\": [");
	for (i = 0; i < n; i++)
		printf("%s%llu", i ? ", " : "",
		       (unsigned long long)shared->processes[i].longest_ns);
	printf("]");
	print_all("waits_ns", n, offsetof(struct process, waits_ns));
	print_all("passes_ns", n, offsetof(struct process, passes_ns));
	printf("}\n");
}

/* ---- kill: the holder dies, who waits is next ---- */

static bool sleeps(pid_t pid)
{
	char path[64], line[512] = "", *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	state = strrchr(line, ')');
	return state && state[2] == 'S';
}

/* Both are there first: pcscd connects nobody to a card in a transaction. */
static void begin_both(const struct kind *kind)
{
	kind->begin();
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < 2)
		sleep_ns(100000);
}

static void hold(const struct kind *kind)
{
	begin_both(kind);
	if (!kind->take())
		errx(1, "%s: not granted", kind->name);
	set(&shared->holds);
	for (;;)
		pause();
}

static void wait_for(const struct kind *kind)
{
	begin_both(kind);
	while (!__atomic_load_n(&shared->holds, __ATOMIC_ACQUIRE))
		sleep_ns(100000);
	set(&shared->asks);
	if (!kind->take())
		errx(1, "%s: not granted", kind->name);
	shared->granted_ns = now_ns();
	kind->give();
	_exit(0);
}

static void kill_holder(const struct kind *kind, unsigned int times)
{
	pid_t holder, waiter;
	unsigned int i;
	int64_t killed;

	srandom(1);
	printf("[");
	for (i = 0; i < times; i++) {
		shared->ready = 0;
		shared->holds = false;
		shared->asks = false;
		holder = child();
		if (!holder)
			hold(kind);
		waiter = child();
		if (!waiter)
			wait_for(kind);
		await(&shared->holds, holder);
		await(&shared->asks, waiter);
		while (!sleeps(waiter))
			sleep_ns(100000);
		/* At any point of the time in which pcscd's client polls. */
		sleep_ns(1000000 + random() % 100000000);
		killed = now_ns();
		kill(holder, SIGKILL);
		reap(waiter, false);
		printf("%s%lld", i ? ", " : "",
		       (long long)(shared->granted_ns - killed));
		reap(holder, true);
	}
	printf("]\n");
}

static void setup(void)
{
	pthread_mutexattr_t attr;
	int fd;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared->mutex, &attr);
	snprintf(lock_path, sizeof(lock_path), "/tmp/tokmux-bench-XXXXXX");
	fd = mkstemp(lock_path);
	if (fd < 0)
		err(1, "%s", lock_path);
	close(fd);
}

static unsigned int number(const char *text)
{
	return strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setup();
	if (!strcmp(what, "pair") && argc > 4)
		pair(number(argv[2]), number(argv[3]), argv + 4);
	else if (!strcmp(what, "contend") && argc == 7)
		contend(find_kind(argv[2]), number(argv[3]), number(argv[4]),
			number(argv[5]), number(argv[6]));
	else if (!strcmp(what, "kill") && argc == 4)
		kill_holder(find_kind(argv[2]), number(argv[3]));
	else
		fprintf(stderr,
			"usage: lock pair ROUNDS PAIRS KIND...\n"
			"       lock contend KIND PROCESSES MS HOLD_US PAUSE_US\n"
			"       lock kill KIND TIMES\n");
	unlink(lock_path);
	return fflush(stdout) ? 1 : 0;
}
