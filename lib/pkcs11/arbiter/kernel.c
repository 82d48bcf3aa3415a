// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * kernel: the arbiter that asks the kernel, for all processes
 *
 * Within the process the callers stand in the same queue as with the local
 * arbiter, so they exclude each other as R1 says. The caller that has its turn
 * there asks the kernel, which counts the whole process as one holder
 * (TOKMUX_BIND_GROUP) and keeps sessions and logins by caller (R5, R6).
 *
 * Leases are parked where the kernel allows it (tokmux_park()). So a call that nobody
 * disturbs makes no system call: it changes the queue's word, the party's count of
 * users, and the lease's word, and reads no clock.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <tokmux.h>

#include "arbiter/arbiter.h"
#include "arbiter/queue.h"
#include "cancel.h"
#include "log.h"
#include "now.h"

/*
 * The overlapping calls of one party share one lease. If nobody waits when the first one
 * joins, they do that for so long, also while another process waits: one call for each turn
 * of that process would leave the other threads idle. After that, no further call joins
 * while anybody waits.
 */
#define SHARE_MS	20

/* How long a thread waits for the quota before it sees that it is cancelled. */
#define QUOTA_MS	100

_Static_assert(sizeof(((struct arbiter_token *)0)->name) == TOKMUX_NAME_SIZE,
	       "a name that the kernel knows");

/*
 * The kernel grants a file one lease at a time; @users threads hold it. Or @users is
 * BUSY: then one thread acquires or releases it, and the others wait. @lock and @changed
 * are for those that wait.
 */
struct arbiter_party {
	struct arbiter_token *token;
	struct tokmux_caller *caller;
	atomic_uint users;
	atomic_uint waiting;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_uint sessions;
	atomic_bool left;		/* the process exits: no lease any more */
	atomic_llong joined_ms;		/* when a second thread came; 0: none has */
	pthread_mutex_t news_lock;
};

#define BUSY	(~0u)

/* ---- what a forked child closes ------------------------------------------- */

/*
 * A child's copies of the files answer -EPERM and do no harm (R3), but they keep a
 * user token alive. Without a lock, which a child could find taken. What finds no room
 * stays open in the child.
 */
static _Atomic(struct tokmux_caller *) open_callers[1024];

#define OPEN_CALLERS	(sizeof(open_callers) / sizeof(*open_callers))

static void remember(struct tokmux_caller *caller)
{
	size_t i;

	for (i = 0; i < OPEN_CALLERS; i++) {
		struct tokmux_caller *none = NULL;

		if (atomic_compare_exchange_strong(&open_callers[i], &none,
						   caller))
			return;
	}
}

static void forget(struct tokmux_caller *caller)
{
	size_t i;

	for (i = 0; i < OPEN_CALLERS; i++) {
		struct tokmux_caller *one = caller;

		if (atomic_compare_exchange_strong(&open_callers[i], &one,
						   NULL))
			return;
	}
}

/* ---- where the kernel's devices can't be reached any more ------------------- */

/*
 * A daemon may go into a chroot after C_Initialize. So the control device stays open,
 * and nothing that would lead out of the chroot. The administrator's tokens can't be
 * opened in there, and the kernel makes no user token of the name of one (R18).
 */
static struct {
	int fd;
	struct stat file;		/* that @fd was at first */
} control = { .fd = -1 };

static void close_control(void)
{
	struct stat now;

	/* The program may have closed it, and have a file of its own there. */
	if (control.fd >= 0 && !fstat(control.fd, &now) &&
	    now.st_rdev == control.file.st_rdev &&
	    now.st_ino == control.file.st_ino)
		close(control.fd);
	control.fd = -1;
}

static int kernel_start(void)
{
	int r = 0;

	control.fd = tokmux_control_open();
	if (control.fd < 0)
		return control.fd;
	if (fstat(control.fd, &control.file)) {
		r = -errno;
		close_control();
	}
	return r;
}

static int open_in_chroot(const char *name, unsigned int hold_ms,
			  struct tokmux_caller **caller)
{
	int r = tokmux_open_user_at(control.fd, name, hold_ms, 0, caller);

	if (r != -EEXIST)
		return r;
	log_error("token %s: /dev and /sys have to be in the chroot for a token of the administrator's",
		  name);
	return -ENODEV;
}

