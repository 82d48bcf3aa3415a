// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * session: a caller's session, under a handle of ours (R11)
 *
 * A handle belongs to the caller that opened it. Most functions are told the
 * session only, and act for its owner; so handles carry random bits and are not
 * used again soon: no caller comes upon another's by counting, nor upon its own
 * old one. Finding a session takes no lock. Closing one lets the calls that are
 * in it finish: the last one out closes the backend's.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "login.h"
#include "module.h"
#include "session.h"
#include "users.h"

/* ---- the table --------------------------------------------------------------- */

#define RANDOM_BITS	(SESSION_WIDE ? 20 : 10)

_Atomic(struct session *) session_chunks[SESSION_CHUNKS];

static struct {
	pthread_mutex_t lock;
	atomic_size_t chunk_count;	/* those before it are there */
	struct session *free;
	struct session **last_free;	/* first in, first out */
	unsigned long count;
	unsigned int randoms[32];
	size_t randoms_left;
} table = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.last_free = &table.free,
};

static void add_free(struct session *session)
{
	session->next_free = NULL;
	*table.last_free = session;
	table.last_free = &session->next_free;
}

/* The chunk first, then the count: another thread may fork in between. */
static bool add_chunk(void)
{
	size_t n = atomic_load(&table.chunk_count);
	struct session *chunk;
	unsigned int i;

	if (n == SESSION_CHUNKS)
		return false;
	chunk = calloc(SESSION_CHUNK, sizeof(*chunk));
	if (!chunk)
		return false;
	for (i = 0; i < SESSION_CHUNK; i++) {
		chunk[i].index = (unsigned int)n * SESSION_CHUNK + i;
		add_free(&chunk[i]);
	}
	atomic_store_explicit(&session_chunks[n], chunk, memory_order_release);
	atomic_store(&table.chunk_count, n + 1);
	return true;
}

/* With the table's lock held. Without random bits there is still the count. */
static unsigned int random_bits(void)
{
	if (!table.randoms_left) {
		if (getrandom(table.randoms, sizeof(table.randoms),
			      GRND_NONBLOCK) < 0)
			log_info("no random bits for session handles");
		table.randoms_left = sizeof(table.randoms) /
				     sizeof(*table.randoms);
	}
	return table.randoms[--table.randoms_left] & ((1u << RANDOM_BITS) - 1);
}

/* @handle: out: what it will be called once it is published */
static struct session *session_alloc(CK_SESSION_HANDLE *handle)
{
	CK_SESSION_HANDLE serial = 0;
	struct session *session;

	pthread_mutex_lock(&table.lock);
	if (!table.free)
		add_chunk();
	session = table.free;
	if (session) {
		table.free = session->next_free;
		if (!table.free)
			table.last_free = &table.free;
		serial = ++table.count << RANDOM_BITS | random_bits();
	}
	pthread_mutex_unlock(&table.lock);
	if (!session)
		return NULL;
	atomic_fetch_add(&session->references, 1);
	*handle = serial << SESSION_INDEX_BITS | session->index;
	/* The count has gone round. */
	if (!(*handle >> SESSION_INDEX_BITS))
		*handle |= 1ul << SESSION_INDEX_BITS;
	return session;
}

static void session_free(struct session *session)
{
	pthread_mutex_lock(&table.lock);
	add_free(session);
	pthread_mutex_unlock(&table.lock);
}

/* ---- the backend's sessions that came before ------------------------------------ */

/* All of them, as nobody else's from here on. */
static struct spare *take_spares(struct session *session)
{
	return atomic_exchange(&session->spares, NULL);
}

static void add_spare(struct session *session, struct spare *spare)
{
	spare->next = atomic_load(&session->spares);
	while (!atomic_compare_exchange_weak(&session->spares, &spare->next,
					     spare))
		;
}

/* Those that have no objects left, or all of them. */
static void close_spares(struct session *session, bool all)
{
	struct seat *seat = session->seat;
	struct spare *spare, *next;

	for (spare = take_spares(session); spare; spare = next) {
		next = spare->next;
		if (!all && objects_made_in(&seat->objects, spare->handle)) {
			add_spare(session, spare);
			continue;
		}
		BACKEND(seat->slot->backend, C_CloseSession, spare->handle);
		free(spare);
	}
}

