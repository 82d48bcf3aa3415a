// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * object: which objects a caller may name (R11)
 *
 * Handles are the backend's own values, so that hardly anything has to be translated:
 * only those that an int couldn't hold, which are the addresses of some backends.
 * What makes a handle valid is that its caller got it: each caller knows those that it
 * found, created or was given on a slot. What a caller never got it cannot name,
 * whatever the backend thinks.
 *
 * An object that several callers know is one for all of them. Once its handle
 * means nothing any more, or another object, it is marked as gone, and no caller
 * may name it, however many knew it. A private one is named by the login that it
 * was given to: once that login is over, the handle is invalid by itself. The
 * entries of both stay in their callers' tables until these are made anew. So no
 * caller's work grows with what others have, nor a logout with what was found.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"

#define FIRST_SIZE	16
#define GONE		(1u << 31)
#define LAST_FEW	4	/* of a session's older ones in the backend */

/* In a list of session objects; by its maker's lock. */
struct object_link {
	struct object *next;
	struct object **at;		/* what points here; NULL: in none */
};

struct object {
	CK_OBJECT_HANDLE handle;
	CK_OBJECT_HANDLE name;		/* of one above OBJECT_PLAIN, else 0 */
	atomic_uint flags;		/* enum object_flags, and GONE */
	unsigned int references;	/* by the lock of struct objects */
	struct object_link made;	/* with the same session of the backend's */
	struct object_link private;	/* with the same login */
};

struct object_entry {
	CK_OBJECT_HANDLE handle;	/* 0: a free place */
	struct object *object;
	unsigned long login;		/* in struct known */
};

/* ---- what threads have found ---------------------------------------------------- */

__thread struct object_last object_last;
atomic_ulong object_changes;

/*
 * After an object has changed for a caller, and before the function that changed it
 * returns: no thread goes by what it found before.
 */
static void changed(void)
{
	atomic_fetch_add(&object_changes, 1);
}

/* @changes: as it was before @view was found. */
static void remember(const struct known *known, CK_OBJECT_HANDLE handle,
		     const struct object_view *view, unsigned long changes)
{
	struct object_last *last = &object_last;

	if (last->busy)
		return;
	last->busy = true;
	atomic_signal_fence(memory_order_seq_cst);
	last->known = known;
	last->view = *view;
	last->view.handle = handle;
	last->changes = changes;
	atomic_signal_fence(memory_order_seq_cst);
	last->busy = false;
}

/* ---- tables ------------------------------------------------------------------- */

static size_t home(const struct object_table *table, CK_OBJECT_HANDLE handle)
{
	/* Fibonacci hashing: handles count up, or are addresses. */
	uint64_t hash = (uint64_t)handle * 0x9e3779b97f4a7c15u;

	return (size_t)(hash >> 32) & (table->size - 1);
}

/* Return: where @handle is, or the free place where it would go. */
static struct object_entry *place(const struct object_table *table,
				  CK_OBJECT_HANDLE handle)
{
	size_t i = home(table, handle);

	while (table->entries[i].handle && table->entries[i].handle != handle)
		i = (i + 1) & (table->size - 1);
	return &table->entries[i];
}

/* Return: its entry, or NULL. */
static struct object_entry *find(const struct object_table *table,
				 CK_OBJECT_HANDLE handle)
{
	struct object_entry *entry;

	if (!table->used)
		return NULL;
	entry = place(table, handle);
	return entry->handle ? entry : NULL;
}

/* Take one out and move up those that it had pushed away from their home. */
static void take_out(struct object_table *table, struct object_entry *entry)
{
	size_t mask = table->size - 1;
	size_t hole = (size_t)(entry - table->entries);
	size_t i = hole;

	for (;;) {
		i = (i + 1) & mask;
		if (!table->entries[i].handle)
			break;
		if (((i - home(table, table->entries[i].handle)) & mask) <
		    ((i - hole) & mask))
			continue;
		table->entries[hole] = table->entries[i];
		hole = i;
	}
	memset(&table->entries[hole], 0, sizeof(*table->entries));
	table->used--;
}

