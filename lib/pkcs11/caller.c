// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * caller: the callers of this process, and the functions that are told them (R9)
 *
 * A caller is a shared object that asked for a function list, or a program that
 * asked for a list of its own. Each is known by a number. The functions here are
 * given no session, which would tell them the caller.
 */
#include <pthread.h>
#include <string.h>

#include "caller.h"
#include "cancel.h"
#include "events.h"
#include "gate.h"
#include "log.h"
#include "login.h"
#include "module.h"
#include "now.h"
#include "opening.h"
#include "origin.h"
#include "quiesce.h"
#include "token.h"
#include "users.h"

enum kind {
	VACANT,
	OBJECT,
	EXPLICIT,
};

struct caller {
	enum kind kind;
	struct origin origin;		/* which object */
};

static struct {
	pthread_mutex_t lock;
	struct caller callers[MAX_CALLERS];
	_Atomic unsigned long long unloads;	/* of which all callers are known to be there */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- after fork -------------------------------------------------------------- */

/* A call under way may need the loader's lock, so it is waited for first. */
static void before_fork(void)
{
	quiesce_begin();
	origin_before_fork();
}

static void after_fork(void)
{
	origin_after_fork();
	quiesce_end();
}

/* The child has one thread and has initialized nothing. */
static void forked(void)
{
	origin_after_fork();
	quiesce_forked();
	module_forked();
	session_forked();
	events_forked();
	gate_forked();
	pthread_mutex_init(&pool.lock, NULL);
}

static void watch(void)
{
	pthread_atfork(before_fork, after_fork, forked);
}

/* Before anything that a fork must not come upon. */
static void watch_forks(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch);
}

/* ---- places -------------------------------------------------------------------- */

static struct caller caller_at(unsigned int number)
{
	struct caller caller;

	pthread_mutex_lock(&pool.lock);
	caller = pool.callers[number];
	pthread_mutex_unlock(&pool.lock);
	return caller;
}

/* One that has nothing, and is gone. */
static bool is_free(unsigned int number)
{
	const struct caller *caller = &pool.callers[number];

	return caller->kind == VACANT ||
	       (caller->kind == OBJECT && !gate_has(number) &&
		!origin_loaded(&caller->origin));
}

/* With the pool's lock. Return: MAX_CALLERS if it has no place. */
static unsigned int place_of(const struct origin *origin)
{
	unsigned int i;

	for (i = 0; i < MAX_CALLERS; i++)
		if (pool.callers[i].kind == OBJECT &&
		    origin_same(&pool.callers[i].origin, origin))
			return i;
	/* It comes once more. */
	for (i = 0; i < MAX_CALLERS; i++)
		if (pool.callers[i].kind == OBJECT && !gate_has(i) &&
		    pool.callers[i].origin.base == origin->base)
			break;
	return i;
}

/* With the pool's lock. Return: MAX_CALLERS if all places are taken. */
static unsigned int find_place(const struct origin *origin, enum kind kind)
{
	unsigned int i;

	i = kind == OBJECT ? place_of(origin) : MAX_CALLERS;
	if (i < MAX_CALLERS)
		return i;
	for (i = 0; i < MAX_CALLERS; i++)
		if (pool.callers[i].kind == VACANT)
			return i;
	for (i = 0; i < MAX_CALLERS; i++)
		if (is_free(i))
			break;
	return i;
}

/*
 * A program may unload an object that has not finalized. There is no sign of that but the
 * loader's count. What the object had ends with the next call that is told here, of any
 * caller. So what is loaded next at its address has nothing of it.
 */
static void expel_unloaded(void)
{
	unsigned long long unloads = origin_unloads();
	unsigned long generation;
	struct caller caller;
	bool all = true;
	unsigned int i;

	if (unloads == atomic_load(&pool.unloads) || quiesce_is_for_good())
		return;
	for (i = 0; i < MAX_CALLERS; i++) {
		generation = atomic_load(gate_generation(i));
		if (!gate_has(i))
			continue;
		caller = caller_at(i);
		if (caller.kind != OBJECT || origin_loaded(&caller.origin))
			continue;
		log_info("caller %u, %s, was unloaded without C_Finalize", i,
			 caller.origin.name);
		if (gate_expel(i, generation) != CKR_OK)
			all = false;
	}
	if (all)
		atomic_store(&pool.unloads, unloads);
}

