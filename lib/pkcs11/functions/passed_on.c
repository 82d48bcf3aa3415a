// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * passed_on: the functions that find the session, check, and call the backend's
 * function of that name
 *
 * functions.def has a row for each of them, which names one of the shapes below. A
 * shape is the whole body of a function. It is given the function's name, what else
 * the row says, and the arguments that the backend is to get. Where the backend
 * doesn't have the function, the answer is CKR_FUNCTION_NOT_SUPPORTED: see BACKEND().
 */
#include "arguments.h"
#include "mechanism.h"
#include "objects_seen.h"
#include "operation.h"

/* ---- what is checked ----------------------------------------------------- */

/*
 * These use a function's parameters, by their names in arguments.h. An object's handle
 * is the backend's from here on.
 */
#define BACKENDS(handle)	(handle = call_handle(&call, handle))
#define MECHANISM_OK	call_check_mechanism(&call, mechanism)
#define TEMPLATE_OK	call_check_template(&call, template, count)
#define COPY_OK		call_check_copy(&call, BACKENDS(original), template, count)
#define CHANGE_OK	call_check_change(&call, BACKENDS(object), template, count)
#define OBJECT_OK	\
	call_check_object(&call, BACKENDS(object), CKR_OBJECT_HANDLE_INVALID)
#define KEY_OK(key, bad)	call_check_key_now(&call, BACKENDS(key), bad)
#define WITH_OK(bad)	CHECKS(MECHANISM_OK, KEY_OK(with, bad))

#define GENERATE_OK	CHECKS(MECHANISM_OK, TEMPLATE_OK)
#define DERIVE_OK	CHECKS(WITH_OK(CKR_KEY_HANDLE_INVALID), TEMPLATE_OK)
#define WRAP_OK		CHECKS(WITH_OK(CKR_WRAPPING_KEY_HANDLE_INVALID), \
			       KEY_OK(key, CKR_KEY_HANDLE_INVALID))
#define UNWRAP_OK	\
	CHECKS(WITH_OK(CKR_UNWRAPPING_KEY_HANDLE_INVALID), TEMPLATE_OK)

/* ---- shapes: calls ------------------------------------------------------- */

