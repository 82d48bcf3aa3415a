/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LEASE_H
#define TOKMUX_LEASE_H

#include <stdatomic.h>
#include "arbiter/queue.h"
#include "seat.h"

/* What one call holds; the function that took it gives it back. */
struct lease {
	bool shared;			/* a turn in the seat's @shares */
	bool held;			/* one of the arbiter's, in @mode */
	bool covered;			/* by the one that the seat keeps */
	bool inside;			/* by the one that the thread has anyhow */
	bool noted;			/* as what the thread has */
	unsigned int lost;		/* the keep's @lost when it was covered */
	enum arbiter_mode mode;
};

bool lease_at_once(struct seat *seat, struct lease *lease,
		   enum arbiter_mode mode);
CK_RV lease_wait(struct seat *seat, struct lease *lease,
		 enum arbiter_mode mode);
void lease_give_back(struct seat *seat, struct lease *lease);
bool lease_is_inside(void);
void lease_keep(struct seat *seat, struct lease *lease, struct reason *reason);
void lease_unkeep(struct seat *seat, struct reason *reason);
void lease_end_all(struct seat *seat);
bool lease_lost(struct seat *seat, struct reason *reason);
bool lease_join_keeper(struct slot *slot, struct seat **seat,
		       struct lease *lease);

static inline bool lease_has(const struct lease *lease)
{
	return lease->shared || lease->held || lease->covered || lease->inside;
}

/*
 * A shared lease, where no caller waits and no other process is asked: nearly every
 * call's. A seat that shares keeps no lease. Return: false if it takes more than that.
 */
EACH_CALL bool lease_share_turn(const struct seat *seat)
{
	struct arbiter_queue *shares = seat->shares;

	return shares && arbiter_queue_share(shares);
}

static inline bool lease_share(struct seat *seat, struct lease *lease)
{
	if (!lease_share_turn(seat))
		return false;
	*lease = (struct lease){ .shared = true };
	return true;
}

/* As the backend's configuration says. */
static inline CK_RV lease_take(struct seat *seat, struct lease *lease)
{
	return lease_share(seat, lease) ? CKR_OK :
					  lease_wait(seat, lease, seat->mode);
}

static inline CK_RV lease_take_exclusive(struct seat *seat, struct lease *lease)
{
	return lease_wait(seat, lease, ARBITER_EXCLUSIVE);
}

static inline void lease_give(struct seat *seat, struct lease *lease)
{
	if (lease->shared)
		arbiter_queue_unshare(seat->shares);
	else
		lease_give_back(seat, lease);
	lease->shared = false;
}

#endif /* TOKMUX_LEASE_H */
