// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * slots: the functions about slots, and the tokens in them
 */
#include "mine.h"
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "mechanism.h"
#include "module.h"
#include "token.h"
#include "tokmux-pkcs11.h"
#include "users.h"

CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *count)
{
	struct log_call log;
	CK_RV rv;

	log_call_begin(&log, __func__);
	rv = users_get();
	if (rv == CKR_OK) {
		rv = count ? CANCEL_UNDOES(users_cancelled, NULL,
					   module_find_slots(present, list,
							     count)) :
			     CKR_ARGUMENTS_BAD;
		users_put();
	}
	return log_call_end(&log, NOBODY, 0, rv);
}

/* The reader may have no token in it, so no lease is taken. */
CK_RV C_GetSlotInfo(CK_SLOT_ID id, CK_SLOT_INFO *info)
{
	struct log_call log;
	struct slot *slot;
	CK_RV rv;

	log_call_begin(&log, __func__);
	rv = users_get();
	if (rv == CKR_OK) {
		slot = module_slot(id);
		rv = slot ? CANCEL_UNDOES(users_cancelled, NULL,
					  BACKEND(slot->backend, C_GetSlotInfo,
						  slot->backend_id, info)) :
			    CKR_SLOT_ID_INVALID;
		users_put();
	}
	return log_call_end(&log, NOBODY, 0, rv);
}

static CK_RV copy_name(struct slot *slot, char *name, CK_ULONG size)
{
	CK_RV rv = CKR_TOKEN_NOT_PRESENT;

	pthread_mutex_lock(&slot->lock);
	if (slot->token && strlen(slot->token->name) >= size)
		rv = CKR_BUFFER_TOO_SMALL;
	else if (slot->token)
		rv = CKR_OK;
	if (rv == CKR_OK)
		strcpy(name, slot->token->name);
	pthread_mutex_unlock(&slot->lock);
	return rv;
}

CK_RV tokmux_pkcs11_token_name(CK_SLOT_ID id, char *name, CK_ULONG size)
{
	struct slot *slot;
	CK_RV rv;

	if (!name)
		return CKR_ARGUMENTS_BAD;
	rv = users_get();
	if (rv != CKR_OK)
		return rv;
	slot = module_slot(id);
	rv = slot ? slot_find_token(slot) : CKR_SLOT_ID_INVALID;
	if (rv == CKR_OK)
		rv = copy_name(slot, name, size);
	users_put();
	return rv;
}

/* How many sessions the caller has, of those that the backend counts (R11). */
static void count_own(struct slot *slot, unsigned int caller,
		      CK_TOKEN_INFO *info)
{
	CK_ULONG sessions = 0, writing = 0;
	const struct seat *seat;

	if (caller == NOBODY)
		return;
	pthread_mutex_lock(&slot->lock);
	for (seat = seat_first(slot, caller); seat; seat = seat->older) {
		if (atomic_load(&seat->gone))
			continue;
		sessions += seat->open;
		writing += seat->open - seat->read_only;
	}
	pthread_mutex_unlock(&slot->lock);
	info->ulSessionCount = sessions;
	info->ulRwSessionCount = writing;
}

/* This is often the first call that finds another token in the slot. */
CK_RV own_C_GetTokenInfo(unsigned int caller, CK_SLOT_ID id,
			 CK_TOKEN_INFO *info)
{
	struct call call;
	CK_RV rv = call_begin_slot_as(&call, id, "C_GetTokenInfo");

	if (rv != CKR_OK)
		return rv;
	rv = CALL(&call, C_GetTokenInfo, info);
	if (rv == CKR_OK && token_is_another(call.seat, info))
		token_hear(call.seat, CKR_DEVICE_REMOVED);
	if (rv == CKR_OK)
		count_own(call.seat->slot, caller, info);
	return call_end_slot(&call, rv);
}

/* ---- mechanisms ------------------------------------------------------------------ */

/* No backend has as many, unless it returns nonsense. */
#define MANY_MECHANISMS	65536

/* All but those that are refused anyway. */
static CK_RV list_mechanisms(struct call *call, CK_MECHANISM_TYPE *list,
			     CK_ULONG *count)
{
	CK_ULONG room = list ? *count : 0, all_room, all_count, kept = 0, i;
	CK_MECHANISM_TYPE *all;
	CK_RV rv;

	rv = CALL(call, C_GetMechanismList, NULL, &all_count);
	if (rv != CKR_OK)
		return rv;
	all_room = all_count;
	if (all_room > MANY_MECHANISMS)
		return CKR_GENERAL_ERROR;
	all = calloc(all_room + 1, sizeof(*all));
	if (!all)
		return CKR_HOST_MEMORY;
	rv = CANCEL_UNDOES(free, all,
			   CALL(call, C_GetMechanismList, all, &all_count));
	if (rv == CKR_OK && all_count > all_room)
		rv = CKR_GENERAL_ERROR;
	for (i = 0; rv == CKR_OK && i < all_count; i++) {
		if (mechanism_is_refused(all[i]))
			continue;
		if (list && kept < room)
			list[kept] = all[i];
		kept++;
	}
	free(all);
	if (rv != CKR_OK)
		return rv;
	*count = kept;
	return list && kept > room ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list,
			 CK_ULONG *count)
{
	struct call call;
	CK_RV rv = call_begin_slot(&call, slot);

	if (rv != CKR_OK)
		return rv;
	return call_end_slot(&call, count ? list_mechanisms(&call, list, count) :
					    CKR_ARGUMENTS_BAD);
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type,
			 CK_MECHANISM_INFO *info)
{
	struct call call;
	CK_RV rv = call_begin_slot(&call, slot);

	if (rv != CKR_OK)
		return rv;
	return call_end_slot(&call, mechanism_is_refused(type) ?
				    CKR_MECHANISM_INVALID :
				    CALL(&call, C_GetMechanismInfo, type, info));
}
