// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Readers: their turns and their slots. Nothing here waits for a lease or talks
 * to a reader.
 */
#include <stdlib.h>
#include <string.h>
#include "policy.h"
#include "reader.h"

static void slot_init(struct slot *slot, struct reader *reader, unsigned int number)
{
	slot->reader = reader;
	slot->number = number;
	facts_name(&reader->facts, tokmux_token_index(reader->token), number,
		   slot->name);
	pthread_cond_init(&slot->passed, NULL);
}

struct reader *reader_new(struct tokmux_token *token, const struct facts *facts)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	unsigned int i;

	if (!reader)
		return NULL;
	reader->slots = calloc(facts->slots, sizeof(*reader->slots));
	if (!reader->slots) {
		free(reader);
		return NULL;
	}
	reader->facts = *facts;
	reader->token = token;
	reader->nr_slots = facts->slots;
	for (i = 0; i < facts->slots; i++)
		slot_init(&reader->slots[i], reader, i);
	pthread_mutex_init(&reader->use, NULL);
	reader->listen_fd = -1;
	return reader;
}

void reader_free(struct reader *reader)
{
	struct slot *slot;

	for_each_slot(slot, reader) {
		tokmux_card_free(slot->card);
		pthread_cond_destroy(&slot->passed);
	}
	tokmux_close(reader->caller);
	tokmux_token_free(reader->token);
	pthread_mutex_destroy(&reader->use);
	free(reader->slots);
	free(reader);
}

/* ---- the turn -------------------------------------------------------------- */

void turn_take(struct slot *slot)
{
	const uint64_t ticket = slot->next_ticket++;

	while (slot->taken || slot->serving != ticket)
		lock_wait(&slot->passed);
	slot->taken = true;
	slot->serving++;
}

bool turn_try(struct slot *slot)
{
	if (slot->taken || slot->serving != slot->next_ticket)
		return false;
	turn_take(slot);
	return true;
}

void turn_pass(struct slot *slot)
{
	slot->taken = false;
	pthread_cond_broadcast(&slot->passed);
}

/* ---- all slots ------------------------------------------------------------- */

unsigned int reader_connections(const struct reader *reader)
{
	const struct slot *slot;
	unsigned int connections = 0;

	for_each_slot(slot, reader)
		connections += slot->connections;
	return connections;
}

bool reader_is_exclusive(const struct reader *reader)
{
	const struct slot *slot;

	for_each_slot(slot, reader)
		if (slot->exclusive)
			return true;
	return false;
}

bool reader_is_empty(const struct reader *reader)
{
	const struct slot *slot;

	for_each_slot(slot, reader)
		if (slot->content != SLOT_EMPTY)
			return false;
	return true;
}

bool reader_is_free(const struct reader *reader)
{
	const struct slot *slot;

	for_each_slot(slot, reader)
		if (slot->taken || slot->serving != slot->next_ticket)
			return false;
	return true;
}

bool reader_try(struct reader *reader)
{
	struct slot *slot;

	if (!reader_is_free(reader))
		return false;
	for_each_slot(slot, reader)
		turn_take(slot);
	return true;
}

void reader_pass(struct reader *reader)
{
	struct slot *slot;

	for_each_slot(slot, reader)
		turn_pass(slot);
}

/* ---- the grace -------------------------------------------------------------- */

void grace_begin(struct slot *slot, const void *of)
{
	slot->grace_of = of;
	slot->grace_ms = now_ms() + policy.grace_ms;
}

void grace_end(struct slot *slot, const void *of)
{
	if (slot->grace_of == of)
		slot->grace_of = NULL;
}

/* ---- the slot -------------------------------------------------------------- */

static bool has_card(enum slot_content content)
{
	return content == SLOT_CARD || content == SLOT_MUTE;
}

void slot_is(struct slot *slot, enum slot_content content,
	     const uint8_t *atr, size_t atr_len, DWORD protocol)
{
	bool changed = content != slot->content;

	slot->seen_ms = now_ms();
	if (slot->content != SLOT_UNKNOWN &&
	    has_card(content) != has_card(slot->content)) {
		slot->events++;
		slot->removals += !has_card(content);
	}
	slot->content = content;
	slot->protocol = protocol;
	/* The ATR of a card that has lost its power is known. */
	if (content != SLOT_CARD || atr_len) {
		changed |= atr_len != slot->atr_len ||
			   (atr_len && memcmp(atr, slot->atr, atr_len));
		if (atr_len)
			memcpy(slot->atr, atr, atr_len);
		slot->atr_len = atr_len;
	}
	if (changed)
		news_tell();
}

void slot_was_reset(struct slot *slot)
{
	slot->resets++;
	slot->protocol = SCARD_PROTOCOL_UNDEFINED;
}

void slot_was_emptied(struct slot *slot)
{
	if (!has_card(slot->content))
		return;
	slot_is(slot, SLOT_EMPTY, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
}

bool slot_is_fresh(const struct slot *slot)
{
	return slot->seen_ms &&
	       (slot->told || now_ms() - slot->seen_ms < FRESH_MS);
}

void slot_expires(struct slot *slot)
{
	const int64_t seen_ms = now_ms() + LISTEN_MS - FRESH_MS;

	slot->told = false;
	if (slot->seen_ms > seen_ms)
		slot->seen_ms = seen_ms;
}
