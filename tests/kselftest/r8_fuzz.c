// SPDX-License-Identifier: GPL-2.0-only
/*
 * R8: no input from user space can oops, hang, leak or exceed the limits.
 *
 * Processes of several threads call every ioctl, read and poll with structs,
 * sizes and files of all kinds, mostly nearly right ones, on tokens that they
 * share; they fork, pass files around, close, exec and are killed. What is
 * looked for is the kernel's complaint, a hang, or something left over at the
 * end. One thread of each process writes to the words by which leases are parked.
 *
 * TOKMUX_FUZZ_CALLS and TOKMUX_FUZZ_SEED change what is done.
 */
#include <pthread.h>
#include "uhid.h"
#include "kselftest_harness.h"

#define PROCESSES	4
#define THREADS		3
#define FILES		8
#define TOKENS		3

static struct {
	uint64_t calls;
	uint64_t good;		/* that were not refused */
	unsigned int system;	/* index of a system token */
} *shared;

static uint64_t calls_wanted;

/* xorshift: a state of its own for each thread, so that a seed tells it all. */
static uint32_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 16;
}

static const struct {
	unsigned long cmd;
	bool control;
} verbs[] = {
	{ TOKMUX_CTL_CREATE, true }, { TOKMUX_CTL_OPEN, true },
	{ TOKMUX_CTL_REMOVE, true },
	{ TOKMUX_BIND }, { TOKMUX_INFO }, { TOKMUX_ACQUIRE }, { TOKMUX_RELEASE },
	{ TOKMUX_MARK_CLEAN }, { TOKMUX_SESSION_OPEN }, { TOKMUX_SESSION_CLOSE },
	{ TOKMUX_SESSION_CLOSE_ALL }, { TOKMUX_LOGIN }, { TOKMUX_LOGOUT },
	{ TOKMUX_EJECT }, { TOKMUX_LEASE_FD }, { TOKMUX_NOTE_GET }, { TOKMUX_NOTE_SET },
	{ TOKMUX_CANCEL },
};

#define NR_VERBS	(sizeof(verbs) / sizeof(verbs[0]))

struct worker {
	uint64_t state;
	int *files;		/* FILES of them, shared by the threads */
	int control;
	int sock[2];		/* shared by all processes */
};

/* Small numbers, powers of two, all ones, or anything. */
static uint32_t value(uint64_t *state)
{
	switch (rnd(state) % 6) {
	case 0:
		return 0;
	case 1:
		return ~0U;
	case 2:
		return 1U << rnd(state) % 32;
	case 3:
		return rnd(state);
	default:
		return rnd(state) % 4;
	}
}

static void fill(struct worker *w, unsigned long cmd, uint32_t *arg, size_t words)
{
	uint64_t *s = &w->state;
	size_t i;

	memset(arg, 0, words * 4);
	switch (cmd) {
	case TOKMUX_CTL_CREATE:
		arg[0] = TOKMUX_CREATE_USER;
		arg[1] = rnd(s) % 2 ? 0 : 4;
		arg[2] = rnd(s) % 2 ? 0 : 1 + rnd(s) % 3;
		snprintf((char *)&arg[6], TOKMUX_NAME_SIZE, "fuzz-%u", rnd(s) % TOKENS);
		break;
	case TOKMUX_CTL_OPEN:
		snprintf((char *)&arg[2], TOKMUX_NAME_SIZE, "fuzz-%u", rnd(s) % TOKENS);
		break;
	case TOKMUX_BIND:
		arg[0] = rnd(s) % 2;
		break;
	case TOKMUX_ACQUIRE:
		arg[1] = 1 + rnd(s) % 2;
		arg[2] = rnd(s) % 4;
		break;
	case TOKMUX_RELEASE:
		arg[0] = rnd(s) % 2;
		arg[1] = arg[0] ? rnd(s) % 4 : 0;
		break;
	case TOKMUX_SESSION_OPEN:
		arg[1] = rnd(s) % 3;
		break;
	case TOKMUX_SESSION_CLOSE:
		arg[1] = rnd(s) % 64;
		break;
	case TOKMUX_NOTE_GET:
		arg[0] = rnd(s) % 2;
		break;
	case TOKMUX_NOTE_SET:
		memset(&arg[1], (int)rnd(s) % 2, TOKMUX_NOTE_SIZE);
		break;
	case TOKMUX_LOGIN:
		arg[1] = 1 + rnd(s) % 2;
		break;
	case TOKMUX_CTL_REMOVE:
		arg[1] = 4 + rnd(s) % 4;	/* not the tests' own */
		break;
	}
	if (rnd(s) % 4 == 0)
		for (i = rnd(s) % 3; i < 3; i++)
			arg[rnd(s) % words] = value(s);
	/* a wait that is not to end would end the test */
	if (cmd == TOKMUX_ACQUIRE && (int)arg[2] < 0)
		arg[2] = 1;
	if (cmd == TOKMUX_ACQUIRE)
		arg[2] %= 8;
	if (cmd == TOKMUX_SESSION_OPEN)
		arg[1] %= 8;
}

