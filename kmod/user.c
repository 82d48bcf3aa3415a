// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users: the uids that have tokens or callers, and how much each of them has of
 * what all share (R8).
 */
#include <linux/cred.h>
#include <linux/slab.h>
#include "internal.h"

static DEFINE_XARRAY(tokmux_users);

/* Find the current uid, or add it. Returns NULL if there is no memory. */
struct tokmux_user *tokmux_user_get(void)
{
	struct tokmux_user *fresh, *user;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->uid = current_euid();
	xa_lock(&tokmux_users);
	user = __xa_cmpxchg(&tokmux_users, __kuid_val(fresh->uid), NULL, fresh,
			    GFP_KERNEL_ACCOUNT);
	if (xa_is_err(user)) {
		user = NULL;
	} else {
		if (!user)
			swap(user, fresh);
		user->refs++;
	}
	xa_unlock(&tokmux_users);
	kfree(fresh);
	return user;
}

void tokmux_user_put(struct tokmux_user *user)
{
	xa_lock(&tokmux_users);
	if (!--user->refs)
		__xa_erase(&tokmux_users, __kuid_val(user->uid));
	else
		user = NULL;
	xa_unlock(&tokmux_users);
	kfree(user);
}
