// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * arbiter: which arbiter decides, and the CKR of each of its errors (R15, R17)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tokmux.h>

#include "arbiter/arbiter.h"
#include "arbiter/queue.h"
#include "log.h"

/**
 * arbiter_choose() - the arbiter that the configuration asks for
 * @kind: auto takes the kernel, and local where the module is not loaded
 * @ops: out: the arbiter
 *
 * Where the module is loaded and this process can't ask it, other processes do: local
 * would use the token beside its holder (R18).
 *
 * Return: CKR_OK; CKR_GENERAL_ERROR where the kernel is there and can't be asked, or
 * was demanded and is not there.
 */
CK_RV arbiter_choose(enum arbiter_kind kind, const struct arbiter_ops **ops)
{
	int r = kind == ARBITER_LOCAL ? -ENODEV : arbiter_kernel.start();

	if (!r) {
		*ops = &arbiter_kernel;
	} else if (r != -ENODEV) {
		log_error("arbiter = %s, but /dev/tokmux-control can't be used: %s; 'arbiter = local' does without it, and keeps no other process away",
			  kind == ARBITER_KERNEL ? "kernel" : "auto",
			  tokmux_strerror(r));
		return CKR_GENERAL_ERROR;
	} else if (kind == ARBITER_KERNEL) {
		log_error("arbiter = kernel, but the kernel module is not loaded");
		return CKR_GENERAL_ERROR;
	} else {
		*ops = &arbiter_local;
	}
	log_info("arbiter: %s", (*ops)->name);
	return CKR_OK;
}

/**
 * arbiter_token_open() - a token, by the name that all processes know it by
 * @name: at most 63 characters, after ARBITER_SYSTEM if no user token will do
 * @policy: what to do when its last holder died
 * @hold_ms: how long others wait for a holder, 0 for ever; where the token is
 *	the administrator's, it is as that one made it
 * @token: out: the token, for arbiter_token_put()
 */
int arbiter_token_open(const char *name, enum unclean_policy policy,
		       int hold_ms, struct arbiter_token **token)
{
	struct arbiter_token *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return -ENOMEM;
	opened->queue = arbiter_queue_new();
	if (!opened->queue) {
		free(opened);
		return -ENOMEM;
	}
	if (!strncmp(name, ARBITER_SYSTEM, strlen(ARBITER_SYSTEM))) {
		opened->system = true;
		name += strlen(ARBITER_SYSTEM);
	}
	strncpy(opened->name, name, sizeof(opened->name) - 1);
	opened->policy = policy;
	opened->hold_ms = hold_ms;
	opened->references = 1;
	pthread_mutex_init(&opened->lock, NULL);
	*token = opened;
	return 0;
}

void arbiter_token_put(struct arbiter_token *token)
{
	if (--token->references)
		return;
	arbiter_queue_free(token->queue);
	pthread_mutex_destroy(&token->lock);
	free(token);
}

/*
 * The one table of R15, also in Documentation/pkcs11.rst. What isn't in it is
 * a mistake of ours and answered with CKR_GENERAL_ERROR.
 */
static const struct {
	int error;
	CK_RV rv;
} rv_table[] = {
	{ 0,		CKR_OK },
	{ -ETIMEDOUT,	CKR_FUNCTION_FAILED },	/* the wait ran out */
	{ -EAGAIN,	CKR_FUNCTION_FAILED },	/* wait = 0 */
	{ -ENOBUFS,	CKR_FUNCTION_FAILED },	/* too many are waiting */
	{ -EINTR,	CKR_FUNCTION_CANCELED },
	{ -EBUSY,	CKR_USER_ANOTHER_ALREADY_LOGGED_IN },
	{ -EALREADY,	CKR_USER_ALREADY_LOGGED_IN },
	{ -EUCLEAN,	CKR_DEVICE_ERROR },	/* on-unclean = refuse */
	{ -ESTALE,	CKR_DEVICE_ERROR },	/* the lease was taken */
	{ -ENOLCK,	CKR_DEVICE_ERROR },
	{ -EBADF,	CKR_DEVICE_ERROR },	/* the program closed our file */
	{ -ENOTTY,	CKR_DEVICE_ERROR },	/* and opened another in its place */
	{ -ENXIO,	CKR_DEVICE_ERROR },	/* not in this sandbox */
	{ -ENODEV,	CKR_DEVICE_REMOVED },
	{ -ENOENT,	CKR_SESSION_HANDLE_INVALID },
	{ -ENOLINK,	CKR_SESSION_HANDLE_INVALID }, /* ejected */
	{ -EDQUOT,	CKR_SESSION_COUNT },	/* quota of sessions or tokens */
	{ -EPERM,	CKR_CRYPTOKI_NOT_INITIALIZED }, /* a child's copy */
	{ -ESHUTDOWN,	CKR_CRYPTOKI_NOT_INITIALIZED },
	{ -ENOMEM,	CKR_HOST_MEMORY },
	{ -EMFILE,	CKR_HOST_MEMORY },
	{ -ENFILE,	CKR_HOST_MEMORY },
};

CK_RV arbiter_rv(int error)
{
	size_t i;

	for (i = 0; i < sizeof(rv_table) / sizeof(*rv_table); i++)
		if (rv_table[i].error == error)
			return rv_table[i].rv;
	log_error("the arbiter failed: %s", tokmux_strerror(error));
	return CKR_GENERAL_ERROR;
}
