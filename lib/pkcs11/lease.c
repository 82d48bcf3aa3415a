// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * lease: the right to talk to the token, for a call or for longer (R14)
 *
 * With "lease = shared" each call takes a shared lease, with all other kinds an
 * exclusive one. A seat keeps the exclusive lease between calls: from an
 * operation's Init to its end (operation), or from a caller's first session to its
 * last (session). A kept lease covers all calls of its seat. A waiter takes it away
 * once it is kept for too long (R4 within the process; the kernel does the same
 * among processes). What it was kept for is lost then.
 */
#include <errno.h>
#include <stdint.h>

#include "cancel.h"
#include "lease.h"
#include "log.h"
#include "now.h"
#include "quiesce.h"

/*
 * What this thread has or waits for. A backend's callback, or a signal's handler, may
 * call us in the middle of that. A shared turn that was taken inline isn't noted here.
 */
static __thread struct {
	struct arbiter_token *token;	/* NULL: no lease */
	enum arbiter_mode mode;
	bool waiting;
} mine;

static inline bool is_inside(void)
{
	return mine.token || mine.waiting || site_here();
}

/* Is this thread in the middle of a call of its own? */
bool lease_is_inside(void)
{
	return is_inside();
}

/* ---- what a seat loses -------------------------------------------------------- */

/* After an eject what the caller had is gone, whatever the backend says. */
static void hear(struct seat *seat, unsigned int news)
{
	/* First: a thread that is just logging in sees whether this changes. */
	if (news & ARBITER_SESSIONS_ENDED)
		atomic_fetch_add(&seat->ejects, 1);
	if (news & (ARBITER_LOGIN_ENDED | ARBITER_SESSIONS_ENDED))
		seat_lose_login(seat);
}

/* ---- a lease that is kept: all with the keep's lock ------------------------------ */

static void give_back(struct seat *seat)
{
	atomic_store(&seat->keep.kept, false);
	atomic_fetch_sub(&seat->slot->keepers, 1);
	seat->slot->arbiter->release(seat->party, ARBITER_EXCLUSIVE);
}

static void give_back_if_done(struct seat *seat)
{
	if (seat->keep.kept && !seat->keep.reasons && !seat->keep.calls)
		give_back(seat);
}

static void lose(struct seat *seat)
{
	struct keep *keep = &seat->keep;

	log_error("slot %lu: the lease that caller %u kept was taken from it",
		  seat->slot->id, seat->caller);
	keep->reasons = 0;
	keep->calls = 0;
	atomic_fetch_add(&keep->lost, 1);
	give_back(seat);
	if (seat->lease == LEASE_SESSION)
		hear(seat, ARBITER_SESSIONS_ENDED);
}

static int64_t due_ms(const struct seat *seat)
{
	int hold_ms = seat->slot->backend->config->hold_ms;

	return hold_ms ? seat->keep.since_ms + hold_ms : INT64_MAX;
}

/* ---- taking part in it ------------------------------------------------------------ */

static bool join(struct seat *seat, struct lease *lease)
{
	struct keep *keep = &seat->keep;

	if (!atomic_load_explicit(&keep->kept, memory_order_acquire))
		return false;
	pthread_mutex_lock(&keep->lock);
	if (keep->kept && keep->reasons) {
		keep->calls++;
		lease->lost = keep->lost;
		lease->covered = true;
	}
	pthread_mutex_unlock(&keep->lock);
	return lease->covered;
}

/* Out of line: few leases are kept, and lease_give_back() is on the way of each. */
static __attribute__((noinline)) void part(struct seat *seat,
					    struct lease *lease)
{
	struct keep *keep = &seat->keep;
	bool overdue = false;

	pthread_mutex_lock(&keep->lock);
	if (lease->lost == keep->lost) {
		keep->calls--;
		give_back_if_done(seat);
		overdue = keep->kept && !keep->calls &&
			  now_ms() >= due_ms(seat);
	}
	pthread_mutex_unlock(&keep->lock);
	lease->covered = false;
	if (overdue)
		arbiter_queue_poke(seat->token->queue);
}

/* Is the kept one still there? The kernel may have taken it. */
static bool still_covered(struct seat *seat, struct lease *lease)
{
	unsigned int news = seat->slot->arbiter->news(seat->party);

	if (!news)
		return true;
	hear(seat, news);
	if (news & ARBITER_LEASE_LOST) {
		pthread_mutex_lock(&seat->keep.lock);
		if (lease->lost == seat->keep.lost)
			lose(seat);
		pthread_mutex_unlock(&seat->keep.lock);
		lease->covered = false;
	}
	return lease->covered;
}

