// SPDX-License-Identifier: GPL-2.0-only
/*
 * R5: session ids are unique on a token, owned by one caller, closed only by
 * it; the quota holds across processes, and who asks beyond it waits in turn or
 * is refused, as it asked.
 */
#include "token.h"
#include "kselftest_harness.h"

#define QUOTA	4

FIXTURE(r5)
{
	int a, b;
	int watch;
};

FIXTURE_SETUP(r5)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER,
				     .max_sessions = QUOTA };

	ASSERT_EQ(0, create(own_name(), &arg));
	self->watch = arg.fd;
	self->a = open_bound(own_name(), 0);
	ASSERT_GE(self->a, 0);
	self->b = open_bound(own_name(), 0);
	ASSERT_GE(self->b, 0);
}

FIXTURE_TEARDOWN(r5)
{
	close(self->a);
	close(self->b);
	close(self->watch);
}

TEST_F(r5, owned_by_one_caller)
{
	int a = session_open(self->a, 0);
	int b = session_open(self->b, 0);

	ASSERT_GT(a, 0);
	ASSERT_GT(b, 0);
	EXPECT_NE(a, b);
	EXPECT_EQ(-ENOENT, session_close(self->b, a));
	EXPECT_EQ(-ENOENT, session_close(self->a, 0));
	EXPECT_EQ(-ENOENT, session_close(self->a, 0x7fffffff));
	EXPECT_EQ(0, session_close_all(self->b));
	EXPECT_EQ(1, info(self->watch).sessions);
	EXPECT_EQ(0, session_close(self->a, a));
	EXPECT_EQ(-ENOENT, session_close(self->a, a));
	EXPECT_EQ(0, info(self->watch).sessions);
}

TEST_F(r5, ids_are_not_reused_at_once)
{
	int first = session_open(self->a, 0);

	ASSERT_GT(first, 0);
	EXPECT_EQ(0, session_close(self->a, first));
	EXPECT_NE(first, session_open(self->a, 0));
}

TEST_F(r5, quota_over_all_callers)
{
	int i, last = 0;

	for (i = 0; i < QUOTA; i++) {
		last = session_open(i % 2 ? self->a : self->b, 0);
		ASSERT_GT(last, 0);
	}
	EXPECT_EQ(-EAGAIN, session_open(self->a, 0));
	EXPECT_EQ(-ETIMEDOUT, session_open(self->a, 20));
	EXPECT_EQ(0, session_close(self->a, last));
	EXPECT_GT(session_open(self->b, 0), 0);
}

#define ASKERS	8

TEST_F(r5, quota_is_waited_for_in_turn)
{
	struct {
		int next;
		int order[ASKERS];
	} *log = shared_memory(sizeof(*log));
	int *asking = shared_memory(sizeof(int));
	int ids[QUOTA], i;
	pid_t pids[ASKERS];

	own_name();
	for (i = 0; i < QUOTA; i++)
		ids[i] = session_open(self->a, 0);
	for (i = 0; i < ASKERS; i++) {
		char path[64], state = 0;
		FILE *f;

		pids[i] = child();
		if (!pids[i]) {
			int fd = open_bound(own_name(), 0), id;

			*asking = i + 1;
			id = session_open(fd, FOREVER);
			log->order[__sync_fetch_and_add(&log->next, 1)] = i;
			_exit(id > 0 && !session_close(fd, id) ? 0 : 1);
		}
		/* asleep in the kernel: there is no count of these waiters */
		snprintf(path, sizeof(path), "/proc/%d/stat", pids[i]);
		ASSERT_TRUE(EVENTUALLY(*(volatile int *)asking == i + 1));
		ASSERT_TRUE(EVENTUALLY(({
			f = fopen(path, "r");
			if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
				state = 0;
			if (f)
				fclose(f);
			state == 'S';
		})));
	}
	EXPECT_EQ(0, session_close(self->a, ids[0]));
	for (i = 0; i < ASKERS; i++)
		EXPECT_EQ(0, reap(pids[i]));
	for (i = 0; i < ASKERS; i++)
		EXPECT_EQ(i, log->order[i]);
}

TEST_HARNESS_MAIN