/* For one that is gone with its token, or can't be closed. */
static void forget_spares(struct session *session)
{
	struct spare *spare, *next;

	for (spare = take_spares(session); spare; spare = next) {
		next = spare->next;
		free(spare);
	}
}

/* ---- references ----------------------------------------------------------------- */

/*
 * The last one is out. @lease: what it has, or couldn't have; NULL: not tried.
 */
static void session_destroy(struct session *session, struct lease *lease)
{
	struct seat *seat = session->seat;
	struct slot *slot = seat->slot;
	/* What the token took with it may be somebody else's by now. */
	CK_SESSION_HANDLE backend_handle = atomic_load(&seat->gone) ?
					   0 : session->backend_handle;
	bool talks = slot->backend->config->lease != LEASE_SHARED;
	struct lease own = { 0 };

	if (backend_handle && talks && !lease) {
		lease_take(seat, &own);
		lease = &own;
	}
	if (backend_handle && (!talks || lease_has(lease))) {
		close_spares(session, true);
		BACKEND(slot->backend, C_CloseSession, backend_handle);
	} else if (backend_handle) {
		log_error("slot %lu: a session of backend %s stays open until it is finalized: no lease",
			  slot->id, slot->backend->config->name);
	}
	forget_spares(session);
	objects_remove_owned(&seat->objects, session);
	/* Nobody else is in it any more, so there is no need of a lock to look. */
	if (session->operating.on)
		lease_unkeep(seat, &session->operating);
	if (session->open.on)
		lease_unkeep(seat, &session->open);
	lease_give(seat, &own);

	pthread_mutex_lock(&slot->lock);
	seat_put(seat);
	pthread_mutex_unlock(&slot->lock);
	session_free(session);
	users_put();
}

/* Somebody may have tried it meanwhile: one of us clears the mark. */
void session_last_out(struct session *session, struct lease *lease)
{
	unsigned int left = SESSION_DYING;

	if (atomic_compare_exchange_strong(&session->references, &left, 0))
		session_destroy(session, lease);
}

/* There is none of that handle. */
CK_RV session_missing(void)
{
	CK_RV rv = users_get();

	if (rv != CKR_OK)
		return rv;
	users_put();
	return CKR_SESSION_HANDLE_INVALID;
}

/* ---- open -------------------------------------------------------------------------- */

/* The backend speaks of its session, the caller knows ours. */
static CK_RV notify_caller(CK_SESSION_HANDLE backend_handle,
			   CK_NOTIFICATION event, void *application)
{
	struct session *session = application;
	CK_SESSION_HANDLE handle = atomic_load(&session->handle);
	CK_RV rv = CKR_OK;

	if (session_get(handle, &session) != CKR_OK)
		return CKR_OK;
	if (session->backend_handle == backend_handle)
		rv = session->notify(handle, event, session->application);
	session_put(session);
	return rv;
}

/* Called with a lease. Read/write where the token allows it (R13). */
static CK_RV open_backend_session(struct session *session,
				  CK_SESSION_HANDLE *handle)
{
	struct slot *slot = session->seat->slot;
	CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
	CK_NOTIFY notify = session->notify ? notify_caller : NULL;
	CK_RV rv;

	rv = BACKEND(slot->backend, C_OpenSession, slot->backend_id, flags,
		     session, notify, handle);
	if (rv != CKR_TOKEN_WRITE_PROTECTED || session_writes(session))
		return rv;
	return BACKEND(slot->backend, C_OpenSession, slot->backend_id,
		       CKF_SERIAL_SESSION, session, notify, handle);
}

/* With the slot's lock held: from here on others can find it. */
static CK_RV publish(struct session *session, CK_SESSION_HANDLE handle,
		     const atomic_ulong *generation, unsigned long born)
{
	struct seat *seat = session->seat;

	if (atomic_load(generation) != born)
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (seat->abandoned)
		return CKR_DEVICE_REMOVED;
	if (!session_writes(session) &&
	    (atomic_load(&seat->login) == LOGIN_SO || seat->coming == LOGIN_SO))
		return CKR_SESSION_READ_WRITE_SO_EXISTS;

	session->ejects = atomic_load(&seat->ejects);
	session->next = seat->sessions;
	seat->sessions = session;
	seat->open++;
	seat->read_only += !session_writes(session);
	/* Its own: it may be closed before its opener is out. */
	seat->references++;
	users_hold();
	atomic_store(&session->handle, handle);
	return CKR_OK;
}

