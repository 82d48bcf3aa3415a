// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parties: what a lease belongs to, a file or a thread group, as bound.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "internal.h"

/* What token->groups has for @tgid, if it is not left from another with the same number. */
static struct tokmux_party *tokmux_party_find(struct tokmux_token *token,
					      struct pid *tgid)
{
	struct tokmux_party *party = xa_load(&token->groups, pid_nr(tgid));

	return party && party->tgid == tgid ? party : NULL;
}

/**
 * tokmux_party_new() - make a party of the current thread group
 * @token: of which; its lock is not held, because nobody else need wait for this
 *	process' memory (R8)
 * @group: of all callers that the thread group binds as such
 *
 * Return: one for tokmux_party_join() or tokmux_party_free(), or NULL.
 */
struct tokmux_party *tokmux_party_new(struct tokmux_token *token, bool group)
{
	struct tokmux_party *party = kzalloc(sizeof(*party), GFP_KERNEL_ACCOUNT);

	if (!party)
		return NULL;
	INIT_LIST_HEAD(&party->callers);
	INIT_LIST_HEAD(&party->holder_node);
	party->tgid = task_tgid(current);
	party->group = group;
	if (group && xa_reserve(&token->groups, pid_nr(party->tgid),
				GFP_KERNEL_ACCOUNT)) {
		kfree(party);
		return NULL;
	}
	return party;
}

/* One that nobody has joined, or NULL. */
void tokmux_party_free(struct tokmux_token *token, struct tokmux_party *party)
{
	if (!party)
		return;
	if (party->group)
		xa_release(&token->groups, pid_nr(party->tgid));
	kfree(party);
}

/**
 * tokmux_party_join() - bind a caller to a party of the current thread group
 * @caller: with token->lock held
 * @fresh: what it is bound to, if it is not to a group that has one already;
 *	NULL where it was taken
 */
int tokmux_party_join(struct tokmux_caller *caller, struct tokmux_party **fresh)
{
	struct tokmux_token *token = caller->token;
	struct tokmux_party *party = NULL;
	int ret;

	lockdep_assert_held(&token->lock);
	if ((*fresh)->group)
		party = tokmux_party_find(token, (*fresh)->tgid);
	if (!party) {
		party = *fresh;
		/* The place is there, unless another thread's is just going. */
		if (party->group) {
			ret = xa_err(xa_store(&token->groups, pid_nr(party->tgid),
					      party, GFP_NOWAIT | __GFP_ACCOUNT));
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

/* The caller holds nothing any more; its party goes with its last caller. */
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
	kfree(party);
}

/* The (first) holder's process, as the reader's pid namespace has it, or 0. */
pid_t tokmux_party_pid(struct tokmux_token *token)
{
	struct tokmux_party *party =
		list_first_entry_or_null(&token->holders, struct tokmux_party,
					 holder_node);

	lockdep_assert_held(&token->lock);
	return party ? pid_vnr(party->tgid) : 0;
}
