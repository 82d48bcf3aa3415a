// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Readers: their turns and their slots. Nothing here waits for a lease or talks
 * to a reader.
 */
#include <stdlib.h>
#include <string.h>
#include "policy.h"
#include "reader.h"

struct reader *reader_new(struct tokmux_token *token, const struct facts *facts)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->facts = *facts;
	facts_name(facts, tokmux_token_index(token), reader->name);
	reader->token = token;
	pthread_cond_init(&reader->passed, NULL);
	pthread_mutex_init(&reader->use, NULL);
	reader->listen_fd = -1;
	return reader;
}

void reader_free(struct reader *reader)
{
	tokmux_card_free(reader->card);
	tokmux_close(reader->caller);
	tokmux_token_free(reader->token);
	pthread_cond_destroy(&reader->passed);
	pthread_mutex_destroy(&reader->use);
	free(reader);
}

/* ---- the turn -------------------------------------------------------------- */

void turn_take(struct reader *reader)
{
	const uint64_t ticket = reader->next_ticket++;

	while (reader->taken || reader->serving != ticket)
		lock_wait(&reader->passed);
	reader->taken = true;
	reader->serving++;
}

bool turn_try(struct reader *reader)
{
	if (reader->taken || reader->serving != reader->next_ticket)
		return false;
	turn_take(reader);
	return true;
}

void turn_pass(struct reader *reader)
{
	reader->taken = false;
	pthread_cond_broadcast(&reader->passed);
}

/* ---- the grace -------------------------------------------------------------- */

void grace_begin(struct reader *reader, const void *of)
{
	reader->grace_of = of;
	reader->grace_ms = now_ms() + policy.grace_ms;
}

void grace_end(struct reader *reader, const void *of)
{
	if (reader->grace_of == of)
		reader->grace_of = NULL;
}

/* ---- the slot -------------------------------------------------------------- */

static bool has_card(enum slot_content content)
{
	return content == SLOT_CARD || content == SLOT_MUTE;
}

void slot_is(struct reader *reader, enum slot_content content,
	     const uint8_t *atr, size_t atr_len, DWORD protocol)
{
	struct slot *slot = &reader->slot;
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

void slot_was_reset(struct reader *reader)
{
	reader->slot.resets++;
	reader->slot.protocol = SCARD_PROTOCOL_UNDEFINED;
}

void slot_was_emptied(struct reader *reader)
{
	if (!has_card(reader->slot.content))
		return;
	slot_is(reader, SLOT_EMPTY, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
}

bool slot_is_fresh(const struct reader *reader)
{
	return reader->slot.seen_ms &&
	       (reader->slot.told || now_ms() - reader->slot.seen_ms < FRESH_MS);
}

void slot_expires(struct reader *reader)
{
	const int64_t seen_ms = now_ms() + LISTEN_MS - FRESH_MS;

	reader->slot.told = false;
	if (reader->slot.seen_ms > seen_ms)
		reader->slot.seen_ms = seen_ms;
}