static CK_RV open_once(struct slot *slot, unsigned int caller,
		       const atomic_ulong *generation, unsigned long born,
		       CK_FLAGS flags, void *application, CK_NOTIFY notify,
		       CK_SESSION_HANDLE *handle);

/**
 * session_open() - C_OpenSession
 * @slot: where
 * @caller: its number
 * @generation: changes when the caller leaves
 * @born: what it was before the caller was seen to be initialized
 * @flags: as the caller gave them
 * @application: for @notify
 * @notify: may be NULL
 * @handle: out: ours
 *
 * With a users_get() of the caller's own; the session has another.
 */
CK_RV session_open(struct slot *slot, unsigned int caller,
		   const atomic_ulong *generation, unsigned long born,
		   CK_FLAGS flags, void *application, CK_NOTIFY notify,
		   CK_SESSION_HANDLE *handle)
{
	CK_RV rv = open_once(slot, caller, generation, born, flags,
			     application, notify, handle);

	/* The token that was there: now with the one that is. */
	if (rv == CKR_DEVICE_REMOVED)
		rv = open_once(slot, caller, generation, born, flags,
			       application, notify, handle);
	return rv;
}

static CK_RV open_once(struct slot *slot, unsigned int caller,
		       const atomic_ulong *generation, unsigned long born,
		       CK_FLAGS flags, void *application, CK_NOTIFY notify,
		       CK_SESSION_HANDLE *handle)
{
	CK_SESSION_HANDLE backend_handle = 0, fresh;
	struct session *session;
	struct lease lease;
	struct seat *seat;
	CK_RV rv;
	bool keeps = slot->backend->config->lease == LEASE_SESSION;

	pthread_mutex_lock(&slot->lock);
	rv = seat_get(slot, caller, &seat);
	pthread_mutex_unlock(&slot->lock);
	if (rv != CKR_OK)
		return rv;

	rv = CKR_HOST_MEMORY;
	session = session_alloc(&fresh);
	if (!session)
		goto out;
	session->seat = seat;
	session->flags = flags;
	session->application = application;
	session->notify = notify;
	atomic_store_explicit(&session->backend_handle, 0, memory_order_relaxed);
	atomic_store_explicit(&session->active, 0, memory_order_relaxed);
	atomic_store_explicit(&session->restored, 0, memory_order_relaxed);
	session->operating.on = false;
	session->open.on = false;
	session_need_no_login(session);

	rv = arbiter_rv(slot->arbiter->session_open(seat->party,
						    slot->backend->config->wait_ms,
						    &session->arbiter_id));
	if (rv != CKR_OK)
		goto err_session;
	rv = lease_take(seat, &lease);
	if (rv != CKR_OK)
		goto err_arbiter;
	rv = slot_check_token(seat, &lease);
	if (rv == CKR_OK)
		rv = open_backend_session(session, &backend_handle);
	if (rv != CKR_OK)
		goto err_lease;
	atomic_store(&session->backend_handle, backend_handle);

	pthread_mutex_lock(&slot->lock);
	rv = publish(session, fresh, generation, born);
	if (rv == CKR_OK) {
		*handle = fresh;
		if (keeps)
			lease_keep(seat, &lease, &session->open);
	}
	pthread_mutex_unlock(&slot->lock);
	if (rv == CKR_OK) {
		lease_give(seat, &lease);
		goto out;
	}

	BACKEND(slot->backend, C_CloseSession, backend_handle);
err_lease:
	lease_give(seat, &lease);
err_arbiter:
	slot->arbiter->session_close(seat->party, session->arbiter_id);
err_session:
	slot_hear(seat, rv, false);
	atomic_fetch_sub(&session->references, 1);
	session_free(session);
out:
	pthread_mutex_lock(&slot->lock);
	seat_put(seat);
	pthread_mutex_unlock(&slot->lock);
	return rv;
}

