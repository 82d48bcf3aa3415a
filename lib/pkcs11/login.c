// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * login: who has shown the PIN (R12, R13)
 *
 * Each caller logs in for itself. The first one's PIN goes to the backend;
 * while somebody is logged in there, another's is compared with the hash of the
 * first one's and never reaches the token, so a wrong one burns no try. The
 * backend is logged out when the last caller is. A security officer is alone.
 */
#include <stdlib.h>
#include <string.h>

#include "caller.h"
#include "log.h"
#include "login.h"

/* ---- wrong PINs ---------------------------------------------------------- */

void login_wait_turn(struct seat *seat)
{
	tries_wait(seat->slot->tries, caller_number(seat->caller));
}

void login_count_try(struct seat *seat, CK_RV rv)
{
	tries_count(seat->slot->tries, caller_number(seat->caller), rv);
}

/* ---- in ------------------------------------------------------------------- */

/* A name takes 3.0; without one, C_Login does. */
CK_RV login_backend(struct backend *backend, CK_SESSION_HANDLE session,
		    CK_USER_TYPE type, const struct credentials *given)
{
	struct backend_lease lease = { 0 };
	CK_RV rv;

	/* Whoever types it on the reader takes his time. */
	if (given->pin)
		backend_lease_take(backend, ARBITER_EXCLUSIVE, &lease);
	if (given->name_length)
		rv = BACKEND(backend, C_LoginUser, session, type, given->pin,
			     given->length, given->name, given->name_length);
	else
		rv = BACKEND(backend, C_Login, session, type, given->pin,
			     given->length);
	backend_lease_give(backend, &lease);
	return rv;
}

/* Return: whether there is something to compare from now on. */
static bool remember(struct slot *slot, const struct credentials *given)
{
	free(slot->login_name);
	slot->login_name = NULL;
	slot->login_name_length = given->name_length;
	if (given->name_length) {
		slot->login_name = malloc(given->name_length);
		if (!slot->login_name) {
			slot->login_name_length = 0;
			return false;
		}
		memcpy(slot->login_name, given->name, given->name_length);
	}
	return pin_remember(&slot->pin, given->pin, given->length) == CKR_OK;
}

static bool same_name(const struct slot *slot, const struct credentials *given)
{
	return slot->login_name_length == given->name_length &&
	       (!given->name_length || !memcmp(slot->login_name, given->name,
					       given->name_length));
}

/*
 * A login that outlived the token which the backend said was gone. It is nobody's,
 * unless somebody beside us has the backend too.
 */