static void kernel_forked(void)
{
	size_t i;

	for (i = 0; i < OPEN_CALLERS; i++)
		tokmux_close(atomic_exchange(&open_callers[i], NULL));
	close_control();
}

/* ---- tokens and parties ----------------------------------------------------- */

/* The token that the administrator made, or none. */
static int open_administrators(const char *name, struct tokmux_caller **caller)
{
	struct tokmux_state state;
	int r = tokmux_open(name, caller);

	if (!r) {
		r = tokmux_info(*caller, &state, sizeof(state));
		if (!r && state.flags & TOKMUX_INFO_USER)
			r = -ENOENT;
		if (r)
			tokmux_close(*caller);
	}
	if (r == -ENOENT) {
		log_error("token %s: it has to be the administrator's, who has not registered it: tokmux register %s",
			  name, name);
		return -ENXIO;
	}
	return r;
}

/* The administrator's token of that name, else one of this user (R18). */
static int open_token(const struct arbiter_token *token,
		      struct tokmux_caller **caller)
{
	unsigned int hold_ms = (unsigned int)token->hold_ms;
	int r;

	if (token->system)
		return open_administrators(token->name, caller);
	r = tokmux_open(token->name, caller);
	if (r == -ENOENT)
		r = tokmux_open_user(token->name, hold_ms, 0, caller);
	else if ((r == -ENODEV || r == -ENXIO) && tokmux_present() != 1)
		r = open_in_chroot(token->name, hold_ms, caller);
	/* The administrator has made one meanwhile. */
	return r == -EEXIST ? tokmux_open(token->name, caller) : r;
}

static int party_open(struct arbiter_token *token,
		      struct arbiter_party **party)
{
	struct arbiter_party *opened;
	pthread_condattr_t attr;
	int r;

	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return -ENOMEM;

	r = open_token(token, &opened->caller);
	if (r < 0)
		goto err_free;
	r = tokmux_bind(opened->caller, TOKMUX_BIND_GROUP);
	if (r < 0)
		goto err_close;

	/* Where leases can't be parked each is two system calls. */
	tokmux_park(opened->caller);
	opened->token = token;
	pthread_mutex_init(&opened->lock, NULL);
	pthread_mutex_init(&opened->news_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&opened->changed, &attr);
	pthread_condattr_destroy(&attr);
	remember(opened->caller);
	*party = opened;
	return 0;

err_close:
	tokmux_close(opened->caller);
err_free:
	log_error("token %s: %s", token->name, tokmux_strerror(r));
	free(opened);
	return r;
}

/* It opens files, with a lock of the slot's. */
static int kernel_party_open(struct arbiter_token *token,
			     struct arbiter_party **party)
{
	int cancel = cancel_off();
	int r = party_open(token, party);

	cancel_on(cancel);
	return r;
}

static void kernel_party_close(struct arbiter_party *party)
{
	int cancel = cancel_off();

	forget(party->caller);
	tokmux_close(party->caller);
	cancel_on(cancel);
	pthread_cond_destroy(&party->changed);
	pthread_mutex_destroy(&party->news_lock);
	pthread_mutex_destroy(&party->lock);
	free(party);
}

/* ---- leases ------------------------------------------------------------------ */

static int remaining_ms(int64_t until_ms)
{
	int64_t left = until_ms - now_ms();

	return left > 0 ? (int)left : 0;
}

/* How long a thread waits at most. The time runs from its first wait that has an end. */
struct limit {
	int timeout_ms;
	int64_t until_ms;		/* 0: it has not waited yet */
};

static int64_t limit_until(struct limit *limit)
{
	if (!limit->until_ms)
		limit->until_ms = now_ms() + limit->timeout_ms;
	return limit->until_ms;
}

static int limit_left(const struct limit *limit)
{
	return limit->until_ms ? remaining_ms(limit->until_ms) :
				 limit->timeout_ms;
}

/*
 * An ioctl is no cancellation point, and this one may wait for another process for long.
 * A thread that is cancelled within it does nothing there any more. What it may have been
 * granted at that moment is given back by take_cancelled().
 */
static __attribute__((noinline)) int acquire(struct arbiter_party *party,
					     unsigned int mode, int timeout_ms,
					     struct tokmux_grant *grant)
{
	int r, type;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	r = tokmux_acquire(party->caller, mode, timeout_ms, grant);
	pthread_setcanceltype(type, NULL);
	return r;
}

