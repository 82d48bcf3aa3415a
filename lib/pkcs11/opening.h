/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_OPENING_H
#define TOKMUX_OPENING_H

#include "session.h"

CK_RV session_open(struct slot *slot, unsigned int caller,
		   const atomic_ulong *generation, unsigned long born,
		   CK_FLAGS flags, void *application, CK_NOTIFY notify,
		   CK_SESSION_HANDLE *handle);
CK_RV session_close(struct session *session);
void session_close_all(struct slot *slot, unsigned int caller, bool leave);

#endif /* TOKMUX_OPENING_H */
