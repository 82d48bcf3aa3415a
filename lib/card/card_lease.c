// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A card on a token: the lease, the reader behind the lease fd, and the reset
 * of a card that passes from one holder to another (R2).
 */
#include <unistd.h>
#include "card.h"
#include "card_left.h"
#include "deadline.h"

/*
 * With these flags the kernel grants a token whose card may still have another
 * holder's PIN verified: that holder died, was thrown out, left a login, or has
 * lost its idle lease.
 */
#define GRANT_SCRUB	(TOKMUX_GRANT_UNCLEAN | TOKMUX_GRANT_LOGIN | \
			 TOKMUX_GRANT_RESET)

int tokmux_card_new(struct tokmux_caller *caller, unsigned int slot,
		    struct tokmux_card **card)
{
	struct tokmux_card *c;

	/*
	 * To the kernel all callers of a group are one holder. Of two cards on
	 * such callers, neither would be told that the other was used.
	 */
	if (caller->group)
		return -EINVAL;
	c = card_alloc(slot);
	if (!c)
		return -ENOMEM;
	c->caller = caller;
	*card = c;
	return 0;
}

static void give_back(struct tokmux_card *card)
{
	card_disconnect(card);
	if (card->lease_fd >= 0)
		close(card->lease_fd);
	card->lease_fd = -1;
	card->idle = false;
}

static unsigned int *begun(const struct tokmux_card *card)
{
	unsigned int slot = card->slot;

	return &card->caller->begun[slot < TOKMUX_SLOTS ? slot : TOKMUX_SLOTS - 1];
}

/*
 * To the kernel all cards on a caller are one holder. So the library counts here
 * how often a slot was begun: a card whose count is old was not its last user.
 */
static bool was_last(struct tokmux_card *card)
{
	bool last = card->begun == *begun(card);

	card->begun = ++*begun(card);
	return last;
}

/* Cards on this caller for the other slots of the reader begin anew. */
static int scrub_other_slots(struct tokmux_card *card)
{
	unsigned int i;

	for (i = 0; i < TOKMUX_SLOTS; i++)
		if (&card->caller->begun[i] != begun(card))
			card->caller->begun[i]++;
	return card_other_slots_off(card);
}

/* Is the card as this holder left it? */
static bool is_untouched(const struct tokmux_card *card,
			 const struct tokmux_grant *grant)
{
	/*
	 * The slot's status is fresh. But in a reader that gives cards power
	 * by itself, a card with power may be another card.
	 */
	return card->ccid.icc == CCID_ICC_ACTIVE && card->powered &&
	       !(grant->flags & GRANT_SCRUB) && card->epoch == grant->epoch &&
	       !(card->ccid.transport->desc.features & CCID_AUTO_ACTIVATION);
}

/*
 * Did the last holder, of the same user, leave the card to this one? Each holder but the
 * last one changes the epoch, by one: so nobody was in between. That the card has power
 * tells that it was not out, where the reader gives none by itself.
 */
static bool was_left(const struct tokmux_card *card,
		     const struct tokmux_grant *grant,
		     const struct card_left *left)
{
	int64_t unused_ms = deadline_after(0) - left->used_ms;

	return card->ccid.icc == CCID_ICC_ACTIVE && !(grant->flags & GRANT_SCRUB) &&
	       card->epoch != left->epoch && grant->epoch == left->epoch + 1 &&
	       unused_ms >= 0 && (card->share_ms < 0 || unused_ms < card->share_ms) &&
	       !(card->ccid.transport->desc.features & CCID_AUTO_ACTIVATION);
}

/*
 * Takes what was left of the card, which is of use now or never. True if this holder
 * goes on with the card as it is.
 */
static bool take_left(struct tokmux_card *card, const struct tokmux_grant *grant,
		      int *flags)
{
	struct card_left_key key;
	struct card_left left;

	if (!card->share_ms || card_left_key(card->caller, card->slot, &key) ||
	    !card_left_take(&key, &left) || !was_left(card, grant, &left) ||
	    card_adopt(card, left.atr, left.atr_len, left.protocol))
		return false;
	*flags = left.power_id == card->power_id ? 0 : TOKMUX_CARD_TOUCHED;
	card->power_id = left.power_id;
	card->used_ms = left.used_ms;
	return true;
}

/* Leaves the card as it is to the next holder of this user. False if that can't be. */
static bool leave(struct tokmux_card *card)
{
	struct card_left left = {
		.epoch = card->epoch,
		.power_id = card->power_id,
		.used_ms = card->used_ms,
		.protocol = (uint8_t)card->protocol,
		.atr_len = (uint8_t)card->atr_len,
	};
	struct card_left_key key;

	if (!card->powered || card->ccid.astray || !card->power_id ||
	    card->ccid.transport->desc.features & CCID_AUTO_ACTIVATION)
		return false;
	memcpy(left.atr, card->atr_bytes, card->atr_len);
	return !card_left_key(card->caller, card->slot, &key) &&
	       !card_left_put(&key, &left);
}

/*
 * Resets the card for its new holder, unless the new holder is the last one
 * and the card has kept its power since. Without @power it only loses the power
 * that it has.
 */
static int take_over(struct tokmux_card *card,
		     const struct tokmux_grant *grant, bool power)
{
	bool scrub = grant->flags & GRANT_SCRUB;
	int ret = 0, flags = 0;

	if (take_left(card, grant, &flags))
		return flags;
	if (is_untouched(card, grant))
		return 0;
	card->powered = false;
	if (power)
		ret = tokmux_card_power_on(card);
	/*
	 * A mute or unknown card must at least lose its power, if it had any.
	 */
	if (power ? ret < 0 && scrub && ret != -ENOMEDIUM :
		    card->ccid.icc == CCID_ICC_ACTIVE) {
		int err = tokmux_card_power_off(card);

		if (err)
			return power ? ret : err;
	}
	if (scrub) {
		flags |= TOKMUX_CARD_SCRUBBED;
		/* The kernel's mark is for all slots. */
		if (!scrub_other_slots(card))
			tokmux_mark_clean(card->caller);
	}
	return ret < 0 ? ret : flags | TOKMUX_CARD_TOUCHED;
}

