// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * caller: who calls, and how often it has initialized (R9, R10)
 *
 * A caller is a shared object that asked for a function list, or somebody who
 * asked for a list of its own. Each counts its own C_Initialize; the backends
 * see one of each. Finalizing ends what that caller has, and nobody else's.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "caller.h"
#include "events.h"
#include "log.h"
#include "module.h"
#include "now.h"
#include "origin.h"
#include "opening.h"
#include "session.h"
#include "token.h"
#include "turn.h"
#include "users.h"

enum kind {
	VACANT,
	OBJECT,
	EXPLICIT,
	LOST,		/* an object that isn't there any more */
	LEAVING,	/* the same, and a thread sees to it */
};

struct caller {
	/* under the pool's lock */
	enum kind kind;
	struct origin origin;		/* which object */
	bool seen;			/* by a sweep that is going on */

	/* under the gate's lock, but that anybody may look at them */
	atomic_uint count;		/* of C_Initialize */
	atomic_ulong generation;	/* changes when it leaves */
	bool leaving;			/* what it has is being closed */
};

static struct {
	pthread_mutex_t lock;
	struct caller callers[MAX_CALLERS];
	unsigned long long unloads;	/* as of the last sweep */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/*
 * C_Initialize and C_Finalize: who is in, and whether the module is just starting
 * or stopping. Comes before every other lock; nobody has it in a backend, so that
 * one caller's hung C_Finalize is in nobody else's way.
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int callers;		/* that have initialized */
	bool busy;			/* one thread starts it, or stops it */
} gate = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* A backend that leads back here, through a proxy, would wait for itself. */
static __thread bool inside;

static unsigned int caller_number(const struct caller *caller)
{
	return (unsigned int)(caller - pool.callers);
}

/* ---- after fork -------------------------------------------------------------- */

/* The child has one thread and has initialized nothing. */
static void forked(void)
{
	size_t i;

	origin_after_fork();
	module_forked();
	session_forked();
	pthread_mutex_init(&pool.lock, NULL);
	pthread_mutex_init(&gate.lock, NULL);
	pthread_cond_init(&gate.changed, NULL);
	events_forked();
	gate.callers = 0;
	gate.busy = false;
	inside = false;
	for (i = 0; i < MAX_CALLERS; i++) {
		atomic_store(&pool.callers[i].count, 0);
		pool.callers[i].leaving = false;
	}
}

static void watch(void)
{
	pthread_atfork(origin_before_fork, origin_after_fork, forked);
}

/* Before anything that a fork must not come upon. */
static void watch_forks(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch);
}

/* ---- who ---------------------------------------------------------------------- */

static void see(const struct origin *now)
{
	size_t i;

	for (i = 0; i < MAX_CALLERS; i++)
		if (origin_same(&pool.callers[i].origin, now))
			pool.callers[i].seen = true;
}

/* With the pool's lock held: whose objects have been unloaded? */
static void sweep(void)
{
	unsigned long long unloads = origin_unloads();
	size_t i;

	if (unloads == pool.unloads)
		return;
	pool.unloads = unloads;
	for (i = 0; i < MAX_CALLERS; i++)
		pool.callers[i].seen = false;
	origin_each(see);
	for (i = 0; i < MAX_CALLERS; i++) {
		struct caller *caller = &pool.callers[i];

		if (caller->kind == OBJECT && caller->origin.mark &&
		    !caller->seen)
			caller->kind = LOST;
	}
}

/* Return: one that is lost and that nobody sees to, or NULL. */
static struct caller *next_lost(void)
{
	struct caller *found = NULL;
	size_t i;

	pthread_mutex_lock(&pool.lock);
	sweep();
	for (i = 0; i < MAX_CALLERS && !found; i++)
		if (pool.callers[i].kind == LOST)
			found = &pool.callers[i];
	if (found)
		found->kind = LEAVING;
	pthread_mutex_unlock(&pool.lock);
	return found;
}

static void become(struct caller *caller, enum kind kind)
{
	pthread_mutex_lock(&pool.lock);
	caller->kind = kind;
	if (kind == VACANT)
		caller->origin = (struct origin){ 0 };
	pthread_mutex_unlock(&pool.lock);
}

static CK_RV finalize(struct caller *caller, CK_VOID_PTR reserved);

/*
 * What callers have whose objects are gone ends, and others may have their
 * places. Not when it is noticed, as that may be within the loader.
 */