static bool full(const struct object_table *table)
{
	return table->used >= table->size / 4 * 3;
}

/* ---- lists of session objects --------------------------------------------------- */

#define LIST_ADD(list, object, link) do {				\
	(object)->link.next = *(list);					\
	(object)->link.at = (list);					\
	if (*(list))							\
		(*(list))->link.at = &(object)->link.next;		\
	*(list) = (object);						\
} while (0)

#define LIST_TAKE_OUT(object, link) do {				\
	if ((object)->link.at)						\
		*(object)->link.at = (object)->link.next;		\
	if ((object)->link.next)					\
		(object)->link.next->link.at = (object)->link.at;	\
	(object)->link = (struct object_link){ 0 };			\
} while (0)

/* All of @from to @to, which is empty. */
#define LIST_MOVE(from, to, link) do {					\
	*(to) = *(from);						\
	if (*(to))							\
		(*(to))->link.at = (to);				\
	*(from) = NULL;							\
} while (0)

/* ---- the objects of a slot --------------------------------------------------------- */

void objects_init(struct objects *objects)
{
	memset(objects, 0, sizeof(*objects));
	pthread_mutex_init(&objects->lock, NULL);
}

/* Nobody knows any more. */
void objects_destroy(struct objects *objects)
{
	pthread_mutex_destroy(&objects->lock);
	free(objects->table.entries);
	free(objects->names.entries);
}

static bool is_made(const struct object *object)
{
	return object->flags & OBJECT_SESSION;
}

static bool is_gone(const struct object *object)
{
	return object->flags & GONE;
}

/* With the lock: the object's name means nothing from here on. */
static void forget_name(struct objects *objects, const struct object *object)
{
	if (object->name)
		take_out(&objects->names, find(&objects->names, object->name));
}

/* With the lock: its handle is free for another one. */
static void mark_gone(struct objects *objects, struct object *object)
{
	if (is_gone(object))
		return;
	take_out(&objects->table, find(&objects->table, object->handle));
	forget_name(objects, object);
	atomic_fetch_or(&object->flags, GONE);
	objects->made -= is_made(object);
}

static void forget(struct objects *objects, struct object *object)
{
	pthread_mutex_lock(&objects->lock);
	mark_gone(objects, object);
	pthread_mutex_unlock(&objects->lock);
}

static void put(struct objects *objects, struct object *object)
{
	pthread_mutex_lock(&objects->lock);
	if (!--object->references) {
		mark_gone(objects, object);
		free(object);
	}
	pthread_mutex_unlock(&objects->lock);
}

/*
 * With a caller's lock: it doesn't know the object any more. The lists are its maker's; an
 * object of the token has none, and other callers that know it have locks of their own.
 */
static void let_go(struct known *known, struct object *object)
{
	if (is_made(object)) {
		LIST_TAKE_OUT(object, made);
		LIST_TAKE_OUT(object, private);
		known->made--;
	}
	put(known->all, object);
}

/*
 * Of the slot's table all are. Of a caller's, those that it may name; and private
 * session objects until they have been destroyed.
 */
static bool is_used(const struct known *known, const struct object_entry *entry)
{
	if (!entry->handle || !known)
		return entry->handle;
	if (is_gone(entry->object))
		return false;
	return !(entry->object->flags & OBJECT_PRIVATE) ||
	       entry->object->flags & OBJECT_SESSION ||
	       entry->login > known->ended;
}

/*
 * With room for as many again as are of use. Return: false if there is no memory:
 * then nothing has changed.
 */
static bool make_anew(struct object_table *table, struct known *known)
{
	struct object_table made = { .size = FIRST_SIZE };
	size_t i, used = 0;

	for (i = 0; i < table->size; i++)
		used += is_used(known, &table->entries[i]);
	while (made.size < 2 * (used + 1))
		made.size *= 2;
	made.entries = calloc(made.size, sizeof(*made.entries));
	if (!made.entries)
		return false;
	for (i = 0; i < table->size; i++) {
		struct object_entry *entry = &table->entries[i];

		if (is_used(known, entry)) {
			*place(&made, entry->handle) = *entry;
			made.used++;
		} else if (entry->handle) {
			let_go(known, entry->object);
		}
	}
	free(table->entries);
	*table = made;
	return true;
}