/* ---- waiting for one ----------------------------------------------------------------- */

struct waiting {
	struct seat *seat;
	struct lease *lease;
};

/* Takes leases that are kept for too long. Return: when to look again. */
static int64_t reclaim(struct slot *slot)
{
	int64_t now = now_ms();
	int64_t next = INT64_MAX;
	struct seat *seat;

	if (!slot->backend->config->hold_ms)
		return INT64_MAX;
	/* A lease that is kept from now on is not due before that. */
	next = now + slot->backend->config->hold_ms;
	if (!atomic_load(&slot->keepers))
		return next;
	pthread_mutex_lock(&slot->seats_lock);
	for (seat = slot->seats; seat; seat = seat->next) {
		pthread_mutex_lock(&seat->keep.lock);
		if (seat->keep.kept && now < due_ms(seat)) {
			if (due_ms(seat) < next)
				next = due_ms(seat);
		} else if (seat->keep.kept && !seat->keep.calls) {
			lose(seat);
		}
		pthread_mutex_unlock(&seat->keep.lock);
	}
	pthread_mutex_unlock(&slot->seats_lock);
	return next;
}

static int64_t look(void *arg)
{
	struct waiting *waiting = arg;

	site_watch(waiting->seat->slot->backend->config->name);
	/* Another thread of this caller keeps one now. */
	if (join(waiting->seat, waiting->lease))
		return ARBITER_COVERED;
	return reclaim(waiting->seat->slot);
}

/* The lease is the thread's until lease_give_back(). */
static void note(struct seat *seat, struct lease *lease)
{
	mine.token = seat->token;
	mine.mode = lease->covered ? ARBITER_EXCLUSIVE : lease->mode;
	lease->noted = true;
}

/*
 * In the middle of a call of the same thread. What the thread has covers this call
 * too, if it is enough. Nothing is waited for: other threads may wait for what this
 * one has.
 *
 * Return: -EAGAIN if that is not enough.
 */
static int take_inside(struct seat *seat, struct lease *lease,
		       enum arbiter_mode mode)
{
	if (mine.token == seat->token &&
	    (mode == ARBITER_SHARED || mine.mode == ARBITER_EXCLUSIVE)) {
		lease->inside = true;
		return 0;
	}
	/* This thread may have a shared turn itself, and others wait behind that. */
	if (mode == ARBITER_SHARED && seat->shares &&
	    arbiter_queue_overtake(seat->shares)) {
		lease->shared = true;
		return 0;
	}
	return -EAGAIN;
}

/* What the thread still does before it ends isn't in the middle of a call. */
static void waiting_cancelled(void *waited)
{
	mine.waiting = *(bool *)waited;
}

static __attribute__((noinline)) CK_RV
wait_for(struct seat *seat, struct lease *lease, enum arbiter_mode mode)
{
	struct waiting waiting = { .seat = seat, .lease = lease };
	bool inside = is_inside();
	struct arbiter_wait wait = { .look = look, .arg = &waiting };
	struct slot *slot = seat->slot;
	int wait_ms = slot->backend->config->wait_ms;
	unsigned int news;
	bool waited;
	int r;

	*lease = (struct lease){ .mode = mode };
	if (inside && !take_inside(seat, lease, mode))
		return CKR_OK;
	/* A process that ends while a thread has one leaves the token unclean (R2). */
	if (!inside && !quiesce_lets_in())
		return CKR_FUNCTION_FAILED;
	do {
		if (join(seat, lease))
			continue;
		waited = mine.waiting;
		mine.waiting = true;
		r = CANCEL_UNDOES(waiting_cancelled, &waited,
				  slot->arbiter->acquire(seat->party, mode,
							 inside ? 0 : wait_ms,
							 &wait, &news));
		mine.waiting = waited;
		if (r == -ETIMEDOUT)
			backend_name_hung(slot->backend);
		if (r < 0)
			return arbiter_rv(r);
		if (r == ARBITER_COVERED)
			continue;
		lease->held = true;
		hear(seat, news);
		break;
	} while (!still_covered(seat, lease));
	if (!inside && quiesce_keeps_out()) {
		lease_give_back(seat, lease);
		quiesce_hold();
		return CKR_FUNCTION_FAILED;
	}
	if (!inside)
		note(seat, lease);
	return CKR_OK;
}

