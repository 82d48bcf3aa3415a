// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * gate: which callers have initialized, and how often (R10)
 *
 * Each caller counts its own C_Initialize; the backends see one of each. A caller's
 * last C_Finalize ends what that caller has, and nothing of another's.
 *
 * A library may leave C_Initialize to the program. Such a caller is a guest: it comes in
 * with its first call while another caller is in, and is out with the last of these (R9).
 */
#include <pthread.h>

#include "cancel.h"
#include "events.h"
#include "gate.h"
#include "lease.h"
#include "log.h"
#include "module.h"
#include "now.h"
#include "opening.h"

/* A caller; what other files look at is atomic, all is changed under the lock. */
struct member {
	atomic_uint count;		/* of C_Initialize; a guest's is 1 */
	atomic_ulong generation;	/* changes when the caller leaves */
	bool guest;
	bool leaving;			/* what the caller has is being closed */
	atomic_bool has_left;		/* by C_Finalize: it comes in by C_Initialize only */
};

/*
 * Which callers are in, and whether the module is just starting or stopping. Comes
 * before every other lock. No thread has it in a backend, so one caller's C_Finalize
 * that hangs is in no other caller's way.
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct member members[MAX_CALLERS];
	unsigned int callers;		/* that have initialized */
	bool busy;			/* a thread starts or stops the module */
} gate = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* A backend that leads back here, through a proxy, would wait for itself. */
static __thread bool inside;

/* The child has one thread and has initialized nothing. */
void gate_forked(void)
{
	size_t i;

	pthread_mutex_init(&gate.lock, NULL);
	pthread_cond_init(&gate.changed, NULL);
	gate.callers = 0;
	gate.busy = false;
	inside = false;
	for (i = 0; i < MAX_CALLERS; i++) {
		atomic_store(&gate.members[i].count, 0);
		gate.members[i].guest = false;
		gate.members[i].leaving = false;
		atomic_store(&gate.members[i].has_left, false);
	}
}

bool gate_has(unsigned int caller)
{
	return atomic_load(&gate.members[caller].count);
}

/* It changes when the caller leaves. */
const atomic_ulong *gate_generation(unsigned int caller)
{
	return &gate.members[caller].generation;
}

/* Takes the gate's lock, once it is this caller's time; or fails without it. */
static CK_RV begin(const struct member *member)
{
	int64_t until_ms = now_ms() + module_patience_ms();

	if (inside) {
		log_error("a backend leads back to tokmux: is a proxy module one of its backends?");
		return CKR_GENERAL_ERROR;
	}
	pthread_mutex_lock(&gate.lock);
	if (gate.busy || member->leaving)
		site_watch(NULL);
	while (gate.busy || member->leaving) {
		if (turn_wait(&gate.changed, &gate.lock, until_ms))
			continue;
		pthread_mutex_unlock(&gate.lock);
		module_name_hung();
		return CKR_FUNCTION_FAILED;
	}
	return CKR_OK;
}

static CK_RV end(CK_RV rv)
{
	pthread_mutex_unlock(&gate.lock);
	return rv;
}

/*
 * Loads the backends, for the caller that comes first. The loader runs constructors
 * with a lock of its own, and a constructor may initialize. So no thread is in the
 * loader while others wait for it here.
 */
static CK_RV load(struct module **loaded)
{
	int cancel = cancel_off();
	CK_RV rv;

	inside = true;
	rv = module_load(loaded);
	inside = false;
	cancel_on(cancel);
	return rv;
}

/*
 * What follows calls backends: without the lock, while @flag keeps others out. A thread
 * that is cancelled there ends when it has come out. Return: for come_out().
 */
static int go_in(bool *flag)
{
	*flag = true;
	pthread_mutex_unlock(&gate.lock);
	inside = true;
	return cancel_off();
}

static void come_out(bool *flag, int cancel)
{
	inside = false;
	pthread_mutex_lock(&gate.lock);
	*flag = false;
	pthread_cond_broadcast(&gate.changed);
	cancel_on(cancel);
}

/* With the lock, which is given back, and with @loaded if it is the first caller. */
static CK_RV come_in(struct member *member, CK_FLAGS flags,
		     struct module **loaded, bool *first)
{
	int cancel;
	CK_RV rv;

	if (atomic_load(&member->count) && !member->guest) {
		if (module_config()->strict_initialize)
			return end(CKR_CRYPTOKI_ALREADY_INITIALIZED);
		atomic_fetch_add(&member->count, 1);
		return end(CKR_OK);
	}
	if (!gate.callers) {
		cancel = go_in(&gate.busy);
		rv = module_start(*loaded, flags);
		*loaded = NULL;
		come_out(&gate.busy, cancel);
		if (rv != CKR_OK)
			return end(rv);
	}
	gate.callers++;
	member->guest = false;
	atomic_store(&member->count, 1);
	*first = true;
	return end(CKR_OK);
}

