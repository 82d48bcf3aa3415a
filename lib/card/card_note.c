// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a token's note says of its reader's slots.
 *
 * The note is what another process, perhaps of another user, has written there:
 * nothing in here trusts it.
 */
#include <time.h>
#include "../internal.h"
#include "tokmux-card.h"

/* The first byte of a note that is laid out like this. */
#define NOTE_FORMAT	1
#define NOTE_SLOTS	3

struct slot_bytes {
	uint8_t content;
	uint8_t flags;
	uint8_t changes[2];		/* the low half first */
	uint8_t atr_len;
	uint8_t atr[TOKMUX_ATR_SIZE];
	uint8_t reserved[2];
};

struct note_bytes {
	uint8_t format;
	uint8_t reserved[7];
	struct slot_bytes slots[NOTE_SLOTS];
};

_Static_assert(sizeof(struct note_bytes) == TOKMUX_NOTE_SIZE, "a note's layout");

/* True if it is a note of slots, at all. */
static bool read_slots(const struct tokmux_note *raw, struct note_bytes *note)
{
	memcpy(note, raw->bytes, sizeof(*note));
	return raw->time_ns && note->format == NOTE_FORMAT;
}

static uint16_t changes_of(const struct slot_bytes *slot)
{
	return (uint16_t)(slot->changes[0] | slot->changes[1] << 8);
}

static uint32_t age_of(const struct tokmux_note *raw)
{
	struct timespec now;
	uint64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 -
	     raw->time_ns / 1000000;
	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

int tokmux_card_read_note(struct tokmux_caller *caller, unsigned int slot,
			  unsigned int flags, struct tokmux_card_note *note)
{
	const struct slot_bytes *s;
	struct note_bytes bytes;
	struct tokmux_note raw;
	int ret;

	ret = tokmux_read_note(caller, flags, &raw);
	if (ret)
		return ret;
	if (slot >= NOTE_SLOTS || !read_slots(&raw, &bytes))
		return -ENODATA;
	s = &bytes.slots[slot];
	if (s->content == TOKMUX_CARD_UNKNOWN || s->content > TOKMUX_CARD_MUTE ||
	    s->atr_len > sizeof(s->atr))
		return -ENODATA;
	*note = (struct tokmux_card_note){
		.content = s->content,
		.flags = s->flags & TOKMUX_CARD_NOTED_EXCLUSIVE,
		.changes = changes_of(s),
		.age_ms = age_of(&raw),
		.atr_len = s->atr_len,
	};
	if (raw.flags & TOKMUX_NOTED_HELD)
		note->flags |= TOKMUX_CARD_NOTED_HELD;
	memcpy(note->atr, s->atr, s->atr_len);
	return 0;
}

int tokmux_card_write_note(struct tokmux_caller *caller, unsigned int slot,
			   const struct tokmux_card_note *note)
{
	struct note_bytes bytes;
	struct slot_bytes *s;
	struct tokmux_note raw;
	uint16_t changes;
	unsigned int i;
	int ret;

	if (slot >= NOTE_SLOTS || note->content > TOKMUX_CARD_MUTE ||
	    note->atr_len > sizeof(note->atr))
		return -EINVAL;
	ret = tokmux_read_note(caller, 0, &raw);
	if (ret)
		return ret;
	if (!read_slots(&raw, &bytes))
		bytes = (struct note_bytes){ .format = NOTE_FORMAT };
	/* What an earlier holder has said of the other slots isn't repeated. */
	for (i = 0; i < NOTE_SLOTS && !(raw.flags & TOKMUX_NOTED_HELD); i++)
		bytes.slots[i].content = TOKMUX_CARD_UNKNOWN;
	s = &bytes.slots[slot];
	changes = (uint16_t)(changes_of(s) + note->changes);
	*s = (struct slot_bytes){
		.content = note->content,
		.flags = note->flags & TOKMUX_CARD_NOTED_EXCLUSIVE,
		.changes = { (uint8_t)changes, (uint8_t)(changes >> 8) },
		.atr_len = note->atr_len,
	};
	memcpy(s->atr, note->atr, note->atr_len);
	return tokmux_write_note(caller, &bytes, sizeof(bytes));
}
