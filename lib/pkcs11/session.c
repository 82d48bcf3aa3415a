// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * session: a caller's session, under a handle of ours (R11)
 *
 * A handle belongs to the caller that opened it. Most functions are told the session
 * only, and act for its owner. So handles carry a serial number that begins at random,
 * and are not used again soon: no caller comes upon another's handle by counting, nor
 * upon an old one of its own. Finding a session takes no lock. A close lets the calls that
 * are in the session finish: the last one to return closes the backend's session.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cancel.h"
#include "log.h"
#include "session.h"
#include "users.h"

/* ---- the table --------------------------------------------------------------- */

#define SERIAL_MOST	((1u << SESSION_SERIAL_BITS) - 1)
#define FREE_LEAST	(SESSION_CHUNK / 2)

_Atomic(struct session *) session_chunks[SESSION_CHUNKS];

static struct {
	pthread_mutex_t lock;
	atomic_size_t chunk_count;	/* those before it are there */
	struct session *free;
	struct session **last_free;	/* first in, first out */
	unsigned int free_count;
} table = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.last_free = &table.free,
};

static void add_free(struct session *session)
{
	session->next_free = NULL;
	*table.last_free = session;
	table.last_free = &session->next_free;
	table.free_count++;
}

/* The chunk first, then the count: another thread may fork in between. */
static bool add_chunk(void)
{
	size_t n = atomic_load(&table.chunk_count);
	uint16_t serials[SESSION_CHUNK] = { 0 };
	struct session *chunk;
	unsigned int i;
	int cancel;

	if (n == SESSION_CHUNKS)
		return false;
	cancel = cancel_off();	/* with the lock */
	if (getrandom(serials, sizeof(serials), GRND_NONBLOCK) < 0)
		log_info("no random bits for session handles");
	cancel_on(cancel);
	chunk = calloc(SESSION_CHUNK, sizeof(*chunk));
	if (!chunk)
		return false;
	for (i = 0; i < SESSION_CHUNK; i++) {
		chunk[i].index = (unsigned int)n * SESSION_CHUNK + i;
		chunk[i].serial = serials[i] & SERIAL_MOST;
		add_free(&chunk[i]);
	}
	atomic_store_explicit(&session_chunks[n], chunk, memory_order_release);
	atomic_store(&table.chunk_count, n + 1);
	return true;
}

/* @handle: out: what it will be called once it is published */
struct session *session_alloc(CK_SESSION_HANDLE *handle)
{
	struct session *session;

	pthread_mutex_lock(&table.lock);
	/* Others stay free, so that no handle is used again soon. */
	if (table.free_count <= FREE_LEAST)
		add_chunk();
	session = table.free;
	if (session) {
		table.free = session->next_free;
		if (!table.free)
			table.last_free = &table.free;
		table.free_count--;
		/* Never 0, and used again once it has gone round. */
		session->serial = session->serial % SERIAL_MOST + 1;
	}
	pthread_mutex_unlock(&table.lock);
	if (!session)
		return NULL;
	atomic_fetch_add(&session->references, 1);
	*handle = (CK_SESSION_HANDLE)session->serial << SESSION_INDEX_BITS |
		  session->index;
	return session;
}

void session_free(struct session *session)
{
	pthread_mutex_lock(&table.lock);
	add_free(session);
	pthread_mutex_unlock(&table.lock);
}

/* ---- the backend's sessions that came before ------------------------------------ */

/* Those that have no objects left, or all of them. */
static void close_older(struct session *session, bool all)
{
	struct seat *seat = session->seat;
	struct made *older, *next;

	if (!atomic_load(&session->made.used))
		return;
	older = known_take_older(&seat->known, &session->made, all);
	for (; older; older = next) {
		next = older->older;
		BACKEND(seat->slot->backend, C_CloseSession,
			atomic_load(&older->session));
		free(older);
	}
}

/* Those of one that is gone with its token, or can't be closed. */
static void forget_older(struct session *session)
{
	struct made *older;

	while ((older = session->made.older)) {
		session->made.older = older->older;
		free(older);
	}
}

/* ---- references ----------------------------------------------------------------- */

struct closing {
	struct session *session;
	struct lease own;		/* taken for this, or not */
};

/* A thread that is cancelled closes it first: no other one would. */
static __attribute__((noinline)) struct lease *take_own(struct closing *closing)
{
	int cancel = cancel_off();

	lease_take(closing->session->seat, &closing->own);
	cancel_on(cancel);
	return &closing->own;
}

/* It is closed in the backend. */
static void forget(void *of)
{
	struct closing *closing = of;
	struct session *session = closing->session;
	struct seat *seat = session->seat;

	known_forget_made(&seat->known, &session->made);
	forget_older(session);
	if (seat->lease != LEASE_SHARED) {
		/* No other thread uses it any more, so looking takes no lock. */
		if (session->operating.on)
			lease_unkeep(seat, &session->operating);
		if (session->open.on)
			lease_unkeep(seat, &session->open);
		lease_give(seat, &closing->own);
	}
	seat_put(seat);
	session_free(session);
	users_put();
}

