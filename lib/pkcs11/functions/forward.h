/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * forward: the shapes that functions have which are passed on to a backend
 *
 * Each is the whole body of a function. @checks may name "call"; it is looked
 * at under the lease, before the backend is called.
 */
#ifndef TOKMUX_FORWARD_H
#define TOKMUX_FORWARD_H

#include "mechanism.h"
#include "objects_seen.h"
#include "operation.h"

/* The first refusal; what follows one isn't looked at. CKR_OK is 0. */
#define CHECKS(first, second) ((first) ?: (second))

/* Straight through, after the checks. */
#define FORWARD_CHECKED(session, checks, function, ...) do {		\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	rv = (checks);							\
	if (rv == CKR_OK)						\
		rv = CALL(&call, function, ##__VA_ARGS__);		\
	return call_end(&call, rv);					\
} while (0)

#define FORWARD(session, function, ...) \
	FORWARD_CHECKED(session, CKR_OK, function, ##__VA_ARGS__)

/* ---- operations ------------------------------------------------------------ */

/*
 * Begins one, with a key; without a mechanism it ends one, as 3.0 has it. Those
 * that are in the mechanism's parameters are looked at as well.
 */
#define OPERATION_INIT(session, kind, function, mechanism, key, ...) do { \
	unsigned long login;						\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	if (!(mechanism))						\
		return call_end(&call, call_cancel_one(&call, kind));	\
	rv = CHECKS(call_check_key(&call, key, CKR_KEY_HANDLE_INVALID,	\
				   &login),				\
	     CHECKS(call_check_mechanism(&call, mechanism),		\
		    call_operation_ready(&call)));			\
	if (rv == CKR_OK)						\
		rv = CALL(&call, function, mechanism, key,		\
			  ##__VA_ARGS__);				\
	if (rv == CKR_OK)						\
		call_operation_started(&call, kind, login);		\
	return call_end(&call, rv);					\
} while (0)

/* Goes on with one. @ends, which may name "rv": it is over then. */
#define OPERATION_(session, kind, ends, function, ...) do {		\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	rv = call_operation(&call, kind);				\
	if (rv == CKR_OK) {						\
		rv = CALL(&call, function, ##__VA_ARGS__);		\
		if (ends)						\
			call_operation_ended(&call, kind);		\
	}								\
	return call_end(&call, rv);					\
} while (0)

/* An error that leaves an operation as it was. */
#define HARMLESS(rv) \
	((rv) == CKR_OK || (rv) == CKR_BUFFER_TOO_SMALL || \
	 (rv) == CKR_ARGUMENTS_BAD)

/* One part of several: an error ends it. */
#define OPERATION_PART(session, kind, function, ...) \
	OPERATION_(session, kind, !HARMLESS(rv), function, ##__VA_ARGS__)

/* The last part, or all at once, unless it only asked how long @out will be. */
#define OPERATION_LAST(session, kind, out, function, ...) \
	OPERATION_(session, kind, rv == CKR_OK ? (out) != NULL : \
				  !HARMLESS(rv), function, ##__VA_ARGS__)

/* The last part, and there is nothing to ask. */
#define OPERATION_END(session, kind, function, ...) \
	OPERATION_(session, kind, rv != CKR_ARGUMENTS_BAD, function, \
		   ##__VA_ARGS__)

/* One message of an operation on many: it goes on, whatever comes of this. */
#define OPERATION_MESSAGE(session, kind, function, ...) \
	OPERATION_(session, kind, false, function, ##__VA_ARGS__)

/* A part of two at once. */
#define OPERATION_BOTH(session, kind1, kind2, function, ...) do {	\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	rv = CHECKS(call_operation(&call, kind1),			\
		    call_operation(&call, kind2));			\
	if (rv == CKR_OK) {						\
		rv = CALL(&call, function, __VA_ARGS__);		\
		if (!HARMLESS(rv)) {					\
			call_operation_ended(&call, kind1);		\
			call_operation_ended(&call, kind2);		\
		}							\
	}								\
	return call_end(&call, rv);					\
} while (0)

/* ---- objects and slots ------------------------------------------------------- */

/*
 * Makes an object, which becomes this caller's. @asks: it only asks how long
 * something else will be and makes none.
 */
#define CREATE_UNLESS(asks, session, checks, object, function, ...) do { \
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	rv = (object) || (asks) ? (checks) : CKR_ARGUMENTS_BAD;		\
	if (rv == CKR_OK)						\
		rv = CALL(&call, function, __VA_ARGS__);		\
	if (rv == CKR_OK && !(asks))					\
		rv = call_created(&call, *(object));			\
	return call_end(&call, rv);					\
} while (0)

#define CREATE(session, checks, object, function, ...) \
	CREATE_UNLESS(false, session, checks, object, function, __VA_ARGS__)

/* Asks about a slot. */
#define FORWARD_SLOT(slot, function, ...) do {				\
	struct call call;						\
	CK_RV rv = call_begin_slot(&call, slot);			\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	return call_end_slot(&call, CALL(&call, function, __VA_ARGS__)); \
} while (0)

#endif /* TOKMUX_FORWARD_H */
