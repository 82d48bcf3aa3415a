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
static void catch_up(struct slot *slot, const struct tokmux_card_note *note)
{
	if (slot->noted && slot->note_changes != note->changes)
		slot_was_emptied(slot);
	slot->noted = true;
	slot->note_changes = note->changes;
	slot->note_events = slot->events;
}

/* Under the lock. */
static void set_kept(struct slot *slot, bool kept)
{
	if (kept != slot->kept)
		news_tell();
	slot->kept = kept;
}

/* Does the process that has the reader leave notes? Then @note is that of another slot. */
static bool read_any_note(const struct slot *slot, struct tokmux_card_note *note)
{
	const struct reader *reader = slot->reader;
	const struct slot *other;

	for_each_slot(other, reader)
		if (other != slot &&
		    !tokmux_card_read_note(reader->caller, other->number, 0, note) &&
		    note->flags & TOKMUX_CARD_NOTED_HELD)
			return true;
	return false;
}

/*
 * The process that has the reader has not looked into this slot, or its note has no room
 * for what it saw. Taking the lease for a look would cost that process its cards.
 */
static void leave_unseen(struct slot *slot, const struct tokmux_card_note *note)
{
	lock();
	set_kept(slot, note->flags & TOKMUX_CARD_NOTED_EXCLUSIVE);
	slot->told = false;
	slot->seen_ms = now_ms();
	slot->reader->access = 0;
	/* There is one more file to wait for. */
	wake_keeper();
	unlock();
}

bool note_read(struct slot *slot)
{
	struct reader *reader = slot->reader;
	struct tokmux_card_note note;
	bool held;

	if (tokmux_card_read_note(reader->caller, slot->number, TOKMUX_NOTE_WATCH,
				  &note)) {
		if (read_any_note(slot, &note)) {
			leave_unseen(slot, &note);
			return true;
		}
		note = (struct tokmux_card_note){ .age_ms = FRESH_MS };
	}
	held = note.flags & TOKMUX_CARD_NOTED_HELD;
	lock();
	set_kept(slot, held && note.flags & TOKMUX_CARD_NOTED_EXCLUSIVE);
	if (!held && note.age_ms >= FRESH_MS) {
		unlock();
		return false;
	}
	catch_up(slot, &note);
	slot_is(slot, content_of(&note), note.atr, note.atr_len,
		SCARD_PROTOCOL_UNDEFINED);
	slot->note_events = slot->events;
	slot->told = held;
	if (!held)
		slot->seen_ms -= note.age_ms;
	reader->access = 0;
	/* There is one more file to wait for. */
	if (held)
		wake_keeper();
	unlock();
	return true;
}

void note_begin(struct slot *slot)
{
	struct tokmux_card_note note;
	int ret = tokmux_card_read_note(slot->reader->caller, slot->number, 0,
					&note);

	slot->said = (struct tokmux_card_note){};
	lock();
	if (!ret)
		catch_up(slot, &note);
	set_kept(slot, false);
	unlock();
}

void note_write(struct slot *slot)
{
	struct reader *reader = slot->reader;
	struct tokmux_card_note note = {};
	uint16_t events;
	int ret;

	lock();
	events = slot->events;
	note.content = contents[slot->content];
	/* One lease is for all slots: a process that has one for itself keeps others from all. */
	note.flags = reader_is_exclusive(reader) ? TOKMUX_CARD_NOTED_EXCLUSIVE : 0;
	note.changes = (uint16_t)(slot->note_changes + events -
				  slot->note_events);
	note.atr_len = (uint8_t)slot->atr_len;
	memcpy(note.atr, slot->atr, note.atr_len);
	unlock();
	if (!memcmp(&note, &slot->said, sizeof(note)))
		return;
	ret = tokmux_card_write_note(reader->caller, slot->number, &note);
	if (ret)
		return;
	slot->said = note;
	lock();
	slot->noted = true;
	slot->note_changes = note.changes;
	slot->note_events = events;
	unlock();
}
