// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Notes: what the process that has a reader lets the others know of its slot.
 *
 * A note is what some process claims, see Documentation/security.rst: it decides
 * what programs are told of a slot, and nothing else.
 */
#include <string.h>
#include "note.h"
#include "policy.h"
#include "wake.h"

/* The reader's only slot. */
#define SLOT	0

static const uint8_t contents[] = {
	[SLOT_UNKNOWN] = TOKMUX_CARD_UNKNOWN,
	[SLOT_EMPTY] = TOKMUX_CARD_NONE,
	[SLOT_CARD] = TOKMUX_CARD_GOOD,
	[SLOT_MUTE] = TOKMUX_CARD_MUTE,
};

static enum slot_content content_of(const struct tokmux_card_note *note)
{
	enum slot_content content = SLOT_UNKNOWN;

	while (contents[content] != note->content)
		content++;
	return content;
}

/* Under the lock: a card that others saw go is not the one that was known. */
static void catch_up(struct reader *reader, const struct tokmux_card_note *note)
{
	if (reader->noted && reader->note_changes != note->changes)
		slot_was_emptied(reader);
	reader->noted = true;
	reader->note_changes = note->changes;
	reader->note_events = reader->slot.events;
}

/* Under the lock. */
static void set_kept(struct reader *reader, bool kept)
{
	if (kept != reader->slot.kept)
		news_tell();
	reader->slot.kept = kept;
}

bool note_read(struct reader *reader)
{
	struct tokmux_card_note note;
	bool held;

	if (tokmux_card_read_note(reader->caller, SLOT, TOKMUX_NOTE_WATCH, &note))
		note = (struct tokmux_card_note){ .age_ms = FRESH_MS };
	held = note.flags & TOKMUX_CARD_NOTED_HELD;
	lock();
	set_kept(reader, held && note.flags & TOKMUX_CARD_NOTED_EXCLUSIVE);
	if (!held && note.age_ms >= FRESH_MS) {
		unlock();
		return false;
	}
	catch_up(reader, &note);
	slot_is(reader, content_of(&note), note.atr, note.atr_len,
		SCARD_PROTOCOL_UNDEFINED);
	reader->note_events = reader->slot.events;
	reader->slot.told = held;
	if (!held)
		reader->slot.seen_ms -= note.age_ms;
	reader->access = 0;
	/* There is one more file to wait for. */
	if (held)
		wake_keeper();
	unlock();
	return true;
}

void note_begin(struct reader *reader)
{
	struct tokmux_card_note note;
	int ret = tokmux_card_read_note(reader->caller, SLOT, 0, &note);

	reader->said = (struct tokmux_card_note){};
	lock();
	if (!ret)
		catch_up(reader, &note);
	set_kept(reader, false);
	unlock();
}

void note_write(struct reader *reader)
{
	struct tokmux_card_note note = {};
	uint16_t events;
	int ret;

	lock();
	events = reader->slot.events;
	note.content = contents[reader->slot.content];
	note.flags = reader->exclusive ? TOKMUX_CARD_NOTED_EXCLUSIVE : 0;
	note.changes = (uint16_t)(reader->note_changes + events -
				  reader->note_events);
	note.atr_len = (uint8_t)reader->slot.atr_len;
	memcpy(note.atr, reader->slot.atr, note.atr_len);
	unlock();
	if (!memcmp(&note, &reader->said, sizeof(note)))
		return;
	ret = tokmux_card_write_note(reader->caller, SLOT, &note);
	if (ret)
		return;
	reader->said = note;
	lock();
	reader->noted = true;
	reader->note_changes = note.changes;
	reader->note_events = events;
	unlock();
}
