// SPDX-License-Identifier: GPL-2.0-only
/*
 * Logins: which callers are logged in, and as which type of user. Keeps R6.
 * PINs go from user space to the token; the kernel does not see them.
 */
#include "internal.h"
#include "trace.h"

/*
 * @party may have logged the card in. The next holders are told so, unless no
 * other party than their own has.
 */
void tokmux_login_note(struct tokmux_token *token, struct tokmux_party *party)
{
	u64 id = party->id;

	if (token->login_party && token->login_party != id)
		id = U64_MAX;		/* several: equal to none */
	if (token->login_party != id)
		tokmux_park_look_all(token);
	token->login_party = id;
}

/* End a caller's login. Returns TOKMUX_CLOSED_* flags, 0 if it had none. */
u32 tokmux_login_end(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	u8 type = caller->login;

	lockdep_assert_held(&token->lock);
	if (!type)
		return 0;
	trace_tokmux_logout(caller, type);
	caller->login = 0;
	caller->party->nr_logins--;
	if (--token->nr_logins[type])
		return TOKMUX_CLOSED_LOGIN;
	return TOKMUX_CLOSED_LOGIN | TOKMUX_CLOSED_LAST_LOGIN;
}

int tokmux_login(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_login *arg = argp;
	u32 other_type;

	if (arg->user_type != TOKMUX_USER && arg->user_type != TOKMUX_SO)
		return -EINVAL;
	other_type = arg->user_type == TOKMUX_USER ? TOKMUX_SO : TOKMUX_USER;

	if (!caller->nr_sessions)
		return -ENOLINK;
	if (caller->login)
		return -EALREADY;
	if (token->nr_logins[other_type])
		return -EBUSY;
	caller->login = arg->user_type;
	caller->party->nr_logins++;
	tokmux_login_note(token, caller->party);
	tokmux_scrub_touch(token, caller->party->user);
	arg->others = token->nr_logins[arg->user_type]++;
	trace_tokmux_login(caller, arg->user_type);
	return 0;
}

int tokmux_logout(struct tokmux_call *call, void *argp)
{
	struct tokmux_logout *arg = argp;

	arg->closed = tokmux_login_end(call->caller);
	return arg->closed ? 0 : -ENOENT;
}
