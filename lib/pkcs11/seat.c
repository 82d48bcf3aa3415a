// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * seat: a caller's place on a slot, with its login and its objects (R11, R12)
 */
#include <stdlib.h>

#include "arbiter/queue.h"
#include "seat.h"

/* ---- coming and going ------------------------------------------------------- */

static unsigned int place(unsigned int caller)
{
	return caller == NOBODY ? MAX_CALLERS : caller;
}

/* Return: a caller's last seat; those before it, at tokens that are gone, follow. */
struct seat *seat_first(const struct slot *slot, unsigned int caller)
{
	return slot->of_caller ? slot->of_caller[place(caller)] : NULL;
}

/* With the slot's lock. Any but the last one is abandoned. */
static struct seat *find(struct slot *slot, unsigned int caller)
{
	struct seat *seat = seat_first(slot, caller);

	return seat && !seat->abandoned ? seat : NULL;
}

static void add(struct seat *seat, struct seat **at)
{
	seat->older = *at;
	seat->older_at = at;
	if (seat->older)
		seat->older->older_at = &seat->older;
	*at = seat;
}

/* With the slot's lock, and a token in it. */
static CK_RV make(struct slot *slot, unsigned int caller, struct seat **seat)
{
	struct seat *made;
	CK_RV rv;

	if (!slot->of_caller)
		slot->of_caller = calloc(MAX_CALLERS + 1,
					 sizeof(*slot->of_caller));
	made = calloc(1, sizeof(*made));
	if (!made || !slot->of_caller) {
		free(made);
		return CKR_HOST_MEMORY;
	}
	rv = arbiter_rv(slot->arbiter->party_open(slot->token, &made->party));
	if (rv != CKR_OK) {
		free(made);
		return rv;
	}
	made->slot = slot;
	made->token = slot->token;
	made->token->references++;
	made->lease = slot->lease;
	made->mode = made->lease == LEASE_SHARED ? ARBITER_SHARED :
						   ARBITER_EXCLUSIVE;
	made->operations = made->lease == LEASE_OPERATION;
	if (slot->arbiter->alone && made->mode == ARBITER_SHARED)
		made->shares = made->token->queue;
	made->one_login = slot->backend->config->one_login;
	made->identity = slot->identity;
	made->record = slot->record;
	made->caller = caller;
	pthread_mutex_init(&made->keep.lock, NULL);
	made->references = 2;	/* the slot's and the one that is returned */
	known_init(&made->known, &slot->objects);

	add(made, &slot->of_caller[place(caller)]);
	pthread_mutex_lock(&slot->seats_lock);
	made->next = slot->seats;
	made->at = &slot->seats;
	if (made->next)
		made->next->at = &made->next;
	slot->seats = made;
	pthread_mutex_unlock(&slot->seats_lock);
	*seat = made;
	return CKR_OK;
}

/**
 * seat_get() - a caller's place on a slot, made if need be
 * @slot: where
 * @caller: its number, or NOBODY for calls about the slot
 * @seat: out: the seat, with a reference for seat_put()
 *
 * Without any lock: the backend may have to be asked for the token's name.
 */
CK_RV seat_get(struct slot *slot, unsigned int caller, struct seat **seat)
{
	struct seat *found;
	CK_RV rv = CKR_OK;

	pthread_mutex_lock(&slot->lock);
	while (!(found = find(slot, caller)) && !slot->token) {
		pthread_mutex_unlock(&slot->lock);
		rv = slot_find_token(slot);
		if (rv != CKR_OK)
			return rv;
		pthread_mutex_lock(&slot->lock);
	}
	if (found) {
		found->references++;
		*seat = found;
	} else {
		rv = make(slot, caller, seat);
	}
	pthread_mutex_unlock(&slot->lock);
	return rv;
}

/* With the slot's lock: the last reference is gone. */
static void destroy(struct seat *seat)
{
	struct slot *slot = seat->slot;

	*seat->older_at = seat->older;
	if (seat->older)
		seat->older->older_at = seat->older_at;
	pthread_mutex_lock(&slot->seats_lock);
	*seat->at = seat->next;
	if (seat->next)
		seat->next->at = seat->at;
	pthread_mutex_unlock(&slot->seats_lock);
	slot->arbiter->party_close(seat->party);
	arbiter_token_put(seat->token);
	pthread_mutex_destroy(&seat->keep.lock);
	known_destroy(&seat->known);
	free(seat);
}

/*
 * Only the last reference takes the lock: with it other threads find the seat, and take
 * references to it.
 */
void seat_put(struct seat *seat)
{
	unsigned int now = atomic_load(&seat->references);
	struct slot *slot = seat->slot;

	while (now > 1)
		if (atomic_compare_exchange_weak(&seat->references, &now,
						 now - 1))
			return;
	pthread_mutex_lock(&slot->lock);
	if (atomic_fetch_sub(&seat->references, 1) == 1)
		destroy(seat);
	pthread_mutex_unlock(&slot->lock);
}

/* The slot lets go of the seat, which lives on until its last session is closed. */
void seat_abandon(struct seat *seat)
{
	seat->abandoned = true;
	if (atomic_fetch_sub(&seat->references, 1) == 1)
		destroy(seat);
}

/* ---- the caller's login ----------------------------------------------------- */

/**
 * seat_end_login() - the caller is not logged in any more
 * @seat: the caller's
 * @left: out: its private session objects, see known_end_login()
 *
 * The last caller to log out takes the PIN's hash with it. Return: false if this
 * caller was not logged in.
 */
bool seat_end_login(struct seat *seat, struct object **left)
{
	struct slot *slot = seat->slot;

	*left = NULL;
	/* First: a thread that is just logging in sees whether this changes. */
	atomic_fetch_add(&seat->login_ends, 1);
	if (atomic_exchange(&seat->login, LOGIN_NONE) == LOGIN_NONE)
		return false;
	known_end_login(&seat->known, atomic_exchange(&seat->login_id, 0), left);
	slot->arbiter->logout(seat->party);
	if (atomic_fetch_sub(&slot->logins, 1) == 1) {
		slot_forget_pin(slot);
		/* No call is let in until the backend is logged out, see call.c. */
		if (atomic_load(&slot->login) != LOGIN_NONE)
			arbiter_queue_watch(seat->token->queue, true);
	}
	return true;
}

/* The same, where the backend needn't be told of it, or can't be. */
void seat_lose_login(struct seat *seat)
{
	CK_OBJECT_HANDLE handle;
	struct object *left;

	seat_end_login(seat, &left);
	while (known_take_left(&seat->known, &left, &handle))
		;
}

/* ---- all seats of a slot ---------------------------------------------------- */

/* Has any other caller than @except's a session here, with the token in it now? */
bool slot_has_sessions(struct slot *slot, const struct seat *except)
{
	const struct seat *seat;

	pthread_mutex_lock(&slot->lock);
	for (seat = slot->seats; seat; seat = seat->next)
		if (seat != except && seat->open && !seat->abandoned)
			break;
	pthread_mutex_unlock(&slot->lock);
	return seat;
}

/* No call uses the slot any more: only the seat that no caller owns may be left. */
void slot_leave(struct slot *slot)
{
	pthread_mutex_lock(&slot->lock);
	while (slot->seats)
		seat_abandon(slot->seats);
	pthread_mutex_unlock(&slot->lock);
}
