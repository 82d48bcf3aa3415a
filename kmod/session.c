// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: ids that callers own, and the quota of a token. Keeps R5.
 *
 * The memory of a session is charged to the process that opens it, and
 * allocated without token->lock: the allocation may wait until memory of this
 * process is reclaimed, and other processes must not wait with it (R8).
 */
#include <linux/slab.h>
#include "internal.h"
#include "trace.h"

struct tokmux_session {
	struct list_head node;		/* in caller->sessions */
	struct tokmux_caller *caller;
	u32 id;
};

/* Make a session that is not open yet. Its id is reserved. */
static struct tokmux_session *tokmux_session_new(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_session *session;
	int ret;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return ERR_PTR(-ENOMEM);
	session->caller = caller;
	/* The entry is reserved: xa_load() finds NULL there. */
	ret = xa_alloc_cyclic(&token->sessions, &session->id, NULL,
			      XA_LIMIT(1, U32_MAX), &token->next_session,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0) {
		kfree(session);
		return ERR_PTR(ret);
	}
	return session;
}

static void tokmux_session_free(struct tokmux_session *session)
{
	xa_erase(&session->caller->token->sessions, session->id);
	kfree(session);
}

static void tokmux_session_add(struct tokmux_session *session)
{
	struct tokmux_caller *caller = session->caller;
	struct tokmux_token *token = caller->token;

	/* The entry is reserved, so this allocates nothing and cannot fail. */
	xa_store(&token->sessions, session->id, session, 0);
	list_add_tail(&session->node, &caller->sessions);
	caller->nr_sessions++;
	token->nr_sessions++;
	trace_tokmux_session(caller, caller->nr_sessions);
}

static void tokmux_session_end(struct tokmux_session *session)
{
	struct tokmux_caller *caller = session->caller;

	list_del(&session->node);
	caller->nr_sessions--;
	caller->token->nr_sessions--;
	trace_tokmux_session(caller, caller->nr_sessions);
	tokmux_session_free(session);
}

/* Close all sessions of a caller. Returns their number. */
unsigned int tokmux_session_end_all(struct tokmux_caller *caller)
{
	struct tokmux_session *session, *next;
	unsigned int nr = caller->nr_sessions;

	lockdep_assert_held(&caller->token->lock);
	list_for_each_entry_safe(session, next, &caller->sessions, node)
		tokmux_session_end(session);
	return nr;
}

/* Open waiting sessions as far as the quota allows, first come first served. */
void tokmux_session_dispatch(struct tokmux_token *token)
{
	struct tokmux_queue *queue = &token->session_queue;
	struct tokmux_request *req;

	lockdep_assert_held(&token->lock);
	while (!token->gone && token->nr_sessions < token->max_sessions &&
	       (req = tokmux_queue_first(queue))) {
		tokmux_session_add(req->session);
		req->opened->id = req->session->id;
		tokmux_queue_answer(queue, req, 0);
	}
}

/* Would one more session have to wait? */
static bool tokmux_session_full(const struct tokmux_token *token)
{
	return token->session_queue.length || token->nr_sessions >= token->max_sessions;
}

int tokmux_session_open(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_queue *queue = &token->session_queue;
	struct tokmux_session_open *arg = argp;
	struct tokmux_request req = { .caller = caller, .opened = arg };
	int ret;

	if (!arg->timeout_ms && tokmux_session_full(token))
		return -EAGAIN;

	mutex_unlock(&token->lock);
	req.session = tokmux_session_new(caller);
	mutex_lock(&token->lock);
	if (IS_ERR(req.session))
		return PTR_ERR(req.session);
	ret = tokmux_caller_check(caller);
	if (!ret && !arg->timeout_ms && tokmux_session_full(token))
		ret = -EAGAIN;
	if (!ret)
		ret = tokmux_queue_add(queue, &req);
	if (ret)
		goto err_free;
	tokmux_session_dispatch(token);
	ret = tokmux_queue_wait(queue, &req, arg->timeout_ms);
	call->withdrew = ret;
	if (!ret)
		return 0;
err_free:
	tokmux_session_free(req.session);
	return ret;
}

/* R6: a caller that has closed its last session is logged out, and told so. */
static u32 tokmux_session_closed(struct tokmux_caller *caller)
{
	u32 closed = 0;

	if (!caller->nr_sessions)
		closed = tokmux_login_end(caller);
	tokmux_session_dispatch(caller->token);
	return closed;
}

int tokmux_session_close(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_session_close *arg = argp;
	struct tokmux_session *session;

	session = xa_load(&caller->token->sessions, arg->id);
	if (!session || session->caller != caller)
		return -ENOENT;
	tokmux_session_end(session);
	arg->closed = tokmux_session_closed(caller);
	arg->sessions = caller->nr_sessions;
	return 0;
}

int tokmux_session_close_all(struct tokmux_call *call, void *argp)
{
	struct tokmux_session_close_all *arg = argp;

	arg->sessions = tokmux_session_end_all(call->caller);
	arg->closed = tokmux_session_closed(call->caller);
	return 0;
}
