// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mechanism: the keys that a mechanism's parameters name (R11)
 *
 * A mechanism's parameters can name keys. The backend takes any handle there that it
 * knows, even one that this caller never got. So handles that can be read from the
 * parameters are checked like any other, and new keys that come back there are recorded
 * as this caller's. A mechanism whose handles can't be read is refused.
 *
 * The mechanisms of PKCS#11 up to 3.2 are known here. The parameters of a vendor's
 * mechanism are not: where another caller could have keys, the configuration says
 * whether those are passed on.
 */
#include <stddef.h>
#include <string.h>

#include "log.h"
#include "mechanism.h"
#include "objects_seen.h"

static bool get_params(const CK_MECHANISM *mechanism, void *params, size_t size)
{
	if (!mechanism->pParameter || mechanism->ulParameterLen != size)
		return false;
	memcpy(params, mechanism->pParameter, size);
	return true;
}

/* The caller's parameters can't be changed, so the backend wouldn't know such a name. */
static CK_RV check_key(struct call *call, CK_OBJECT_HANDLE handle)
{
	if (handle > OBJECT_PLAIN)
		return CKR_MECHANISM_PARAM_INVALID;
	return call_check_key_now(call, handle, CKR_KEY_HANDLE_INVALID);
}

static CK_RV check_concatenate(struct call *call, const CK_MECHANISM *mechanism)
{
	CK_OBJECT_HANDLE handle;

	if (!get_params(mechanism, &handle, sizeof(handle)))
		return CKR_MECHANISM_PARAM_INVALID;
	return check_key(call, handle);
}

static CK_RV check_hkdf(struct call *call, const CK_MECHANISM *mechanism)
{
	CK_HKDF_PARAMS params;

	if (!get_params(mechanism, &params, sizeof(params)))
		return CKR_MECHANISM_PARAM_INVALID;
	return params.ulSaltType & CKF_HKDF_SALT_KEY ?
		       check_key(call, params.hSaltKey) : CKR_OK;
}

/* ---- IKE ----------------------------------------------------------------- */

static CK_RV check_ike2_prf_plus(struct call *call,
				 const CK_MECHANISM *mechanism)
{
	CK_IKE2_PRF_PLUS_DERIVE_PARAMS params;

	if (!get_params(mechanism, &params, sizeof(params)))
		return CKR_MECHANISM_PARAM_INVALID;
	return params.bHasSeedKey ? check_key(call, params.hSeedKey) : CKR_OK;
}

static CK_RV check_ike_prf(struct call *call, const CK_MECHANISM *mechanism)
{
	CK_IKE_PRF_DERIVE_PARAMS params;

	if (!get_params(mechanism, &params, sizeof(params)))
		return CKR_MECHANISM_PARAM_INVALID;
	return params.bRekey ? check_key(call, params.hNewKey) : CKR_OK;
}

static CK_RV check_ike1_prf(struct call *call, const CK_MECHANISM *mechanism)
{
	CK_IKE1_PRF_DERIVE_PARAMS params;
	CK_RV rv;

	if (!get_params(mechanism, &params, sizeof(params)))
		return CKR_MECHANISM_PARAM_INVALID;
	rv = check_key(call, params.hKeygxy);
	if (rv == CKR_OK && params.bHasPrevKey)
		rv = check_key(call, params.hPrevKey);
	return rv;
}

static CK_RV check_ike1_extended(struct call *call,
				 const CK_MECHANISM *mechanism)
{
	CK_IKE1_EXTENDED_DERIVE_PARAMS params;

	if (!get_params(mechanism, &params, sizeof(params)))
		return CKR_MECHANISM_PARAM_INVALID;
	return params.bHasKeygxy ? check_key(call, params.hKeygxy) : CKR_OK;
}

/* ---- SP 800-108 ---------------------------------------------------------- */

/* The keys that go into the new key are checked. */
static CK_RV check_kdf(struct call *call, const CK_PRF_DATA_PARAM *data,
		       CK_ULONG count)
{
	CK_OBJECT_HANDLE handle;
	CK_RV rv = CKR_OK;
	CK_ULONG i;

	for (i = 0; data && i < count && rv == CKR_OK; i++) {
		if (data[i].type != CK_SP800_108_KEY_HANDLE)
			continue;
		if (!data[i].pValue || data[i].ulValueLen != sizeof(handle))
			return CKR_MECHANISM_PARAM_INVALID;
		memcpy(&handle, data[i].pValue, sizeof(handle));
		rv = check_key(call, handle);
	}
	return rv;
}

static CK_RV check_sp800_108(struct call *call, const CK_MECHANISM *mechanism)
{
	CK_SP800_108_KDF_PARAMS params;

	if (!get_params(mechanism, &params, sizeof(params)))
		return CKR_MECHANISM_PARAM_INVALID;
	return check_kdf(call, params.pDataParams, params.ulNumberOfDataParams);
}