static void one_ioctl(struct worker *w, int fd)
{
	uint64_t *s = &w->state;
	unsigned int which = rnd(s) % NR_VERBS;
	unsigned long cmd = verbs[which].cmd;
	uint32_t buf[64];
	void *arg = buf;
	int ret;

	fill(w, cmd, buf, 64);
	/* what is beyond the struct is not looked at, unless it is told to be */
	if (rnd(s) % 16 == 0)
		cmd = _IOC(rnd(s) % 16 ? _IOC_DIR(cmd) : rnd(s) % 4, TOKMUX_IOC_MAGIC,
			   rnd(s) % 32, rnd(s) % 2 ? _IOC_SIZE(cmd) : rnd(s) % 256);
	if (rnd(s) % 64 == 0)
		arg = rnd(s) % 2 ? NULL : (void *)(long)(int)value(s);
	if (verbs[which].control != (rnd(s) % 32 == 0))
		fd = w->control;
	ret = verb(fd, cmd, arg);
	if (!ret)
		__sync_fetch_and_add(&shared->good, 1);
	if (!ret && arg == buf && cmd == TOKMUX_CTL_CREATE && (int)buf[4] > 2) {
		int old = __sync_lock_test_and_set(&w->files[rnd(s) % FILES], (int)buf[4]);

		close(old);
	}
	if (!ret && arg == buf && (cmd == TOKMUX_CTL_OPEN || cmd == TOKMUX_LEASE_FD)) {
		int old = __sync_lock_test_and_set(&w->files[rnd(s) % FILES], (int)buf[1]);

		close(old);
	}
}

