// SPDX-License-Identifier: GPL-2.0-only
/*
 * R1 among many: processes that ask for the exclusive lease without pause. Each
 * gets its share, and nobody who waits is overtaken: waiting is counted in
 * grants to others, not in time.
 *
 * The holder looks how many wait. Whenever all others do, the next grants must
 * go to each of them once. In the second test it keeps the lease until all
 * others do, so that this is checked at every grant, all have the same share
 * however the machine is loaded, and nobody may see more than n + 1 grants to
 * others between asking and getting.
 *
 * TOKMUX_FAIRNESS_GRANTS changes how many grants a process gets on average.
 */
#include "token.h"
#include "kselftest_harness.h"

#define GRANTS		40
#define MAX_PROCESSES	64
#define MAX_GRANTS	(1 << 16)

struct grant {
	uint8_t process;
	bool all_wait;
	uint32_t waited;	/* grants to others since it asked */
};

static struct shared {
	uint32_t wanted;
	uint32_t inside;	/* holders, by their own account */
	uint32_t overlaps;
	uint32_t failures;
	uint32_t granted;
	struct grant grants[MAX_GRANTS];
} *shared;

/* Everybody asks until the number of grants is reached. */
static void contend(unsigned int me, unsigned int n, bool hold)
{
	int fd = open_bound(own_name(), 0);
	bool more = true;

	if (fd < 0)
		_exit(1);
	while (more) {
		uint32_t asked = __atomic_load_n(&shared->granted, __ATOMIC_SEQ_CST);
		unsigned int waiters;
		struct grant *grant;

		if (acquire(fd, TOKMUX_EXCLUSIVE, FOREVER))
			_exit(2);
		if (__atomic_add_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST) != 1)
			shared->overlaps++;
		more = shared->granted < shared->wanted;
		if (more) {
			while ((waiters = info(fd).waiters) < n - 1 && hold)
				sched_yield();
			grant = &shared->grants[shared->granted];
			grant->process = me;
			grant->all_wait = waiters == n - 1;
			grant->waited = shared->granted - asked;
			__atomic_add_fetch(&shared->granted, 1, __ATOMIC_SEQ_CST);
		}
		__atomic_sub_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST);
		if (release(fd))
			_exit(3);
	}
	_exit(0);
}

/* 1 if all have the same, 1 / n if one has all. */
static double jain(const unsigned int *shares, unsigned int n)
{
	double sum = 0, squares = 0;

	for (unsigned int i = 0; i < n; i++) {
		sum += shares[i];
		squares += (double)shares[i] * shares[i];
	}
	return sum * sum / (n * squares);
}

/* Does somebody come a second time in the n - 1 grants after this one? */
static bool is_overtaken(unsigned int at, unsigned int n)
{
	bool seen[MAX_PROCESSES] = {};

	seen[shared->grants[at].process] = true;
	for (unsigned int i = at + 1; i < at + n && i < shared->wanted; i++) {
		if (seen[shared->grants[i].process])
			return true;
		seen[shared->grants[i].process] = true;
	}
	return false;
}

FIXTURE(r1)
{
	pid_t pids[MAX_PROCESSES];
	int fd;
};

FIXTURE_VARIANT(r1)
{
	unsigned int n;
};

FIXTURE_VARIANT_ADD(r1, processes_2)
{
	.n = 2,
};

FIXTURE_VARIANT_ADD(r1, processes_16)
{
	.n = 16,
};

FIXTURE_VARIANT_ADD(r1, processes_64)
{
	.n = 64,
};

FIXTURE_SETUP(r1)
{
	own_name();
	shared = shared_memory(sizeof(*shared));
	ASSERT_NE(MAP_FAILED, shared);
	shared->wanted = variant->n * env("TOKMUX_FAIRNESS_GRANTS", GRANTS);
	ASSERT_LE(shared->wanted, MAX_GRANTS);
	self->fd = open_bound(own_name(), 0);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(r1)
{
	close(self->fd);
	munmap(shared, sizeof(*shared));
}

/* All begin at once: when all wait. */
#define CONTEND(_hold) do {						\
	ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, 0));		\
	for (unsigned int i_ = 0; i_ < variant->n; i_++) {		\
		self->pids[i_] = child();				\
		if (!self->pids[i_])					\
			contend(i_, variant->n, _hold);			\
	}								\
	ASSERT_TRUE(EVENTUALLY(info(self->fd).waiters == variant->n));	\
	ASSERT_EQ(0, release(self->fd));				\
	for (unsigned int i_ = 0; i_ < variant->n; i_++)		\
		ASSERT_EQ(0, reap(self->pids[i_]));			\
	ASSERT_EQ(shared->wanted, shared->granted);			\
	ASSERT_EQ(0, shared->overlaps);					\
} while (0)

/* Returns Jain's index. */
static double count(struct __test_metadata *_metadata, unsigned int n,
		    uint32_t *longest)
{
	unsigned int shares[MAX_PROCESSES] = {}, least = ~0, most = 0;
	unsigned int all_wait = 0, overtaken = 0;

	*longest = 0;
	for (unsigned int i = 0; i < shared->wanted; i++) {
		const struct grant *grant = &shared->grants[i];

		shares[grant->process]++;
		if (grant->waited > *longest)
			*longest = grant->waited;
		if (!grant->all_wait)
			continue;
		all_wait++;
		overtaken += is_overtaken(i, n);
	}
	for (unsigned int i = 0; i < n; i++) {
		least = shares[i] < least ? shares[i] : least;
		most = shares[i] > most ? shares[i] : most;
	}
	TH_LOG("%2u processes, %u grants: %u to %u each, Jain index %.4f",
	       n, shared->wanted, least, most, jain(shares, n));
	TH_LOG("all others waited at %u of them, one was overtaken after %u; at most %u between asking and getting",
	       all_wait, overtaken, *longest);
	EXPECT_EQ(0, overtaken);
	return jain(shares, n);
}

/*
 * A process may lose the processor before it asks again. Of few, this changes
 * the shares: for these they are printed.
 */
TEST_F_TIMEOUT(r1, without_pause, 120)
{
	uint32_t longest;
	double index;

	CONTEND(false);
	index = count(_metadata, variant->n, &longest);
	if (variant->n == MAX_PROCESSES)
		EXPECT_GE(index, 0.99);
}

TEST_F_TIMEOUT(r1, all_others_wait, 120)
{
	uint32_t longest;

	CONTEND(true);
	EXPECT_GE(count(_metadata, variant->n, &longest), 0.99);
	EXPECT_LE(longest, variant->n + 1);
}

TEST_HARNESS_MAIN