/* With the pool's lock. */
static void settle(unsigned int place, enum kind kind,
		   const struct origin *origin)
{
	struct caller *caller = &pool.callers[place];

	if (caller->kind != kind || kind == EXPLICIT ||
	    !origin_same(&caller->origin, origin))
		gate_renew(place);
	*caller = (struct caller){ kind, *origin };
}

static CK_RV take_place(const struct origin *origin, enum kind kind,
			void (*come)(unsigned int number), unsigned int *number)
{
	unsigned int place;

	pthread_mutex_lock(&pool.lock);
	place = find_place(origin, kind);
	if (place < MAX_CALLERS) {
		if (pool.callers[place].kind == VACANT || !gate_has(place))
			settle(place, kind, origin);
		*number = place;
		come(place);
	}
	pthread_mutex_unlock(&pool.lock);
	if (place < MAX_CALLERS)
		return CKR_OK;
	log_error("there are %d callers in this process already", MAX_CALLERS);
	return CKR_HOST_MEMORY;
}

/**
 * caller_of() - the shared object that calls
 * @address: within it
 * @come: told its number, with the pool's lock held, before any other thread is
 * @number: out: its number
 *
 * Code that is in no shared object, made at run time, is one caller together.
 */
CK_RV caller_of(const void *address, void (*come)(unsigned int number),
		unsigned int *number)
{
	struct origin origin;

	watch_forks();
	expel_unloaded();
	origin_of(address, &origin);
	return take_place(&origin, OBJECT, come, number);
}

CK_RV caller_new(void (*come)(unsigned int number), unsigned int *number)
{
	struct origin nothing = { 0 };

	watch_forks();
	return take_place(&nothing, EXPLICIT, come, number);
}

/* It has no count left, and comes as new if it comes again. */
static void leave(unsigned int number)
{
	while (caller_finalize(number, NULL) == CKR_OK)
		;
	pthread_mutex_lock(&pool.lock);
	if (pool.callers[number].kind == EXPLICIT)
		pool.callers[number].kind = VACANT;
	gate_renew(number);
	pthread_mutex_unlock(&pool.lock);
}

CK_RV caller_free(unsigned int number)
{
	bool mine;

	pthread_mutex_lock(&pool.lock);
	mine = pool.callers[number].kind == EXPLICIT;
	pthread_mutex_unlock(&pool.lock);
	if (!mine)
		return CKR_ARGUMENTS_BAD;
	leave(number);
	return CKR_OK;
}

static atomic_uint fronts;

/* A front is loaded. */
void caller_module_opened(void)
{
	atomic_fetch_add(&fronts, 1);
}

/**
 * caller_module_closed() - a front is unloaded
 *
 * With the last front no program has the module open any more. What the callers have
 * ends, as if each caller had finalized: dlclose() of another module has that effect,
 * too. The thread has the loader's lock, so it isn't to be cancelled. When the process
 * exits nothing is done, see exit_begins().
 */
void caller_module_closed(void)
{
	unsigned int i;
	int cancel;

	if (atomic_fetch_sub(&fronts, 1) > 1 || quiesce_is_for_good())
		return;
	cancel = cancel_off();
	for (i = 0; i < MAX_CALLERS; i++)
		if (gate_has(i) || pool.callers[i].kind == EXPLICIT)
			leave(i);
	cancel_on(cancel);
}

/* ---- in and out ------------------------------------------------------------------ */

/*
 * Locks are the system's, ours and the backends'. A caller that gives functions of its
 * own, without CKF_OS_LOCKING_OK, has the system's threads all the same: here there are
 * no others.
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
	return given && given != 4 ? CKR_ARGUMENTS_BAD : CKR_OK;
}

static void tell_name(unsigned int number, const struct caller *caller)
{
	if (caller->kind == EXPLICIT)
		log_info("caller %u has asked for a list of its own", number);
	else if (*caller->origin.name)
		log_info("caller %u is %s", number, caller->origin.name);
}

static CK_RV initialize(unsigned int number, const CK_C_INITIALIZE_ARGS *args)
{
	struct caller caller = caller_at(number);
	CK_FLAGS flags = 0;
	bool first;
	CK_RV rv;

	rv = check_arguments(args);
	if (rv != CKR_OK)
		return rv;
	if (args)
		flags = args->flags & CKF_LIBRARY_CANT_CREATE_OS_THREADS;
	expel_unloaded();
	rv = gate_initialize(number, flags, &first);
	if (first)
		tell_name(number, &caller);
	return rv;
}

static CK_RV finalize(unsigned int number, CK_VOID_PTR reserved)
{
	if (reserved)
		return CKR_ARGUMENTS_BAD;
	expel_unloaded();
	return gate_finalize(number);
}

/* A call of one that has not initialized: does it work while another one has? */
static __attribute__((noinline, cold)) CK_RV visit(unsigned int number)
{
	struct caller caller = caller_at(number);
	bool first;
	CK_RV rv;

	if (caller.kind == VACANT || !users_open())
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	rv = gate_visit(number, &first);
	if (first)
		tell_name(number, &caller);
	return rv;
}