static void one_call(struct worker *w)
{
	uint64_t *s = &w->state;
	int fd = w->files[rnd(s) % FILES], other;
	struct tokmux_event events[4];
	struct pollfd pfd;
	char path[64];
	pid_t pid;

	switch (rnd(s) % 256) {
	case 0:
		other = dup(fd);
		if (other >= 0)
			close(__sync_lock_test_and_set(&w->files[rnd(s) % FILES], other));
		break;
	case 1:
		if (fd >= 0)
			send_fd(w->sock[0], fd);
		break;
	case 2:
		other = receive_fd(w->sock[1]);
		if (other >= 0)
			close(__sync_lock_test_and_set(&w->files[rnd(s) % FILES], other));
		break;
	case 3:
		pid = fork();
		if (!pid) {
			for (int i = rnd(s) % 8; i > 0; i--)
				one_ioctl(w, w->files[rnd(s) % FILES]);
			if (rnd(s) % 4 == 0)
				execl("/bin/true", "true", NULL);
			_exit(0);
		}
		if (pid > 0 && rnd(s) % 2)
			kill(pid, SIGKILL);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		break;
	case 4:
		close(__sync_lock_test_and_set(&w->files[rnd(s) % FILES], -1));
		break;
	case 5:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		other = open(path, O_RDONLY);
		if (other >= 0) {
			char text[512];

			if (read(other, text, sizeof(text)) < 0)
				text[0] = 0;
			close(other);
		}
		break;
	case 6:
		snprintf(path, sizeof(path), "/dev/tokmux%u", shared->system);
		other = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (other >= 0)
			close(__sync_lock_test_and_set(&w->files[rnd(s) % FILES], other));
		break;
	case 7 ... 20:
		pfd = (struct pollfd){ .fd = fd, .events = POLLIN };
		if (poll(&pfd, 1, rnd(s) % 2) == 1)
			fcntl(fd, F_SETFL, O_NONBLOCK);
		if (fcntl(fd, F_GETFL) & O_NONBLOCK &&
		    read(fd, rnd(s) % 16 ? (void *)events : NULL, rnd(s) % 128) < 0)
			break;
		break;
	default:
		one_ioctl(w, fd);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (__sync_fetch_and_add(&shared->calls, 1) < calls_wanted)
		one_call(w);
	return NULL;
}

#define WORDS	4

/* What a holder may write to its word, and what it must not. */
static void scribble(uint64_t *s, struct tokmux_park *park)
{
	uint32_t word = __atomic_load_n(&park->word, __ATOMIC_RELAXED), new = word;

	switch (rnd(s) % 8) {
	case 0:
		new = value(s);
		break;
	case 1:
		new = (word & ~TOKMUX_PARK_BITS) | rnd(s) % 16;
		break;
	case 2:
		park->thread = rnd(s) % 2 ? gettid() : value(s);
		park->epoch = value(s);
		break;
	default:
		new = word ^ TOKMUX_PARK_IDLE;
		if (word & TOKMUX_PARK_LOOK)
			return;
	}
	if (rnd(s) % 16)
		__atomic_compare_exchange_n(&park->word, &word, new, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&park->word, new, __ATOMIC_RELAXED);
}

/* Its mappings are its own: another thread would unmap what it writes to. */
static void *write_words(void *arg)
{
	struct tokmux_park *words[WORDS] = {};
	struct worker *w = arg;
	uint64_t *s = &w->state;
	size_t page = sysconf(_SC_PAGESIZE);
	void *map;

	while (*(volatile uint64_t *)&shared->calls < calls_wanted) {
		int i = rnd(s) % WORDS, n;

		if (words[i])
			munmap(words[i], page);
		map = mmap(NULL, page, PROT_READ | PROT_WRITE, rnd(s) % 8 ? MAP_SHARED : MAP_PRIVATE,
			   w->files[rnd(s) % FILES], rnd(s) % 16 ? 0 : page);
		words[i] = map == MAP_FAILED ? NULL : map;
		for (n = 0; n < 256; n++) {
			i = rnd(s) % WORDS;
			if (words[i])
				scribble(s, words[i]);
		}
		sched_yield();
	}
	return NULL;
}

static void process(uint64_t seed, int sock[2])
{
	int files[FILES], i;
	pthread_t threads[THREADS + 1];
	struct worker workers[THREADS + 1];

	for (i = 0; i < FILES; i++)
		files[i] = -1;
	for (i = 0; i <= THREADS; i++) {
		workers[i] = (struct worker){
			.state = seed * (THREADS + 1) + i + 1,
			.files = files,
			.control = open(CONTROL, O_RDWR | O_CLOEXEC),
			.sock = { sock[0], sock[1] },
		};
		for (int j = 0; j < 10; j++)
			rnd(&workers[i].state);
		pthread_create(&threads[i], NULL, i < THREADS ? work : write_words,
			       &workers[i]);
	}
	for (i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

FIXTURE(r8)
{
	int unused;
};

FIXTURE_SETUP(r8)
{
}

FIXTURE_TEARDOWN(r8)
{
}

/* System tokens that were made on the way: there is nobody else's in a guest. */
static void remove_all(void)
{
	for (unsigned int i = 0; i < 4096; i++) {
		struct tokmux_remove arg = { .index = i };

		control_verb(TOKMUX_CTL_REMOVE, &arg);
	}
}

/* Who looks must not be who keeps it. */
static bool is_gone(const char *name)
{
	struct tokmux_open arg = {};
	int ret;

	snprintf(arg.name, sizeof(arg.name), "%s", name);
	ret = control_verb(TOKMUX_CTL_OPEN, &arg);
	if (!ret)
		close(arg.fd);
	return ret == -ENOENT;
}

/* However slow the machine: as long as there are calls at all. */
static bool goes_on_until(uint64_t until)
{
	volatile uint64_t *calls = &shared->calls;

	while (*calls < until) {
		uint64_t before = *calls;

		if (!EVENTUALLY(*calls != before))
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(r8, fuzz, 3000)
{
	uint64_t seed = env("TOKMUX_FUZZ_SEED", getpid() ^ (time(NULL) << 12));
	struct tokmux_create arg = {};
	pid_t pids[PROCESSES];
	uint64_t next = 0;
	int sock[2], uhid = -1, i;
	char node[64];

	begin_group();
	shared = shared_memory(sizeof(*shared));
	calls_wanted = env("TOKMUX_FUZZ_CALLS", 200000);
	TH_LOG("%llu calls, TOKMUX_FUZZ_SEED=%llu", (unsigned long long)calls_wanted,
	       (unsigned long long)seed);
	/* with a real device, so that lease fds are among the files */
	if (uhid_is_there())
		uhid = uhid_plug(node, sizeof(node));
	ASSERT_GE(uhid < 0 ? register_token(&arg) : register_hidraw(node, 2, &arg), 0);
	shared->system = arg.index;
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sock));
	for (i = 0; i < PROCESSES; i++)
		pids[i] = 0;
	while (*(volatile uint64_t *)&shared->calls < calls_wanted) {
		for (i = 0; i < PROCESSES; i++) {
			if (!pids[i])
				pids[i] = child();
			if (!pids[i])
				process(seed + next, sock);
			next++;
		}
		/* a process lives for a while, then it is killed or has ended */
		uint64_t until = shared->calls + calls_wanted / 200;

		ASSERT_TRUE(goes_on_until(until < calls_wanted ? until : calls_wanted));
		i = next % PROCESSES;
		kill(pids[i], SIGKILL);
		reap(pids[i]);
		pids[i] = 0;
	}
	for (i = 0; i < PROCESSES; i++)
		if (pids[i])
			reap(pids[i]);
	close(sock[0]);
	close(sock[1]);
	end_group();
	close(uhid);

	/* system tokens stay until they are removed, else nothing is left */
	remove_all();
	for (i = 0; i < TOKENS; i++) {
		char name[TOKMUX_NAME_SIZE];

		snprintf(name, sizeof(name), "fuzz-%d", i);
		EXPECT_TRUE(EVENTUALLY(is_gone(name)));
	}
	TH_LOG("%llu calls, %llu of them not refused, 0 left over",
	       (unsigned long long)shared->calls, (unsigned long long)shared->good);
	EXPECT_GT(shared->good, shared->calls / 10);
}

TEST_HARNESS_MAIN
