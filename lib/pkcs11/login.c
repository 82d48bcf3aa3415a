// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * login: callers show the PIN, and log out (R12, R13)
 *
 * Each caller logs in for itself. The first caller's PIN goes to the backend. While
 * a caller is logged in, another's PIN is compared with the hash of the first one
 * and never reaches the token, so a wrong one costs no try there. The backend is
 * logged out when the last caller is. A security officer is the only one logged in.
 *
 * A caller takes its place among those that are logged in, here and in the kernel,
 * once it has shown the right PIN: a wrong one keeps nobody out.
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "login.h"
#include "now.h"
#include "session.h"

/* ---- in ------------------------------------------------------------------- */

/* A name takes 3.0; without one, C_Login does. */
CK_RV login_backend(struct backend *backend, CK_SESSION_HANDLE session,
		    CK_USER_TYPE type, const struct credentials *given)
{
	struct backend_lease lease = { 0 };
	CK_RV rv;

	/* Typing it on the reader takes time, and others need not wait for that. */
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

static bool same_name(const struct slot *slot, const struct credentials *given)
{
	return slot->login_name_length == given->name_length &&
	       (!given->name_length || !memcmp(slot->login_name, given->name,
					       given->name_length));
}

/*
 * Return: CKR_OK or CKR_PIN_INCORRECT; CKR_USER_ANOTHER_ALREADY_LOGGED_IN where
 * there is nothing to compare with, or not any more: another process may have
 * changed the PIN.
 */
static CK_RV compare(struct slot *slot, const struct credentials *given)
{
	CK_RV rv = CKR_USER_ANOTHER_ALREADY_LOGGED_IN;

	pthread_mutex_lock(&slot->pin_lock);
	if (slot->pin && same_name(slot, given) &&
	    slot->pin_changes == atomic_load(&slot->record->changes))
		rv = pin_check(slot->pin, given->pin, given->length);
	pthread_mutex_unlock(&slot->pin_lock);
	return rv;
}

/*
 * In the place of what was remembered. @changes is the record's, as it was before the
 * PIN was shown: one that is changed while it is looked at is not compared.
 *
 * Return: whether there is something to compare from now on.
 */
static bool remember(struct seat *seat, const struct credentials *given,
		     unsigned int changes)
{
	struct slot *slot = seat->slot;
	unsigned char *name = NULL;
	struct pin *pin = NULL;

	slot_forget_pin(slot);
	if (given->name_length) {
		name = malloc(given->name_length);
		if (!name)
			return false;
		memcpy(name, given->name, given->name_length);
	}
	if (pin_remember(&pin, given->pin, given->length) != CKR_OK) {
		free(name);
		return false;
	}
	pthread_mutex_lock(&slot->pin_lock);
	/* Set before what the token takes with it is forgotten. */
	if (!atomic_load(&seat->gone)) {
		slot->pin = pin;
		slot->pin_changes = changes;
		slot->login_name = name;
		slot->login_name_length = given->name_length;
		pin = NULL;
		name = NULL;
	}
	pthread_mutex_unlock(&slot->pin_lock);
	free(name);
	pin_forget(&pin);
	return true;
}

/* What the backend is logged in as, unless that one's token is gone. */
static void backend_is(struct seat *seat, enum login login)
{
	struct slot *slot = seat->slot;

	pthread_mutex_lock(&slot->lock);
	if (!atomic_load(&seat->gone)) {
		atomic_store(&slot->login, login);
		atomic_fetch_add(&slot->era, 1);
		if (login == LOGIN_NONE)
			arbiter_queue_watch(seat->token->queue, false);
	}
	pthread_mutex_unlock(&slot->lock);
}

/* Is the backend logged in? */
static bool says_logged_in(CK_RV rv)
{
	return rv == CKR_USER_ALREADY_LOGGED_IN ||
	       rv == CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
}

/*
 * No caller is logged in: the backend decides. A login that outlived a token which the
 * backend said was gone is ended. One that we haven't made is other code's in this
 * process, and not ours to end: with what was its PIN nothing can be compared.
 */
static CK_RV first_login(struct seat *seat, CK_SESSION_HANDLE session,
			 enum login login, const struct credentials *given)
{
	struct slot *slot = seat->slot;
	CK_USER_TYPE type = login == LOGIN_SO ? CKU_SO : CKU_USER;
	unsigned int changes = atomic_load(&seat->record->changes);
	bool ours = atomic_load(&slot->login) != LOGIN_NONE;
	CK_RV rv;

	/* A logout that could not be done when its time came. */
	if (ours)
		BACKEND(slot->backend, C_Logout, session);
	backend_is(seat, LOGIN_NONE);
	rv = login_backend(slot->backend, session, type, given);
	if (ours && says_logged_in(rv)) {
		BACKEND(slot->backend, C_Logout, session);
		rv = login_backend(slot->backend, session, type, given);
	}
	if (says_logged_in(rv))
		rv = CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	if (rv != CKR_OK)
		return rv;
	backend_is(seat, login);
	if (login == LOGIN_USER && given->pin &&
	    !remember(seat, given, changes))
		log_error("slot %lu: the PIN's hash can't be kept, no other caller can log in meanwhile",
			  slot->id);
	return CKR_OK;
}

/* Is the backend still logged in? The token may be gone, or other code logged out. */
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

static void lose_all_logins(struct seat *noticed)
{
	struct slot *slot = noticed->slot;
	struct seat *seat;

	log_error("slot %lu: the token forgot the login, every caller has to log in again",
		  slot->id);
	pthread_mutex_lock(&slot->lock);
	for (seat = slot->seats; seat; seat = seat->next)
		if (seat_login(seat) != LOGIN_NONE)
			seat_lose_login(seat);
	pthread_mutex_unlock(&slot->lock);
	backend_is(noticed, LOGIN_NONE);
}

/*
 * Another caller's PIN opened the token: this one's has to be the same. If the
 * token has forgotten, it is the one to ask.
 */
static CK_RV join_login(struct seat *seat, CK_SESSION_HANDLE session,
			const struct credentials *given)
{
	struct slot *slot = seat->slot;
	bool logged_in;
	CK_RV rv;

	/* Typed on a reader's own keys: there is nothing to compare. */
	if (!given->pin)
		return CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	rv = compare(slot, given);
	if (rv == CKR_USER_ANOTHER_ALREADY_LOGGED_IN)
		return rv;
	rv = ask_backend(seat, session, &logged_in);
	if (rv != CKR_OK)
		return rv;
	if (logged_in)
		return compare(slot, given);
	lose_all_logins(seat);
	return first_login(seat, session, LOGIN_USER, given);
}

static enum arbiter_user user_of(enum login login)
{
	return login == LOGIN_SO ? ARBITER_SO : ARBITER_USER;
}

/**
 * login_check() - is a login refused, whatever the PIN is? (R6)
 * @seat: the caller's
 * @login: LOGIN_USER or LOGIN_SO
 *
 * Takes nothing from anybody, and doesn't wait. Once the PIN has been looked at the
 * answer may be another one, see admit().
 */
CK_RV login_check(struct seat *seat, enum login login)
{
	enum login mine = seat_login(seat);

	if (mine != LOGIN_NONE)
		return mine == login ? CKR_USER_ALREADY_LOGGED_IN :
				       CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	return arbiter_rv(seat->slot->arbiter->may_login(seat->party,
							 user_of(login)));
}

/* From here on until admit() no session is opened that the login rules out. */
static CK_RV come(struct seat *seat, enum login login)
{
	CK_RV rv = CKR_SESSION_READ_ONLY_EXISTS;

	pthread_mutex_lock(&seat->slot->lock);
	if (login != LOGIN_SO || !seat->read_only)
		rv = login_check(seat, login);
	if (rv == CKR_OK)
		seat->coming = login;
	pthread_mutex_unlock(&seat->slot->lock);
	return rv;
}

/* With the slot's lock: the caller is logged in from here on. */
static CK_RV begin_login(struct seat *seat, enum login login)
{
	struct slot *slot = seat->slot;
	CK_RV rv;

	rv = arbiter_rv(slot->arbiter->login(seat->party, user_of(login)));
	if (rv != CKR_OK)
		return rv;
	atomic_fetch_add(&slot->logins, 1);
	atomic_store(&seat->login_id, ++slot->last_login);
	atomic_store(&seat->login, login);
	return CKR_OK;
}

/**
 * login_share() - with "login = process", a user's login is that of all callers
 * @seat: of a caller that has a session; with the slot's lock
 */
void login_share(struct seat *seat)
{
	struct slot *slot = seat->slot;

	if (seat->one_login && slot_logins(slot) &&
	    atomic_load(&slot->login) == LOGIN_USER && seat->open &&
	    !seat->abandoned && seat_login(seat) == LOGIN_NONE)
		begin_login(seat, LOGIN_USER);
}

/*
 * The PIN was looked at. Meanwhile the caller may have closed its last session, or
 * lost what it has here: that is over with this login, too. And a caller of another
 * process may have come that this login would exclude.
 */
static CK_RV admit(struct seat *seat, enum login login, unsigned int ends,
		   CK_RV rv)
{
	struct slot *slot = seat->slot;
	struct seat *other;

	pthread_mutex_lock(&slot->lock);
	seat->coming = LOGIN_NONE;
	if (rv == CKR_OK && !seat->open)
		rv = CKR_SESSION_HANDLE_INVALID;
	if (rv == CKR_OK)
		rv = begin_login(seat, login);
	if (rv == CKR_OK && atomic_load(&seat->login_ends) != ends) {
		seat_lose_login(seat);
		rv = CKR_SESSION_HANDLE_INVALID;
	}
	if (rv == CKR_OK)
		for (other = slot->seats; other; other = other->next)
			login_share(other);
	pthread_mutex_unlock(&slot->lock);
	return rv;
}

/**
 * login_enter() - a caller shows a PIN
 * @seat: the caller's, with at least one session
 * @session: the backend's session it is shown in
 * @lease: that the thread has
 * @login: LOGIN_USER or LOGIN_SO
 * @given: the PIN, perhaps with a name
 * @until_ms: out: when the result may be told, see tries_wait()
 */
CK_RV login_enter(struct seat *seat, CK_SESSION_HANDLE session,
		  const struct lease *lease, enum login login,
		  const struct credentials *given, int64_t *until_ms)
{
	unsigned int ends = atomic_load(&seat->login_ends);
	struct slot *slot = seat->slot;
	CK_RV rv, shown;

	*until_ms = 0;
	rv = come(seat, login);
	if (rv != CKR_OK)
		return rv;
	if (!slot_logins(slot))
		rv = first_login(seat, session, login, given);
	else if (login == LOGIN_USER &&
		 atomic_load(&slot->login) == LOGIN_USER)
		rv = join_login(seat, session, given);
	else
		rv = CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	*until_ms = tries_count(&seat->tries, seat->record,
				login == LOGIN_SO ? TRIED_SO : TRIED_USER, rv);

	shown = rv;
	rv = admit(seat, login, ends, rv);
	if (shown == CKR_OK && rv != CKR_OK)
		login_settle(seat, session, lease);
	return rv;
}

/* ---- out ------------------------------------------------------------------ */

/* After C_Logout. A backend that has no such function stays as it is for good. */
static bool is_out(CK_RV rv)
{
	return rv == CKR_OK || rv == CKR_USER_NOT_LOGGED_IN ||
	       rv == CKR_FUNCTION_NOT_SUPPORTED;
}

/**
 * login_settle() - log the backend out if no caller is logged in any more
 * @seat: of the caller
 * @session: an open one of the backend's
 *
 * Without a lease, or if the backend refuses, this is done at the next occasion: the
 * next call of whichever caller. No call is let in before, or it could do what only
 * the caller that has left may do.
 *
 * Return: CKR_OK if the backend is logged in for no caller that has left.
 */
CK_RV login_settle(struct seat *seat, CK_SESSION_HANDLE session,
		  const struct lease *lease)
{
	struct slot *slot = seat->slot;
	CK_RV rv;

	if (!login_waits(slot))
		return CKR_OK;
	slot_forget_pin(slot);
	if (!lease_has(lease))
		return CKR_FUNCTION_FAILED;
	rv = BACKEND(slot->backend, C_Logout, session);
	if (is_out(rv)) {
		backend_is(seat, LOGIN_NONE);
		return CKR_OK;
	}
	if (rv != CKR_DEVICE_REMOVED)
		log_error("backend %s: C_Logout failed: 0x%lx",
			  slot->backend->config->name, rv);
	return rv;
}

/**
 * login_end() - the caller logs out, or closes its last session
 * @seat: the caller's; with the slot's lock
 * @left: zeroed; out: for login_tell()
 *
 * Its private session objects end with its login.
 */
void login_end(struct seat *seat, struct left *left)
{
	left->ended = seat_end_login(seat, &left->objects);
	left->era = atomic_load(&seat->slot->era);
}

/*
 * While the backend stays logged in for other callers it doesn't destroy these
 * objects: we do. If it has been logged out and in since, it has destroyed them, and
 * the handles may mean other objects by now. Without @may they are forgotten only.
 */
static void destroy_objects(struct seat *seat, CK_SESSION_HANDLE session,
			    struct left *left, bool may)
{
	struct slot *slot = seat->slot;
	CK_OBJECT_HANDLE handle;

	while (known_take_left(&seat->known, &left->objects, &handle))
		if (may && slot_logins(slot) &&
		    atomic_load(&slot->era) == left->era)
			BACKEND(slot->backend, C_DestroyObject, session,
				handle);
}

/**
 * login_tell() - what was ended here ends in the backend
 * @seat: of the caller
 * @session: an open one of the backend's
 * @lease: without one nothing is asked of it
 * @turn: nor without the turn
 * @left: from login_end(), or zeroed: what others left behind is settled
 */
void login_tell(struct seat *seat, CK_SESSION_HANDLE session,
		const struct lease *lease, bool turn, struct left *left)
{
	bool may = turn && lease_has(lease);

	destroy_objects(seat, session, left, may);
	if (may)
		login_settle(seat, session, lease);
}

/* The caller logs out. Return: CKR_OK or CKR_USER_NOT_LOGGED_IN. */
CK_RV login_leave(struct seat *seat, CK_SESSION_HANDLE session,
		  const struct lease *lease, bool turn)
{
	struct slot *slot = seat->slot;
	struct left left = { 0 };
	struct seat *other;

	pthread_mutex_lock(&slot->lock);
	login_end(seat, &left);
	/* The backend destroys these callers' private objects as it logs out. */
	if (seat->one_login)
		for (other = slot->seats; other; other = other->next)
			if (seat_login(other) != LOGIN_NONE)
				seat_lose_login(other);
	pthread_mutex_unlock(&slot->lock);
	login_tell(seat, session, lease, turn, &left);
	return left.ended ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

/* ---- the process exits ---------------------------------------------------- */

/*
 * Any that has a session, and the one that keeps the lease if there is one. Return: for
 * seat_put(); or NULL.
 */
static struct seat *seat_with_session(struct slot *slot,
				      CK_SESSION_HANDLE *session)
{
	struct seat *seat, *found = NULL;

	pthread_mutex_lock(&slot->lock);
	for (seat = slot->seats; seat; seat = seat->next)
		if (seat->sessions && !atomic_load(&seat->gone) &&
		    (!found || atomic_load(&seat->keep.kept)))
			found = seat;
	if (found) {
		found->references++;
		*session = session_backend_handle(found->sessions);
	}
	pthread_mutex_unlock(&slot->lock);
	return found;
}

static CK_RV logout_at_exit(struct slot *slot, int64_t until_ms)
{
	int64_t left_ms = until_ms - now_ms();
	CK_SESSION_HANDLE session = 0;
	struct seat *seat;
	CK_RV rv = CKR_OK;

	seat = seat_with_session(slot, &session);
	/* With its last session a login ends anyhow. */
	if (!seat)
		return CKR_OK;
	if (slot->arbiter->last_lease)
		rv = arbiter_rv(slot->arbiter->last_lease(seat->party, seat->mode,
							  left_ms > 0 ? (int)left_ms : 0));
	if (rv == CKR_OK)
		rv = BACKEND(slot->backend, C_Logout, session);
	if (is_out(rv))
		backend_is(seat, LOGIN_NONE);
	seat_put(seat);
	return is_out(rv) ? CKR_OK : rv;
}

/**
 * login_exit() - the process exits: all callers are logged out, and leases end
 * @slot: where
 * @until_ms: no lease is waited for longer than that
 *
 * No other thread is inside a backend, or will be. The kernel is told of a logout only
 * if there was one: if the backend can't be logged out, the kernel calls the token
 * unclean when the process is gone (R2).
 *
 * Callers aren't told: their next calls are held, and would find the backend gone. A
 * thread that learned that its login is over would report that at the last moment.
 */
void login_exit(struct slot *slot, int64_t until_ms)
{
	struct seat *seat;
	CK_RV rv = CKR_OK;

	if (atomic_load(&slot->login) != LOGIN_NONE)
		rv = logout_at_exit(slot, until_ms);
	if (rv != CKR_OK) {
		log_error("slot %lu: the process exits while logged in, and could not log out: 0x%lx",
			  slot->id, rv);
		return;
	}
	slot_forget_pin(slot);
	pthread_mutex_lock(&slot->lock);
	for (seat = slot->seats; seat; seat = seat->next) {
		if (seat_login(seat) != LOGIN_NONE)
			slot->arbiter->logout(seat->party);
		if (slot->arbiter->leave)
			slot->arbiter->leave(seat->party);
	}
	pthread_mutex_unlock(&slot->lock);
}

/* ---- PINs that change ------------------------------------------------------ */

/* Has the backend said that nothing has changed? */
static bool is_unchanged(CK_RV rv)
{
	switch (rv) {
	case CKR_ARGUMENTS_BAD:
	case CKR_FUNCTION_NOT_SUPPORTED:
	case CKR_PIN_EXPIRED:
	case CKR_PIN_INCORRECT:
	case CKR_PIN_INVALID:
	case CKR_PIN_LEN_RANGE:
	case CKR_PIN_LOCKED:
	case CKR_PIN_TOO_WEAK:
	case CKR_SESSION_EXISTS:
	case CKR_SESSION_READ_ONLY:
	case CKR_TOKEN_WRITE_PROTECTED:
	case CKR_USER_NOT_LOGGED_IN:
		return true;
	default:
		return false;
	}
}

/**
 * login_pin_changes() - before the backend is told to change the user's PIN
 * @seat: of the caller that changes it
 *
 * From here on no process compares a PIN with the one that it remembers.
 */
void login_pin_changes(struct seat *seat)
{
	atomic_fetch_add(&seat->record->changes, 1);
}

/**
 * login_pin_changed() - the user's PIN may be another one now
 * @seat: of the caller that changed it
 * @rv: the backend's result
 * @pin: the new one, NULL if it isn't known
 * @length: its length
 *
 * Unless the backend said that nothing has changed, the old one's hash is wiped. A
 * process that was shown the old one meanwhile doesn't compare with that, either.
 */
void login_pin_changed(struct seat *seat, CK_RV rv, unsigned char *pin,
		       CK_ULONG length)
{
	struct slot *slot = seat->slot;
	struct credentials given = { .pin = pin, .length = length };
	unsigned int changes;

	if (is_unchanged(rv)) {
		atomic_fetch_sub(&seat->record->changes, 1);
		return;
	}
	changes = atomic_fetch_add(&seat->record->changes, 1) + 1;
	pthread_mutex_lock(&slot->pin_lock);
	given.name = slot->login_name;
	given.name_length = slot->login_name_length;
	slot->login_name = NULL;
	pthread_mutex_unlock(&slot->pin_lock);
	slot_forget_pin(slot);
	if (rv == CKR_OK && pin && atomic_load(&slot->login) == LOGIN_USER)
		remember(seat, &given, changes);
	free(given.name);
}
