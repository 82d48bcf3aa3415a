// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * slot: a backend's slot as one of ours, and the seats of callers on it
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "session.h"
#include "slot.h"

struct slot *slot_new(CK_SLOT_ID id, struct backend *backend,
		      CK_SLOT_ID backend_id, const struct arbiter_ops *arbiter)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->id = id;
	slot->backend = backend;
	slot->backend_id = backend_id;
	slot->arbiter = arbiter;
	slot->tries = tries_of(backend->config->name, backend_id);
	if (!slot->tries) {
		free(slot);
		return NULL;
	}
	turn_init(&slot->turn);
	pthread_mutex_init(&slot->lock, NULL);
	pthread_mutex_init(&slot->seats_lock, NULL);
	pthread_mutex_init(&slot->pin_lock, NULL);
	return slot;
}

/* Nobody uses it any more; only the seat that no caller owns may be left. */
void slot_free(struct slot *slot)
{
	while (slot->seats)
		seat_abandon(slot->seats);
	if (slot->token)
		arbiter_token_put(slot->token);
	slot_forget_pin(slot);
	pthread_mutex_destroy(&slot->pin_lock);
	pthread_mutex_destroy(&slot->seats_lock);
	pthread_mutex_destroy(&slot->lock);
	turn_destroy(&slot->turn);
	free(slot);
}

/* ---- tokens ---------------------------------------------------------------- */

/* The longest prefix of a blank-padded field, as part of a token's name. */
static size_t add_field(char *name, size_t at, size_t size,
			const unsigned char *field, size_t length)
{
	size_t i;

	while (length && (field[length - 1] == ' ' || !field[length - 1]))
		length--;
	for (i = 0; i < length && at < size - 1; i++)
		name[at++] = isgraph(field[i]) && field[i] < 128 &&
			     field[i] != '/' ? (char)field[i] : '_';
	name[at] = '\0';
	return at;
}

/*
 * The same name in every process that sees the same token: from the
 * configuration, else from the model and the serial number. A token that has
 * none yet goes by its backend and slot.
 */
static void token_name(const struct slot *slot, CK_TOKEN_INFO *info,
		       char *name, size_t size)
{
	const char *given = config_token_name(slot->backend->config, info);
	size_t at, serial;

	if (given) {
		snprintf(name, size, "%s", given);
		return;
	}
	at = (size_t)snprintf(name, size, "pkcs11:");
	at = add_field(name, at, size, info->model, sizeof(info->model));
	if (at < size - 1)
		name[at++] = ':';
	serial = at;
	at = add_field(name, at, size, info->serialNumber,
		       sizeof(info->serialNumber));
	if (at == serial) {
		char spare[48];

		snprintf(spare, sizeof(spare), "%.20s:%lx",
			 slot->backend->config->name, slot->backend_id);
		add_field(name, at, size, (unsigned char *)spare,
			  strlen(spare));
	}
}

static void identify(struct identity *identity, const CK_TOKEN_INFO *info)
{
	memcpy(identity->manufacturer, info->manufacturerID,
	       sizeof(identity->manufacturer));
	memcpy(identity->model, info->model, sizeof(identity->model));
	memcpy(identity->serial, info->serialNumber,
	       sizeof(identity->serial));
}

/* With the slot's turn. Without a lease: it takes the name to get one. */
static CK_RV ask_token(struct slot *slot, CK_SLOT_INFO *slot_info,
		       CK_TOKEN_INFO *info)
{
	CK_RV rv;

	rv = BACKEND(slot->backend, C_GetSlotInfo, slot->backend_id, slot_info);
	if (rv != CKR_OK)
		return rv;
	return BACKEND(slot->backend, C_GetTokenInfo, slot->backend_id, info);
}

