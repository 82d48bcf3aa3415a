// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * events: C_WaitForSlotEvent
 *
 * A thread that waits in a backend could be woken by that backend's C_Finalize
 * only, which is not for one caller to call; and no thread can wait in several
 * backends. So backends are asked from time to time, and the threads that wait
 * here are woken when one of them has found an event.
 */
#include <pthread.h>

#include "events.h"
#include "module.h"
#include "now.h"
#include "token.h"
#include "users.h"

#define ASK_MS	200

/* Where threads wait. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
} waiting = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

/* In the child, which has one thread. */
void events_forked(void)
{
	pthread_mutex_init(&waiting.lock, NULL);
	pthread_cond_init(&waiting.changed, NULL);
}

/* How many events there were, and how many of them a caller knows. */
static atomic_ulong noted;
static atomic_ulong seen[MAX_CALLERS];

/* ---- asking ------------------------------------------------------------------- */

/* Each caller is told of an event once. Return: false if there is none for it. */
static bool take_event(unsigned int caller, CK_SLOT_ID *id)
{
	unsigned char bit = (unsigned char)(1 << caller % 8);
	unsigned long now = atomic_load(&noted);
	struct slot *slot = NULL;

	if (atomic_load(&seen[caller]) == now)
		return false;
	while ((slot = module_next_slot(slot))) {
		if (atomic_fetch_and(&slot->events[caller / 8],
				     (unsigned char)~bit) & bit) {
			*id = slot->id;
			return true;
		}
	}
	atomic_store(&seen[caller], now);
	return false;
}

/* Something has happened there, and no caller has been told of it yet. */
static void note_event(struct slot *slot)
{
	size_t i;

	for (i = 0; i < sizeof(slot->events); i++)
		atomic_store(&slot->events[i], 0xff);
	atomic_store(&slot->suspect, true);
	atomic_fetch_add(&noted, 1);
}

static CK_RV ask_in_turn(struct backend *backend, CK_SLOT_ID *id)
{
	CK_ULONG count;

	/*
	 * A backend may look for new readers only when it is asked how many slots
	 * there are, as OpenSC does. If another thread is just asking, that will do.
	 */
	if (turn_take(&backend->listing, 0)) {
		CANCEL_UNDOES(turn_cancelled, &backend->listing,
			      BACKEND(backend, C_GetSlotList, CK_FALSE, NULL,
				      &count));
		turn_give(&backend->listing);
	}
	return BACKEND(backend, C_WaitForSlotEvent, CKF_DONT_BLOCK, id, NULL);
}

/*
 * Asks a backend, unless another thread does just now: one finds the event for all
 * callers, as a backend tells it once.
 *
 * Return: CKR_OK if there was an event, CKR_NO_EVENT, or the backend's error.
 */
static CK_RV ask(struct backend *backend)
{
	struct slot *slot;
	CK_SLOT_ID id;
	CK_RV rv;

	if (!turn_take(&backend->events, 0))
		return CKR_NO_EVENT;
	rv = CANCEL_UNDOES(turn_cancelled, &backend->events,
			   ask_in_turn(backend, &id));
	turn_give(&backend->events);
	if (rv != CKR_OK)
		return rv;
	slot = module_slot_of(backend, id);
	if (!slot)
		return CKR_HOST_MEMORY;
	note_event(slot);
	token_look_after(slot);
	return CKR_OK;
}

/*
 * Asks all backends. Return: false if none of them would ever tell an event.
 */
static bool ask_all(void)
{
	struct backend *backend;
	bool told = false;
	size_t i;

	for (i = 0; (backend = module_backend(i)); i++)
		told |= ask(backend) != CKR_FUNCTION_NOT_SUPPORTED;
	return told;
}

/* ---- waiting ------------------------------------------------------------------ */

/* An event was found, or a caller leaves. */
void events_wake(void)
{
	pthread_mutex_lock(&waiting.lock);
	pthread_cond_broadcast(&waiting.changed);
	pthread_mutex_unlock(&waiting.lock);
}

/* Return: false if the caller has left. */
static bool wait_a_while(const atomic_ulong *generation, unsigned long born)
{
	bool stays;

	pthread_mutex_lock(&waiting.lock);
	stays = atomic_load(generation) == born;
	if (stays)
		turn_wait(&waiting.changed, &waiting.lock, now_ms() + ASK_MS);
	pthread_mutex_unlock(&waiting.lock);
	return stays && atomic_load(generation) == born;
}

/**
 * events_wait() - C_WaitForSlotEvent
 * @caller: its number
 * @generation: changes when the caller leaves
 * @born: @generation before the caller was seen to be initialized
 * @flags: CKF_DONT_BLOCK or 0
 * @id: out: the slot of an event that this caller hasn't been told of
 */
CK_RV events_wait(unsigned int caller, const atomic_ulong *generation,
		  unsigned long born, CK_FLAGS flags, CK_SLOT_ID *id)
{
	bool told, found;
	CK_RV rv;

	do {
		rv = users_get();
		if (rv != CKR_OK)
			return rv;
		told = CANCEL_UNDOES(users_cancelled, NULL, ask_all());
		found = take_event(caller, id);
		users_put();
		if (found) {
			events_wake();
			return CKR_OK;
		}
		if (flags & CKF_DONT_BLOCK)
			return CKR_NO_EVENT;
		if (!told)
			return CKR_FUNCTION_NOT_SUPPORTED;
	} while (wait_a_while(generation, born));
	return CKR_CRYPTOKI_NOT_INITIALIZED;
}
