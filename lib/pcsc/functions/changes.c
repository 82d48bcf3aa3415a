// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * SCardGetStatusChange(): waits until a slot or the list of readers is another
 * one than the program knows.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "../context.h"
#include "../delegate.h"
#include "../keeper.h"
#include "../lease.h"
#include "../policy.h"
#include "../readers.h"

/* The reader of this name stands for the list of readers. */
static const char list_name[] = "\\\\?PnP?\\Notification";

/* What a program knows is in the lower half, and how often it changed in the upper. */
#define COUNTER(state)	((uint16_t)((state) >> 16))

static bool is_list(const SCARD_READERSTATE *state)
{
	return !strcasecmp(state->szReader, list_name);
}

/* ---- under the lock ------------------------------------------------------------ */

/* The kernel counts by readers: which slot another process is connected to, nobody knows. */
static bool is_used(const struct slot *slot)
{
	struct reader *reader = slot->reader;
	struct lease_others others;

	if (slot->connections)
		return true;
	return reader->caller && !lease_others(reader, &others) &&
	       others.sessions > reader_sessions(reader);
}

static DWORD state_of(const struct slot *slot)
{
	DWORD state;

	if (!slot)
		return SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE;
	state = (DWORD)slot->events << 16;
	if (slot->reader->access || slot->content == SLOT_UNKNOWN)
		return state | SCARD_STATE_UNAVAILABLE;
	if (slot->content == SLOT_EMPTY)
		return state | SCARD_STATE_EMPTY;
	state |= SCARD_STATE_PRESENT;
	if (slot->content == SLOT_MUTE)
		state |= SCARD_STATE_MUTE;
	if (slot->exclusive || slot->kept)
		state |= SCARD_STATE_EXCLUSIVE;
	else if (is_used(slot))
		state |= SCARD_STATE_INUSE;
	return state;
}

/* Is @state news for a program that knows @known? */
static bool is_news(DWORD known, DWORD state)
{
	/* It has to hear of these either way ... */
	const DWORD both = SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE |
			   SCARD_STATE_MUTE;
	/* ... and of these if they end. */
	const DWORD ends = SCARD_STATE_PRESENT | SCARD_STATE_EMPTY |
			   SCARD_STATE_INUSE | SCARD_STATE_EXCLUSIVE;

	return known == SCARD_STATE_UNAWARE || (known ^ state) & both ||
	       known & ~state & ends ||
	       (COUNTER(known) && COUNTER(known) != COUNTER(state));
}

static bool see_slot(SCARD_READERSTATE *of)
{
	const struct slot *slot = readers_find(of->szReader);

	of->dwEventState = state_of(slot);
	of->cbAtr = 0;
	if (of->dwEventState & SCARD_STATE_PRESENT) {
		of->cbAtr = slot->atr_len;
		memcpy(of->rgbAtr, slot->atr, slot->atr_len);
	}
	if (!is_news(of->dwCurrentState, of->dwEventState))
		return false;
	of->dwEventState |= SCARD_STATE_CHANGED;
	return true;
}

static uint16_t list_events(const struct context *context)
{
	return readers_events() + context->other_events;
}

static bool see_list(SCARD_READERSTATE *of, uint16_t events, uint16_t before)
{
	uint16_t known = COUNTER(of->dwCurrentState);

	of->dwEventState = (DWORD)events << 16;
	if ((known ? known : before) == events)
		return false;
	of->dwEventState |= SCARD_STATE_CHANGED;
	return true;
}

/* Is it pcscd's? Nobody else has one of this name. */
static bool is_other(const struct context *context, const SCARD_READERSTATE *state)
{
	return context->other && !is_list(state) &&
	       !(state->dwCurrentState & SCARD_STATE_IGNORE) &&
	       !readers_find(state->szReader);
}

/* @before: the list's counter when the call began. */
static bool see_all(const struct context *context, SCARD_READERSTATE *states,
		    DWORD nr, uint16_t before)
{
	bool news = false;
	DWORD i;

	for (i = 0; i < nr; i++) {
		if (states[i].dwCurrentState & SCARD_STATE_IGNORE)
			states[i].dwEventState = SCARD_STATE_IGNORE;
		else if (is_list(&states[i]))
			news |= see_list(&states[i], list_events(context),
					 before);
		else if (!is_other(context, &states[i]))
			news |= see_slot(&states[i]);
	}
	return news;
}

/* ---- looking ------------------------------------------------------------------- */

/* Gives up the lock meanwhile. */
static void look_at(struct slot *slot)
{
	if (slot_is_fresh(slot))
		return;
	/* A slot that nobody has seen yet is worth a wait. */
	if (!slot->seen_ms)
		turn_take(slot);
	else if (!turn_try(slot))
		return;
	lease_look_and_pass(slot);
}

