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
#include "fuzz.h"
#include "uhid.h"
#include "kselftest_harness.h"

#define PROCESSES	4
#define THREADS		3

static struct {
	uint64_t calls;
	uint64_t good;		/* that were not refused */
	unsigned int system;	/* index of a system token */
} *shared;

static uint64_t calls_wanted;

static void *work(void *arg)
{
	struct worker *w = arg;

	while (__sync_fetch_and_add(&shared->calls, 1) < calls_wanted)
		one_call(w);
	return NULL;
}

/* Its mappings are its own: another thread would unmap what it writes to. */
static void *write_words(void *arg)
{
	struct tokmux_park *words[WORDS] = {};
	struct worker *w = arg;
	struct choices *s = &w->choices;

	while (*(volatile uint64_t *)&shared->calls < calls_wanted) {
		int i = rnd(s) % WORDS, n;

		words[i] = map_word(w, words[i]);
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
			.choices.state = seed * (THREADS + 1) + i + 1,
			.files = files,
			.control = open(CONTROL, O_RDWR | O_CLOEXEC),
			.sock = { sock[0], sock[1] },
			.system = shared->system,
			.good = &shared->good,
		};
		for (int j = 0; j < 10; j++)
			rnd(&workers[i].choices);
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
