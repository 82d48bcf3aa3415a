// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * lease: the right to talk to the token during one call (R14)
 *
 * lease = shared takes a shared lease for each call, lease = call an exclusive
 * one. Security officer's work is exclusive with either, from the login to the
 * logout; what its caller calls meanwhile is covered by the lease it keeps.
 */
#include "slot.h"

static CK_RV take(struct seat *seat, struct lease *lease,
		  enum arbiter_mode mode)
{
	struct slot *slot = seat->slot;
	struct object object;
	unsigned int news;
	int r;

	lease->held = false;
	lease->mode = mode;
	if (atomic_load_explicit(&seat->keeps_lease, memory_order_acquire))
		return CKR_OK;

	r = slot->arbiter->acquire(seat->party, mode,
				   slot->backend->config->wait_ms, &news);
	if (r)
		return arbiter_rv(r);
	lease->held = true;

	/* Ejected: what the caller had is gone, whatever the backend thinks. */
	if (news & (ARBITER_LOGIN_ENDED | ARBITER_SESSIONS_ENDED)) {
		atomic_store(&seat->login, LOGIN_NONE);
		while (objects_remove_private(&seat->objects, &object))
			;
	}
	if (news & ARBITER_SESSIONS_ENDED)
		atomic_fetch_add(&seat->ejects, 1);
	return CKR_OK;
}

/* As the backend's configuration says. */
CK_RV lease_take(struct seat *seat, struct lease *lease)
{
	return take(seat, lease,
		    seat->slot->backend->config->lease == LEASE_SHARED ?
			    ARBITER_SHARED : ARBITER_EXCLUSIVE);
}

CK_RV lease_take_exclusive(struct seat *seat, struct lease *lease)
{
	return take(seat, lease, ARBITER_EXCLUSIVE);
}

void lease_give(struct seat *seat, struct lease *lease)
{
	if (lease->held)
		seat->slot->arbiter->release(seat->party, lease->mode);
	lease->held = false;
}

/* The exclusive lease stays with the seat when the call ends. */
void lease_keep(struct seat *seat, struct lease *lease)
{
	if (!lease->held)
		return;
	lease->held = false;
	atomic_store_explicit(&seat->keeps_lease, true, memory_order_release);
}

void lease_give_kept(struct seat *seat)
{
	if (atomic_exchange(&seat->keeps_lease, false))
		seat->slot->arbiter->release(seat->party, ARBITER_EXCLUSIVE);
}
