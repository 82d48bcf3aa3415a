// SPDX-License-Identifier: GPL-2.0-only
/*
 * R6: logins are per caller; SO and USER exclude each other across callers;
 * closing the last session ends the login, and the answer says that it did.
 */
#include "token.h"
#include "kselftest_harness.h"

#define LAST	(TOKMUX_CLOSED_LOGIN | TOKMUX_CLOSED_LAST_LOGIN)

FIXTURE(r6)
{
	int a, b;
	int session_a, session_b;
	int watch;
};

FIXTURE_SETUP(r6)
{
	self->watch = open_token(own_name());
	self->a = open_bound(own_name(), 0);
	ASSERT_GE(self->a, 0);
	self->b = open_bound(own_name(), 0);
	ASSERT_GE(self->b, 0);
	self->session_a = session_open(self->a, 0);
	ASSERT_GT(self->session_a, 0);
	self->session_b = session_open(self->b, 0);
	ASSERT_GT(self->session_b, 0);
}

FIXTURE_TEARDOWN(r6)
{
	close(self->a);
	close(self->b);
	close(self->watch);
}

TEST_F(r6, per_caller)
{
	EXPECT_EQ(-ENOENT, logout(self->a));
	EXPECT_EQ(0, login(self->a, TOKMUX_USER));
	EXPECT_EQ(-EALREADY, login(self->a, TOKMUX_USER));
	EXPECT_EQ(-ENOENT, logout(self->b));
	EXPECT_EQ(1, login(self->b, TOKMUX_USER));
	EXPECT_EQ(2, info(self->watch).users);
	EXPECT_EQ(TOKMUX_CLOSED_LOGIN, logout(self->a));
	EXPECT_EQ(LAST, logout(self->b));
	EXPECT_EQ(0, info(self->watch).users);
}

TEST_F(r6, so_and_user_exclude_each_other)
{
	EXPECT_EQ(0, login(self->a, TOKMUX_USER));
	EXPECT_EQ(-EBUSY, login(self->b, TOKMUX_SO));
	EXPECT_EQ(-EALREADY, login(self->a, TOKMUX_SO));
	EXPECT_EQ(LAST, logout(self->a));
	EXPECT_EQ(0, login(self->b, TOKMUX_SO));
	EXPECT_EQ(1, info(self->watch).sos);
	EXPECT_EQ(-EBUSY, login(self->a, TOKMUX_USER));
}

TEST_F(r6, needs_a_session)
{
	EXPECT_EQ(0, session_close(self->a, self->session_a));
	EXPECT_EQ(-ENOLINK, login(self->a, TOKMUX_USER));
}

TEST_F(r6, last_close_ends_it_and_says_so)
{
	int second = session_open(self->a, 0);

	EXPECT_EQ(0, login(self->a, TOKMUX_USER));
	EXPECT_EQ(1, login(self->b, TOKMUX_USER));
	EXPECT_EQ(0, session_close(self->a, self->session_a));
	EXPECT_EQ(TOKMUX_CLOSED_LOGIN, session_close(self->a, second));
	EXPECT_EQ(-ENOENT, logout(self->a));
	EXPECT_EQ(LAST, session_close_all(self->b));
	EXPECT_EQ(0, info(self->watch).users);
}

TEST_F(r6, eject_ends_everybodys_and_tells_them)
{
	struct tokmux_event event;
	struct tokmux_eject hit;

	EXPECT_EQ(0, login(self->a, TOKMUX_USER));
	EXPECT_EQ(0, acquire(self->a, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, eject(self->b, &hit));
	EXPECT_EQ(1, hit.leases);
	EXPECT_EQ(2, hit.sessions);
	EXPECT_EQ(1, hit.logins);
	EXPECT_EQ(TOKMUX_EVENT_LEASE_LOST, next_event(self->a, &event));
	EXPECT_EQ(TOKMUX_EVENT_SESSIONS_ENDED, next_event(self->a, &event));
	EXPECT_EQ(1, event.arg);
	EXPECT_EQ(TOKMUX_EVENT_LOGIN_ENDED, next_event(self->a, &event));
	EXPECT_EQ(TOKMUX_EVENT_SESSIONS_ENDED, next_event(self->b, &event));
	EXPECT_EQ(-ENOENT, session_close(self->a, self->session_a));
	EXPECT_EQ(-ESTALE, release(self->a));
	EXPECT_NE(0, info(self->watch).flags & TOKMUX_INFO_UNCLEAN);
	EXPECT_EQ(0, info(self->watch).sessions);
	EXPECT_EQ(0, info(self->watch).users);
}

/* A card stays open to whoever talks to it: until it was reset, all are told. */
TEST(who_comes_after_anothers_login_is_told)
{
	int a = open_bound(own_name(), 0), b = open_bound(own_name(), 0);
	struct tokmux_acquire told;

	ASSERT_GT(session_open(a, 0), 0);
	ASSERT_EQ(0, login(a, TOKMUX_USER));
	ASSERT_EQ(0, acquire_told(a, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	ASSERT_EQ(0, release(a));
	ASSERT_EQ(0, acquire_told(b, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_LOGIN, told.granted);
	ASSERT_EQ(0, release(b));
	/* a logout tells the kernel nothing of the card */
	EXPECT_GT(logout(a), 0);
	ASSERT_EQ(0, acquire_told(b, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_LOGIN, told.granted);
	ASSERT_EQ(0, mark_clean(b));
	ASSERT_EQ(0, release(b));
	ASSERT_EQ(0, acquire_told(b, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	close(a);
	close(b);
}

/* Each of two that are logged in is told of the other, also after a reset. */
TEST(a_login_that_lasts_is_told)
{
	int a = open_bound(own_name(), 0), b = open_bound(own_name(), 0);
	int c = open_bound(own_name(), 0);
	struct tokmux_acquire told;

	ASSERT_GT(session_open(a, 0), 0);
	ASSERT_GT(session_open(b, 0), 0);
	ASSERT_EQ(0, login(a, TOKMUX_USER));
	ASSERT_EQ(1, login(b, TOKMUX_USER));
	ASSERT_EQ(0, acquire_told(b, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_LOGIN, told.granted);
	ASSERT_EQ(0, release(b));

	/* the other one's last login came before its own, and lasts */
	EXPECT_GT(logout(b), 0);
	ASSERT_EQ(0, acquire(a, TOKMUX_EXCLUSIVE, 0));
	ASSERT_EQ(0, release(a));
	ASSERT_EQ(0, acquire_told(b, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_LOGIN, told.granted);

	/* after the reset it presents its PIN again, and the kernel is not told */
	ASSERT_EQ(0, mark_clean(b));
	ASSERT_EQ(0, release(b));
	ASSERT_EQ(0, acquire_told(a, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(0, told.granted);
	ASSERT_EQ(0, release(a));
	ASSERT_EQ(0, acquire_told(c, TOKMUX_EXCLUSIVE, 0, &told));
	EXPECT_EQ(TOKMUX_GRANT_LOGIN, told.granted);
	close(a);
	close(b);
	close(c);
}

TEST_HARNESS_MAIN