/* With the slot's lock held. */
static CK_RV open_token(struct slot *slot, const CK_SLOT_INFO *slot_info,
			CK_TOKEN_INFO *info)
{
	const struct config_backend *config = slot->backend->config;
	int hold_ms = 0;
	char name[64];

	slot->removable = slot_info->flags & CKF_REMOVABLE_DEVICE;
	slot->token_flags = info->flags;
	identify(&slot->identity, info);
	atomic_store(&slot->suspect, false);
	token_name(slot, info, name, sizeof(name));
	log_info("slot %lu: backend %s, token %s", slot->id,
		 slot->backend->config->name, name);
	/* Within a call nobody knows how long it may take. */
	if (config->lease == LEASE_OPERATION || config->lease == LEASE_SESSION)
		hold_ms = config->hold_ms;
	return arbiter_rv(arbiter_token_open(name, config->unclean, hold_ms,
					     &slot->token));
}

/*
 * Takes the slot's turn and its lock, which are free. One asks for all: others
 * that come meanwhile wait for it, but not for ever.
 */
static CK_RV find_token(struct slot *slot)
{
	CK_SLOT_INFO slot_info;
	CK_TOKEN_INFO info;
	bool known;
	CK_RV rv;

	rv = backend_turn(slot->backend, &slot->turn);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&slot->lock);
	known = slot->token;
	pthread_mutex_unlock(&slot->lock);
	if (known)
		goto out;
	rv = ask_token(slot, &slot_info, &info);
	if (rv != CKR_OK)
		goto out;
	pthread_mutex_lock(&slot->lock);
	rv = open_token(slot, &slot_info, &info);
	pthread_mutex_unlock(&slot->lock);
out:
	turn_give(&slot->turn);
	return rv;
}

/* ---- seats ----------------------------------------------------------------- */

struct seat *seat_find(struct slot *slot, unsigned int caller)
{
	struct seat *seat;

	for (seat = slot->seats; seat; seat = seat->next)
		if (seat->caller == caller && !seat->abandoned)
			return seat;
	return NULL;
}

/**
 * seat_get() - a caller's place on a slot, made if need be
 * @slot: locked; if the token's name has to be asked for, not meanwhile
 * @caller: its number, or NOBODY for calls about the slot
 * @seat: out: the seat, with a reference for seat_put()
 */
CK_RV seat_get(struct slot *slot, unsigned int caller, struct seat **seat)
{
	struct seat *made;
	CK_RV rv;

	while (!(made = seat_find(slot, caller)) && !slot->token) {
		pthread_mutex_unlock(&slot->lock);
		rv = find_token(slot);
		pthread_mutex_lock(&slot->lock);
		if (rv != CKR_OK)
			return rv;
	}
	if (made) {
		made->references++;
		*seat = made;
		return CKR_OK;
	}

	made = calloc(1, sizeof(*made));
	if (!made)
		return CKR_HOST_MEMORY;
	rv = arbiter_rv(slot->arbiter->party_open(slot->token, &made->party));
	if (rv != CKR_OK) {
		free(made);
		return rv;
	}
	made->slot = slot;
	made->token = slot->token;
	made->token->references++;
	made->mode = slot->backend->config->lease == LEASE_SHARED ?
		     ARBITER_SHARED : ARBITER_EXCLUSIVE;
	made->operations = slot->backend->config->lease == LEASE_OPERATION;
	if (slot->arbiter->alone && made->mode == ARBITER_SHARED)
		made->shares = made->token->queue;
	made->identity = slot->identity;
	made->caller = caller;
	keep_init(&made->keep);
	made->references = 2;	/* the slot's and the one that is returned */
	objects_init(&made->objects);

	pthread_mutex_lock(&slot->seats_lock);
	made->next = slot->seats;
	slot->seats = made;
	pthread_mutex_unlock(&slot->seats_lock);
	*seat = made;
	return CKR_OK;
}

