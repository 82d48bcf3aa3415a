/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core: what front/front.c calls
 *
 * Two files are installed. tokmux-pkcs11.so is the front: programs load it, call it by
 * name, and unload it. libtokmux-pkcs11-VERSION.so is the core, all the rest, and stays
 * in the process: threads may still be in it, it handles signals, and it is told of
 * forks. The core's name has the version in it, so a front gets the core that it was
 * built with, also while an older one is in the process.
 */
#ifndef TOKMUX_CORE_H
#define TOKMUX_CORE_H

#include "functions/arguments.h"
#include "p11.h"

struct core {
	/* The functions that are found by name. OWN are told who calls: an address. */
#define F(version, function, ...)	CK_##function function;
#define OWN(version, function, first, more, action)			\
	CK_RV (*function)(const void *address, P_##first P_##more);
#include "functions/functions.def"

	/* of tokmux-pkcs11.h */
	CK_RV (*new_caller)(CK_FUNCTION_LIST **list);
	CK_RV (*free_caller)(CK_FUNCTION_LIST *list);
	CK_RV (*caller_interface)(CK_FUNCTION_LIST *list,
				  const CK_UTF8CHAR *name,
				  const CK_VERSION *version, void *interface,
				  CK_FLAGS flags);
	CK_RV (*token_name)(CK_SLOT_ID slot, char *name, CK_ULONG size);

	/* A front is loaded, or unloaded. There are two where the file was copied. */
	void (*opened)(void);
	void (*closed)(void);
};

/* The only symbol of the core's that others see. */
extern const struct core tokmux_pkcs11_core;

#endif /* TOKMUX_CORE_H */
