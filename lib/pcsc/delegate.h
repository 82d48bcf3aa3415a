/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcsc-lite's own library, for the readers that tokmux doesn't have.
 */
#ifndef TOKMUX_PCSC_DELEGATE_H
#define TOKMUX_PCSC_DELEGATE_H

#include <stddef.h>
#include <stdint.h>
#include "winscard.h"

/* Its functions, by their names without "SCard". */
#define DELEGATE_FUNCTIONS(X)						\
	X(EstablishContext) X(ReleaseContext) X(ListReaders)		\
	X(FreeMemory) X(GetStatusChange) X(Connect) X(Reconnect)	\
	X(Disconnect) X(BeginTransaction) X(EndTransaction) X(Status)	\
	X(Transmit) X(Control) X(GetAttrib) X(SetAttrib)

struct delegate {
#define DELEGATE_FIELD(name) __typeof__(&SCard##name) name;
	DELEGATE_FUNCTIONS(DELEGATE_FIELD)
#undef DELEGATE_FIELD
};

/* NULL without that library. The same each time. */
const struct delegate *delegate(void);

/* A context of that library if pcscd is there, else 0. */
SCARDCONTEXT delegate_establish(DWORD scope);
/*
 * A multi-string of pcscd's readers, for free(), and its size without the last
 * NUL; NULL and 0 if there are none.
 */
char *delegate_readers(SCARDCONTEXT other, size_t *len);

#endif /* TOKMUX_PCSC_DELEGATE_H */