/* ---- functions that are given no session ----------------------------------------- */

/* The caller has initialized, or another one has. */
static CK_RV come(unsigned int number)
{
	return gate_has(number) ? CKR_OK : visit(number);
}

/* Return: CKR_OK with a users_get(). */
static CK_RV enter_slot(unsigned int number, CK_SLOT_ID id, struct slot **slot)
{
	CK_RV rv;

	rv = come(number);
	if (rv == CKR_OK)
		rv = users_get();
	if (rv != CKR_OK)
		return rv;
	*slot = module_slot(id);
	if (*slot)
		return CKR_OK;
	users_put();
	return CKR_SLOT_ID_INVALID;
}

static CK_RV open_or_recover(const struct opening *opening,
			     CK_SESSION_HANDLE *handle)
{
	CK_RV rv = session_open(opening, handle);

	if (rv == CKR_OK)
		return rv;
	rv = module_recover(opening->slot, rv);
	return rv == CKR_OK ? session_open(opening, handle) : rv;
}

static CK_RV open_session(unsigned int number, CK_SLOT_ID id, CK_FLAGS flags,
			  CK_VOID_PTR application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE_PTR handle)
{
	struct opening opening = {
		.caller = number,
		.generation = gate_generation(number),
		.flags = flags,
		.application = application,
		.notify = notify,
	};
	CK_RV rv;

	/* Before the count is looked at, which C_Finalize takes down first. */
	opening.born = atomic_load(opening.generation);
	rv = enter_slot(number, id, &opening.slot);
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
		rv = CANCEL_UNDOES(users_cancelled, NULL,
				   open_or_recover(&opening, handle));
	users_put();
	return rv;
}

static CK_RV close_all_sessions(unsigned int number, CK_SLOT_ID id)
{
	struct slot *slot;
	int cancel;
	CK_RV rv;

	rv = enter_slot(number, id, &slot);
	if (rv != CKR_OK)
		return rv;
	cancel = cancel_off();
	session_close_all(slot, number, false);
	users_put();
	cancel_on(cancel);
	return CKR_OK;
}

/* The token's users and their PINs are gone. */
static CK_RV init_in_turn(struct seat *seat, CK_UTF8CHAR_PTR pin,
			  CK_ULONG length, CK_UTF8CHAR_PTR label)
{
	struct slot *slot = seat->slot;
	struct backend_lease all;
	CK_RV rv;

	if (slot_has_sessions(slot, NULL))
		return CKR_SESSION_EXISTS;
	backend_lease_take(slot->backend, ARBITER_EXCLUSIVE, &all);
	login_pin_changes(seat);
	rv = BACKEND(slot->backend, C_InitToken, slot->backend_id, pin, length,
		     label);
	backend_lease_give(slot->backend, &all);
	login_pin_changed(seat, rv, NULL, 0);
	return rv;
}

/*
 * The exclusive lease keeps others from opening sessions meanwhile.
 *
 * @until_ms: out: when the result may be told, see tries_wait()
 */
static CK_RV init_with_lease(struct seat *seat, CK_UTF8CHAR_PTR pin,
			     CK_ULONG length, CK_UTF8CHAR_PTR label,
			     int64_t *until_ms)
{
	struct slot *slot = seat->slot;
	struct lease lease;
	CK_RV rv;

	rv = lease_take_exclusive(seat, &lease);
	if (rv != CKR_OK)
		return rv;
	rv = backend_turn(slot->backend, &slot->turn);
	if (rv == CKR_OK) {
		rv = init_in_turn(seat, pin, length, label);
		*until_ms = tries_count(&seat->tries, seat->record, TRIED_SO, rv);
		turn_give(&slot->turn);
	}
	if (rv == CKR_OK)
		token_renamed(slot);
	lease_give(seat, &lease);
	return rv;
}