static LONG look_at_all(const struct context *context,
			const SCARD_READERSTATE *states, DWORD nr)
{
	struct slot *slot;
	DWORD i;

	readers_refresh();
	for (i = 0; i < nr; i++) {
		if (states[i].dwCurrentState & SCARD_STATE_IGNORE ||
		    is_list(&states[i]) || is_other(context, &states[i]))
			continue;
		slot = readers_find(states[i].szReader);
		if (slot)
			look_at(slot);
		/* A program that knows that it is gone waits for its return. */
		else if (!(states[i].dwCurrentState & SCARD_STATE_UNKNOWN))
			return SCARD_E_UNKNOWN_READER;
	}
	return SCARD_S_SUCCESS;
}

/* ---- waiting ------------------------------------------------------------------- */

static LONG wait_for_news(struct context *context, int64_t until_ms)
{
	const int64_t now = now_ms();

	if (until_ms >= 0 && now >= until_ms)
		return SCARD_E_TIMEOUT;
	/* pcscd is asked now and then. */
	if (context->other && (until_ms < 0 || until_ms > now + FRESH_MS))
		until_ms = now + FRESH_MS;
	context->waiting = true;
	keeper_watch(1);
	news_wait(until_ms);
	keeper_watch(-1);
	context->waiting = false;
	if (!context->cancelled)
		return SCARD_S_SUCCESS;
	context->cancelled = false;
	return SCARD_E_CANCELLED;
}

/* ---- pcscd's readers; without the lock ------------------------------------------ */

static void see_other_list(struct context *context)
{
	uint32_t hash = 0;
	size_t len, i;
	char *list;

	list = delegate_readers(context->other, &len);
	for (i = 0; i < len; i++)
		hash = hash * 31 + (unsigned char)list[i];
	free(list);
	if (hash != context->other_readers)
		context->other_events++;
	context->other_readers = hash;
}

static LONG see_other_reader(struct context *context, SCARD_READERSTATE *of,
			     bool first, bool *news)
{
	LONG rv = delegate()->GetStatusChange(context->other, 0, of, 1);

	if (rv == SCARD_E_TIMEOUT)
		return SCARD_S_SUCCESS;
	if (rv != SCARD_E_UNKNOWN_READER) {
		*news |= !rv;
		return rv;
	}
	/* It has gone while the program waits, or the program knows that. */
	if (first && !(of->dwCurrentState & SCARD_STATE_UNKNOWN))
		return rv;
	of->dwEventState = SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE;
	if (!(of->dwCurrentState & SCARD_STATE_UNKNOWN)) {
		of->dwEventState |= SCARD_STATE_CHANGED;
		*news = true;
	}
	return SCARD_S_SUCCESS;
}

static LONG see_others(struct context *context, SCARD_READERSTATE *states,
		       DWORD nr, bool first, bool *news)
{
	LONG rv = SCARD_S_SUCCESS;
	bool other;
	DWORD i;

	for (i = 0; !rv && context->other && i < nr; i++) {
		if (is_list(&states[i])) {
			see_other_list(context);
			continue;
		}
		lock();
		other = is_other(context, &states[i]);
		unlock();
		if (other)
			rv = see_other_reader(context, &states[i], first, news);
	}
	return rv;
}

/* ---- both ------------------------------------------------------------------------ */

static LONG await(struct context *context, DWORD timeout,
		  SCARD_READERSTATE *states, DWORD nr)
{
	int64_t until_ms = -1;
	bool news = false;
	uint16_t before;
	LONG rv;

	/* Programs that were built for 32 bits say it with more. */
	if ((uint32_t)timeout != SCARD_INFINITE)
		until_ms = now_ms() + (int64_t)(uint32_t)timeout;
	rv = see_others(context, states, nr, true, &news);
	if (rv)
		return rv;
	lock();
	rv = keeper_start() ? SCARD_E_NO_MEMORY :
			      look_at_all(context, states, nr);
	before = list_events(context);
	while (!rv) {
		news |= see_all(context, states, nr, before);
		if (news)
			break;
		rv = wait_for_news(context, until_ms);
		if (rv || !context->other)
			continue;
		unlock();
		rv = see_others(context, states, nr, false, &news);
		lock();
	}
	unlock();
	return rv;
}

LONG SCardGetStatusChange(SCARDCONTEXT id, DWORD timeout,
			  SCARD_READERSTATE *states, DWORD nr)
{
	struct context *context;
	DWORD i, ignored = 0;
	LONG rv;

	if (!states && nr)
		return SCARD_E_INVALID_PARAMETER;
	for (i = 0; i < nr; i++) {
		if (!states[i].szReader)
			return SCARD_E_INVALID_VALUE;
		ignored += !!(states[i].dwCurrentState & SCARD_STATE_IGNORE);
	}
	if (ignored == nr)
		return SCARD_S_SUCCESS;
	context = context_enter(id);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	rv = await(context, timeout, states, nr);
	context_leave(context);
	return rv;
}