static bool left_over(const struct backend *backend, CK_RV rv)
{
	return backend->finalize &&
	       (rv == CKR_USER_ALREADY_LOGGED_IN ||
		rv == CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
}

/*
 * Nobody of ours is logged in: the backend decides. The lease isn't held while
 * the hash is made, which takes long on purpose.
 */
static CK_RV first_login(struct seat *seat, CK_SESSION_HANDLE session,
			 struct lease *lease, enum login login,
			 const struct credentials *given)
{
	struct slot *slot = seat->slot;
	CK_USER_TYPE type = login == LOGIN_SO ? CKU_SO : CKU_USER;
	CK_RV rv;

	/* A logout that could not be done when its time came. */
	if (atomic_load(&slot->login) != LOGIN_NONE)
		BACKEND(slot->backend, C_Logout, session);
	atomic_store(&slot->login, LOGIN_NONE);
	rv = login_backend(slot->backend, session, type, given);
	if (left_over(slot->backend, rv)) {
		BACKEND(slot->backend, C_Logout, session);
		rv = login_backend(slot->backend, session, type, given);
	}
	if (rv != CKR_OK)
		return rv;
	atomic_store(&slot->login, login);
	if (login == LOGIN_SO) {
		lease_keep(seat, lease, &seat->so);
		return CKR_OK;
	}
	lease_give(seat, lease);
	if (given->pin && !remember(slot, given))
		log_error("slot %lu: the PIN's hash can't be kept, no other caller can log in meanwhile",
			  slot->id);
	return CKR_OK;
}

/* Is the backend still logged in, or did the token go, or somebody beside us? */
static CK_RV ask_backend(struct seat *seat, CK_SESSION_HANDLE session,
			 bool *logged_in)
{
	CK_SESSION_INFO info;
	CK_RV rv;

	rv = BACKEND(seat->slot->backend, C_GetSessionInfo, session, &info);
	*logged_in = rv == CKR_OK && (info.state == CKS_RO_USER_FUNCTIONS ||
				      info.state == CKS_RW_USER_FUNCTIONS);
	return rv;
}

static void lose_all_logins(struct slot *slot)
{
	struct object object;
	struct seat *seat;

	log_error("slot %lu: the token forgot the login, every caller has to log in again",
		  slot->id);
	for (seat = slot->seats; seat; seat = seat->next) {
		if (atomic_exchange(&seat->login, LOGIN_NONE) == LOGIN_NONE)
			continue;
		atomic_store(&seat->login_id, 0);
		slot->arbiter->logout(seat->party);
		while (objects_remove_private(&seat->objects, &object))
			;
	}
	pin_forget(&slot->pin);
	atomic_store(&slot->login, LOGIN_NONE);
}

/*
 * Another caller's PIN opened the token: this one's has to be the same. If the
 * token has forgotten, it is the one to ask.
 */
static CK_RV join_login(struct seat *seat, CK_SESSION_HANDLE session,
			struct lease *lease, const struct credentials *given)
{
	struct slot *slot = seat->slot;
	bool logged_in;
	CK_RV rv;

	/* Typed on a reader's own keys: there is nothing to compare. */
	if (!slot->pin || !given->pin || !same_name(slot, given))
		return CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	rv = ask_backend(seat, session, &logged_in);
	if (rv != CKR_OK)
		return rv;
	if (!logged_in) {
		lose_all_logins(slot);
		return first_login(seat, session, lease, LOGIN_USER, given);
	}
	lease_give(seat, lease);
	return pin_check(slot->pin, given->pin, given->length);
}

/* With the slot's lock held: a place among those that are logged in (R6). */
static CK_RV take_place(struct seat *seat, enum login login)
{
	enum login mine = atomic_load(&seat->login);

	if (mine != LOGIN_NONE)
		return mine == login ? CKR_USER_ALREADY_LOGGED_IN :
				       CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	return arbiter_rv(seat->slot->arbiter->login(seat->party,
						     login == LOGIN_SO ?
							     ARBITER_SO :
							     ARBITER_USER));
}

/* Others' logins refuse at once what would only wait for a lease. */
CK_RV login_check(struct seat *seat, enum login login)
{
	struct slot *slot = seat->slot;
	CK_RV rv;

	pthread_mutex_lock(&slot->lock);
	rv = take_place(seat, login);
	if (rv == CKR_OK)
		slot->arbiter->logout(seat->party);
	pthread_mutex_unlock(&slot->lock);
	return rv;
}

/**
 * login_enter() - a caller shows a PIN
 * @seat: the caller's, with at least one session
 * @session: the backend's session it is shown in
 * @lease: exclusive for LOGIN_SO; it may be given back in here
 * @login: LOGIN_USER or LOGIN_SO
 * @given: the PIN, perhaps with a name
 */
CK_RV login_enter(struct seat *seat, CK_SESSION_HANDLE session,
		  struct lease *lease, enum login login,
		  const struct credentials *given)
{
	struct slot *slot = seat->slot;
	CK_RV rv;

	if (login == LOGIN_SO && seat->read_only)
		return CKR_SESSION_READ_ONLY_EXISTS;
	rv = take_place(seat, login);
	if (rv != CKR_OK)
		return rv;
	if (!slot_logins(slot))
		rv = first_login(seat, session, lease, login, given);
	else if (login == LOGIN_USER &&
		 atomic_load(&slot->login) == LOGIN_USER)
		rv = join_login(seat, session, lease, given);
	else
		rv = CKR_USER_ANOTHER_ALREADY_LOGGED_IN;

	login_count_try(seat, rv);
	if (rv != CKR_OK) {
		slot->arbiter->logout(seat->party);
		return rv;
	}
	atomic_store(&seat->login_id, ++slot->last_login);
	atomic_store(&seat->login, login);
	return CKR_OK;
}

/* ---- out ------------------------------------------------------------------ */

/*
 * A caller's private session objects end with its login. The backend does that
 * when it is logged out; while it stays logged in for others, we do.
 */
static void drop_private(struct seat *seat, CK_SESSION_HANDLE session,
			 bool destroy)
{
	struct object object;

	while (objects_remove_private(&seat->objects, &object))
		if (destroy && object.flags & OBJECT_SESSION)
			BACKEND(seat->slot->backend, C_DestroyObject, session,
				object.handle);
}

/**
 * login_settle() - log the backend out if nobody is logged in any more
 * @seat: whose call it is
 * @session: an open one of the backend's
 *
 * Without a lease, or where the backend refuses, it is done at the next occasion;
 * no caller can use the login until then, as none has shown a PIN.
 */
void login_settle(struct seat *seat, CK_SESSION_HANDLE session,
		  const struct lease *lease)
{
	struct slot *slot = seat->slot;
	CK_RV rv;

	if (atomic_load(&slot->login) == LOGIN_NONE ||
	    atomic_load(&seat->login) != LOGIN_NONE || slot_logins(slot))
		return;
	pin_forget(&slot->pin);
	if (!lease_has(lease))
		return;
	rv = BACKEND(slot->backend, C_Logout, session);
	if (rv == CKR_OK || rv == CKR_USER_NOT_LOGGED_IN)
		atomic_store(&slot->login, LOGIN_NONE);
	else if (rv != CKR_DEVICE_REMOVED)
		log_error("backend %s: C_Logout failed: 0x%lx",
			  slot->backend->config->name, rv);
}

/* The caller logs out, or its last session is being closed. */
void login_end(struct seat *seat, CK_SESSION_HANDLE session,
	       const struct lease *lease)
{
	struct slot *slot = seat->slot;

	if (atomic_exchange(&seat->login, LOGIN_NONE) == LOGIN_NONE)
		return;
	atomic_store(&seat->login_id, 0);
	slot->arbiter->logout(seat->party);
	drop_private(seat, session, slot_logins(slot) && lease_has(lease));
	login_settle(seat, session, lease);
	lease_unkeep(seat, &seat->so);
}

/**
 * login_pin_changed() - the user's PIN is another one now
 * @slot: whose token it is
 * @pin: the new one, NULL if it isn't known
 * @length: its length
 *
 * The old one's hash is wiped in any case.
 */
void login_pin_changed(struct slot *slot, unsigned char *pin, CK_ULONG length)
{
	pin_forget(&slot->pin);
	if (atomic_load(&slot->login) == LOGIN_USER && pin)
		pin_remember(&slot->pin, pin, length);
}
