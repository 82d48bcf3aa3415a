// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parties: the holders of leases. A party is one file, or one thread group with
 * all its files that are bound as a group.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "internal.h"

/**
 * tokmux_party_new() - allocate a party for the current thread group
 * @token: the token; its lock is not held, because the allocation may wait for
 *	this process' own memory (R8)
 * @group: the party is the thread group; else it is one file
 *
 * Return: a party for tokmux_party_join() or tokmux_party_free(); NULL if there
 * is no memory.
 */
struct tokmux_party *tokmux_party_new(struct tokmux_token *token, bool group)
{
	struct tokmux_party *party = kzalloc(sizeof(*party), GFP_KERNEL_ACCOUNT);

	if (!party)
		return NULL;
	INIT_LIST_HEAD(&party->callers);
	party->tgid = task_tgid(current);
	party->group = group;
	party->user = tokmux_user_get();
	if (!party->user)
		goto err_free;
	if (group && xa_reserve(&token->groups, pid_nr(party->tgid), GFP_KERNEL_ACCOUNT))
		goto err_user;
	return party;

err_user:
	tokmux_user_put(party->user);
err_free:
	kfree(party);
	return NULL;
}

/* Free a party that no caller has joined. @party may be NULL. */
void tokmux_party_free(struct tokmux_token *token, struct tokmux_party *party)
{
	if (!party)
		return;
	if (party->group)
		xa_release(&token->groups, pid_nr(party->tgid));
	tokmux_user_put(party->user);
	kfree(party);
}

/**
 * tokmux_party_join() - bind a caller to a party of the current thread group
 * @caller: the caller; token->lock is held
 * @fresh: a new party. It is used, and set to NULL, unless the thread group has
 *	a party already.
 *
 * Return: 0; -ENOMEM.
 */
int tokmux_party_join(struct tokmux_caller *caller, struct tokmux_party **fresh)
{
	struct tokmux_token *token = caller->token;
	struct pid *tgid = (*fresh)->tgid;
	struct tokmux_party *party = NULL;
	int ret;

	lockdep_assert_held(&token->lock);
	if ((*fresh)->group)
		party = xa_load(&token->groups, pid_nr(tgid));
	/* The pid may have been used again, and the party be that of a dead group. */
	if (!party || party->tgid != tgid) {
		party = *fresh;
		/* Mostly reserved: another thread may have released it. */
		if (party->group) {
			ret = xa_err(xa_store(&token->groups, pid_nr(tgid), party,
					      GFP_NOWAIT | __GFP_ACCOUNT));
			if (ret)
				return ret;
		}
		party->id = ++token->next_party;
		*fresh = NULL;
	}
	list_add_tail(&caller->party_node, &party->callers);
	caller->party = party;
	return 0;
}

/* Unbind a caller that holds no lease. The last caller frees the party. */
void tokmux_party_leave(struct tokmux_caller *caller)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_party *party = caller->party;

	lockdep_assert_held(&token->lock);
	if (!party)
		return;
	list_del_init(&caller->party_node);
	caller->party = NULL;
	if (!list_empty(&party->callers))
		return;
	if (party->group)
		xa_cmpxchg(&token->groups, pid_nr(party->tgid), party, NULL, 0);
	tokmux_user_put(party->user);
	kfree(party);
}

/* The first holder's pid in the current pid namespace, or 0. */
pid_t tokmux_party_pid(struct tokmux_token *token)
{
	struct rb_node *node = rb_first_cached(&token->holders);

	lockdep_assert_held(&token->lock);
	return node ? pid_vnr(rb_entry(node, struct tokmux_party, holder_node)->tgid) : 0;
}
