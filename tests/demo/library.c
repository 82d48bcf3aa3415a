// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A library that signs, as many programs have two of without knowing: built
 * twice, as liba.so and libb.so, which know nothing of each other.
 */
#include "demo.h"

static struct signer signer;

CK_RV library(const char *what, const char *module);

CK_RV library(const char *what, const char *module)
{
	CK_RV rv;

	if (!strcmp(what, "C_Initialize")) {
		rv = signer_load(&signer, module);
		return rv == CKR_OK ? signer_initialize(&signer) : rv;
	}
	if (!strcmp(what, "C_OpenSession"))
		return signer_open(&signer);
	if (!strcmp(what, "C_Login")) {
		rv = signer_login(&signer);
		signer_find_key(&signer);
		return rv;
	}
	if (!strcmp(what, "C_Sign"))
		return signer_sign(&signer);
	if (!strcmp(what, "C_Logout"))
		return signer.f->C_Logout(signer.session);
	if (!strcmp(what, "C_CloseAllSessions"))
		return signer.f->C_CloseAllSessions(signer.slot);
	if (!strcmp(what, "C_Finalize"))
		return signer.f->C_Finalize(NULL);
	return CKR_ARGUMENTS_BAD;
}
