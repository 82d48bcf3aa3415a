// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: numbers that callers own, and a quota on them. Keeps R5.
 */
#include <linux/slab.h>
#include "internal.h"

struct tokmux_session {
	struct list_head node;		/* in caller->sessions */
	struct tokmux_caller *caller;
	u32 id;
};

static int tokmux_session_add(struct tokmux_caller *caller,
			      struct tokmux_session *session)
{
	struct tokmux_token *token = caller->token;
	int ret;

	session->caller = caller;
	ret = xa_alloc_cyclic(&token->sessions, &session->id, session,
			      XA_LIMIT(1, U32_MAX), &token->next_session,
			      GFP_KERNEL_ACCOUNT);
	if (ret < 0)
		return ret;
	list_add_tail(&session->node, &caller->sessions);
	caller->nr_sessions++;
	token->nr_sessions++;
	return 0;
}

static void tokmux_session_end(struct tokmux_session *session)
{
	struct tokmux_caller *caller = session->caller;

	xa_erase(&caller->token->sessions, session->id);
	list_del(&session->node);
	caller->nr_sessions--;
	caller->token->nr_sessions--;
	kfree(session);
}

/* Close all of a caller's sessions. Returns how many they were. */
unsigned int tokmux_session_end_all(struct tokmux_caller *caller)
{
	struct tokmux_session *session, *next;
	unsigned int nr = caller->nr_sessions;

	lockdep_assert_held(&caller->token->lock);
	list_for_each_entry_safe(session, next, &caller->sessions, node)
		tokmux_session_end(session);
	return nr;
}

/* Open what waits and fits the quota, first come first served. */
void tokmux_session_dispatch(struct tokmux_token *token)
{
	struct tokmux_queue *queue = &token->session_queue;
	struct tokmux_request *req;
	int ret;

	lockdep_assert_held(&token->lock);
	while (!token->gone && token->nr_sessions < token->max_sessions) {
		req = list_first_entry_or_null(&queue->requests,
					       struct tokmux_request, node);
		if (!req)
			break;
		ret = tokmux_session_add(req->caller, req->session);
		if (!ret)
			req->opened->id = req->session->id;
		tokmux_queue_answer(queue, req, ret);
	}
}

int tokmux_session_open(void *ctx, void *argp)
{
	struct tokmux_caller *caller = ctx;
	struct tokmux_token *token = caller->token;
	struct tokmux_queue *queue = &token->session_queue;
	struct tokmux_session_open *arg = argp;
	struct tokmux_request req = { .caller = caller, .opened = arg };
	int ret;

	if (arg->flags || arg->id || arg->reserved)
		return -EINVAL;
	req.session = kzalloc(sizeof(*req.session), GFP_KERNEL_ACCOUNT);
	if (!req.session)
		return -ENOMEM;

	mutex_lock(&token->lock);
	ret = tokmux_caller_check(caller);
	if (ret)
		goto out;
	ret = -EAGAIN;
	if (!arg->timeout_ms &&
	    (queue->length || token->nr_sessions >= token->max_sessions))
		goto out;

	ret = tokmux_queue_add(queue, &req);
	if (ret)
		goto out;
	tokmux_session_dispatch(token);
	ret = tokmux_queue_wait(queue, &req, arg->timeout_ms);
out:
	mutex_unlock(&token->lock);
	if (ret)
		kfree(req.session);
	return ret;
}

/* R6: who closes its last session is logged out, and is told so. */
static u32 tokmux_session_closed(struct tokmux_caller *caller)
{
	u32 closed = 0;

	if (!caller->nr_sessions)
		closed = tokmux_login_end(caller);
	tokmux_session_dispatch(caller->token);
	return closed;
}

int tokmux_session_close(void *ctx, void *argp)
{
	struct tokmux_caller *caller = ctx;
	struct tokmux_token *token = caller->token;
	struct tokmux_session_close *arg = argp;
	struct tokmux_session *session;
	int ret;

	if (arg->flags || arg->closed || arg->sessions)
		return -EINVAL;

	mutex_lock(&token->lock);
	ret = tokmux_caller_check(caller);
	if (ret)
		goto out;
	session = xa_load(&token->sessions, arg->id);
	if (!session || session->caller != caller) {
		ret = -ENOENT;
		goto out;
	}
	tokmux_session_end(session);
	arg->closed = tokmux_session_closed(caller);
	arg->sessions = caller->nr_sessions;
out:
	mutex_unlock(&token->lock);
	return ret;
}

int tokmux_session_close_all(void *ctx, void *argp)
{
	struct tokmux_caller *caller = ctx;
	struct tokmux_token *token = caller->token;
	struct tokmux_session_close_all *arg = argp;
	int ret;

	if (arg->flags || arg->closed || arg->sessions || arg->reserved)
		return -EINVAL;

	mutex_lock(&token->lock);
	ret = tokmux_caller_check(caller);
	if (ret)
		goto out;
	arg->sessions = tokmux_session_end_all(caller);
	arg->closed = tokmux_session_closed(caller);
out:
	mutex_unlock(&token->lock);
	return ret;
}
