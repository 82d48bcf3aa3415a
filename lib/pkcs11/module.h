/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_MODULE_H
#define TOKMUX_MODULE_H

#include "config.h"
#include "p11.h"
#include "slot.h"

struct module;

CK_RV module_load(struct module **loaded);
void module_unload(void *module);

/* by one thread at a time, see gate.c */
CK_RV module_start(struct module *module, CK_FLAGS flags);
void module_stop(void);
void module_name_hung(void);
int module_patience_ms(void);
void module_forked(void);
const struct config *module_config(void);
CK_RV module_info(const CK_VERSION *version, CK_INFO *info);

/* between users_get() and users_put() */
struct slot *module_slot(CK_SLOT_ID id);
struct slot *module_next_slot(const struct slot *slot);
CK_RV module_recover(struct slot *slot, CK_RV rv);
CK_RV module_find_slots(bool present, CK_SLOT_ID *list, CK_ULONG *count);
struct slot *module_slot_of(struct backend *backend, CK_SLOT_ID backend_id);
struct backend *module_backend(size_t number);

#endif /* TOKMUX_MODULE_H */
