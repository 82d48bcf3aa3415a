// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R9: a callback is called for the session that it came with, in the caller's own
 * words. No backend at hand ever calls one: backend_quirks.c does when asked to.
 */
#include "world.h"
#include <kselftest_harness.h>

struct heard {
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;	/* for which */
	CK_NOTIFICATION event;
	CK_STATE state;			/* a callback may call us */
	CK_RV answer;
	int times;
};

static CK_RV hear(CK_SESSION_HANDLE session, CK_NOTIFICATION event,
		  void *application)
{
	struct heard *heard = application;
	CK_SESSION_INFO info;

	heard->times++;
	heard->session = session;
	heard->event = event;
	if (heard->p11->C_GetSessionInfo(session, &info) == CKR_OK)
		heard->state = info.state;
	return heard->answer;
}

static CK_RV open_listening(struct heard *heard, CK_SESSION_HANDLE *session)
{
	return heard->p11->C_OpenSession(the_slot(heard->p11),
					 CKF_SERIAL_SESSION, heard, hear,
					 session);
}

FIXTURE(notifications) {
	struct heard a, b;
	CK_SESSION_HANDLE sa, sb, silent;
	int (*notify)(CK_NOTIFICATION event);
};

FIXTURE_SETUP(notifications)
{
	ASSERT_TRUE(world_begin());
	world_configure_plugin(PLUGIN("backend_quirks"), "lease = shared");
	self->a.p11 = CALLER_A;
	self->b.p11 = CALLER_B;
	ASSERT_EQ(CKR_OK, self->a.p11->C_Initialize(NULL));
	ASSERT_EQ(CKR_OK, self->b.p11->C_Initialize(NULL));
	self->notify = (int (*)(CK_NOTIFICATION))
		backend_symbol(PLUGIN("backend_quirks"), "backend_notify");
	ASSERT_NE(NULL, self->notify);
	ASSERT_EQ(CKR_OK, open_listening(&self->a, &self->sa));
	ASSERT_EQ(CKR_OK, open_listening(&self->b, &self->sb));
	ASSERT_EQ(CKR_OK, open_ro(self->a.p11, &self->silent));
}

FIXTURE_TEARDOWN(notifications)
{
	EXPECT_EQ(CKR_OK, self->a.p11->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b.p11->C_Finalize(NULL));
	world_end();
}

TEST_F(notifications, each_hears_of_its_own_session)
{
	ASSERT_EQ(CKR_OK, login(self->b.p11, self->sb));
	self->b.answer = CKR_CANCEL;
	EXPECT_EQ(1, self->notify(CKN_SURRENDER));
	EXPECT_EQ(1, self->a.times);
	EXPECT_EQ(self->sa, self->a.session);
	EXPECT_EQ(CKN_SURRENDER, self->a.event);
	EXPECT_EQ(CKS_RO_PUBLIC_SESSION, self->a.state);
	EXPECT_EQ(1, self->b.times);
	EXPECT_EQ(self->sb, self->b.session);
	EXPECT_EQ(CKS_RO_USER_FUNCTIONS, self->b.state);
	/* And of none that is closed. */
	EXPECT_EQ(CKR_OK, self->b.p11->C_CloseSession(self->sb));
	EXPECT_EQ(0, self->notify(CKN_SURRENDER));
	EXPECT_EQ(2, self->a.times);
	EXPECT_EQ(1, self->b.times);
}

/* Another session of the backend's may have come in its place, beside it. */
TEST_F(notifications, a_session_is_one_however_many_are_beneath)
{
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_FUNCTION_LIST *p11 = self->a.p11;
	CK_OBJECT_HANDLE key, object;

	ASSERT_EQ(CKR_OK, login(self->b.p11, self->sb));
	ASSERT_EQ(CKR_OK, login(p11, self->sa));
	ASSERT_EQ(CKR_OK, make_data(p11, self->sa, "mine", false, false,
				    &object));
	ASSERT_EQ(1, find(p11, self->sa, CKO_PRIVATE_KEY, "key", &key));
	ASSERT_EQ(CKR_OK, p11->C_SignInit(self->sa, &ecdsa, key));
	ASSERT_EQ(CKR_OK, p11->C_Logout(self->sa));
	EXPECT_EQ(1, find(p11, self->sa, CKO_DATA, "mine", NULL));
	EXPECT_EQ(0, self->notify(CKN_SURRENDER));
	EXPECT_EQ(1, self->a.times);
	EXPECT_EQ(self->sa, self->a.session);
}

TEST_HARNESS_MAIN