static CK_RV check_sp800_108_feedback(struct call *call,
				      const CK_MECHANISM *mechanism)
{
	CK_SP800_108_FEEDBACK_KDF_PARAMS params;

	if (!get_params(mechanism, &params, sizeof(params)))
		return CKR_MECHANISM_PARAM_INVALID;
	return check_kdf(call, params.pDataParams, params.ulNumberOfDataParams);
}

/* ---- keys that come back ------------------------------------------------- */

_Static_assert(offsetof(CK_SSL3_KEY_MAT_OUT, pIVClient) ==
	       4 * sizeof(CK_OBJECT_HANDLE), "four keys, one after the other");
_Static_assert(offsetof(CK_WTLS_KEY_MAT_OUT, pIV) ==
	       2 * sizeof(CK_OBJECT_HANDLE), "two keys, one after the other");

static CK_RV find_returned(const CK_MECHANISM *mechanism,
			   struct returned *returned)
{
	union {
		CK_SSL3_KEY_MAT_PARAMS ssl3;
		CK_TLS12_KEY_MAT_PARAMS tls12;
		CK_WTLS_KEY_MAT_PARAMS wtls;
		CK_SP800_108_KDF_PARAMS kdf;
		CK_SP800_108_FEEDBACK_KDF_PARAMS feedback;
	} params;
	void *material;

	switch (mechanism->mechanism) {
	case CKM_SSL3_KEY_AND_MAC_DERIVE:
	case CKM_TLS_KEY_AND_MAC_DERIVE:
		if (!get_params(mechanism, &params, sizeof(params.ssl3)))
			return CKR_MECHANISM_PARAM_INVALID;
		material = params.ssl3.pReturnedKeyMaterial;
		*returned = (struct returned){ material, NULL, 4 };
		return material ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
	case CKM_TLS12_KEY_AND_MAC_DERIVE:
	case CKM_TLS12_KEY_SAFE_DERIVE:
		if (!get_params(mechanism, &params, sizeof(params.tls12)))
			return CKR_MECHANISM_PARAM_INVALID;
		material = params.tls12.pReturnedKeyMaterial;
		*returned = (struct returned){ material, NULL, 4 };
		return material ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
	case CKM_WTLS_SERVER_KEY_AND_MAC_DERIVE:
	case CKM_WTLS_CLIENT_KEY_AND_MAC_DERIVE:
		if (!get_params(mechanism, &params, sizeof(params.wtls)))
			return CKR_MECHANISM_PARAM_INVALID;
		material = params.wtls.pReturnedKeyMaterial;
		*returned = (struct returned){ material, NULL, 2 };
		return material ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
	case CKM_SP800_108_COUNTER_KDF:
	case CKM_SP800_108_DOUBLE_PIPELINE_KDF:
		if (!get_params(mechanism, &params, sizeof(params.kdf)))
			return CKR_MECHANISM_PARAM_INVALID;
		returned->more = params.kdf.pAdditionalDerivedKeys;
		returned->count = params.kdf.ulAdditionalDerivedKeys;
		break;
	case CKM_SP800_108_FEEDBACK_KDF:
		if (!get_params(mechanism, &params, sizeof(params.feedback)))
			return CKR_MECHANISM_PARAM_INVALID;
		returned->more = params.feedback.pAdditionalDerivedKeys;
		returned->count = params.feedback.ulAdditionalDerivedKeys;
		break;
	default:
		break;
	}
	return returned->count && !returned->more ?
		       CKR_MECHANISM_PARAM_INVALID : CKR_OK;
}

/* Where the key is told. */
static CK_OBJECT_HANDLE *key_at(const struct returned *returned, CK_ULONG i)
{
	return returned->set ? &returned->set[i] : returned->more[i].phKey;
}

/**
 * call_check_returned() - may this caller get the keys that a mechanism returns?
 * @call: the call
 * @mechanism: as the caller gave it
 * @returned: out: where they will be
 *
 * There is none in their places from here on: a backend that makes fewer keys leaves
 * there what the caller had in them, and that may be another one's key.
 */
CK_RV call_check_returned(struct call *call, const CK_MECHANISM *mechanism,
			  struct returned *returned)
{
	CK_RV rv = CKR_OK;
	CK_ULONG i;

	*returned = (struct returned){ 0 };
	if (mechanism)
		rv = find_returned(mechanism, returned);
	for (i = 0; i < returned->count && rv == CKR_OK; i++) {
		if (!key_at(returned, i))
			return CKR_MECHANISM_PARAM_INVALID;
		if (returned->more)
			rv = call_check_template(call,
						 returned->more[i].pTemplate,
						 returned->more[i].ulAttributeCount);
		*key_at(returned, i) = CK_INVALID_HANDLE;
	}
	return rv;
}

