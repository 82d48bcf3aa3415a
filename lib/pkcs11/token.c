// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * token: the token in a slot, which may be taken out, exchanged or renamed (R15)
 */
#include <string.h>

#include "log.h"
#include "session.h"
#include "token.h"

/*
 * With the slot's lock: all that callers have with the token is gone with it.
 *
 * The backend has closed the sessions already, so their handles there may come to
 * mean others. A seat lives on until its sessions are closed; a caller that opens
 * a session gets a new seat, at the token that is there then. So no handle of the
 * old token leads to the new one.
 */
static void token_gone(struct slot *slot)
{
	struct seat *seat, *next;

	if (!slot->token)
		return;
	log_info("slot %lu: the token is gone", slot->id);
	for (seat = slot->seats; seat; seat = next) {
		next = seat->next;
		if (seat->abandoned)
			continue;
		atomic_store(&seat->gone, true);
		lease_end_all(seat);
		seat_abandon(seat);
	}
	slot_forget_pin(slot);
	/* The backend may be mistaken, and logged in still: @login stays. */
	atomic_fetch_add(&slot->era, 1);
	arbiter_token_put(slot->token);
	slot->token = NULL;
}

/* Is the token that a backend describes another one than the seat's? */
bool token_is_another(const struct seat *seat, const CK_TOKEN_INFO *info)
{
	struct identity identity;

	slot_identify(&identity, info);
	return memcmp(&identity, &seat->identity, sizeof(identity));
}

static bool says_gone(CK_RV rv)
{
	return rv == CKR_DEVICE_REMOVED || rv == CKR_TOKEN_NOT_PRESENT;
}

static bool says_closed(CK_RV rv)
{
	return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED;
}

/* With the slot's lock: a session of each seat, to be put. Return: how many. */
static size_t hold_sessions(const struct slot *slot, struct session **sessions,
			    size_t most)
{
	const struct seat *seat;
	size_t count = 0;

	for (seat = slot->seats; seat && count < most;
	     seat = seat->next) {
		if (seat->abandoned || !seat->sessions)
			continue;
		session_hold(seat->sessions);
		sessions[count++] = seat->sessions;
	}
	return count;
}

/* Has the backend closed it, and we have neither closed nor renewed it meanwhile? */
static bool is_closed(struct slot *slot, const struct session *session)
{
	CK_SESSION_HANDLE asked = session_backend_handle(session);
	CK_SESSION_INFO info;
	CK_RV rv;

	rv = BACKEND(slot->backend, C_GetSessionInfo, asked, &info);
	return (says_gone(rv) || says_closed(rv)) &&
	       atomic_load(&session->handle) &&
	       session_backend_handle(session) == asked;
}

/*
 * Has the backend closed a session that is open here? An exchanged token closes
 * all of them, so one is asked about; after something has happened, one of each
 * caller. Without a lock. @lease also
 * covers sessions that other threads close meanwhile: a session stays as long as
 * its backend is being asked about it.
 */
static bool any_closed(struct slot *slot, struct lease *lease)
{
	struct session *sessions[MAX_CALLERS];
	bool closed = false;
	size_t count, i;

	pthread_mutex_lock(&slot->lock);
	count = hold_sessions(slot, sessions,
			      atomic_load(&slot->suspect) ? MAX_CALLERS : 1);
	pthread_mutex_unlock(&slot->lock);
	for (i = 0; i < count; i++) {
		closed = closed || is_closed(slot, sessions[i]);
		session_put_with(sessions[i], lease);
	}
	return closed;
}

static CK_RV check(struct seat *seat, struct lease *lease)
{
	struct slot *slot = seat->slot;
	CK_TOKEN_INFO info;
	bool gone;
	CK_RV rv;

	rv = BACKEND(slot->backend, C_GetTokenInfo, slot->backend_id, &info);
	gone = says_gone(rv) || (rv == CKR_OK && token_is_another(seat, &info));
	if (rv != CKR_OK && !gone)
		return rv;

	gone = gone || any_closed(slot, lease);
	pthread_mutex_lock(&slot->lock);
	if (seat->abandoned || gone) {
		if (!seat->abandoned)
			token_gone(slot);
		rv = CKR_DEVICE_REMOVED;
	} else {
		/* The same token, perhaps put in again: handles may differ. */
		if (atomic_exchange(&slot->suspect, false) && !seat->open)
			known_forget_all(&seat->known, false);
	}
	pthread_mutex_unlock(&slot->lock);
	return rv;
}

/**
 * token_check() - is the token still the one that a seat was made for?
 * @seat: the caller's
 * @lease: that the call has
 *
 * Asked before a session is opened: an exchanged token has closed all sessions,
 * and perhaps no other call has noticed. A token that can't be taken out is asked
 * only after something has happened to it.
 *
 * Return: CKR_DEVICE_REMOVED if it is another one: then the seat is abandoned.
 */
CK_RV token_check(struct seat *seat, struct lease *lease)
{
	const struct slot *slot = seat->slot;
	int cancel;
	CK_RV rv;

	if (!slot->removable && !atomic_load(&slot->suspect))
		return CKR_OK;
	cancel = cancel_off();
	rv = check(seat, lease);
	cancel_on(cancel);
	return rv;
}

/* For token_hear(). */
void token_hear_error(struct seat *seat, CK_RV rv)
{
	struct slot *slot = seat->slot;

	if (says_closed(rv) && !atomic_load(&seat->gone))
		atomic_store(&slot->suspect, true);
	if (!says_gone(rv))
		return;
	pthread_mutex_lock(&slot->lock);
	if (!seat->abandoned)
		token_gone(slot);
	pthread_mutex_unlock(&slot->lock);
}

/* The backend has been begun anew: nothing of the token is what it was. */
void token_begins_anew(struct slot *slot)
{
	pthread_mutex_lock(&slot->lock);
	token_gone(slot);
	atomic_store(&slot->login, LOGIN_NONE);
	pthread_mutex_unlock(&slot->lock);
}

/* After an event: is there a token still? The slot itself stays in any case. */
void token_look_after(struct slot *slot)
{
	CK_SLOT_INFO info;
	CK_RV rv;

	if (!atomic_load(&slot->suspect))
		return;
	rv = BACKEND(slot->backend, C_GetSlotInfo, slot->backend_id, &info);
	if (rv == CKR_OK && info.flags & CKF_TOKEN_PRESENT)
		return;
	pthread_mutex_lock(&slot->lock);
	token_gone(slot);
	pthread_mutex_unlock(&slot->lock);
}

/*
 * After C_InitToken the token may have another name: the seats without a session
 * are abandoned, and the next one that is made asks for the name.
 */
void token_renamed(struct slot *slot)
{
	struct seat *seat, *next;

	pthread_mutex_lock(&slot->lock);
	for (seat = slot->seats; seat; seat = next) {
		next = seat->next;
		if (!seat->open && !seat->abandoned)
			seat_abandon(seat);
	}
	/* A call that still has a lease on the old one has it in its seat. */
	if (slot->token)
		arbiter_token_put(slot->token);
	slot->token = NULL;
	pthread_mutex_unlock(&slot->lock);
}
