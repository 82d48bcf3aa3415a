// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tries: wrong PINs in a row, and the wait that they earn (R12)
 *
 * Each caller's are counted on each slot, and no other caller waits for them.
 * The count outlives sessions, callers' C_Finalize and the slots themselves: a
 * caller that leaves and comes back goes on where it was. Only a right PIN ends it, or the
 * process.
 */
#include <search.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "now.h"
#include "tries.h"

#define FIRST_DELAY_MS	100
#define MAX_DELAY_MS	5000

struct tries {
	char *backend;
	CK_SLOT_ID slot;		/* the backend's */
	struct {
		atomic_uint wrong;	/* in a row */
		_Atomic int64_t next_ms;	/* not before */
	} of[MAX_CALLERS];
};

static void *all;			/* a tree */

static int compare(const void *one, const void *other)
{
	const struct tries *a = one, *b = other;

	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	return strcmp(a->backend, b->backend);
}

/**
 * tries_of() - what was tried on a slot in this process
 * @backend: its name
 * @slot: the backend's
 *
 * Slots are made one at a time. Nothing is ever freed: there are as many as there
 * are slots, however often they are made anew.
 *
 * Return: NULL if there is no memory.
 */
struct tries *tries_of(const char *backend, CK_SLOT_ID slot)
{
	struct tries *tries, **found;

	tries = calloc(1, sizeof(*tries));
	if (!tries)
		return NULL;
	tries->slot = slot;
	tries->backend = strdup(backend);
	found = tries->backend ? tsearch(tries, &all, compare) : NULL;
	if (found && *found == tries)
		return tries;
	free(tries->backend);
	free(tries);
	return found ? *found : NULL;
}

/* Sleeps for as long as this caller's wrong PINs in a row have earned. */
void tries_wait(struct tries *tries, unsigned int caller)
{
	int64_t ms = atomic_load(&tries->of[caller].next_ms) - now_ms();
	struct timespec pause = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};

	if (ms > 0)
		nanosleep(&pause, NULL);
}

/* After a PIN was shown: @rv is the result. */
void tries_count(struct tries *tries, unsigned int caller, CK_RV rv)
{
	unsigned int wrong;
	int64_t delay;

	if (rv == CKR_OK)
		atomic_store(&tries->of[caller].wrong, 0);
	if (rv != CKR_PIN_INCORRECT)
		return;
	wrong = atomic_fetch_add(&tries->of[caller].wrong, 1);
	delay = wrong < 8 ? FIRST_DELAY_MS << wrong : MAX_DELAY_MS;
	if (delay > MAX_DELAY_MS)
		delay = MAX_DELAY_MS;
	atomic_store(&tries->of[caller].next_ms, now_ms() + delay);
}