void seat_put(struct seat *seat)
{
	struct slot *slot = seat->slot;
	struct seat **at;

	if (--seat->references)
		return;
	pthread_mutex_lock(&slot->seats_lock);
	for (at = &slot->seats; *at != seat; at = &(*at)->next)
		;
	*at = seat->next;
	pthread_mutex_unlock(&slot->seats_lock);
	slot->arbiter->party_close(seat->party);
	arbiter_token_put(seat->token);
	keep_destroy(&seat->keep);
	objects_destroy(&seat->objects);
	free(seat);
}

/* The slot lets go of it; it lives on until its last session is closed. */
void seat_abandon(struct seat *seat)
{
	seat->abandoned = true;
	seat_put(seat);
}

/* ---- what concerns all seats ------------------------------------------------ */

/**
 * slot_forget_object() - a handle means nothing any more
 * @slot: where; its lock need not be held
 * @handle: the backend's
 */
void slot_forget_object(struct slot *slot, CK_OBJECT_HANDLE handle)
{
	struct seat *seat;

	pthread_mutex_lock(&slot->seats_lock);
	for (seat = slot->seats; seat; seat = seat->next)
		objects_remove(&seat->objects, handle);
	pthread_mutex_unlock(&slot->seats_lock);
}

/**
 * slot_forget_stale() - what was there by this handle isn't any more
 * @slot: where; its lock need not be held
 * @object: what the handle means from now on
 * @except: whose it is
 *
 * Whoever knows it as just that has found it already, or may find it. A session
 * object is its maker's alone.
 */
void slot_forget_stale(struct slot *slot, const struct object *object,
		       const struct seat *except)
{
	struct seat *seat;

	pthread_mutex_lock(&slot->seats_lock);
	for (seat = slot->seats; seat; seat = seat->next)
		if (seat != except)
			objects_remove_stale(&seat->objects, object);
	pthread_mutex_unlock(&slot->seats_lock);
}

/* How many callers are logged in here. */
unsigned int slot_logins(struct slot *slot)
{
	return atomic_load(&slot->logins);
}

/* The hash of the user's PIN is wiped, also one that is just made or used. */
void slot_forget_pin(struct slot *slot)
{
	pthread_mutex_lock(&slot->pin_lock);
	slot->forgotten++;
	pin_forget(&slot->pin);
	free(slot->login_name);
	slot->login_name = NULL;
	slot->login_name_length = 0;
	pthread_mutex_unlock(&slot->pin_lock);
}

/* The last one takes the PIN's hash with it. Return: false if it has none. */
bool seat_end_login(struct seat *seat)
{
	struct slot *slot = seat->slot;

	/* First: whoever is just logging in looks whether it changes. */
	atomic_fetch_add(&seat->login_ends, 1);
	if (atomic_exchange(&seat->login, LOGIN_NONE) == LOGIN_NONE)
		return false;
	atomic_store(&seat->login_id, 0);
	slot->arbiter->logout(seat->party);
	if (atomic_fetch_sub(&slot->logins, 1) == 1)
		slot_forget_pin(slot);
	return true;
}

/* The same, where the backend needn't be told, or can't. */
void seat_lose_login(struct seat *seat)
{
	struct object object;

	seat_end_login(seat);
	while (objects_remove_private(&seat->objects, &object))
		;
}

/*
 * Does anybody but @except have a session here, with the token that is in it?
 * With the slot's lock held.
 */
bool slot_sessions(struct slot *slot, const struct seat *except)
{
	struct seat *seat;

	for (seat = slot->seats; seat; seat = seat->next)
		if (seat != except && seat->open && !seat->abandoned)
			return true;
	return false;
}

/* It may go by another name now: who sits here without a session gets up. */
void slot_token_changed(struct slot *slot)
{
	struct seat *seat, *next;

	for (seat = slot->seats; seat; seat = next) {
		next = seat->next;
		if (!seat->open && !seat->abandoned)
			seat_abandon(seat);
	}
	/* Who is still in a call with the old one's lease has it in its seat. */
	if (slot->token)
		arbiter_token_put(slot->token);
	slot->token = NULL;
}

/* ---- tokens that are exchanged -------------------------------------------------- */

