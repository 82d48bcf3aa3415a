// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The readers: tokens with a card reader behind them, as udev tells of them.
 */
#include <string.h>
#include "readers.h"

static struct tokmux_monitor *monitor;
/* By the numbers of their tokens; and those that have gone, in any order. */
static struct reader *first, *first_gone;
static uint16_t events = 1;

static void count_event(void)
{
	if (!++events)
		events = 1;
	news_tell();
}

static struct reader **place_of(const struct tokmux_token *token)
{
	const unsigned int index = tokmux_token_index(token);
	struct reader **at = &first;

	while (*at && tokmux_token_index((*at)->token) < index)
		at = &(*at)->next;
	return at;
}

static void take_out(const struct tokmux_token *token)
{
	struct reader **at = place_of(token), *reader = *at;
	struct slot *slot;

	if (!reader || tokmux_token_index(reader->token) !=
		       tokmux_token_index(token))
		return;
	*at = reader->next;
	reader->gone = true;
	for_each_slot(slot, reader)
		slot_was_emptied(slot);
	reader->next = first_gone;
	first_gone = reader;
	count_event();
}

/* Owns @token. */
static void came(struct tokmux_token *token)
{
	struct reader *reader = NULL, **at;
	struct facts facts;

	if (facts_of_token(token, &facts))
		reader = reader_new(token, &facts);
	if (!reader) {
		tokmux_token_free(token);
		return;
	}
	at = place_of(token);
	reader->next = *at;
	*at = reader;
	count_event();
}

int readers_open(void)
{
	return monitor ? 0 : tokmux_monitor_open(&monitor);
}

void readers_refresh(void)
{
	struct tokmux_token *token;
	int change;

	if (!monitor)
		return;
	while ((change = tokmux_monitor_next(monitor, 0, &token)) > 0) {
		/* A number may be another token's by now. */
		if (change != TOKMUX_TOKEN_CHANGED)
			take_out(token);
		if (change == TOKMUX_TOKEN_ADDED)
			came(token);
		else
			tokmux_token_free(token);
	}
}

int readers_fd(void)
{
	return monitor ? tokmux_monitor_fd(monitor) : -1;
}

struct reader *readers_first(void)
{
	return first;
}

struct slot *readers_find(const char *name)
{
	struct reader *reader;
	struct slot *slot;

	for (reader = first; reader; reader = reader->next)
		for_each_slot(slot, reader)
			if (!strcmp(slot->name, name))
				return slot;
	return NULL;
}

void readers_reap(void)
{
	struct reader **at = &first_gone, *reader;

	while ((reader = *at)) {
		if (reader_connections(reader) || !reader_is_free(reader)) {
			at = &reader->next;
			continue;
		}
		*at = reader->next;
		reader_free(reader);
	}
}

uint16_t readers_events(void)
{
	return events;
}

static void free_all(struct reader **list)
{
	struct reader *reader;

	while ((reader = *list)) {
		*list = reader->next;
		reader_free(reader);
	}
}

void readers_close(void)
{
	free_all(&first);
	free_all(&first_gone);
	tokmux_monitor_close(monitor);
	monitor = NULL;
}

/*
 * Of the parent's callers a child can only close the files (R3). Its cards, with
 * libusb's memory, may have been in the middle of a change: they are left as they
 * are, in a list that nobody looks at.
 */
static void leave_all(struct reader **list)
{
	static struct reader *left;
	struct reader *reader;

	while ((reader = *list)) {
		*list = reader->next;
		tokmux_close(reader->caller);
		reader->caller = NULL;
		reader->next = left;
		left = reader;
	}
}

void readers_after_fork(void)
{
	leave_all(&first);
	leave_all(&first_gone);
	/* This was under the lock, as it is now. */
	tokmux_monitor_close(monitor);
	monitor = NULL;
}