/*
 * With the lock. The numbers count up, so that a name that means nothing any more means
 * nothing else for long. Return: false if there is no memory.
 */
static bool give_name(struct objects *objects, struct object *object)
{
	struct object_entry *entry;

	if (object->handle <= OBJECT_PLAIN)
		return true;
	if (full(&objects->names) && !make_anew(&objects->names, NULL))
		return false;
	do {
		objects->last_name = objects->last_name % OBJECT_PLAIN + 1;
		entry = place(&objects->names,
			      OBJECT_PLAIN + objects->last_name);
	} while (entry->handle);
	object->name = OBJECT_PLAIN + objects->last_name;
	entry->handle = object->name;
	entry->object = object;
	objects->names.used++;
	return true;
}

/* With the lock. A session object is its maker's alone, and never known before. */
static bool is_same(const struct object *object, unsigned int flags)
{
	return (object->flags & ~OBJECT_ASKS) == flags &&
	       !(flags & OBJECT_SESSION);
}

/*
 * A caller that knows a token's object by the same handle and flags has found this
 * object, or may find it. An object that differs in one of them is gone.
 *
 * Return: the object, to be put; NULL if there is no memory.
 */
static struct object *get(struct objects *objects, CK_OBJECT_HANDLE handle,
			  unsigned int flags)
{
	struct object *object = NULL;
	struct object_entry *entry;

	pthread_mutex_lock(&objects->lock);
	entry = find(&objects->table, handle);
	if (entry && is_same(entry->object, flags)) {
		object = entry->object;
		object->references++;
		goto out;
	}
	if (!entry && full(&objects->table) &&
	    !make_anew(&objects->table, NULL))
		goto out;
	object = calloc(1, sizeof(*object));
	if (!object)
		goto out;
	object->handle = handle;
	object->flags = flags;
	object->references = 1;
	if (!give_name(objects, object)) {
		free(object);
		object = NULL;
		goto out;
	}
	objects->made += is_made(object);
	if (entry) {
		forget_name(objects, entry->object);
		atomic_fetch_or(&entry->object->flags, GONE);
		changed();
		objects->made -= is_made(entry->object);
	} else {
		entry = place(&objects->table, handle);
		entry->handle = handle;
		objects->table.used++;
	}
	entry->object = object;
out:
	pthread_mutex_unlock(&objects->lock);
	return object;
}

/* Return: what callers call an object that some of them know by now. */
CK_OBJECT_HANDLE objects_name(struct objects *objects, CK_OBJECT_HANDLE handle)
{
	const struct object_entry *entry;
	CK_OBJECT_HANDLE name = CK_INVALID_HANDLE;

	pthread_mutex_lock(&objects->lock);
	entry = find(&objects->table, handle);
	if (entry)
		name = entry->object->name;
	pthread_mutex_unlock(&objects->lock);
	return name;
}

/* Return: the backend's handle of an object that callers call that, or none. */
CK_OBJECT_HANDLE objects_named(struct objects *objects, CK_OBJECT_HANDLE name)
{
	const struct object_entry *entry;
	CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

	pthread_mutex_lock(&objects->lock);
	entry = find(&objects->names, name);
	if (entry)
		handle = entry->object->handle;
	pthread_mutex_unlock(&objects->lock);
	return handle;
}

/* Is it a session object that some caller has made? */
bool objects_is_session_object(struct objects *objects, CK_OBJECT_HANDLE handle)
{
	const struct object_entry *entry;
	bool is;

	pthread_mutex_lock(&objects->lock);
	entry = find(&objects->table, handle);
	is = entry && is_made(entry->object);
	pthread_mutex_unlock(&objects->lock);
	return is;
}

