// SPDX-License-Identifier: LGPL-2.1-or-later
/* NSS as together.c uses it: one slot, one private key. */
#include <stdio.h>
#include <cryptohi.h>
#include <keyhi.h>
#include <nss.h>
#include <pk11pub.h>
#include <secmod.h>
#include "together.h"

static PK11SlotInfo *slot;
static SECKEYPrivateKey *key;

static char *show_pin(PK11SlotInfo *of, PRBool retry, void *pin)
{
	return retry || !pin ? NULL : PORT_Strdup(pin);
}

bool nss_begin(const char *library, const char *token)
{
	SECMODModule *module;
	char spec[256];

	if (NSS_NoDB_Init(NULL) != SECSuccess)
		return false;
	PK11_SetPasswordFunc(show_pin);
	snprintf(spec, sizeof(spec), "library=%s name=tokmux", library);
	module = SECMOD_LoadUserModule(spec, NULL, PR_FALSE);
	if (!module || !module->loaded)
		return false;
	slot = PK11_FindSlotByName(token);
	SECMOD_DestroyModule(module);
	return slot;
}

bool nss_login(const char *pin)
{
	SECKEYPrivateKeyList *keys;

	if (key)
		SECKEY_DestroyPrivateKey(key);
	key = NULL;
	if (PK11_Authenticate(slot, PR_TRUE, (void *)pin) != SECSuccess)
		return false;
	keys = PK11_ListPrivKeysInSlot(slot, NULL, (void *)pin);
	if (!keys)
		return false;
	if (!PR_CLIST_IS_EMPTY(&keys->list))
		key = SECKEY_CopyPrivateKey(PRIVKEY_LIST_HEAD(keys)->key);
	SECKEY_DestroyPrivateKeyList(keys);
	return key;
}

bool nss_sign(void)
{
	unsigned char data[] = "data";
	SECItem signature = { 0 };
	bool good;

	good = SEC_SignData(&signature, data, sizeof(data), key,
			    SEC_OID_ANSIX962_ECDSA_SHA256_SIGNATURE) == SECSuccess;
	SECITEM_FreeItem(&signature, PR_FALSE);
	return good;
}

void nss_logout(void)
{
	PK11_Logout(slot);
}

bool nss_end(void)
{
	SECKEY_DestroyPrivateKey(key);
	PK11_FreeSlot(slot);
	return NSS_Shutdown() == SECSuccess;
}
