// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * keys: the functions that make keys, and wrap, unwrap and derive them
 */
#include "forward.h"

CK_RV C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		    CK_ATTRIBUTE *template, CK_ULONG count,
		    CK_OBJECT_HANDLE *key)
{
	CREATE(session, CHECKS(call_check_mechanism(&call, mechanism),
			       call_check_template(&call, template, count)),
	       key, C_GenerateKey, mechanism, template, count, key);
}

/* Both halves or none. */
CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
			CK_ATTRIBUTE *public, CK_ULONG public_count,
			CK_ATTRIBUTE *private, CK_ULONG private_count,
			CK_OBJECT_HANDLE *public_key,
			CK_OBJECT_HANDLE *private_key)
{
	struct call call;
	CK_RV rv = call_begin(&call, session);

	if (rv != CKR_OK)
		return rv;
	if (!public_key || !private_key)
		return call_end(&call, CKR_ARGUMENTS_BAD);
	rv = CHECKS(call_check_mechanism(&call, mechanism),
	     CHECKS(call_check_template(&call, public, public_count),
		    call_check_template(&call, private, private_count)));
	if (rv != CKR_OK)
		return call_end(&call, rv);
	rv = CALL(&call, C_GenerateKeyPair, mechanism, public, public_count,
		  private, private_count, public_key, private_key);
	if (rv != CKR_OK)
		return call_end(&call, rv);

	rv = call_created(&call, *private_key);
	if (rv != CKR_OK) {
		CALL(&call, C_DestroyObject, *public_key);
		return call_end(&call, rv);
	}
	rv = call_created(&call, *public_key);
	if (rv != CKR_OK) {
		CALL(&call, C_DestroyObject, *private_key);
		slot_forget_object(call.seat->slot, *private_key);
	}
	return call_end(&call, rv);
}

CK_RV C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key,
		unsigned char *wrapped, CK_ULONG *length)
{
	unsigned long login;

	FORWARD_CHECKED(session,
			CHECKS(call_check_mechanism(&call, mechanism),
			CHECKS(call_check_key(&call, wrapping_key,
					      CKR_WRAPPING_KEY_HANDLE_INVALID,
					      &login),
			       call_check_key(&call, key,
					      CKR_KEY_HANDLE_INVALID,
					      &login))),
			C_WrapKey, mechanism, wrapping_key, key, wrapped,
			length);
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		  CK_OBJECT_HANDLE unwrapping_key, unsigned char *wrapped,
		  CK_ULONG length, CK_ATTRIBUTE *template, CK_ULONG count,
		  CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE(session,
	       CHECKS(call_check_mechanism(&call, mechanism),
	       CHECKS(call_check_key(&call, unwrapping_key,
				     CKR_UNWRAPPING_KEY_HANDLE_INVALID,
				     &login),
		      call_check_template(&call, template, count))),
	       key, C_UnwrapKey, mechanism, unwrapping_key, wrapped, length,
	       template, count, key);
}

CK_RV C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		  CK_OBJECT_HANDLE base_key, CK_ATTRIBUTE *template,
		  CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE(session,
	       CHECKS(call_check_mechanism(&call, mechanism),
	       CHECKS(call_check_key(&call, base_key, CKR_KEY_HANDLE_INVALID,
				     &login),
		      call_check_template(&call, template, count))),
	       key, C_DeriveKey, mechanism, base_key, template, count, key);
}

/* Without room for the ciphertext it tells the length and makes no key. */
CK_RV C_EncapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		       CK_OBJECT_HANDLE public_key, CK_ATTRIBUTE *template,
		       CK_ULONG count, CK_BYTE *ciphertext,
		       CK_ULONG *ciphertext_length, CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE_UNLESS(!ciphertext, session,
		      CHECKS(call_check_mechanism(&call, mechanism),
		      CHECKS(call_check_key(&call, public_key,
					    CKR_KEY_HANDLE_INVALID, &login),
			     call_check_template(&call, template, count))),
		      key, C_EncapsulateKey, mechanism, public_key, template,
		      count, ciphertext, ciphertext_length, key);
}

CK_RV C_DecapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
		       CK_OBJECT_HANDLE private_key, CK_ATTRIBUTE *template,
		       CK_ULONG count, CK_BYTE *ciphertext,
		       CK_ULONG ciphertext_length, CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE(session,
	       CHECKS(call_check_mechanism(&call, mechanism),
	       CHECKS(call_check_key(&call, private_key,
				     CKR_KEY_HANDLE_INVALID, &login),
		      call_check_template(&call, template, count))),
	       key, C_DecapsulateKey, mechanism, private_key, template, count,
	       ciphertext, ciphertext_length, key);
}

CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
			     CK_OBJECT_HANDLE wrapping_key,
			     CK_OBJECT_HANDLE key, CK_BYTE *associated,
			     CK_ULONG associated_length, CK_BYTE *wrapped,
			     CK_ULONG *wrapped_length)
{
	unsigned long login;

	FORWARD_CHECKED(session,
			CHECKS(call_check_mechanism(&call, mechanism),
			CHECKS(call_check_key(&call, wrapping_key,
					      CKR_WRAPPING_KEY_HANDLE_INVALID,
					      &login),
			       call_check_key(&call, key,
					      CKR_KEY_HANDLE_INVALID,
					      &login))),
			C_WrapKeyAuthenticated, mechanism, wrapping_key, key,
			associated, associated_length, wrapped,
			wrapped_length);
}

CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE session,
			       CK_MECHANISM *mechanism,
			       CK_OBJECT_HANDLE unwrapping_key,
			       CK_BYTE *wrapped, CK_ULONG wrapped_length,
			       CK_ATTRIBUTE *template, CK_ULONG count,
			       CK_BYTE *associated, CK_ULONG associated_length,
			       CK_OBJECT_HANDLE *key)
{
	unsigned long login;

	CREATE(session,
	       CHECKS(call_check_mechanism(&call, mechanism),
	       CHECKS(call_check_key(&call, unwrapping_key,
				     CKR_UNWRAPPING_KEY_HANDLE_INVALID,
				     &login),
		      call_check_template(&call, template, count))),
	       key, C_UnwrapKeyAuthenticated, mechanism, unwrapping_key,
	       wrapped, wrapped_length, template, count, associated,
	       associated_length, key);
}