/*
 * The caller's place on a slot, once its last wrong PIN is answered. Until then it has
 * nothing that another thread could wait for. Return: CKR_OK with a users_get().
 */
static CK_RV enter_for_pin(unsigned int number, CK_SLOT_ID id,
			   struct seat **seat)
{
	struct slot *slot;
	int64_t until_ms;
	CK_RV rv;

	expel_unloaded();
	for (;;) {
		rv = enter_slot(number, id, &slot);
		if (rv != CKR_OK)
			return rv;
		rv = CANCEL_UNDOES(users_cancelled, NULL,
				   seat_get(slot, number, seat));
		if (rv != CKR_OK)
			break;
		until_ms = tries_due_ms(&(*seat)->tries);
		if (until_ms <= now_ms())
			return CKR_OK;
		seat_put(*seat);
		users_put();
		tries_wait(until_ms);
	}
	users_put();
	return rv;
}

/* Refused while any caller has sessions: it would be their end. */
static CK_RV init_token(unsigned int number, CK_SLOT_ID id,
			CK_UTF8CHAR_PTR pin, CK_ULONG length,
			CK_UTF8CHAR_PTR label)
{
	int64_t until_ms = 0;
	struct seat *seat;
	int cancel;
	CK_RV rv;

	rv = enter_for_pin(number, id, &seat);
	if (rv != CKR_OK)
		return rv;
	cancel = cancel_off();
	/* Looked at now, to be refused before the lease, and once more with it. */
	rv = slot_has_sessions(seat->slot, NULL) ? CKR_SESSION_EXISTS :
	     init_with_lease(seat, pin, length, label, &until_ms);
	seat_put(seat);
	users_put();
	cancel_on(cancel);
	tries_wait(until_ms);
	return rv;
}

static CK_RV wait_for_slot_event(unsigned int number, CK_FLAGS flags,
				 CK_SLOT_ID_PTR id, CK_VOID_PTR reserved)
{
	const atomic_ulong *generation = gate_generation(number);
	unsigned long born = atomic_load(generation);
	CK_RV rv = come(number);

	if (rv != CKR_OK)
		return rv;
	if (!id || reserved)
		return CKR_ARGUMENTS_BAD;
	return events_wait(number, generation, born, flags, id);
}

/* ---- the same, as the functions of PKCS#11 are logged -------------------------------- */

CK_RV caller_initialize(unsigned int number, CK_VOID_PTR args)
{
	struct log_call log;

	log_call_begin_first(&log, "C_Initialize");
	return log_call_end(&log, number, 0, initialize(number, args));
}

CK_RV caller_finalize(unsigned int number, CK_VOID_PTR reserved)
{
	struct log_call log;

	log_call_begin(&log, "C_Finalize");
	return log_call_end(&log, number, 0, finalize(number, reserved));
}

CK_RV caller_open_session(unsigned int number, CK_SLOT_ID id, CK_FLAGS flags,
			  CK_VOID_PTR application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE_PTR handle)
{
	struct log_call log;
	CK_RV rv;

	log_call_begin(&log, "C_OpenSession");
	rv = open_session(number, id, flags, application, notify, handle);
	return log_call_end(&log, number, rv == CKR_OK ? *handle : 0, rv);
}

CK_RV caller_close_all_sessions(unsigned int number, CK_SLOT_ID id)
{
	struct log_call log;

	log_call_begin(&log, "C_CloseAllSessions");
	return log_call_end(&log, number, 0, close_all_sessions(number, id));
}

CK_RV caller_init_token(unsigned int number, CK_SLOT_ID id, CK_UTF8CHAR_PTR pin,
			CK_ULONG length, CK_UTF8CHAR_PTR label)
{
	struct log_call log;

	log_call_begin(&log, "C_InitToken");
	return log_call_end(&log, number, 0,
			    init_token(number, id, pin, length, label));
}

CK_RV caller_wait_for_slot_event(unsigned int number, CK_FLAGS flags,
				 CK_SLOT_ID_PTR id, CK_VOID_PTR reserved)
{
	struct log_call log;

	log_call_begin(&log, "C_WaitForSlotEvent");
	return log_call_end(&log, number, 0,
			    wait_for_slot_event(number, flags, id, reserved));
}