static void reap(void)
{
	struct caller *caller;
	CK_RV rv;

	while (!inside && (caller = next_lost())) {
		log_info("caller %u is gone without C_Finalize",
			 caller_number(caller));
		do
			rv = finalize(caller, NULL);
		while (rv == CKR_OK);
		if (rv != CKR_CRYPTOKI_NOT_INITIALIZED) {
			become(caller, LOST);	/* another time */
			return;
		}
		become(caller, VACANT);
	}
}

/* With the pool's lock held. Return: its place, NULL if all are taken. */
static struct caller *find_place(const struct origin *origin, enum kind kind)
{
	struct caller *vacant = NULL;
	size_t i;

	for (i = 0; i < MAX_CALLERS; i++) {
		struct caller *caller = &pool.callers[i];

		if (caller->kind == VACANT && !vacant)
			vacant = caller;
		if (caller->kind == OBJECT && kind == OBJECT &&
		    origin_same(&caller->origin, origin))
			return caller;
	}
	return vacant;
}

static CK_RV take_place(struct origin *origin, enum kind kind,
			void (*come)(unsigned int number), unsigned int *number)
{
	struct caller *caller;
	bool keep = false;

	pthread_mutex_lock(&pool.lock);
	sweep();
	caller = find_place(origin, kind);
	if (!caller) {
		pthread_mutex_unlock(&pool.lock);
		reap();
		pthread_mutex_lock(&pool.lock);
		caller = find_place(origin, kind);
	}
	if (caller && caller->kind == VACANT) {
		keep = !origin_claim(origin);
		caller->kind = kind;
		caller->origin = *origin;
	}
	if (caller) {
		*number = caller_number(caller);
		come(*number);
	}
	pthread_mutex_unlock(&pool.lock);
	if (keep)
		origin_keep(origin);
	if (caller)
		return CKR_OK;
	log_error("there are %d callers in this process already", MAX_CALLERS);
	return CKR_HOST_MEMORY;
}

/**
 * caller_of() - the shared object that calls
 * @address: within it
 * @come: told its number, with the pool's lock held, before anybody else
 * @number: out: its number, the same one until it is unloaded
 *
 * Code that is in no shared object, made at run time, is one caller together.
 */
CK_RV caller_of(const void *address, void (*come)(unsigned int number),
		unsigned int *number)
{
	struct origin origin;

	watch_forks();
	origin_of(address, &origin);
	return take_place(&origin, OBJECT, come, number);
}

CK_RV caller_new(void (*come)(unsigned int number), unsigned int *number)
{
	struct origin nothing = { 0 };

	watch_forks();
	return take_place(&nothing, EXPLICIT, come, number);
}

CK_RV caller_free(unsigned int number)
{
	struct caller *caller = &pool.callers[number];
	bool mine;

	pthread_mutex_lock(&pool.lock);
	mine = caller->kind == EXPLICIT;
	pthread_mutex_unlock(&pool.lock);
	if (!mine)
		return CKR_ARGUMENTS_BAD;
	while (caller_finalize(number, NULL) == CKR_OK)
		;
	become(caller, VACANT);
	return CKR_OK;
}

/* ---- in and out ------------------------------------------------------------------ */

/*
 * Our own locks are the system's, so a caller that insists on functions of its
 * own, without CKF_OS_LOCKING_OK, can't be served.
 */
static CK_RV check_arguments(const CK_C_INITIALIZE_ARGS *args)
{
	unsigned int given;

	if (!args)
		return CKR_OK;
	if (args->pReserved)
		return CKR_ARGUMENTS_BAD;
	given = !!args->CreateMutex + !!args->DestroyMutex +
		!!args->LockMutex + !!args->UnlockMutex;
	if (given && given != 4)
		return CKR_ARGUMENTS_BAD;
	if (given && !(args->flags & CKF_OS_LOCKING_OK))
		return CKR_CANT_LOCK;
	return CKR_OK;
}