/* The first @known of them are this caller's already. */
static void destroy(struct call *call, const struct returned *returned,
		    CK_ULONG known)
{
	CK_OBJECT_HANDLE handle;
	CK_ULONG i;

	for (i = 0; i < returned->count; i++) {
		handle = *key_at(returned, i);
		*key_at(returned, i) = CK_INVALID_HANDLE;
		if (i < known)
			handle = call_handle(call, handle);
		if (!handle)
			continue;
		CALL(call, C_DestroyObject, handle);
		if (i < known)
			known_forget(&call->seat->known, handle);
	}
}

void call_destroy_returned(struct call *call, const struct returned *returned)
{
	destroy(call, returned, returned->count);
}

/* The caller gets all of them or none. */
CK_RV call_created_returned(struct call *call, const struct returned *returned)
{
	CK_RV rv = CKR_OK;
	CK_ULONG i;

	for (i = 0; i < returned->count && rv == CKR_OK; i++)
		if (*key_at(returned, i))
			rv = call_created(call, key_at(returned, i));
	if (rv != CKR_OK) {
		/* That one is destroyed. */
		*key_at(returned, i - 1) = CK_INVALID_HANDLE;
		destroy(call, returned, i - 1);
	}
	return rv;
}

/* ---- all of them --------------------------------------------------------- */

/*
 * Parameters that are too short for a handle, or for a pointer, name no key. Without
 * another caller on the slot there is no key that isn't this caller's.
 */
static CK_RV check_vendors(struct call *call, const CK_MECHANISM *mechanism)
{
	const struct config_backend *config = call->backend->config;

	if (config->vendor_mechanisms || !mechanism->pParameter ||
	    mechanism->ulParameterLen < sizeof(CK_OBJECT_HANDLE) ||
	    !slot_has_sessions(call->seat->slot, call->seat))
		return CKR_OK;
	log_error("backend %s: vendor mechanism 0x%lx has parameters and isn't passed on while another caller has sessions, see vendor-mechanisms in tokmux.conf(5)",
		  config->name, mechanism->mechanism);
	return CKR_MECHANISM_INVALID;
}

/* For the one switch that each mechanism goes through, and for another. */
#define CASE_REFUSED						\
	case CKM_X9_42_DH_HYBRID_DERIVE:			\
	case CKM_X9_42_MQV_DERIVE:				\
	case CKM_ECMQV_DERIVE:					\
	case CKM_X3DH_INITIALIZE:				\
	case CKM_X3DH_RESPOND:					\
	case CKM_X2RATCHET_INITIALIZE:				\
	case CKM_X2RATCHET_RESPOND:				\
	case CKM_CMS_SIG:					\
	case CKM_KIP_DERIVE:					\
	case CKM_KIP_WRAP:					\
	case CKM_KIP_MAC:					\
	case CKM_GOSTR3410_KEY_WRAP

/* Does any caller get CKR_MECHANISM_INVALID for it, whatever the backend can do? */
bool mechanism_is_refused(CK_MECHANISM_TYPE type)
{
	switch (type) {
	CASE_REFUSED:
		return true;
	default:
		return false;
	}
}

/* For call_check_mechanism(). */
CK_RV call_check_mechanism_slow(struct call *call, CK_MECHANISM *mechanism)
{
	CK_MECHANISM_TYPE type;

	if (!mechanism)
		return CKR_OK;	/* the backend decides */
	/* Read once: what is stored below is the type that was looked at. */
	type = *(volatile CK_MECHANISM_TYPE *)&mechanism->mechanism;
	if (type & CKM_VENDOR_DEFINED)
		return check_vendors(call, mechanism);
	switch (type) {
	case CKM_CONCATENATE_BASE_AND_KEY:
		return check_concatenate(call, mechanism);
	case CKM_HKDF_DERIVE:
	case CKM_HKDF_DATA:
		return check_hkdf(call, mechanism);
	case CKM_IKE2_PRF_PLUS_DERIVE:
		return check_ike2_prf_plus(call, mechanism);
	case CKM_IKE_PRF_DERIVE:
		return check_ike_prf(call, mechanism);
	case CKM_IKE1_PRF_DERIVE:
		return check_ike1_prf(call, mechanism);
	case CKM_IKE1_EXTENDED_DERIVE:
		return check_ike1_extended(call, mechanism);
	case CKM_SP800_108_COUNTER_KDF:
	case CKM_SP800_108_DOUBLE_PIPELINE_KDF:
		return check_sp800_108(call, mechanism);
	case CKM_SP800_108_FEEDBACK_KDF:
		return check_sp800_108_feedback(call, mechanism);
	CASE_REFUSED:
		return CKR_MECHANISM_INVALID;
	default:
		atomic_store_explicit(&call->session->names_no_key, type,
				      memory_order_relaxed);
		return CKR_OK;
	}
}