static int take(struct arbiter_party *party, unsigned int mode,
		struct limit *limit, struct tokmux_grant *grant)
{
	int r = acquire(party, mode, limit_left(limit), grant);

	while (r == -EINTR) {
		limit_until(limit);
		r = acquire(party, mode, limit_left(limit), grant);
	}
	return r;
}

static void give_back(struct arbiter_party *party)
{
	int r = tokmux_release(party->caller);

	if (r < 0 && !atomic_load(&party->left))
		log_error("token %s: the lease was gone when it was given back: %s",
			  party->token->name, tokmux_strerror(r));
}

/*
 * Nothing of the last holder is left in a backend that keeps its state in this
 * process. The mark can be taken off by the exclusive holder only.
 */
static int clean(struct arbiter_party *party, unsigned int mode,
		 struct limit *limit)
{
	struct tokmux_grant grant;
	int r;

	log_error("token %s: its last holder left it in an unknown state",
		  party->token->name);
	if (party->token->policy == UNCLEAN_REFUSE) {
		give_back(party);
		return -EUCLEAN;
	}
	if (mode == TOKMUX_EXCLUSIVE) {
		r = tokmux_mark_clean(party->caller);
		if (r < 0)
			give_back(party);
		return r;
	}

	limit_until(limit);
	give_back(party);
	r = take(party, TOKMUX_EXCLUSIVE, limit, &grant);
	if (r < 0)
		return r;
	tokmux_mark_clean(party->caller);
	give_back(party);
	return take(party, mode, limit, &grant);
}

static unsigned int read_news(struct arbiter_party *party)
{
	struct tokmux_event event;
	unsigned int news = 0;
	int cancel = cancel_off();	/* read() waits for nothing here */

	/* An event that another thread took would leave this one waiting. */
	pthread_mutex_lock(&party->news_lock);
	while (!tokmux_read_event(party->caller, 0, &event)) {
		switch (event.type) {
		case TOKMUX_EVENT_SESSIONS_ENDED:
			news |= ARBITER_SESSIONS_ENDED;
			break;
		case TOKMUX_EVENT_LOGIN_ENDED:
			news |= ARBITER_LOGIN_ENDED;
			break;
		case TOKMUX_EVENT_LEASE_LOST:
			/* One that was idle is no loss. */
			if (!event.arg)
				news |= ARBITER_LEASE_LOST;
			break;
		case TOKMUX_EVENT_REMOVED:
			news |= ARBITER_LEASE_LOST;
			break;
		}
	}
	pthread_mutex_unlock(&party->news_lock);
	cancel_on(cancel);
	return news;
}

static int take_and_look(struct arbiter_party *party, unsigned int mode,
			 struct limit *limit, unsigned int *news)
{
	struct tokmux_grant grant = { 0 };
	int r;

	r = take(party, mode, limit, &grant);
	if (r < 0)
		return r;
	/* One that was lost before this grant is none of its news. */
	if (grant.flags & TOKMUX_GRANT_EVENTS)
		*news = read_news(party) & ~(unsigned int)ARBITER_LEASE_LOST;
	if (!(grant.flags & TOKMUX_GRANT_UNCLEAN))
		return 0;
	*news |= ARBITER_UNCLEAN;
	return clean(party, mode, limit);
}

/* The thread that made the party BUSY is through, and @users hold the lease. */
static void settle(struct arbiter_party *party, unsigned int users)
{
	atomic_store(&party->users, users);
	if (!atomic_load(&party->waiting))
		return;
	pthread_mutex_lock(&party->lock);
	pthread_cond_broadcast(&party->changed);
	pthread_mutex_unlock(&party->lock);
}

struct change {
	struct arbiter_party *party;
	enum arbiter_mode mode;
};

static void change_cancelled(void *of)
{
	struct change *change = of;

	atomic_fetch_sub(&change->party->waiting, 1);
	pthread_mutex_unlock(&change->party->lock);
	arbiter_queue_release(change->party->token->queue, change->mode);
}

/* With a turn of @mode, and without the lock. */
static void take_cancelled(void *of)
{
	struct change *change = of;

	tokmux_release(change->party->caller);
	settle(change->party, 0);
	arbiter_queue_release(change->party->token->queue, change->mode);
}