/* ---- what a caller knows ---------------------------------------------------------- */

/* With a caller's lock. */
static void drop(struct known *known, struct object_entry *entry)
{
	struct object *object = entry->object;

	take_out(&known->table, entry);
	let_go(known, object);
	changed();
}

/* The backend's session that an object was made in: nearly always the current one. */
static struct made *made_in(struct made *made, CK_SESSION_HANDLE session)
{
	struct made *found = made;

	while (found && atomic_load(&found->session) != session)
		found = found->older;
	return found ? found : made;
}

void known_init(struct known *known, struct objects *all)
{
	memset(known, 0, sizeof(*known));
	known->all = all;
	pthread_mutex_init(&known->lock, NULL);
}

void known_destroy(struct known *known)
{
	known_forget_all(known, true);
	pthread_mutex_destroy(&known->lock);
}

/**
 * known_add() - a caller gets an object
 * @known: the caller's
 * @view: which
 * @made: of the session where it was made; NULL for one that was found
 * @session: the backend's session where it was made
 *
 * Return: CKR_OK; CKR_USER_NOT_LOGGED_IN where its login is over meanwhile;
 * CKR_DEVICE_REMOVED where the token is gone; CKR_DEVICE_ERROR for a handle that
 * is none; CKR_HOST_MEMORY.
 */
CK_RV known_add(struct known *known, const struct object_view *view,
		struct made *made, CK_SESSION_HANDLE session)
{
	struct object_entry *entry, before;
	struct object *object;
	CK_RV rv;

	pthread_mutex_lock(&known->lock);
	rv = CKR_DEVICE_REMOVED;
	if (known->closed)
		goto out;
	rv = CKR_DEVICE_ERROR;
	if (!view->handle)
		goto out;
	rv = CKR_USER_NOT_LOGGED_IN;
	if (view->flags & OBJECT_PRIVATE && view->login <= known->ended)
		goto out;
	rv = CKR_HOST_MEMORY;
	if (full(&known->table) && !make_anew(&known->table, known))
		goto out;
	object = get(known->all, view->handle, view->flags);
	if (!object)
		goto out;
	entry = place(&known->table, view->handle);
	before = *entry;
	*entry = (struct object_entry){ view->handle, object, view->login };
	if (before.handle) {
		changed();
		let_go(known, before.object);
	} else {
		known->table.used++;
	}
	known->made += is_made(object);
	if (is_made(object)) {
		atomic_store(&made->used, true);
		made = made_in(made, session);
		LIST_ADD(&made->objects, object, made);
		if (view->flags & OBJECT_PRIVATE)
			LIST_ADD(&known->private, object, private);
	}
	rv = CKR_OK;
out:
	pthread_mutex_unlock(&known->lock);
	return rv;
}

/* For known_find(). */
bool known_find_slow(struct known *known, CK_OBJECT_HANDLE handle,
		     struct object_view *view)
{
	unsigned long changes = atomic_load(&object_changes);
	const struct object_entry *entry;
	bool found = false;

	pthread_mutex_lock(&known->lock);
	entry = find(&known->table, handle);
	if (entry) {
		view->flags = atomic_load_explicit(&entry->object->flags,
						   memory_order_acquire);
		view->login = entry->login;
		found = !(view->flags & GONE);
	}
	pthread_mutex_unlock(&known->lock);
	if (found)
		remember(known, handle, view, changes);
	return found;
}

/* The token asked a login for the use of this key, and will of any caller. */
void known_asks_login(struct known *known, CK_OBJECT_HANDLE handle)
{
	struct object_entry *entry;

	pthread_mutex_lock(&known->lock);
	entry = find(&known->table, handle);
	if (entry)
		atomic_fetch_or(&entry->object->flags, OBJECT_ASKS);
	changed();
	pthread_mutex_unlock(&known->lock);
}

