/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LOGIN_H
#define TOKMUX_LOGIN_H

#include "p11.h"
#include "lease.h"

/* What a caller logs in with; nothing of it is kept. */
struct credentials {
	unsigned char *pin;		/* NULL: the reader has keys of its own */
	CK_ULONG length;
	unsigned char *name;		/* of C_LoginUser, else NULL */
	CK_ULONG name_length;
};

CK_RV login_backend(struct backend *backend, CK_SESSION_HANDLE session,
		    CK_USER_TYPE type, const struct credentials *given);

/* A login has ended here, and the backend is yet to be told of it. */
struct left {
	bool ended;
	unsigned long era;		/* of the slot, when it did */
	struct object *objects;		/* session objects that go with it */
};

/* before the lease: is it refused, whatever the PIN is? */
CK_RV login_check(struct seat *seat, enum login login);

/*
 * With the slot's turn, and @lease taken before that, see locked_session.h.
 * @session is any open one of the backend's. Without a lease (lease_has()) the
 * backend is told at the next occasion.
 */
CK_RV login_enter(struct seat *seat, CK_SESSION_HANDLE session,
		  const struct lease *lease, enum login login,
		  const struct credentials *given, int64_t *until_ms);
CK_RV login_settle(struct seat *seat, CK_SESSION_HANDLE session,
		   const struct lease *lease);
void login_share(struct seat *seat);
void login_pin_changes(struct seat *seat);
void login_pin_changed(struct seat *seat, CK_RV rv, unsigned char *pin,
		       CK_ULONG length);

/*
 * Out: login_end() with the slot's lock, then login_tell() without. Both with the
 * slot's turn, unless it is not to be had (@turn).
 */

/* Is the backend logged in while no caller is? It is yet to be logged out. */
static inline bool login_waits(const struct slot *slot)
{
	return atomic_load(&slot->login) != LOGIN_NONE &&
	       !atomic_load(&slot->logins);
}

void login_end(struct seat *seat, struct left *left);
CK_RV login_leave(struct seat *seat, CK_SESSION_HANDLE session,
		  const struct lease *lease, bool turn);
void login_tell(struct seat *seat, CK_SESSION_HANDLE session,
		const struct lease *lease, bool turn, struct left *left);
void login_exit(struct slot *slot, int64_t until_ms);

#endif /* TOKMUX_LOGIN_H */