/* Called with the lock held, and a turn of @mode in the queue. */
static int wait_change(struct change *change, int64_t until_ms)
{
	struct arbiter_party *party = change->party;
	int64_t next_ms = now_ms() + SHARE_MS;
	struct timespec until;

	/* The kernel doesn't tell when the process that waits gives up. */
	if (next_ms > until_ms)
		next_ms = until_ms;
	until.tv_sec = next_ms / 1000;
	until.tv_nsec = next_ms % 1000 * 1000000;
	return CANCEL_UNDOES(change_cancelled, change,
			     pthread_cond_timedwait(&party->changed,
						    &party->lock, &until)) &&
			       next_ms == until_ms ? -ETIMEDOUT : 0;
}

/*
 * May one more thread use the lease that the party has? Not before those that wait
 * (R1), and not if it was taken from the party, as after an eject.
 */
static bool may_join(struct arbiter_party *party)
{
	long long since = atomic_load(&party->joined_ms);
	struct tokmux_state info;

	if (since && now_ms() - since <= SHARE_MS)
		return true;
	if (tokmux_info(party->caller, &info, sizeof(info)) ||
	    !(info.flags & TOKMUX_INFO_HOLDING) || info.waiters)
		return false;
	if (!since)
		atomic_store(&party->joined_ms, now_ms());
	return true;
}

enum entry {
	ENTRY_WAITS,
	ENTRY_JOINS,			/* the thread is one more user */
	ENTRY_TAKES,			/* it has made the party BUSY */
};

static enum entry try_enter(struct arbiter_party *party)
{
	unsigned int users = atomic_load(&party->users);

	for (;;) {
		if (users == BUSY || (users && !may_join(party)))
			return ENTRY_WAITS;
		if (atomic_compare_exchange_weak(&party->users, &users,
						 users ? users + 1 : BUSY))
			return users ? ENTRY_JOINS : ENTRY_TAKES;
	}
}

/* With a turn of @mode in the queue. Return: 0 and @entry, or a negative errno. */
static __attribute__((noinline)) int
wait_to_enter(struct change *change, struct limit *limit,
	      const struct arbiter_wait *wait, enum entry *entry)
{
	struct arbiter_party *party = change->party;
	int r = 0;

	/* It may be for one that hangs; nothing covers us by now. */
	wait->look(wait->arg);
	pthread_mutex_lock(&party->lock);
	/* Before the count is read: whoever changes it then sees this. */
	atomic_fetch_add(&party->waiting, 1);
	while ((*entry = try_enter(party)) == ENTRY_WAITS && !r)
		r = wait_change(change, limit_until(limit));
	atomic_fetch_sub(&party->waiting, 1);
	pthread_mutex_unlock(&party->lock);
	return *entry == ENTRY_WAITS ? r : 0;
}

static int kernel_acquire(struct arbiter_party *party, enum arbiter_mode mode,
			  int timeout_ms, const struct arbiter_wait *wait,
			  unsigned int *news)
{
	struct limit limit = { .timeout_ms = timeout_ms };
	struct change change = { party, mode };
	enum entry entry;
	int r = 0;

	*news = 0;
	if (!arbiter_queue_try(party->token->queue, mode)) {
		limit_until(&limit);
		r = arbiter_queue_acquire(party->token->queue, mode, timeout_ms,
					  wait);
		if (r)
			return r;
	}
	entry = try_enter(party);
	if (entry == ENTRY_WAITS)
		r = wait_to_enter(&change, &limit, wait, &entry);
	if (entry == ENTRY_TAKES) {
		r = CANCEL_UNDOES(take_cancelled, &change,
				  take_and_look(party, mode == ARBITER_SHARED ?
						TOKMUX_SHARED : TOKMUX_EXCLUSIVE,
						&limit, news));
		atomic_store(&party->joined_ms, 0);
		settle(party, !r);
	}
	if (r)
		arbiter_queue_release(party->token->queue, mode);
	return r;
}