/* ---- close ------------------------------------------------------------------------- */

/*
 * A lease to close a caller's sessions with, before the slot is locked. Where
 * calls are shared it takes one only to log out. If there is none in time, it
 * goes without: a close never fails for want of it.
 */
static void lease_to_close(struct seat *seat, struct lease *lease)
{
	struct slot *slot = seat->slot;

	*lease = (struct lease){ 0 };
	if (atomic_load(&seat->gone))
		return;
	if (slot->backend->config->lease != LEASE_SHARED ||
	    atomic_load(&seat->login) != LOGIN_NONE ||
	    login_waits(slot))
		lease_take(seat, lease);
}

/*
 * Locks the slot, with its turn if the login goes with so many sessions that are
 * to be closed, or another one's is to be settled. Where a call hangs that has the
 * turn, it goes without it in the end.
 */
static bool lock_to_close(struct seat *seat, unsigned int sessions)
{
	struct slot *slot = seat->slot;
	bool wanted, turn = false;

	pthread_mutex_lock(&slot->lock);
	wanted = (seat->open <= sessions &&
		  atomic_load(&seat->login) != LOGIN_NONE) || login_waits(slot);
	if (wanted && !atomic_load(&seat->gone)) {
		pthread_mutex_unlock(&slot->lock);
		turn = backend_turn(slot->backend, &slot->turn) == CKR_OK;
		pthread_mutex_lock(&slot->lock);
	}
	return turn;
}

/* Without the lock: what was closed here ends in the backend. */
static void tell_backend(struct session *closed, const struct lease *lease,
			 bool turn, struct left *left)
{
	struct seat *seat = closed->seat;

	login_tell(seat, session_backend_handle(closed), lease, turn, left);
	if (turn)
		turn_give(&seat->slot->turn);
}

/*
 * With the slot's lock held. The seat's last one takes the login with it (R11:
 * by its own sessions only). The table's reference is left to be put, and @left
 * to be told.
 */
static CK_RV unpublish(struct session *session, struct left *left)
{
	CK_SESSION_HANDLE handle = atomic_exchange(&session->handle, 0);
	struct seat *seat = session->seat;
	struct session **at;

	if (!handle)
		return CKR_SESSION_HANDLE_INVALID;
	for (at = &seat->sessions; *at != session; at = &(*at)->next)
		;
	*at = session->next;
	seat->open--;
	seat->read_only -= !session_writes(session);
	objects_remove_owned(&seat->objects, session);
	if (!seat->open && !atomic_load(&seat->gone))
		login_end(seat, left);
	seat->slot->arbiter->session_close(seat->party, session->arbiter_id);
	atomic_fetch_or(&session->references, SESSION_DYING);
	return CKR_OK;
}

/* The caller has a reference of its own from session_get(); it is put. */
CK_RV session_close(struct session *session)
{
	struct seat *seat = session->seat;
	struct slot *slot = seat->slot;
	struct left left = { 0 };
	struct lease lease;
	bool outlives, turn;
	CK_RV rv;

	lease_to_close(seat, &lease);
	outlives = lease_has(&lease);
	turn = lock_to_close(seat, 1);
	seat->references += outlives;
	rv = unpublish(session, &left);
	pthread_mutex_unlock(&slot->lock);
	tell_backend(session, &lease, turn, &left);
	if (rv == CKR_OK)
		session_put_with(session, &lease);
	session_put_with(session, &lease);

	/* The seat may have had no other session. */
	if (outlives) {
		lease_give(seat, &lease);
		pthread_mutex_lock(&slot->lock);
		seat_put(seat);
		pthread_mutex_unlock(&slot->lock);
	}
	return rv;
}

/* With the slot's lock held: all that a seat has, as a list to be put. */
static struct session *unpublish_all(struct seat *seat, struct left *left)
{
	struct session *closed = NULL;
	struct session *session;

	while ((session = seat->sessions)) {
		unpublish(session, left);
		session->next = closed;
		closed = session;
	}
	return closed;
}

/* Return: one where this caller has something to close, or just sits. */
static struct seat *seat_of(struct slot *slot, unsigned int caller, bool sits)
{
	struct seat *seat;