/**
 * gate_initialize() - C_Initialize
 * @caller: its number
 * @flags: CKF_LIBRARY_CANT_CREATE_OS_THREADS or 0
 * @first: out: does the caller come in with this?
 */
CK_RV gate_initialize(unsigned int caller, CK_FLAGS flags, bool *first)
{
	struct member *member = &gate.members[caller];
	struct module *loaded = NULL;
	CK_RV rv;

	*first = false;
	for (;;) {
		rv = CANCEL_UNDOES(module_unload, loaded, begin(member));
		if (rv != CKR_OK)
			break;
		if (gate.callers || loaded) {
			rv = come_in(member, flags, &loaded, first);
			break;
		}
		pthread_mutex_unlock(&gate.lock);
		rv = load(&loaded);
		if (rv != CKR_OK)
			break;
	}
	/* Another caller may have been first. */
	module_unload(loaded);
	return rv;
}

/**
 * gate_visit() - a call of one that has not initialized
 * @caller: its number
 * @first: out: does the caller come in with this?
 *
 * It waits for no other thread.
 */
CK_RV gate_visit(unsigned int caller, bool *first)
{
	struct member *member = &gate.members[caller];

	*first = false;
	pthread_mutex_lock(&gate.lock);
	if (atomic_load(&member->count))
		return end(CKR_OK);
	if (!gate.callers || gate.busy || inside || member->leaving ||
	    atomic_load(&member->has_left))
		return end(CKR_CRYPTOKI_NOT_INITIALIZED);
	member->guest = true;
	atomic_store(&member->count, 1);
	*first = true;
	return end(CKR_OK);
}

/* The caller of this number is another one than before. */
void gate_renew(unsigned int caller)
{
	atomic_store(&gate.members[caller].has_left, false);
}

/* What the caller has is closed, as far as that can be done in time. */
static void close_all(unsigned int caller)
{
	struct slot *slot = NULL;

	events_wake();
	while ((slot = module_next_slot(slot)))
		session_close_all(slot, caller, true);
}

/* The gate is busy: no guest comes. */
static void guests_leave(void)
{
	unsigned int i;

	for (i = 0; i < MAX_CALLERS; i++) {
		struct member *member = &gate.members[i];

		if (!member->guest)
			continue;
		member->guest = false;
		atomic_store(&member->count, 0);
		atomic_fetch_add(&member->generation, 1);
		close_all(i);
	}
}

/* With the lock, which is given back: its last C_Finalize. */
static CK_RV leave(unsigned int caller)
{
	struct member *member = &gate.members[caller];
	int cancel;

	/* It counts until what it has is closed: the module doesn't stop meanwhile. */
	if (member->guest)
		gate.callers++;
	member->guest = false;
	atomic_store(&member->count, 0);
	atomic_store(&member->has_left, true);
	/* No session is opened for it from here on, see session_open(). */
	atomic_fetch_add(&member->generation, 1);
	cancel = go_in(&member->leaving);
	close_all(caller);
	come_out(&member->leaving, cancel);
	if (!--gate.callers) {
		cancel = go_in(&gate.busy);
		guests_leave();
		module_stop();
		come_out(&gate.busy, cancel);
	}
	return end(CKR_OK);
}

/**
 * gate_finalize() - C_Finalize
 * @caller: its number
 */
CK_RV gate_finalize(unsigned int caller)
{
	struct member *member = &gate.members[caller];
	CK_RV rv;

	/* It would wait for this thread's own call, which can't go on meanwhile. */
	if (lease_is_inside() && !inside) {
		log_error("C_Finalize in the middle of a call of the same thread is refused");
		return CKR_FUNCTION_FAILED;
	}
	/* A destructor has the loader's lock: another thread that starts may want it. */
	if (!atomic_load(&member->count))
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	rv = begin(member);
	if (rv != CKR_OK)
		return rv;
	if (!atomic_load(&member->count))
		return end(CKR_CRYPTOKI_NOT_INITIALIZED);
	if (atomic_load(&member->count) > 1) {
		atomic_fetch_sub(&member->count, 1);
		return end(CKR_OK);
	}
	return leave(caller);
}

/**
 * gate_expel() - what a caller has ends, however often it has initialized
 * @caller: its number
 * @generation: that it was of when there was a reason for this
 *
 * Return: CKR_OK, also if it has left meanwhile.
 */
CK_RV gate_expel(unsigned int caller, unsigned long generation)
{
	struct member *member = &gate.members[caller];
	CK_RV rv;

	if (lease_is_inside() || inside)
		return CKR_FUNCTION_FAILED;
	rv = begin(member);
	if (rv != CKR_OK)
		return rv;
	if (!atomic_load(&member->count) ||
	    atomic_load(&member->generation) != generation)
		return end(CKR_OK);
	rv = leave(caller);
	gate_renew(caller);
	return rv;
}