/* A call that nobody disturbs. */
static bool kernel_at_once(struct arbiter_party *party, enum arbiter_mode mode)
{
	struct arbiter_queue *queue = party->token->queue;
	struct tokmux_grant grant;
	unsigned int none = 0;
	bool used = false;

	if (!arbiter_queue_try(queue, mode))
		return false;
	if (atomic_compare_exchange_strong(&party->users, &none, BUSY)) {
		used = !tokmux_reuse(party->caller, mode == ARBITER_SHARED ?
				     TOKMUX_SHARED : TOKMUX_EXCLUSIVE, &grant);
		if (used && grant.flags & TOKMUX_GRANT_UNCLEAN) {
			give_back(party);
			used = false;
		}
		atomic_store_explicit(&party->joined_ms, 0,
				      memory_order_relaxed);
		settle(party, used);
	}
	if (!used)
		arbiter_queue_release(queue, mode);
	return used;
}

static void kernel_release(struct arbiter_party *party, enum arbiter_mode mode)
{
	unsigned int users = atomic_load(&party->users);

	while (!atomic_compare_exchange_weak(&party->users, &users,
					     users == 1 ? BUSY : users - 1))
		;
	if (users == 1) {
		give_back(party);
		settle(party, 0);
	}
	arbiter_queue_release(party->token->queue, mode);
}

/* A thread that has one of this party's is held back, so it is this thread's. */
static int kernel_last_lease(struct arbiter_party *party, enum arbiter_mode mode,
			     int timeout_ms)
{
	struct limit limit = { .timeout_ms = timeout_ms };
	struct tokmux_grant grant;
	int r;

	r = take(party, mode == ARBITER_SHARED ? TOKMUX_SHARED : TOKMUX_EXCLUSIVE,
		 &limit, &grant);
	return r == -EALREADY ? 0 : r;
}

static void kernel_leave(struct arbiter_party *party)
{
	atomic_store(&party->left, true);
	tokmux_release(party->caller);
}

/* ---- sessions and logins ------------------------------------------------------- */

/* Then there is no other caller that might close one of them. */
static bool has_all_sessions(struct arbiter_party *party)
{
	struct tokmux_state info;

	return !tokmux_info(party->caller, &info, sizeof(info)) &&
	       info.sessions <= atomic_load(&party->sessions);
}

/*
 * What times out is not a lease, but the quota. A thread can be cancelled between two
 * waits only: one that was cancelled in the kernel could have been given a session that
 * nobody closes.
 */
static int kernel_session_open(struct arbiter_party *party, int timeout_ms,
			       uint32_t *id)
{
	int64_t until_ms = now_ms() + timeout_ms;
	int left_ms, r;

	r = tokmux_session_open(party->caller, 0, id);
	if (r == -EAGAIN && has_all_sessions(party))
		return -EDQUOT;
	while ((r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR) &&
	       (left_ms = remaining_ms(until_ms))) {
		pthread_testcancel();
		r = tokmux_session_open(party->caller,
					left_ms < QUOTA_MS ? left_ms : QUOTA_MS,
					id);
	}
	if (!r)
		atomic_fetch_add(&party->sessions, 1);
	return r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR ? -EDQUOT : r;
}

static void kernel_session_close(struct arbiter_party *party, uint32_t id)
{
	atomic_fetch_sub(&party->sessions, 1);
	/* It may be gone already: ejected, or the token removed. */
	tokmux_session_close(party->caller, id);
}

static int kernel_may_login(struct arbiter_party *party, enum arbiter_user user)
{
	struct tokmux_state info;
	int r = tokmux_info(party->caller, &info, sizeof(info));

	if (r < 0)
		return r;
	return (user == ARBITER_SO ? info.users : info.sos) ? -EBUSY : 0;
}

static int kernel_login(struct arbiter_party *party, enum arbiter_user user)
{
	int r = tokmux_login(party->caller,
			     user == ARBITER_SO ? TOKMUX_SO : TOKMUX_USER);

	return r < 0 ? r : 0;
}

static void kernel_logout(struct arbiter_party *party)
{
	tokmux_logout(party->caller);
}

const struct arbiter_ops arbiter_kernel = {
	.name		= "kernel",
	.start		= kernel_start,
	.stop		= close_control,
	.party_open	= kernel_party_open,
	.party_close	= kernel_party_close,
	.at_once	= kernel_at_once,
	.acquire	= kernel_acquire,
	.release	= kernel_release,
	.news		= read_news,
	.session_open	= kernel_session_open,
	.session_close	= kernel_session_close,
	.may_login	= kernel_may_login,
	.login		= kernel_login,
	.logout		= kernel_logout,
	.last_lease	= kernel_last_lease,
	.leave		= kernel_leave,
	.forked		= kernel_forked,
};
