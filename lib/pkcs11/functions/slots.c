// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * slots: the functions about slots, and the tokens in them
 */
#include "call.h"
#include "module.h"
#include "token.h"
#include "users.h"

CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *count)
{
	struct log_call log;
	CK_RV rv;

	log_call_begin(&log, __func__);
	rv = users_get();
	if (rv == CKR_OK) {
		rv = count ? module_find_slots(present, list, count) :
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
		rv = slot ? BACKEND(slot->backend, C_GetSlotInfo,
				    slot->backend_id, info) :
			    CKR_SLOT_ID_INVALID;
		users_put();
	}
	return log_call_end(&log, NOBODY, 0, rv);
}

/* This is often the first call that finds another token in the slot. */
CK_RV C_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO *info)
{
	struct call call;
	CK_RV rv = call_begin_slot(&call, id);

	if (rv != CKR_OK)
		return rv;
	rv = CALL(&call, C_GetTokenInfo, info);
	if (rv == CKR_OK && token_is_another(call.seat, info))
		token_hear(call.seat, CKR_DEVICE_REMOVED);
	return call_end_slot(&call, rv);
}
