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
		if (tokmux_is_dying(req->task)) {
			tokmux_queue_answer(queue, req, -EINTR);
			continue;
		}
		ret = tokmux_session_add(req->caller, req->session);
		if (!ret)
			req->opened->id = req->session->id;
		tokmux_queue_answer(queue, req, ret);
	}
}

int tokmux_session_open(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_token *token = caller->token;
	struct tokmux_queue *queue = &token->session_queue;
	struct tokmux_session_open *arg = argp;
	struct tokmux_request req = { .caller = caller, .opened = arg };
	int ret;

	if (arg->flags || arg->id || arg->reserved)
		return -EINVAL;
	if (!arg->timeout_ms &&
	    (queue->length || token->nr_sessions >= token->max_sessions))
		return -EAGAIN;
	req.session = kzalloc(sizeof(*req.session), GFP_KERNEL_ACCOUNT);
	if (!req.session)
		return -ENOMEM;

	ret = tokmux_queue_add(queue, &req);
	if (ret)
		goto err_free;
	tokmux_session_dispatch(token);
	ret = tokmux_queue_wait(queue, &req, arg->timeout_ms);
	if (!ret)
		return 0;
	tokmux_caller_withdrew(caller);
err_free:
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

int tokmux_session_close(struct tokmux_call *call, void *argp)
{
	struct tokmux_caller *caller = call->caller;
	struct tokmux_session_close *arg = argp;
	struct tokmux_session *session;

	if (arg->flags || arg->closed || arg->sessions)
		return -EINVAL;
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

	if (arg->flags || arg->closed || arg->sessions || arg->reserved)
		return -EINVAL;
	arg->sessions = tokmux_session_end_all(call->caller);
	arg->closed = tokmux_session_closed(call->caller);
	return 0;
}