/*
 * Return: false if it takes waiting, or the kernel; or if calls are held back, as a
 * process that ends while a thread has a lease leaves the token unclean (R2).
 */
bool lease_at_once(struct seat *seat, struct lease *lease,
		   enum arbiter_mode mode)
{
	if (is_inside() ||
	    !seat->slot->arbiter->at_once(seat->party, mode))
		return false;
	*lease = (struct lease){ .held = true, .mode = mode };
	if (atomic_load(&quiesce_held)) {
		lease_give_back(seat, lease);
		return false;
	}
	note(seat, lease);
	return true;
}

/* For lease_take(), where it is more than a turn that is free. */
CK_RV lease_wait(struct seat *seat, struct lease *lease, enum arbiter_mode mode)
{
	return lease_at_once(seat, lease, mode) ? CKR_OK :
						  wait_for(seat, lease, mode);
}

void lease_give_back(struct seat *seat, struct lease *lease)
{
	if (lease->held)
		seat->slot->arbiter->release(seat->party, lease->mode);
	else if (lease->covered)
		part(seat, lease);
	if (lease->noted)
		mine.token = NULL;
	lease->held = false;
	lease->inside = false;
	lease->noted = false;
}

/* ---- keeping it --------------------------------------------------------------------------- */

/**
 * lease_keep() - the exclusive lease stays with the seat when the call ends
 * @seat: the caller's
 * @lease: exclusive, or covered by one that is kept already
 * @reason: until lease_unkeep() with the same one
 */
void lease_keep(struct seat *seat, struct lease *lease, struct reason *reason)
{
	struct keep *keep = &seat->keep;
	bool fresh = lease->held;

	pthread_mutex_lock(&keep->lock);
	if (fresh) {
		keep->calls = 1;
		keep->reasons = 0;
		keep->since_ms = now_ms();
		lease->lost = keep->lost;
		lease->covered = true;
		lease->held = false;
		atomic_fetch_add(&seat->slot->keepers, 1);
		atomic_store_explicit(&keep->kept, true, memory_order_release);
	}
	if (lease->lost == keep->lost &&
	    !(reason->on && reason->lost == keep->lost))
		keep->reasons++;
	reason->on = true;
	reason->lost = lease->lost;
	pthread_mutex_unlock(&keep->lock);
	if (fresh)
		arbiter_queue_poke(seat->token->queue);
}

/* No reason any more, or never one. */
void lease_unkeep(struct seat *seat, struct reason *reason)
{
	struct keep *keep = &seat->keep;

	pthread_mutex_lock(&keep->lock);
	if (reason->on && reason->lost == keep->lost) {
		keep->reasons--;
		give_back_if_done(seat);
	}
	reason->on = false;
	pthread_mutex_unlock(&keep->lock);
}

/* The token is gone, and with it all that this seat has there. */
void lease_end_all(struct seat *seat)
{
	pthread_mutex_lock(&seat->keep.lock);
	if (seat->keep.kept)
		lose(seat);
	pthread_mutex_unlock(&seat->keep.lock);
	hear(seat, ARBITER_SESSIONS_ENDED);
	known_forget_all(&seat->known, true);
}

/* Was the lease taken that was kept for this? */
bool lease_lost(struct seat *seat, struct reason *reason)
{
	bool lost;

	pthread_mutex_lock(&seat->keep.lock);
	lost = reason->on && reason->lost != seat->keep.lost;
	pthread_mutex_unlock(&seat->keep.lock);
	return lost;
}

/**
 * lease_join_keeper() - a lease for a call about a slot, if a seat keeps one
 * @slot: where
 * @seat: out: the seat that keeps it, for seat_put(); or NULL
 * @lease: out: covered by that, for lease_give(); or none
 *
 * The seat may well be the calling thread's own, which would wait for itself.
 */
bool lease_join_keeper(struct slot *slot, struct seat **seat,
		       struct lease *lease)
{
	struct seat *keeper;

	*lease = (struct lease){ 0 };
	*seat = NULL;
	if (!atomic_load(&slot->keepers))
		return false;
	pthread_mutex_lock(&slot->lock);
	for (keeper = slot->seats; keeper; keeper = keeper->next)
		if (join(keeper, lease) && still_covered(keeper, lease))
			break;
	if (keeper)
		keeper->references++;
	pthread_mutex_unlock(&slot->lock);
	*seat = keeper;
	return keeper;
}
