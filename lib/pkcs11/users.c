// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * users: how many calls and sessions use the module (R10)
 *
 * Each call and each session is a user, and all initialized callers together are
 * one. While there is a user the module stays as it is. The last user to go stops
 * the module, through the function that module.c gives to users_begin().
 */
#include "users.h"

atomic_ulong users_count;
static void (*stop)(void);

/* The module has started; the callers are its first user. */
void users_begin(void (*last_out)(void))
{
	stop = last_out;
	atomic_store(&users_count, USERS_OPEN + USERS_ONE);
}

/*
 * A caller comes after users_end(), while other users have kept the module from
 * being stopped: then the module goes on.
 *
 * Return: false if there is no user left.
 */
bool users_resume(void)
{
	unsigned long now = atomic_load(&users_count);

	while (now && !atomic_compare_exchange_weak(&users_count, &now,
						    (now + USERS_ONE) | USERS_OPEN))
		;
	return now;
}

/* No caller is initialized any more: no new user comes. */
void users_end(void)
{
	atomic_fetch_and(&users_count, ~USERS_OPEN);
	users_put();
}

bool users_open(void)
{
	return atomic_load(&users_count) & USERS_OPEN;
}

/* In the child, where nothing is started. */
void users_forked(void)
{
	atomic_store(&users_count, 0);
}

/* For users_put(). */
void users_last_out(void)
{
	stop();
}

/* See CANCEL_UNDOES(). */
void users_cancelled(void *nothing)
{
	users_put();
}