/* Passed on after the checks. @asked: what is done if the token asks for a login. */
#define IF_ASKED(function, checks, asked, ...)				\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	rv = (checks);							\
	if (rv == CKR_OK)						\
		rv = CALL(&call, function, ##__VA_ARGS__);			\
	if (rv == CKR_USER_NOT_LOGGED_IN)				\
		asked;							\
	return call_end(&call, rv)

#define IF(function, checks, ...)					\
	IF_ASKED(function, checks, (void)0, ##__VA_ARGS__)

/* Changes an object. */
#define CHANGES(function, ...)						\
	IF_ASKED(function, CHANGE_OK, call_asked_object(&call), __VA_ARGS__)

/* Wraps a key with another one. */
#define WRAPS(function, ...)						\
	IF_ASKED(function, WRAP_OK, call_asked_key(&call, with), __VA_ARGS__)

/* Passed on unless it is something that the token asks a login for. */
#define MAY_ASK(function, what, ...)					\
	IF_ASKED(function, call_check_asked(&call, ASKS_##what),		\
		 call_asked(&call, ASKS_##what), __VA_ARGS__)

/* Passed on as it is. */
#define ANY(function, ...)	IF(function, CKR_OK, ##__VA_ARGS__)

/* The same about a slot. */
#define ABOUT_SLOT(function, ...)					\
	struct call call;						\
	CK_RV rv = call_begin_slot(&call, slot);			\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	return call_end_slot(&call, CALL(&call, function, ##__VA_ARGS__))

/*
 * Makes an object, which becomes this caller's. Where @length is true the caller only
 * asks how long something else will be, and no object is made.
 */
#define MAKES_ASKED(function, length, object, checks, asked, ...)	\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	rv = (object) || (length) ? (checks) : CKR_ARGUMENTS_BAD;		\
	if (rv != CKR_OK)						\
		return call_end(&call, rv);				\
	rv = CALL(&call, function, ##__VA_ARGS__);			\
	if (rv == CKR_USER_NOT_LOGGED_IN)				\
		asked;							\
	if (rv == CKR_OK && !(length))					\
		rv = call_created(&call, object);			\
	return call_end(&call, rv)

#define MAKES(function, object, checks, ...)				\
	MAKES_ASKED(function, false, object, checks,			\
		    call_asked_object(&call), __VA_ARGS__)

/* Makes a key with another one. */
#define MAKES_WITH(function, object, checks, ...)			\
	MAKES_WITH_UNLESS(function, false, object, checks, __VA_ARGS__)
#define MAKES_WITH_UNLESS(function, length, object, checks, ...)	\
	MAKES_ASKED(function, length, object, checks,			\
		    call_asked_key(&call, with), __VA_ARGS__)

/* ---- shapes: operations -------------------------------------------------- */

/*
 * Begins an operation with a key. Without a mechanism it ends one, as PKCS#11 3.0
 * has it.
 */
#define INIT(function, kind, ...)					\
	unsigned long login;						\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	if (!mechanism)							\
		return call_end(&call, call_cancel_one(&call,		\
						       OPERATION_##kind)); \
	rv = CHECKS(call_check_key(&call, BACKENDS(key),			\
				   CKR_KEY_HANDLE_INVALID, &login),	\
	     CHECKS(call_check_mechanism(&call, mechanism),		\
		    call_operation_ready(&call)));			\
	if (rv == CKR_OK)						\
		rv = CALL(&call, function, ##__VA_ARGS__);			\
	if (rv == CKR_OK)						\
		call_operation_started_with(&call, OPERATION_##kind,	\
					    key, login);		\
	else if (rv == CKR_USER_NOT_LOGGED_IN)				\
		call_asked_key(&call, key);				\
	return call_end(&call, rv)

/* Goes on with an operation, which is over if @ends. @ends may name "rv". */
#define GOES_ON(function, kind, ends, ...)				\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	rv = call_operation(&call, OPERATION_##kind);			\
	if (rv == CKR_OK) {						\
		rv = CALL(&call, function, ##__VA_ARGS__);			\
		if (rv == CKR_USER_NOT_LOGGED_IN)			\
			call_asked_operation(&call, OPERATION_##kind);	\
		if (ends)						\
			call_operation_ended(&call, OPERATION_##kind);	\
	}								\
	return call_end(&call, rv)

/* One part of several: an error ends the operation. */
#define PART(function, kind, ...)					\
	GOES_ON(function, kind, !HARMLESS(rv), __VA_ARGS__)

/*
 * The last part, or all at once. A caller that gives no @out only asks how long the
 * result will be: the operation goes on.
 */
#define LAST(function, kind, ...)					\
	GOES_ON(function, kind,						\
		rv == CKR_OK ? out != NULL : !HARMLESS(rv), __VA_ARGS__)

/* The last part of an operation that has no result to ask for. */
#define END(function, kind, ...)					\
	GOES_ON(function, kind, rv != CKR_ARGUMENTS_BAD, ##__VA_ARGS__)

/* One message of an operation on many, which goes on whatever comes of this one. */
#define ONE(function, kind, ...)	GOES_ON(function, kind, false, __VA_ARGS__)

/* One part of two operations at once. */
#define TWO(function, kind1, kind2, ...)				\
	struct call call;						\
	CK_RV rv = call_begin(&call, session);				\
									\
	if (rv != CKR_OK)						\
		return rv;						\
	rv = CHECKS(call_operation(&call, OPERATION_##kind1),		\
		    call_operation(&call, OPERATION_##kind2));		\
	if (rv == CKR_OK) {						\
		rv = CALL(&call, function, ##__VA_ARGS__);			\
		if (!HARMLESS(rv)) {					\
			call_operation_ended(&call, OPERATION_##kind1);	\
			call_operation_ended(&call, OPERATION_##kind2);	\
		}							\
	}								\
	return call_end(&call, rv)

/* ---- the functions ------------------------------------------------------- */

/* Once more through the preprocessor, as A_##more stands for several arguments. */
#define BODY(shape, ...)	shape(__VA_ARGS__)

#define F(...)
#define PASSED_ON(version, function, first, more, shape, ...)		\
CK_RV function(P_##first P_##more)					\
{									\
	BODY(shape, function, ##__VA_ARGS__ A_##more);			\
}
#include "functions.def"
