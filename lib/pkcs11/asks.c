// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * asks: what a token asks a login for though PKCS#11 doesn't (R12)
 *
 * PKCS#11 lets a session that isn't logged in do much: write public objects, use public
 * keys, ask for random numbers. It leaves it to the token to ask for a login all the
 * same. While another caller is logged in the token doesn't ask, and that login would
 * be lent. So the answer is the one that the token gave while nobody was logged in: of
 * a key it is kept with the key, of anything else with the slot.
 */
#include "asks.h"

/* A token that can be taken out is a card, and cards ask before they are written to. */
static bool asks(const struct slot *slot, enum asks what)
{
	if (atomic_load(&slot->login) == LOGIN_NONE)
		return false;
	return atomic_load(&slot->asks_login[what]) ||
	       (what == ASKS_TOKEN_OBJECT && slot->removable);
}

/* May this caller do that, or only with the login of another one? */
CK_RV call_check_asks(const struct call *call, enum asks what)
{
	bool object = what == ASKS_SESSION_OBJECT || what == ASKS_TOKEN_OBJECT;
	enum write_login write = object ? call->backend->config->write_login :
					  WRITE_LOGIN_SEEN;
	bool refused = false;

	if (seat_login(call->seat) != LOGIN_NONE)
		return CKR_OK;
	switch (write) {
	case WRITE_LOGIN_ANY:
		break;
	case WRITE_LOGIN_OWN:
		refused = what == ASKS_TOKEN_OBJECT;
		break;
	case WRITE_LOGIN_SEEN:
		refused = asks(call->seat->slot, what);
		break;
	}
	return refused ? CKR_USER_NOT_LOGGED_IN : CKR_OK;
}

static bool nobody_is_logged_in(const struct call *call)
{
	return atomic_load(&call->seat->slot->login) == LOGIN_NONE;
}

/* The backend says CKR_USER_NOT_LOGGED_IN. */
void call_asked(struct call *call, enum asks what)
{
	if (nobody_is_logged_in(call))
		atomic_store(&call->seat->slot->asks_login[what], true);
}

/* The same, where an object is made or changed. */
void call_asked_object(struct call *call)
{
	if (call->public)
		call_asked(call, call->token ? ASKS_TOKEN_OBJECT :
					       ASKS_SESSION_OBJECT);
}

/* The same, where a key is used. */
void call_asked_key(struct call *call, CK_OBJECT_HANDLE key)
{
	if (nobody_is_logged_in(call))
		known_asks_login(&call->seat->known, key);
}
