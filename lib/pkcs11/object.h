/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_OBJECT_H
#define TOKMUX_OBJECT_H

#include <pthread.h>
#include <stdatomic.h>
#include "p11.h"

enum object_flags {
	OBJECT_PRIVATE	= 1 << 0, /* CKA_PRIVATE: needs the user's login */
	OBJECT_SESSION	= 1 << 1, /* not on the token */
	OBJECT_KEY	= 1 << 2, /* a private key */
};

struct object {
	CK_OBJECT_HANDLE handle;	/* the backend's; 0 is none */
	unsigned int flags;
	unsigned long login;		/* that a private one was given to */
	const void *owner;		/* a session object's session */
	CK_SESSION_HANDLE made_in;	/* the backend's, that it goes with */
};

/* The objects that one caller may name on one slot. */
struct objects {
	pthread_mutex_t lock;
	struct object *table;		/* open addressing, a power of two */
	size_t size;
	size_t used;
	atomic_size_t owned;		/* of them, by a session */
};

void objects_init(struct objects *objects);
void objects_destroy(struct objects *objects);

CK_RV objects_add(struct objects *objects, const struct object *object);
bool objects_find(struct objects *objects, CK_OBJECT_HANDLE handle,
		  struct object *object);
bool objects_remove(struct objects *objects, CK_OBJECT_HANDLE handle);
void objects_remove_stale(struct objects *objects, const struct object *now);
bool objects_made_in(struct objects *objects, CK_SESSION_HANDLE session);
void objects_remove_owned(struct objects *objects, const void *owner);
void objects_remove_all(struct objects *objects);
bool objects_remove_private(struct objects *objects, struct object *object);

#endif /* TOKMUX_OBJECT_H */
