// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * slots: the slots of all backends, under ids of ours
 *
 * Configurations name tokens by their slot's id. So an id doesn't depend on which
 * tokens and readers there are, nor on the order in which they are found: only on the
 * configuration, and on the backend's own id. All ids fit a positive int of 32 bits.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"
#include "slots.h"

#define MAX_ID		0x7ffffffful
/* Smaller ones are counted up from 0 in most backends, so two backends have them. */
#define MIN_UNLIKE	0x10000ul

void slots_init(struct slots *slots)
{
	*slots = (struct slots){ 0 };
	pthread_mutex_init(&slots->lock, NULL);
}

/* They are freed with @all. */
static void leave_node(void *slot)
{
}

/* Nobody uses the slots any more. */
void slots_destroy(struct slots *slots)
{
	size_t i;

	tdestroy(slots->by_id, leave_node);
	tdestroy(slots->by_backend, leave_node);
	for (i = 0; i < slots->count; i++)
		slot_free(slots->all[i]);
	free(slots->all);
	pthread_mutex_destroy(&slots->lock);
}

/* ---- the id ----------------------------------------------------------------- */

/* The same in each process: from the backend's name and its own id. */
static CK_SLOT_ID derive(const struct backend *backend, CK_SLOT_ID backend_id)
{
	static const struct siphash_key key = { { 0 } };
	const char *name = backend->config->name;
	struct siphash hash;
	struct siphash_key named;

	siphash(&key, (const unsigned char *)name, strlen(name), &hash);
	memcpy(&named, &hash, sizeof(named));
	siphash(&named, (const unsigned char *)&backend_id, sizeof(backend_id),
		&hash);
	return MIN_UNLIKE + hash.word[0] % (MAX_ID - MIN_UNLIKE);
}

/*
 * The backend's own id, if no other backend is likely to have it: the first backend's
 * ids, and those of backends that make them from a serial number. Others are derived.
 * Should two be the same nevertheless, the later one is counted up.
 */
static CK_SLOT_ID choose_id(struct slots *slots, const struct backend *backend,
			    CK_SLOT_ID backend_id, bool first)
{
	CK_SLOT_ID id = backend_id;

	if (id > MAX_ID || (id < MIN_UNLIKE && !first))
		id = derive(backend, backend_id);
	while (slots_by_id(slots, id))
		id = id < MAX_ID ? id + 1 : MIN_UNLIKE;
	return id;
}

/* ---- found by it ------------------------------------------------------------ */

static int compare_ids(const void *one, const void *other)
{
	const struct slot *a = one, *b = other;

	return (a->id > b->id) - (a->id < b->id);
}

static int compare_backends(const void *one, const void *other)
{
	const struct slot *a = one, *b = other;

	if (a->backend != b->backend)
		return a->backend < b->backend ? -1 : 1;
	return (a->backend_id > b->backend_id) -
	       (a->backend_id < b->backend_id);
}

/* Return: false if there is no memory. */
static bool enter(struct slots *slots, struct slot *slot)
{
	struct slot **all;

	all = realloc(slots->all, (slots->count + 1) * sizeof(*all));
	if (!all)
		return false;
	slots->all = all;
	if (!tsearch(slot, &slots->by_id, compare_ids))
		return false;
	if (!tsearch(slot, &slots->by_backend, compare_backends)) {
		tdelete(slot, &slots->by_id, compare_ids);
		return false;
	}
	slot->number = slots->count;
	slots->all[slots->count++] = slot;
	return true;
}

/**
 * slots_get() - a backend's slot as one of ours, made if need be
 * @slots: with the lock
 * @backend: whose slot it is
 * @backend_id: the backend's id of it
 * @first: is it the first backend of the configuration?
 *
 * Return: NULL if there is no memory for it.
 */
struct slot *slots_get(struct slots *slots, struct backend *backend,
		       CK_SLOT_ID backend_id, bool first)
{
	struct slot *const *found;
	struct slot wanted, *slot;

	wanted.backend = backend;
	wanted.backend_id = backend_id;
	found = tfind(&wanted, &slots->by_backend, compare_backends);
	if (found)
		return *found;
	slot = slot_new(choose_id(slots, backend, backend_id, first), backend,
			backend_id);
	if (slot && enter(slots, slot))
		return slot;
	if (slot)
		slot_free(slot);
	return NULL;
}

/* With the lock. Most programs use one slot. Return: NULL if no slot has this id. */
struct slot *slots_by_id(struct slots *slots, CK_SLOT_ID id)
{
	struct slot *const *found;
	struct slot wanted;

	if (slots->last && slots->last->id == id)
		return slots->last;
	wanted.id = id;
	found = tfind(&wanted, &slots->by_id, compare_ids);
	if (found)
		slots->last = *found;
	return found ? *found : NULL;
}

/* With the lock. Return: the one after @slot, the first for NULL; NULL after the last. */
struct slot *slots_next(struct slots *slots, const struct slot *slot)
{
	size_t number = slot ? slot->number + 1 : 0;

	return number < slots->count ? slots->all[number] : NULL;
}