/**
 * slot_token_gone() - what everybody has with the token is gone with it
 * @slot: locked
 *
 * Sessions are closed in the backend already: their handles there may come to
 * mean others. The seats live on until theirs are closed, and whoever opens a
 * session gets a new one, at the token that is there then. So no handle of the
 * old one leads to the new one.
 */
void slot_token_gone(struct slot *slot)
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
	atomic_store(&slot->login, LOGIN_NONE);
	atomic_fetch_add(&slot->era, 1);
	arbiter_token_put(slot->token);
	slot->token = NULL;
}

bool slot_is_another(const struct seat *seat, const CK_TOKEN_INFO *info)
{
	struct identity identity;

	identify(&identity, info);
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

/* With the slot's lock held: one of each seat's, to be put. Return: how many. */
static size_t hold_sessions(const struct slot *slot, struct session **sessions)
{
	const struct seat *seat;
	size_t count = 0;

	for (seat = slot->seats; seat && count < MAX_CALLERS;
	     seat = seat->next) {
		if (seat->abandoned || !seat->sessions)
			continue;
		session_hold(seat->sessions);
		sessions[count++] = seat->sessions;
	}
	return count;
}

/* Closed by the backend, not closed or renewed by ourselves meanwhile? */
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
 * Has the backend closed a session that is open here? With no lock held, but
 * @lease, which also does for what others close meanwhile: a session isn't taken
 * from a backend that is just being asked about it.
 */
static bool any_closed(struct slot *slot, struct lease *lease)
{
	struct session *sessions[MAX_CALLERS];
	bool closed = false;
	size_t count, i;

	pthread_mutex_lock(&slot->lock);
	count = hold_sessions(slot, sessions);
	pthread_mutex_unlock(&slot->lock);
	for (i = 0; i < count; i++) {
		closed = closed || is_closed(slot, sessions[i]);
		session_put_with(sessions[i], lease);
	}
	return closed;
}

/**
 * slot_check_token() - is it still the one that this seat was made for?
 * @seat: whose
 * @lease: what it has
 *
 * Asked before a session is opened: a token that is exchanged closes all that
 * were there, and nobody else need notice. Where it can't be taken out, only
 * after something has happened.
 *
 * Return: CKR_DEVICE_REMOVED if it isn't: then the seat is none any more.
 */
CK_RV slot_check_token(struct seat *seat, struct lease *lease)
{
	struct slot *slot = seat->slot;
	CK_TOKEN_INFO info;
	bool gone;
	CK_RV rv;

	if (!slot->removable && !atomic_load(&slot->suspect))
		return CKR_OK;
	rv = BACKEND(slot->backend, C_GetTokenInfo, slot->backend_id, &info);
	gone = says_gone(rv) || (rv == CKR_OK && slot_is_another(seat, &info));
	if (rv != CKR_OK && !gone)
		return rv;

	gone = gone || any_closed(slot, lease);
	pthread_mutex_lock(&slot->lock);
	if (seat->abandoned || gone) {
		if (!seat->abandoned)
			slot_token_gone(slot);
		rv = CKR_DEVICE_REMOVED;
	} else {
		/* The same one, perhaps put in again: handles may differ. */
		if (atomic_exchange(&slot->suspect, false) && !seat->open)
			objects_remove_all(&seat->objects);
	}
	pthread_mutex_unlock(&slot->lock);
	return rv;
}

/* For slot_hear(). */
void slot_hear_error(struct seat *seat, CK_RV rv, bool locked)
{
	struct slot *slot = seat->slot;

	if (says_closed(rv) && !atomic_load(&seat->gone))
		atomic_store(&slot->suspect, true);
	if (!says_gone(rv))
		return;
	if (!locked)
		pthread_mutex_lock(&slot->lock);
	if (!seat->abandoned)
		slot_token_gone(slot);
	if (!locked)
		pthread_mutex_unlock(&slot->lock);
}
