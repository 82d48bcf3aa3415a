// SPDX-License-Identifier: GPL-2.0-only
/*
 * Logins: which caller is logged in as what. Keeps R6. The PIN is between user
 * space and the token.
 */
#include "internal.h"
#include "trace.h"

/* End a caller's login, if it has one. Returns TOKMUX_CLOSED_* flags. */
u32 tokmux_login_end(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	u8 type = caller->login;

	lockdep_assert_held(&token->lock);
	if (!type)
		return 0;
	trace_tokmux_logout(caller, type);
	caller->login = 0;
	if (--token->nr_logins[type])
		return TOKMUX_CLOSED_LOGIN;
	return TOKMUX_CLOSED_LOGIN | TOKMUX_CLOSED_LAST_LOGIN;
}

int tokmux_login(void *ctx, void *argp)
{
	struct tokmux_caller *caller = ctx;
	struct tokmux_token *token = caller->token;
	struct tokmux_login *arg = argp;
	u32 other_type;
	int ret;

	if (arg->flags || arg->others || arg->reserved ||
	    (arg->user_type != TOKMUX_USER && arg->user_type != TOKMUX_SO))
		return -EINVAL;
	other_type = arg->user_type == TOKMUX_USER ? TOKMUX_SO : TOKMUX_USER;

	mutex_lock(&token->lock);
	ret = tokmux_caller_check(caller);
	if (ret)
		goto out;
	if (!caller->nr_sessions)
		ret = -ENOLINK;
	else if (caller->login)
		ret = -EALREADY;
	else if (token->nr_logins[other_type])
		ret = -EBUSY;
	if (ret)
		goto out;
	caller->login = arg->user_type;
	arg->others = token->nr_logins[arg->user_type]++;
	trace_tokmux_login(caller, arg->user_type);
out:
	mutex_unlock(&token->lock);
	return ret;
}

int tokmux_logout(void *ctx, void *argp)
{
	struct tokmux_caller *caller = ctx;
	struct tokmux_token *token = caller->token;
	struct tokmux_logout *arg = argp;
	int ret;

	if (arg->flags || arg->closed)
		return -EINVAL;

	mutex_lock(&token->lock);
	ret = tokmux_caller_check(caller);
	if (ret)
		goto out;
	arg->closed = tokmux_login_end(caller);
	if (!arg->closed)
		ret = -ENOENT;
out:
	mutex_unlock(&token->lock);
	return ret;
}
