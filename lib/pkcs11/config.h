/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_CONFIG_H
#define TOKMUX_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "arbiter/arbiter.h"
#include "log.h"
#include "p11.h"

enum lease_kind {
	LEASE_SHARED,
	LEASE_CALL,
	LEASE_OPERATION,
	LEASE_SESSION,
	LEASE_BY_SLOT,			/* call if its token can be taken out, else shared */
};

/* Who may write to the token: see asks.c. */
enum write_login {
	WRITE_LOGIN_SEEN,
	WRITE_LOGIN_OWN,
	WRITE_LOGIN_ANY,
};

/* token = [pkcs11:URI] [system:]NAME: how the arbiter knows a token of a backend */
struct config_token {
	struct config_token *next;
	struct token_uri *uri;		/* NULL matches every token */
	char name[sizeof(ARBITER_SYSTEM) + 63];
};

struct config_backend {
	struct config_backend *next;
	char *name;
	char *module;
	char *init_args;		/* for C_Initialize; NULL: none */
	char *file;			/* where it was said; NULL if found */
	unsigned int line;
	enum lease_kind lease;
	bool lease_given;
	enum unclean_policy unclean;
	int wait_ms;
	int session_wait_ms;		/* where the quota is full */
	int hold_ms;			/* of a lease that is kept; 0 for ever */
	bool one_login;			/* a caller's is all callers' */
	enum write_login write_login;
	bool keys_need_login;		/* also those that aren't CKA_PRIVATE */
	bool vendor_mechanisms;		/* passed on, whatever they name */
	bool remote;			/* it talks to another process, which may go */
	bool remote_given;
	struct config_token *tokens;
};

struct config {
	enum arbiter_kind arbiter;
	bool strict_initialize;
	bool so_alone;
	bool one_login;			/* for each backend */
	bool log_given;			/* by the environment */
	struct config_backend *backends;
};

CK_RV config_load(struct config **config);
void config_free(struct config *config);

const char *config_token_name(const struct config_backend *backend,
			      const CK_TOKEN_INFO *info);

#endif /* TOKMUX_CONFIG_H */