/*
 * The backend said that the token was gone, and may have taken the session with it: then
 * its handle may come to mean another one. If it was for a moment only, the session is
 * still open there. Until the token in the slot is opened anew no session of any caller
 * can have the same handle.
 */
static __attribute__((noinline)) void close_without_token(struct closing *closing)
{
	struct session *session = closing->session;
	struct slot *slot = session->seat->slot;
	int cancel = cancel_off();
	bool token;

	take_own(closing);
	if (lease_has(&closing->own) &&
	    backend_turn(slot->backend, &slot->turn) == CKR_OK) {
		pthread_mutex_lock(&slot->lock);
		token = slot->token;
		pthread_mutex_unlock(&slot->lock);
		if (!token)
			BACKEND(slot->backend, C_CloseSession,
				session_backend_handle(session));
		turn_give(&slot->turn);
	}
	lease_give(session->seat, &closing->own);
	cancel_on(cancel);
}

/*
 * The last reference is gone. @lease: that the thread has, or couldn't get; NULL
 * if it hasn't tried.
 */
static void session_destroy(struct session *session, struct lease *lease)
{
	struct seat *seat = session->seat;
	struct slot *slot = seat->slot;
	CK_SESSION_HANDLE backend_handle = session_backend_handle(session);
	bool talks = seat->lease != LEASE_SHARED;
	struct closing closing = { .session = session };

	if (atomic_load(&seat->gone)) {
		close_without_token(&closing);
		forget(&closing);
		return;
	}
	if (talks && !lease)
		lease = take_own(&closing);
	if (!talks || lease_has(lease)) {
		close_older(session, true);
		CANCEL_UNDOES(forget, &closing,
			      BACKEND(slot->backend, C_CloseSession,
				      backend_handle));
	} else {
		log_error("slot %lu: a session of backend %s stays open until it is finalized: no lease",
			  slot->id, slot->backend->config->name);
	}
	forget(&closing);
}

/* Another thread may have tried the session meanwhile: one of the two clears it. */
void session_last_out(struct session *session, struct lease *lease)
{
	unsigned int left = SESSION_DYING;

	if (atomic_compare_exchange_strong(&session->references, &left, 0))
		session_destroy(session, lease);
}

/* See CANCEL_UNDOES(). */
void session_cancelled(void *session)
{
	session_put(session);
}

/* No session has that handle. */
CK_RV session_missing(void)
{
	CK_RV rv = users_get();

	if (rv != CKR_OK)
		return rv;
	users_put();
	return CKR_SESSION_HANDLE_INVALID;
}

/* ---- in the backend ---------------------------------------------------------------- */

/* The backend speaks of its session, the caller knows ours. */
static CK_RV notify_caller(CK_SESSION_HANDLE backend_handle,
			   CK_NOTIFICATION event, void *application)
{
	struct session *session = application;
	CK_SESSION_HANDLE handle = atomic_load(&session->handle);
	CK_RV rv = CKR_OK;

	if (session_get(handle, &session) != CKR_OK)
		return CKR_OK;
	if (session_backend_handle(session) == backend_handle)
		rv = CANCEL_UNDOES(session_cancelled, session,
				   session->notify(handle, event,
						   session->application));
	session_put(session);
	return rv;
}

/* With a lease. Read/write where the token allows it (R13). */
CK_RV session_open_backend(struct session *session, CK_SESSION_HANDLE *handle)
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

#define EVERY_OPERATION							\
	(CKF_FIND_OBJECTS | CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST |	\
	 CKF_SIGN | CKF_SIGN_RECOVER | CKF_VERIFY | CKF_VERIFY_RECOVER | \
	 CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MESSAGE_SIGN |	\
	 CKF_MESSAGE_VERIFY)

/* Is this call the only one in it? A later one finds the new backend session. */
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
	CK_SESSION_HANDLE fresh;
	struct made *old;
	CK_RV rv;

	if (BACKEND(seat->slot->backend, C_SessionCancel,
		    session_backend_handle(session), EVERY_OPERATION) == CKR_OK)
		return CKR_OK;
	old = malloc(sizeof(*old));
	if (!old)
		return CKR_HOST_MEMORY;
	rv = session_open_backend(session, &fresh);
	if (rv != CKR_OK) {
		free(old);
		return rv;
	}
	known_renew(&seat->known, &session->made, old, fresh);
	if (is_alone(session))
		close_older(session, false);
	return CKR_OK;
}

/* None of its operations needs a login any more. */
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
	table.free_count = 0;
	for (i = 0; i < table.chunk_count; i++) {
		struct session *chunk = atomic_load(&session_chunks[i]);

		for (j = 0; j < SESSION_CHUNK; j++) {
			atomic_store(&chunk[j].handle, 0);
			atomic_store(&chunk[j].references, 0);
			forget_older(&chunk[j]);
			add_free(&chunk[j]);
		}
	}
}
