// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * users: how many calls and sessions use the module (R10)
 *
 * Each call and each session is a user, and all initialized callers together are
 * one. While there is a user the module stays as it is. The last user to go stops
 * the module, through the function that module.c gives to users_begin().
 */
#include <stdatomic.h>

#include "users.h"

#define OPEN	1ul	/* in @users: callers are initialized, new users may come */
#define USER	2ul	/* one user */

static atomic_ulong users;
static void (*stop)(void);

/* The module has started; the callers are its first user. */
void users_begin(void (*last_out)(void))
{
	stop = last_out;
	atomic_store(&users, OPEN + USER);
}

/*
 * A caller comes after users_end(), while other users have kept the module from
 * being stopped: then the module goes on.
 *
 * Return: false if there is no user left.
 */
bool users_resume(void)
{
	unsigned long now = atomic_load(&users);

	while (now && !atomic_compare_exchange_weak(&users, &now,
						    (now + USER) | OPEN))
		;
	return now;
}

/* No caller is initialized any more: no new user comes. */
void users_end(void)
{
	atomic_fetch_and(&users, ~OPEN);
	users_put();
}

bool users_open(void)
{
	return atomic_load(&users) & OPEN;
}

/* In the child, where nothing is started. */
void users_forked(void)
{
	atomic_store(&users, 0);
}

CK_RV users_get(void)
{
	unsigned long now = atomic_load(&users);

	do {
		if (!(now & OPEN))
			return CKR_CRYPTOKI_NOT_INITIALIZED;
	} while (!atomic_compare_exchange_weak(&users, &now, now + USER));
	return CKR_OK;
}

/* Another one, while the calling thread has one already. */
void users_hold(void)
{
	atomic_fetch_add(&users, USER);
}

void users_put(void)
{
	if (atomic_fetch_sub(&users, USER) == USER)
		stop();
}

/* See CANCEL_UNDOES(). */
void users_cancelled(void *nothing)
{
	users_put();
}
