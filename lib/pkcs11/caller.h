/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_CALLER_H
#define TOKMUX_CALLER_H

#include "p11.h"

/* A caller is known by its number, below MAX_CALLERS. */
CK_RV caller_of(const void *address, void (*come)(unsigned int number),
		unsigned int *number);
CK_RV caller_new(void (*come)(unsigned int number), unsigned int *number);
CK_RV caller_free(unsigned int number);
void caller_module_opened(void);
void caller_module_closed(void);

CK_RV caller_initialize(unsigned int number, CK_VOID_PTR args);
CK_RV caller_finalize(unsigned int number, CK_VOID_PTR reserved);
CK_RV caller_open_session(unsigned int number, CK_SLOT_ID id, CK_FLAGS flags,
			  CK_VOID_PTR application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE_PTR handle);
CK_RV caller_close_all_sessions(unsigned int number, CK_SLOT_ID id);
CK_RV caller_init_token(unsigned int number, CK_SLOT_ID id,
			CK_UTF8CHAR_PTR pin, CK_ULONG length,
			CK_UTF8CHAR_PTR label);
CK_RV caller_wait_for_slot_event(unsigned int number, CK_FLAGS flags,
				 CK_SLOT_ID_PTR id, CK_VOID_PTR reserved);

#endif /* TOKMUX_CALLER_H */
