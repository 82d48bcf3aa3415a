// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * object: which objects a caller may name (R11)
 *
 * Handles are the backend's own values, so that nothing has to be translated.
 * What makes one valid is that its caller got it: each caller has the set of
 * those it found, created or was given on a slot. Handles of private objects
 * leave the set with the login, handles of session objects with the session,
 * and what a caller never got it cannot name, whatever the backend thinks. One
 * that comes late, from a search that a logout overtook, says which login it was
 * for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"

#define FIRST_SIZE	16

void objects_init(struct objects *objects)
{
	memset(objects, 0, sizeof(*objects));
	pthread_mutex_init(&objects->lock, NULL);
}

void objects_destroy(struct objects *objects)
{
	pthread_mutex_destroy(&objects->lock);
	free(objects->table);
}

static size_t home(const struct objects *objects, CK_OBJECT_HANDLE handle)
{
	/* Fibonacci hashing: handles count up, or are addresses. */
	uint64_t hash = (uint64_t)handle * 0x9e3779b97f4a7c15u;

	return (size_t)(hash >> 32) & (objects->size - 1);
}

/* Return: where @handle is, or the free place where it would go. */
static struct object *place(const struct objects *objects,
			    CK_OBJECT_HANDLE handle)
{
	size_t i = home(objects, handle);

	while (objects->table[i].handle && objects->table[i].handle != handle)
		i = (i + 1) & (objects->size - 1);
	return &objects->table[i];
}

static bool grow(struct objects *objects)
{
	struct objects larger = *objects;
	size_t i;

	if (objects->size && objects->used < objects->size / 2)
		return true;
	larger.size = objects->size ? objects->size * 2 : FIRST_SIZE;
	larger.table = calloc(larger.size, sizeof(*larger.table));
	if (!larger.table)
		return false;
	for (i = 0; i < objects->size; i++)
		if (objects->table[i].handle)
			*place(&larger, objects->table[i].handle) =
				objects->table[i];
	free(objects->table);
	objects->table = larger.table;
	objects->size = larger.size;
	return true;
}

CK_RV objects_add(struct objects *objects, const struct object *object)
{
	struct object *at;
	CK_RV rv = CKR_HOST_MEMORY;

	pthread_mutex_lock(&objects->lock);
	if (grow(objects)) {
		at = place(objects, object->handle);
		if (!at->handle)
			objects->used++;
		objects->owned += !at->owner && object->owner;
		objects->owned -= at->owner && !object->owner;
		*at = *object;
		rv = CKR_OK;
	}
	pthread_mutex_unlock(&objects->lock);
	return rv;
}

bool objects_find(struct objects *objects, CK_OBJECT_HANDLE handle,
		  struct object *object)
{
	const struct object *at;
	bool found = false;

	pthread_mutex_lock(&objects->lock);
	if (objects->used && handle) {
		at = place(objects, handle);
		found = at->handle;
		if (found)
			*object = *at;
	}
	pthread_mutex_unlock(&objects->lock);
	return found;
}

/* Take one out and move up those that it had pushed away from their home. */
static void take_out(struct objects *objects, struct object *at)
{
	size_t mask = objects->size - 1;
	size_t hole = (size_t)(at - objects->table);
	size_t i = hole;

	objects->owned -= at->owner != NULL;
	for (;;) {
		i = (i + 1) & mask;
		if (!objects->table[i].handle)
			break;
		if (((i - home(objects, objects->table[i].handle)) & mask) <
		    ((i - hole) & mask))
			continue;
		objects->table[hole] = objects->table[i];
		hole = i;
	}
	memset(&objects->table[hole], 0, sizeof(*objects->table));
	objects->used--;
}

/* Return: whether it was there. */
bool objects_remove(struct objects *objects, CK_OBJECT_HANDLE handle)
{
	struct object *at;
	bool found = false;

	pthread_mutex_lock(&objects->lock);
	if (objects->used && handle) {
		at = place(objects, handle);
		found = at->handle;
		if (found)
			take_out(objects, at);
	}
	pthread_mutex_unlock(&objects->lock);
	return found;
}

/* What is by this handle now is another's, or another kind of object. */
void objects_remove_stale(struct objects *objects, const struct object *now)
{
	struct object *at;

	pthread_mutex_lock(&objects->lock);
	if (objects->used) {
		at = place(objects, now->handle);
		if (at->handle && (now->flags & OBJECT_SESSION ||
				   at->flags != now->flags))
			take_out(objects, at);
	}
	pthread_mutex_unlock(&objects->lock);
}

/* Are there any that go with this session of the backend's? */
bool objects_made_in(struct objects *objects, CK_SESSION_HANDLE session)
{
	bool found = false;
	size_t i;

	pthread_mutex_lock(&objects->lock);
	for (i = 0; i < objects->size && !found; i++)
		found = objects->table[i].handle &&
			objects->table[i].made_in == session;
	pthread_mutex_unlock(&objects->lock);
	return found;
}

/* Those of a session that is closed. */
void objects_remove_owned(struct objects *objects, const void *owner)
{
	size_t i = 0;

	/* Most sessions make none. */
	if (!objects->owned)
		return;
	pthread_mutex_lock(&objects->lock);
	while (i < objects->size) {
		if (objects->table[i].handle && objects->table[i].owner == owner)
			take_out(objects, &objects->table[i]);
		else
			i++;
	}
	pthread_mutex_unlock(&objects->lock);
}

/* Another token has others. */
void objects_remove_all(struct objects *objects)
{
	pthread_mutex_lock(&objects->lock);
	free(objects->table);
	objects->table = NULL;
	objects->size = 0;
	objects->used = 0;
	objects->owned = 0;
	pthread_mutex_unlock(&objects->lock);
}

/**
 * objects_remove_private() - take out what a logout takes away, one at a time
 * @objects: the set
 * @object: out: what was taken out
 *
 * Return: false when there was nothing more.
 */
bool objects_remove_private(struct objects *objects, struct object *object)
{
	bool found = false;
	size_t i;

	pthread_mutex_lock(&objects->lock);
	for (i = 0; i < objects->size && !found; i++) {
		found = objects->table[i].handle &&
			objects->table[i].flags & OBJECT_PRIVATE;
		if (found) {
			*object = objects->table[i];
			take_out(objects, &objects->table[i]);
		}
	}
	pthread_mutex_unlock(&objects->lock);
	return found;
}