	for (seat = slot->seats; seat; seat = seat->next)
		if (seat->caller == caller &&
		    (seat->sessions || (sits && !seat->abandoned)))
			break;
	return seat;
}

/**
 * session_close_all() - close a caller's sessions on a slot, nobody else's
 * @slot: where
 * @caller: its number
 * @leave: the caller leaves the slot as well
 */
void session_close_all(struct slot *slot, unsigned int caller, bool leave)
{
	struct session *closed, *session;
	struct lease lease;
	struct seat *seat;
	bool turn;

	/* One for each token that was there while it had sessions. */
	for (;;) {
		struct left left = { 0 };

		pthread_mutex_lock(&slot->lock);
		seat = seat_of(slot, caller, leave);
		if (seat)
			seat->references++;
		pthread_mutex_unlock(&slot->lock);
		if (!seat)
			return;

		lease_to_close(seat, &lease);
		turn = lock_to_close(seat, UINT_MAX);
		closed = unpublish_all(seat, &left);
		if (leave && !seat->abandoned)
			seat_abandon(seat);
		pthread_mutex_unlock(&slot->lock);
		if (closed)
			tell_backend(closed, &lease, turn, &left);
		else if (turn)
			turn_give(&slot->turn);
		while ((session = closed)) {
			closed = session->next;
			session_put_with(session, &lease);
		}
		lease_give(seat, &lease);

		pthread_mutex_lock(&slot->lock);
		seat_put(seat);
		pthread_mutex_unlock(&slot->lock);
	}
}

/* ---- the rest ------------------------------------------------------------------------ */

#define EVERY_OPERATION							\
	(CKF_FIND_OBJECTS | CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST |	\
	 CKF_SIGN | CKF_SIGN_RECOVER | CKF_VERIFY | CKF_VERIFY_RECOVER | \
	 CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MESSAGE_SIGN |	\
	 CKF_MESSAGE_VERIFY)

/* Nobody but this call is in it; who comes later finds what is there by then. */
static bool is_alone(const struct session *session)
{
	unsigned int references = atomic_load(&session->references);

	/* Until it is closed, that is one. */
	return references == 2 || references == (SESSION_DYING | 1);
}

/**
 * session_renew() - end whatever is going on in a session
 * @session: in a call, with a lease
 *
 * With a backend of 2.40, the only way to end an operation that the caller may
 * not go on with is to put another backend session under the same handle. The
 * old one stays, unused, for as long as objects would go with it, or another call
 * may be in it.
 */
CK_RV session_renew(struct session *session)
{
	struct seat *seat = session->seat;
	CK_SESSION_HANDLE fresh, old;
	struct spare *spare;
	CK_RV rv;

	old = atomic_load(&session->backend_handle);
	if (BACKEND(seat->slot->backend, C_SessionCancel, old,
		    EVERY_OPERATION) == CKR_OK)
		return CKR_OK;
	spare = malloc(sizeof(*spare));
	if (!spare)
		return CKR_HOST_MEMORY;
	rv = open_backend_session(session, &fresh);
	if (rv != CKR_OK) {
		free(spare);
		return rv;
	}
	spare->handle = atomic_exchange(&session->backend_handle, fresh);
	add_spare(session, spare);
	if (is_alone(session))
		close_spares(session, false);
	return CKR_OK;
}

/* None of its operations does any more. */
void session_need_no_login(struct session *session)
{
	int i;

	if (!atomic_load(&session->needs))
		return;
	for (i = 0; i < OPERATIONS; i++)
		atomic_store(&session->needs_login[i], 0);
	atomic_store(&session->needs, 0);
}

/* In the child, which has one thread: the parent's are not sessions here. */
void session_forked(void)
{
	size_t i, j;

	pthread_mutex_init(&table.lock, NULL);
	table.free = NULL;
	table.last_free = &table.free;
	table.randoms_left = 0;
	for (i = 0; i < table.chunk_count; i++) {
		struct session *chunk = atomic_load(&session_chunks[i]);

		for (j = 0; j < SESSION_CHUNK; j++) {
			atomic_store(&chunk[j].handle, 0);
			atomic_store(&chunk[j].references, 0);
			forget_spares(&chunk[j]);
			add_free(&chunk[j]);
		}
	}
}
