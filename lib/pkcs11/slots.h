/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SLOTS_H
#define TOKMUX_SLOTS_H

#include "slot.h"

/* The slots of all backends. Only ever grows. */
struct slots {
	pthread_mutex_t lock;
	struct slot **all;		/* in the order in which they were found */
	size_t count;
	void *by_id;			/* the same, as trees */
	void *by_backend;		/* and the backend's id */
	struct slot *last;		/* found by its id; no slot goes before all do */
};

void slots_init(struct slots *slots);
void slots_destroy(struct slots *slots);

struct slot *slots_get(struct slots *slots, struct backend *backend,
		       CK_SLOT_ID backend_id, bool first);
struct slot *slots_by_id(struct slots *slots, CK_SLOT_ID id);
struct slot *slots_next(struct slots *slots, const struct slot *slot);

#endif /* TOKMUX_SLOTS_H */
