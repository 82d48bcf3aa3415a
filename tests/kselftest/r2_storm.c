// SPDX-License-Identifier: GPL-2.0-only
/*
 * R2 under fire: holders killed at random moments, with three waiters, half of
 * them while a forked child keeps a copy of their files. No stuck token, no
 * lost grant.
 *
 * TOKMUX_STORM_ROUNDS and TOKMUX_STORM_SEED change what is done.
 */
#include "token.h"
#include "kselftest_harness.h"

#define WAITERS	3

static unsigned int env(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

/* Holds, waits and counts until it is killed. */
static void contend(uint64_t *grants, bool heir)
{
	int fd = open_bound(own_name(), 0);

	if (fd < 0)
		_exit(1);
	if (heir && !fork())
		stop_here();
	for (;;) {
		if (acquire(fd, TOKMUX_EXCLUSIVE, FOREVER))
			_exit(2);
		__sync_fetch_and_add(grants, 1);
		sched_yield();
		if (release(fd))
			_exit(3);
	}
}

TEST(r2_storm)
{
	unsigned int rounds = env("TOKMUX_STORM_ROUNDS", 1000);
	unsigned int seed = env("TOKMUX_STORM_SEED", getpid());
	uint64_t *grants = shared_memory(sizeof(*grants));
	pid_t pids[WAITERS + 1];
	int watch, i;

	begin_group();
	TH_LOG("%u rounds, TOKMUX_STORM_SEED=%u", rounds, seed);
	srandom(seed);
	own_name();
	watch = open_token(own_name());
	ASSERT_GE(watch, 0);
	for (i = 0; i <= WAITERS; i++) {
		pids[i] = child();
		if (!pids[i])
			contend(grants, false);
	}
	for (unsigned int round = 0; round < rounds; round++) {
		struct tokmux_info now;
		uint64_t before;

		/* any moment: in the middle of anything */
		for (volatile int spin = random() % 50000; spin > 0; spin--)
			;
		i = random() % (WAITERS + 1);
		if (round % 2) {
			/* whoever holds it at this moment */
			now = info(watch);
			for (int j = 0; j <= WAITERS; j++)
				if (pids[j] == now.holder_pid)
					i = j;
		}
		kill(pids[i], SIGKILL);
		ASSERT_EQ(128 + SIGKILL, reap(pids[i]));

		/* the others go on */
		before = *(volatile uint64_t *)grants;
		ASSERT_TRUE(EVENTUALLY(*(volatile uint64_t *)grants > before));
		now = info(watch);
		ASSERT_LE(now.holders, 1);
		ASSERT_LE(now.waiters, WAITERS);

		pids[i] = child();
		if (!pids[i])
			contend(grants, round % 4 == 1);
	}
	for (i = 0; i <= WAITERS; i++) {
		kill(pids[i], SIGKILL);
		EXPECT_EQ(128 + SIGKILL, reap(pids[i]));
	}
	EXPECT_EQ(0, info(watch).holders);
	EXPECT_EQ(0, info(watch).waiters);
	EXPECT_EQ(0, info(watch).sessions);
	TH_LOG("%u kills, %llu grants, 0 left over", rounds,
	       (unsigned long long)*grants);
	end_group();
}

TEST_HARNESS_MAIN
