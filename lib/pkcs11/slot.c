// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * slot: a backend's slot as one of ours, and the name of the token in it
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tokmux.h>

#include "arbiter/queue.h"
#include "log.h"
#include "slot.h"

struct slot *slot_new(CK_SLOT_ID id, struct backend *backend,
		      CK_SLOT_ID backend_id)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->id = id;
	slot->backend = backend;
	slot->backend_id = backend_id;
	slot->arbiter = backend->arbiter;
	turn_init(&slot->turn, false);
	pthread_mutex_init(&slot->lock, NULL);
	pthread_mutex_init(&slot->seats_lock, NULL);
	pthread_mutex_init(&slot->pin_lock, NULL);
	objects_init(&slot->objects);
	return slot;
}

/* No seat is left, see slot_leave(). */
void slot_free(struct slot *slot)
{
	if (slot->token)
		arbiter_token_put(slot->token);
	slot_forget_pin(slot);
	objects_destroy(&slot->objects);
	free(slot->of_caller);
	pthread_mutex_destroy(&slot->pin_lock);
	pthread_mutex_destroy(&slot->seats_lock);
	pthread_mutex_destroy(&slot->lock);
	turn_destroy(&slot->turn);
	free(slot);
}

/* Wipes the hash of the user's PIN. */
void slot_forget_pin(struct slot *slot)
{
	pthread_mutex_lock(&slot->pin_lock);
	pin_forget(&slot->pin);
	free(slot->login_name);
	slot->login_name = NULL;
	slot->login_name_length = 0;
	pthread_mutex_unlock(&slot->pin_lock);
}

/* ---- the token ------------------------------------------------------------- */

/* The longest prefix of a blank-padded field, as part of a token's name. */
static size_t add_field(char *name, size_t at, size_t size,
			const unsigned char *field, size_t length)
{
	size_t i;

	while (length && (field[length - 1] == ' ' || !field[length - 1]))
		length--;
	for (i = 0; i < length && at < size - 1; i++)
		name[at++] = isascii(field[i]) &&
			     (isalnum(field[i]) ||
			      (field[i] &&
			       strchr(TOKMUX_NAME_PUNCTUATION, field[i]))) ?
			     (char)field[i] : '_';
	name[at] = '\0';
	return at;
}

/*
 * A token has the same name in every process: from the configuration, else from
 * its model and serial number. A token without a serial number is named after its
 * backend and slot. A name that we make up begins with a letter, whatever the
 * model, and is no URI, in which no "_" comes before the first colon.
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
	at = (size_t)snprintf(name, size, "p11_");
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

void slot_identify(struct identity *identity, const CK_TOKEN_INFO *info)
{
	memcpy(identity->manufacturer, info->manufacturerID,
	       sizeof(identity->manufacturer));
	memcpy(identity->model, info->model, sizeof(identity->model));
	memcpy(identity->serial, info->serialNumber,
	       sizeof(identity->serial));
}

/* With the slot's turn, but without a lease: that takes the name. */
static CK_RV ask_token(struct slot *slot, CK_SLOT_INFO *slot_info,
		       CK_TOKEN_INFO *info)
{
	CK_RV rv;

	rv = BACKEND(slot->backend, C_GetSlotInfo, slot->backend_id, slot_info);
	if (rv != CKR_OK)
		return rv;
	return BACKEND(slot->backend, C_GetTokenInfo, slot->backend_id, info);
}

/*
 * A token that can be taken out is a card, which does one thing at a time. What is
 * built in is an HSM or a program, which takes parallel work.
 */
static enum lease_kind lease_of(const struct slot *slot)
{
	enum lease_kind lease = slot->backend->config->lease;

	if (lease != LEASE_BY_SLOT)
		return lease;
	return slot->removable ? LEASE_CALL : LEASE_SHARED;
}

/* With the slot's lock held. */
static CK_RV open_token(struct slot *slot, const CK_SLOT_INFO *slot_info,
			CK_TOKEN_INFO *info)
{
	const struct config_backend *config = slot->backend->config;
	char name[sizeof(ARBITER_SYSTEM) + 63];
	CK_RV rv;
	int i;

	slot->removable = slot_info->flags & CKF_REMOVABLE_DEVICE;
	slot->lease = lease_of(slot);
	if (slot->lease == LEASE_SHARED)
		atomic_store(&slot->backend->shares, true);
	slot->token_flags = info->flags;
	slot_identify(&slot->identity, info);
	atomic_store(&slot->suspect, false);
	for (i = 0; i < ASKS; i++)
		atomic_store(&slot->asks_login[i], false);
	token_name(slot, info, name, sizeof(name));
	log_info("slot %lu: backend %s, token %s", slot->id,
		 slot->backend->config->name, name);
	/* Of a lease for a single call, too: its process may be stopped (R4). */
	rv = arbiter_rv(arbiter_token_open(name, config->unclean,
					   config->hold_ms, &slot->token));
	if (rv == CKR_OK)
		slot->record = record_of(slot->token->name);
	/* Of the token that was there before, or was said to be gone. */
	if (rv == CKR_OK && atomic_load(&slot->login) != LOGIN_NONE)
		arbiter_queue_watch(slot->token->queue, true);
	return rv;
}

/**
 * slot_find_token() - ask for the token's name and open it at the arbiter
 * @slot: without a token
 *
 * One thread asks for all: others that come meanwhile wait for its turn to end,
 * but not for ever.
 */
CK_RV slot_find_token(struct slot *slot)
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
	rv = CANCEL_UNDOES(turn_cancelled, &slot->turn,
			   ask_token(slot, &slot_info, &info));
	if (rv != CKR_OK)
		goto out;
	pthread_mutex_lock(&slot->lock);
	rv = open_token(slot, &slot_info, &info);
	pthread_mutex_unlock(&slot->lock);
out:
	turn_give(&slot->turn);
	return rv;
}
