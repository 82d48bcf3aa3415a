// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R11: a logout at any moment of a search, or of an object's making, leaves no
 * handle to a private object behind.
 *
 * A thread is stopped before the first lock that it takes in the module, then
 * before the second one, and so on, while another one logs out: between two
 * locks nothing is seen of either.
 */
#include <semaphore.h>
#include "world.h"
#include <kselftest_harness.h>

static __thread bool watched;
static const void *module_base;
static atomic_int locks_left;
static sem_t stopped, go_on;

static void wait_for(sem_t *sem, long ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (sem_timedwait(sem, &until) && errno == EINTR)
		;
}

#ifdef __SANITIZE_THREAD__
#define NEEDS_LOCKS()	SKIP(return, "ThreadSanitizer has the locks itself")
#else
#define NEEDS_LOCKS()	do { } while (0)

static bool in_module(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) && info.dli_fbase == module_base;
}

/* The program's comes before the C library's. */
int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*real)(pthread_mutex_t *mutex);

	if (!real)
		real = (int (*)(pthread_mutex_t *))
			dlsym(RTLD_NEXT, "pthread_mutex_lock");
	if (watched && in_module(__builtin_return_address(0)) &&
	    atomic_fetch_sub(&locks_left, 1) == 1) {
		sem_post(&stopped);
		/* It may have one that the logout wants. */
		wait_for(&go_on, 300);
	}
	return real(mutex);
}
#endif

FIXTURE(races) {
	CK_FUNCTION_LIST *a, *b, *softhsm;
	CK_SESSION_HANDLE sa, sb, beside;
	CK_OBJECT_HANDLE found[16];
	CK_ULONG count;
	CK_RV rv;
	CK_RV (*act)(FIXTURE_DATA(races) *self);
};

FIXTURE_SETUP(races)
{
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;
	Dl_info info;

	ASSERT_TRUE(world_begin());
	sem_init(&stopped, 0, 0);
	sem_init(&go_on, 0, 0);
	self->a = CALLER_A;
	self->b = CALLER_B;
	/* The module's core, which has the functions, and not what leads to it. */
	ASSERT_NE(0, dladdr(self->a->C_FindObjects, &info));
	module_base = info.dli_fbase;
	TWO_CALLERS();
	/* What the backend has, past the module. */
	self->softhsm = world_softhsm();
	ASSERT_EQ(CKR_OK, self->softhsm->C_GetSlotList(CK_TRUE, slots, &count));
	ASSERT_EQ(CKR_OK, self->softhsm->C_OpenSession(slots[0],
						       CKF_SERIAL_SESSION, NULL,
						       NULL, &self->beside));
	/* The backend stays logged in. */
	ASSERT_EQ(CKR_OK, login(self->b, self->sb));
}

FIXTURE_TEARDOWN(races)
{
	EXPECT_EQ(CKR_OK, self->a->C_Finalize(NULL));
	EXPECT_EQ(CKR_OK, self->b->C_Finalize(NULL));
	world_end();
}

static void *act_watched(void *arg)
{
	FIXTURE_DATA(races) *self = arg;

	watched = true;
	self->rv = self->act(self);
	watched = false;
	sem_post(&stopped);
	return NULL;
}

/* Return: whether it was stopped, and so is worth going on. */
static bool logout_at(FIXTURE_DATA(races) *self, int lock)
{
	pthread_t thread;
	bool was_stopped;

	atomic_store(&locks_left, lock);
	self->count = 0;
	if (login(self->a, self->sa) != CKR_OK ||
	    pthread_create(&thread, NULL, act_watched, self))
		return false;
	wait_for(&stopped, 20000);
	was_stopped = self->a->C_Logout(self->sa) == CKR_OK &&
		      atomic_load(&locks_left) < 1;
	sem_post(&go_on);
	pthread_join(thread, NULL);
	while (!sem_trywait(&stopped) || !sem_trywait(&go_on))
		;
	return was_stopped;
}

static bool knows_private(FIXTURE_DATA(races) *self, CK_OBJECT_HANDLE handle)
{
	CK_BBOOL private = CK_FALSE;
	CK_ATTRIBUTE attribute = { CKA_PRIVATE, &private, 1 };

	return self->a->C_GetAttributeValue(self->sa, handle, &attribute, 1) ==
		       CKR_OK && private;
}

static CK_RV search(FIXTURE_DATA(races) *self)
{
	CK_RV rv = self->a->C_FindObjectsInit(self->sa, NULL, 0);

	if (rv != CKR_OK)
		return rv;
	rv = self->a->C_FindObjects(self->sa, self->found, 16, &self->count);
	return self->a->C_FindObjectsFinal(self->sa) ?: rv;
}

TEST_F_TIMEOUT(races, a_logout_overtakes_a_search, 600)
{
	CK_ULONG i;
	int lock;

	NEEDS_LOCKS();
	self->act = search;
	for (lock = 1; logout_at(self, lock); lock++) {
		EXPECT_EQ(CKR_OK, self->rv);
		for (i = 0; i < self->count; i++)
			EXPECT_FALSE(knows_private(self, self->found[i])) {
				TH_LOG("logged out before lock %d", lock);
			}
	}
	EXPECT_LT(5, lock);
}

static CK_RV make(FIXTURE_DATA(races) *self)
{
	CK_RV rv = make_data(self->a, self->sa, "mine", false, true,
			     self->found);

	self->count = rv == CKR_OK;
	return rv;
}

TEST_F_TIMEOUT(races, a_logout_overtakes_an_objects_making, 600)
{
	int lock;

	NEEDS_LOCKS();
	self->act = make;
	for (lock = 1; logout_at(self, lock); lock++) {
		EXPECT_FALSE(self->count && knows_private(self, *self->found)) {
			TH_LOG("logged out before lock %d", lock);
		}
		EXPECT_EQ(0, find(self->softhsm, self->beside, CKO_DATA, "mine",
				  NULL)) {
			TH_LOG("left, logged out before lock %d", lock);
		}
	}
	EXPECT_LT(2, lock);
}

TEST_HARNESS_MAIN