/* It has been destroyed: no caller may name it any more. */
void known_forget(struct known *known, CK_OBJECT_HANDLE handle)
{
	struct object_entry *entry;

	pthread_mutex_lock(&known->lock);
	entry = find(&known->table, handle);
	if (entry) {
		forget(known->all, entry->object);
		drop(known, entry);
	}
	pthread_mutex_unlock(&known->lock);
}

/* Another token has others. @close: and nothing of this one comes any more. */
void known_forget_all(struct known *known, bool close)
{
	size_t i;

	pthread_mutex_lock(&known->lock);
	for (i = 0; i < known->table.size; i++)
		if (known->table.entries[i].handle)
			let_go(known, known->table.entries[i].object);
	free(known->table.entries);
	known->table = (struct object_table){ 0 };
	known->closed |= close;
	changed();
	pthread_mutex_unlock(&known->lock);
}

/* ---- what goes with a login --------------------------------------------------------- */

/**
 * known_end_login() - the caller may name no private object any more
 * @known: the caller's
 * @login: which is over
 * @left: out: its private session objects, for known_take_left()
 */
void known_end_login(struct known *known, unsigned long login,
		     struct object **left)
{
	pthread_mutex_lock(&known->lock);
	if (login > known->ended)
		known->ended = login;
	changed();
	LIST_MOVE(&known->private, left, private);
	pthread_mutex_unlock(&known->lock);
}

/**
 * known_take_left() - one more of the objects that went with a login
 * @known: the caller's
 * @left: from known_end_login(); it has to be taken from until it is empty
 * @handle: out: the backend's
 *
 * Return: false if there is none.
 */
bool known_take_left(struct known *known, struct object **left,
		     CK_OBJECT_HANDLE *handle)
{
	struct object *object;

	pthread_mutex_lock(&known->lock);
	object = *left;
	if (object) {
		*handle = object->handle;
		forget(known->all, object);
		drop(known, find(&known->table, object->handle));
	}
	pthread_mutex_unlock(&known->lock);
	return object;
}

/* ---- what goes with a session ------------------------------------------------------- */

/**
 * known_renew() - a caller's session is another one of the backend's now
 * @known: the caller's
 * @made: of the session
 * @old: out: the backend's session that it was, among the older ones
 * @fresh: the one that it is
 */
void known_renew(struct known *known, struct made *made, struct made *old,
		 CK_SESSION_HANDLE fresh)
{
	pthread_mutex_lock(&known->lock);
	atomic_store(&made->used, true);
	*old = (struct made){ .older = made->older };
	atomic_store(&old->session, atomic_exchange(&made->session, fresh));
	LIST_MOVE(&made->objects, &old->objects, made);
	made->older = old;
	made->older_count++;
	pthread_mutex_unlock(&known->lock);
}

/**
 * known_take_older() - older sessions of the backend's that are to be closed
 * @known: the caller's
 * @made: of the session
 * @all: whether or not they have objects left
 *
 * The last few are looked at each time, all of them whenever they have become twice
 * as many.
 *
 * Return: a list of them.
 */
struct made *known_take_older(struct known *known, struct made *made, bool all)
{
	struct made *taken = NULL, *old, **at = &made->older;
	size_t looks;
	bool due;

	pthread_mutex_lock(&known->lock);
	due = all || made->older_count > made->due;
	looks = due ? made->older_count : LAST_FEW;
	while (looks-- && (old = *at)) {
		if (all || !old->objects) {
			*at = old->older;
			old->older = taken;
			taken = old;
			made->older_count--;
		} else {
			at = &old->older;
		}
	}
	if (due)
		made->due = 2 * made->older_count;
	pthread_mutex_unlock(&known->lock);
	return taken;
}

/* For known_forget_made(). */
void known_forget_made_slow(struct known *known, struct made *made)
{
	struct object *object;

	pthread_mutex_lock(&known->lock);
	for (; made; made = made->older) {
		while ((object = made->objects)) {
			forget(known->all, object);
			drop(known, find(&known->table, object->handle));
		}
	}
	pthread_mutex_unlock(&known->lock);
}