/* Opens the reader, unless an idle lease has kept it. */
static int open_reader(struct tokmux_card *card)
{
	int ret = tokmux_lease_fd(card->caller);

	if (ret == -EALREADY && card->idle)
		return 0;
	if (card->idle)
		give_back(card);
	if (ret < 0)
		return ret;
	card->lease_fd = ret;
	return card_connect_fd(card, ret);
}

static int begin(struct tokmux_card *card, int timeout_ms, bool power)
{
	struct tokmux_grant grant;
	int saved = errno, ret;
	bool last, kept;

	if (!card->caller || card->caller->group)
		return -EINVAL;
	ret = tokmux_acquire(card->caller, TOKMUX_EXCLUSIVE, timeout_ms, &grant);
	if (ret)
		return ret;
	last = was_last(card);
	if (!last)
		card->powered = false;
	ret = open_reader(card);
	kept = card->idle && last && card->epoch == grant.epoch &&
	       !(grant.flags & GRANT_SCRUB) && (card->powered || !power);
	card->idle = false;
	if (ret >= 0 && !kept)
		ret = take_over(card, &grant, power);
	if (ret < 0) {
		card->powered = false;
		give_back(card);
		tokmux_release(card->caller);
	} else {
		card->epoch = grant.epoch;
	}
	errno = saved;
	return ret;
}

int tokmux_card_begin(struct tokmux_card *card, int timeout_ms)
{
	return begin(card, timeout_ms, true);
}

int tokmux_card_hold(struct tokmux_card *card, int timeout_ms)
{
	return begin(card, timeout_ms, false);
}

int tokmux_card_share(struct tokmux_card *card, int unused_ms)
{
	if (!card->caller)
		return -EINVAL;
	card->share_ms = unused_ms;
	return 0;
}

int tokmux_card_fd(const struct tokmux_card *card)
{
	return card->lease_fd < 0 ? -ENOLCK : card->lease_fd;
}

static bool others_wait(struct tokmux_card *card)
{
	struct tokmux_state info;

	return !tokmux_info(card->caller, &info, sizeof(info)) && info.waiters;
}

int tokmux_card_idle(struct tokmux_card *card, unsigned int linger_ms)
{
	int ret;

	if (card->lease_fd < 0)
		return -ENOLCK;
	ret = tokmux_idle(card->caller, linger_ms);
	if (!ret)
		card->idle = true;
	return ret;
}

/* Uses an idle lease again. Has it ended meanwhile, and with it all that was left? */
static bool has_ended(struct tokmux_card *card)
{
	struct tokmux_state info;
	struct tokmux_grant grant;

	if (!card->idle)
		return false;
	if (tokmux_info(card->caller, &info, sizeof(info)) ||
	    !(info.flags & TOKMUX_INFO_HOLDING))
		return true;
	return tokmux_acquire(card->caller, TOKMUX_EXCLUSIVE, 0, &grant);
}

int tokmux_card_end(struct tokmux_card *card, unsigned int flags)
{
	int saved = errno, ret;
	bool off;

	if (flags & ~(unsigned int)(TOKMUX_CARD_OFF | TOKMUX_CARD_OFF_IF_WANTED))
		return -EINVAL;
	if (card->lease_fd < 0)
		return -ENOLCK;
	if (has_ended(card)) {
		give_back(card);
		errno = saved;
		return 0;
	}
	off = flags & TOKMUX_CARD_OFF ||
	      (flags & TOKMUX_CARD_OFF_IF_WANTED && others_wait(card));
	/* What can't be left to others of this user isn't left to anybody. */
	if (!off && card->share_ms)
		off = !leave(card);
	if (off) {
		/* Without power the card forgets who has logged in. */
		if (!tokmux_card_power_off(card) && !card_has_others(card))
			tokmux_mark_clean(card->caller);
	}
	give_back(card);
	ret = tokmux_release(card->caller);
	errno = saved;
	return ret;
}

void tokmux_card_free(struct tokmux_card *card)
{
	int saved = errno;

	if (card && card->caller)
		tokmux_card_end(card, 0);
	card_destroy(card);
	errno = saved;
}

static int scrub_slot(int fd, unsigned int slot)
{
	struct tokmux_card *card = card_alloc(slot);
	int ret = -ENOMEM;

	if (card)
		ret = card_connect_fd(card, fd);
	if (!ret)
		ret = tokmux_card_power_off(card);
	/* The number of the next slot, 0 after the last one. */
	if (!ret || ret == -ENOMEDIUM)
		ret = slot < card->ccid.transport->desc.max_slot ? (int)slot + 1 : 0;
	card_destroy(card);
	return ret;
}

int tokmux_card_scrub(struct tokmux_caller *caller)
{
	struct tokmux_lease_fd arg = { .flags = TOKMUX_LEASE_FD_SCRUB };
	int saved = errno, ret, slot = 0;

	ret = tokmux_ioctl(caller->fd, TOKMUX_LEASE_FD, &arg);
	if (ret)
		return ret;
	do
		slot = scrub_slot(arg.fd, (unsigned int)slot);
	while (slot > 0);
	ret = slot ? slot : tokmux_mark_clean(caller);
	close(arg.fd);
	errno = saved;
	return ret;
}