/* Through the gate, with its lock held afterwards, or not at all. */
static CK_RV begin(const struct caller *caller)
{
	int64_t until_ms = now_ms() + module_patience_ms();

	if (inside) {
		log_error("a backend leads back to tokmux: is a proxy module one of its backends?");
		return CKR_GENERAL_ERROR;
	}
	pthread_mutex_lock(&gate.lock);
	if (gate.busy || caller->leaving)
		site_watch(NULL);
	while (gate.busy || caller->leaving) {
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

/* What follows calls backends: the lock is let go, and @flag keeps others out. */
static void go_in(bool *flag)
{
	*flag = true;
	pthread_mutex_unlock(&gate.lock);
	inside = true;
}

static void come_out(bool *flag)
{
	inside = false;
	pthread_mutex_lock(&gate.lock);
	*flag = false;
	pthread_cond_broadcast(&gate.changed);
}

static void tell_name(const struct caller *caller)
{
	if (caller->kind == EXPLICIT)
		log_info("caller %u has asked for a list of its own",
			 caller_number(caller));
	else if (*caller->origin.name)
		log_info("caller %u is %s", caller_number(caller),
			 caller->origin.name);
}

static CK_RV initialize(struct caller *caller, CK_VOID_PTR args)
{
	CK_FLAGS flags = 0;
	CK_RV rv;

	rv = check_arguments(args);
	if (rv != CKR_OK)
		return rv;
	if (args)
		flags = ((CK_C_INITIALIZE_ARGS *)args)->flags &
			CKF_LIBRARY_CANT_CREATE_OS_THREADS;

	reap();
	rv = begin(caller);
	if (rv != CKR_OK)
		return rv;
	if (atomic_load(&caller->count)) {
		if (module_config()->strict_initialize)
			return end(CKR_CRYPTOKI_ALREADY_INITIALIZED);
		atomic_fetch_add(&caller->count, 1);
		return end(CKR_OK);
	}
	if (!gate.callers) {
		go_in(&gate.busy);
		rv = module_start(flags);
		come_out(&gate.busy);
		if (rv != CKR_OK)
			return end(rv);
	}
	gate.callers++;
	atomic_store(&caller->count, 1);
	tell_name(caller);
	return end(CKR_OK);
}

/* What it has is closed, as far as that can be done in time. */
static void close_all(struct caller *caller)
{
	struct slot *slot = NULL;

	events_wake();
	while ((slot = module_next_slot(slot)))
		session_close_all(slot, caller_number(caller), true);
}

static CK_RV finalize(struct caller *caller, CK_VOID_PTR reserved)
{
	CK_RV rv;

	if (reserved)
		return CKR_ARGUMENTS_BAD;
	rv = begin(caller);
	if (rv != CKR_OK)
		return rv;
	if (!atomic_load(&caller->count))
		return end(CKR_CRYPTOKI_NOT_INITIALIZED);
	if (atomic_fetch_sub(&caller->count, 1) > 1)
		return end(CKR_OK);

	/* No session is opened for it from here on, see session_open(). */
	atomic_fetch_add(&caller->generation, 1);
	go_in(&caller->leaving);
	close_all(caller);
	come_out(&caller->leaving);
	/* It counts until now, so the module neither starts nor stops meanwhile. */
	if (!--gate.callers) {
		go_in(&gate.busy);
		module_stop();
		come_out(&gate.busy);
	}
	return end(CKR_OK);
}

/* ---- what has to be told who calls ------------------------------------------------- */

/* With the module kept from stopping. */
static CK_RV enter_slot(const struct caller *caller, CK_SLOT_ID id,
			struct slot **slot)
{
	CK_RV rv;

	if (!atomic_load(&caller->count))
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	rv = users_get();
	if (rv != CKR_OK)
		return rv;
	*slot = module_slot(id);
	if (*slot)
		return CKR_OK;
	users_put();
	return CKR_SLOT_ID_INVALID;
}

static CK_RV open_session(struct caller *caller, CK_SLOT_ID id, CK_FLAGS flags,
			  CK_VOID_PTR application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE_PTR handle)
{
	/* Before the count is looked at: whoever finalizes takes it down first. */
	unsigned long born = atomic_load(&caller->generation);
	struct slot *slot;
	CK_RV rv;

	rv = enter_slot(caller, id, &slot);
	if (rv != CKR_OK)
		return rv;
	if (!(flags & CKF_SERIAL_SESSION))
		rv = CKR_SESSION_PARALLEL_NOT_SUPPORTED;
	else if (flags & CKF_ASYNC_SESSION)
		/* work that went on after its call would outlive the lease */
		rv = CKR_SESSION_ASYNC_NOT_SUPPORTED;
	else if (!handle)
		rv = CKR_ARGUMENTS_BAD;
	else
		rv = session_open(slot, caller_number(caller),
				  &caller->generation, born, flags,
				  application, notify, handle);
	users_put();
	return rv;
}

static CK_RV close_all_sessions(struct caller *caller, CK_SLOT_ID id)
{
	struct slot *slot;
	CK_RV rv;

	rv = enter_slot(caller, id, &slot);
	if (rv != CKR_OK)
		return rv;
	session_close_all(slot, caller_number(caller), false);
	users_put();
	return CKR_OK;
}

static CK_RV init_in_turn(struct slot *slot, CK_UTF8CHAR_PTR pin,
			  CK_ULONG length, CK_UTF8CHAR_PTR label)
{
	struct backend_lease all;
	CK_RV rv;

	if (slot_has_sessions(slot, NULL))
		return CKR_SESSION_EXISTS;
	backend_lease_take(slot->backend, ARBITER_EXCLUSIVE, &all);
	rv = BACKEND(slot->backend, C_InitToken, slot->backend_id, pin, length,
		     label);
	backend_lease_give(slot->backend, &all);
	return rv;
}

/* The exclusive lease keeps others from opening sessions meanwhile. */
static CK_RV init_with_lease(struct seat *seat, CK_UTF8CHAR_PTR pin,
			     CK_ULONG length, CK_UTF8CHAR_PTR label)
{
	struct slot *slot = seat->slot;
	struct lease lease;
	CK_RV rv;

	rv = lease_take_exclusive(seat, &lease);
	if (rv != CKR_OK)
		return rv;
	rv = backend_turn(slot->backend, &slot->turn);
	if (rv == CKR_OK) {
		rv = init_in_turn(slot, pin, length, label);
		turn_give(&slot->turn);
	}
	if (rv == CKR_OK)
		token_renamed(slot);
	lease_give(seat, &lease);
	return rv;
}

/* Of any caller: it would be the end of what they have. */
static CK_RV init_token(struct caller *caller, CK_SLOT_ID id,
			CK_UTF8CHAR_PTR pin, CK_ULONG length,
			CK_UTF8CHAR_PTR label)
{
	struct slot *slot;
	struct seat *seat;
	CK_RV rv;

	rv = enter_slot(caller, id, &slot);
	if (rv != CKR_OK)
		return rv;
	/* Once to be refused before the lease, once for those that came since. */
	rv = slot_has_sessions(slot, NULL) ? CKR_SESSION_EXISTS :
					     seat_get(slot,
						      caller_number(caller),
						      &seat);
	if (rv != CKR_OK)
		goto out;
	rv = init_with_lease(seat, pin, length, label);
	seat_put(seat);
out:
	users_put();
	return rv;
}

static CK_RV wait_for_slot_event(struct caller *caller, CK_FLAGS flags,
				 CK_SLOT_ID_PTR id, CK_VOID_PTR reserved)
{
	unsigned long born = atomic_load(&caller->generation);

	if (!atomic_load(&caller->count))
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (!id || reserved)
		return CKR_ARGUMENTS_BAD;
	return events_wait(caller_number(caller), &caller->generation, born,
			   flags, id);
}

/* ---- the same, as the doors lead here ------------------------------------------------- */

CK_RV caller_initialize(unsigned int number, CK_VOID_PTR args)
{
	struct log_call log;

	log_call_begin_first(&log, "C_Initialize");
	return log_call_end(&log, number, 0,
			    initialize(&pool.callers[number], args));
}

CK_RV caller_finalize(unsigned int number, CK_VOID_PTR reserved)
{
	struct log_call log;

	log_call_begin(&log, "C_Finalize");
	reap();
	return log_call_end(&log, number, 0,
			    finalize(&pool.callers[number], reserved));
}

CK_RV caller_open_session(unsigned int number, CK_SLOT_ID id, CK_FLAGS flags,
			  CK_VOID_PTR application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE_PTR handle)
{
	struct log_call log;
	CK_RV rv;

	log_call_begin(&log, "C_OpenSession");
	rv = open_session(&pool.callers[number], id, flags, application,
			  notify, handle);
	return log_call_end(&log, number, rv == CKR_OK ? *handle : 0, rv);
}

CK_RV caller_close_all_sessions(unsigned int number, CK_SLOT_ID id)
{
	struct log_call log;

	log_call_begin(&log, "C_CloseAllSessions");
	return log_call_end(&log, number, 0,
			    close_all_sessions(&pool.callers[number], id));
}

CK_RV caller_init_token(unsigned int number, CK_SLOT_ID id, CK_UTF8CHAR_PTR pin,
			CK_ULONG length, CK_UTF8CHAR_PTR label)
{
	struct log_call log;

	log_call_begin(&log, "C_InitToken");
	return log_call_end(&log, number, 0,
			    init_token(&pool.callers[number], id, pin, length,
				       label));
}

CK_RV caller_wait_for_slot_event(unsigned int number, CK_FLAGS flags,
				 CK_SLOT_ID_PTR id, CK_VOID_PTR reserved)
{
	struct log_call log;

	log_call_begin(&log, "C_WaitForSlotEvent");
	return log_call_end(&log, number, 0,
			    wait_for_slot_event(&pool.callers[number], flags,
						id, reserved));
}
