// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Cards on a token: the lease, the reader behind the lease fd, and the reset
 * of a card that passes from one holder to another (R2).
 *
 * The lease is for the reader: the first card that begins gets it, the cards of other
 * slots that begin meanwhile are in it, and the last one that ends gives it back.
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
	c = caller->reader ? card_alloc_in(caller->reader, slot) : card_alloc(slot);
	if (!c)
		return -ENOMEM;
	c->reader->caller = caller;
	caller->reader = c->reader;
	*card = c;
	return 0;
}

/* Is one of the reader's cards in such a use? @but may be NULL. */
static bool any_in(const struct card_reader *reader, enum card_use use,
		   const struct tokmux_card *but)
{
	const struct tokmux_card *card;

	for (card = reader->cards; card; card = card->next)
		if (card != but && card->use == use)
			return true;
	return false;
}

static void give_back(struct card_reader *reader)
{
	struct tokmux_card *card;

	for (card = reader->cards; card; card = card->next)
		card->use = CARD_UNUSED;
	card_reader_disconnect(reader);
	if (reader->lease_fd >= 0)
		close(reader->lease_fd);
	reader->lease_fd = -1;
	reader->idle = false;
}

static unsigned int *begun(const struct tokmux_card *card)
{
	unsigned int slot = card->slot;

	return &card->reader->begun[slot < CARD_SLOTS ? slot : CARD_SLOTS - 1];
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

	for (i = 0; i < CARD_SLOTS; i++)
		if (&card->reader->begun[i] != begun(card))
			card->reader->begun[i]++;
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
	       !ccid_activates(&card->ccid);
}

/*
 * Did the last holder, of the same user, leave the card to this one? A grant to another
 * holder than the last one changes the epoch by one. So if the epoch is one higher, there
 * was no holder in between. A card that has power was not out, unless the reader gives
 * it power by itself.
 */
static bool was_left(const struct tokmux_card *card,
		     const struct tokmux_grant *grant,
		     const struct card_left *left)
{
	int64_t unused_ms = deadline_now() - left->used_ms;

	return card->ccid.icc == CCID_ICC_ACTIVE &&
	       !(card->reader->granted & GRANT_SCRUB) &&
	       card->epoch != left->epoch && grant->epoch == left->epoch + 1 &&
	       unused_ms >= 0 && (card->share_ms < 0 || unused_ms < card->share_ms) &&
	       !ccid_activates(&card->ccid);
}

/*
 * Takes the file that says how the last holder left the card. It is of use now or never.
 * True if this holder goes on with the card as it is.
 */
static bool take_left(struct tokmux_card *card, const struct tokmux_grant *grant,
		      int *flags)
{
	struct card_left_key key;
	struct card_left left;

	if (!card->share_ms || card_left_key(card->reader->caller, card->slot, &key) ||
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

	if (!card->powered || ccid_is_astray(&card->ccid) || !card->power_id ||
	    ccid_activates(&card->ccid))
		return false;
	memcpy(left.atr, card->atr_bytes, card->atr_len);
	return !card_left_key(card->reader->caller, card->slot, &key) &&
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
			tokmux_mark_clean(card->reader->caller);
	}
	return ret < 0 ? ret : flags | TOKMUX_CARD_TOUCHED;
}

static bool is_slot_used(const struct tokmux_card *card)
{
	const struct tokmux_card *other;

	for (other = card->reader->cards; other; other = other->next)
		if (other->slot == card->slot && other->use == CARD_USED)
			return true;
	return false;
}

/* 1 if another card of the reader has brought the lease, 0 if none has. */
static int find_lease(struct tokmux_card *card)
{
	struct card_reader *reader = card->reader;
	struct tokmux_state info;

	if (!any_in(reader, CARD_USED, NULL))
		return 0;
	if (!tokmux_info(reader->caller, &info, sizeof(info)) &&
	    info.flags & TOKMUX_INFO_HOLDING)
		return is_slot_used(card) ? -EALREADY : 1;
	/* The lease was taken away. The cards that were in it have to end first. */
	if (any_in(reader, CARD_USED, card))
		return -ENODEV;
	give_back(reader);
	return 0;
}

static int get_lease(struct tokmux_card *card, int timeout_ms,
		     struct tokmux_grant *grant)
{
	int ret = find_lease(card);

	if (!ret) {
		ret = tokmux_acquire(card->reader->caller, TOKMUX_EXCLUSIVE,
				     timeout_ms, grant);
		if (!ret)
			card->reader->granted = grant->flags;
		return ret;
	}
	/* The card that brought the lease has done for all slots what the kernel's flags ask. */
	*grant = (struct tokmux_grant){ .epoch = card->reader->epoch };
	return ret < 0 ? ret : 0;
}

/* Opens the reader, unless it is open, or an idle lease has kept it. */
static int open_reader(struct card_reader *reader)
{
	int ret;

	if (any_in(reader, CARD_USED, NULL))
		return 0;
	ret = tokmux_lease_fd(reader->caller);
	if (ret == -EALREADY && reader->idle) {
		reader->idle = false;
		return 0;
	}
	if (reader->idle)
		give_back(reader);
	if (ret < 0)
		return ret;
	reader->lease_fd = ret;
	return card_reader_connect_fd(reader, ret);
}

static int begin(struct tokmux_card *card, int timeout_ms, bool power)
{
	struct card_reader *reader = card->reader;
	struct tokmux_grant grant;
	int saved = errno, ret;
	bool last, kept;

	if (!reader->caller || reader->caller->group)
		return -EINVAL;
	ret = get_lease(card, timeout_ms, &grant);
	if (ret)
		return ret;
	last = was_last(card);
	if (!last)
		card->powered = false;
	ret = open_reader(reader);
	kept = card->use == CARD_IDLE && last && card->epoch == grant.epoch &&
	       !(grant.flags & GRANT_SCRUB) && (card->powered || !power);
	card->use = CARD_UNUSED;
	if (!ret)
		ret = card_attach(card);
	if (!ret && !kept)
		ret = take_over(card, &grant, power);
	if (ret >= 0) {
		card->use = CARD_USED;
		card->epoch = grant.epoch;
		reader->epoch = grant.epoch;
	} else {
		card->powered = false;
		card_detach(card);
	}
	if (ret < 0 && !any_in(reader, CARD_USED, NULL)) {
		give_back(reader);
		tokmux_release(reader->caller);
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
	if (!card->reader->caller)
		return -EINVAL;
	card->share_ms = unused_ms;
	return 0;
}

int tokmux_card_fd(const struct tokmux_card *card)
{
	return card->use == CARD_UNUSED ? -ENOLCK : card->reader->lease_fd;
}

static bool others_wait(struct card_reader *reader)
{
	struct tokmux_state info;

	return !tokmux_info(reader->caller, &info, sizeof(info)) && info.waiters;
}

static int make_idle(struct card_reader *reader)
{
	int ret = tokmux_idle(reader->caller, reader->linger_ms);

	reader->idle = !ret;
	return ret;
}

int tokmux_card_idle(struct tokmux_card *card, unsigned int linger_ms)
{
	struct card_reader *reader = card->reader;
	int ret = 0;

	if (card->use == CARD_UNUSED)
		return -ENOLCK;
	reader->linger_ms = linger_ms;
	if (!any_in(reader, CARD_USED, card))
		ret = make_idle(reader);
	if (!ret)
		card->use = CARD_IDLE;
	return ret;
}

/* Uses an idle lease again. Has it ended meanwhile, and with it all that was left? */
static bool has_ended(struct card_reader *reader)
{
	struct tokmux_state info;
	struct tokmux_grant grant;

	if (!reader->idle)
		return false;
	if (tokmux_info(reader->caller, &info, sizeof(info)) ||
	    !(info.flags & TOKMUX_INFO_HOLDING) ||
	    tokmux_acquire(reader->caller, TOKMUX_EXCLUSIVE, 0, &grant))
		return true;
	reader->idle = false;
	return false;
}

/* Is there another card that its last user has left with power, to go on with it? */
static bool is_other_kept(const struct tokmux_card *card)
{
	const struct tokmux_card *other;

	for (other = card->reader->cards; other; other = other->next)
		if (other->slot != card->slot && other->powered &&
		    other->epoch == card->reader->epoch &&
		    other->begun == *begun(other))
			return true;
	return false;
}

/* Takes the card's power. */
static void switch_off(struct tokmux_card *card)
{
	if (tokmux_card_power_off(card) || any_in(card->reader, CARD_USED, card) ||
	    any_in(card->reader, CARD_IDLE, card) || is_other_kept(card))
		return;
	/* Without power all cards of the reader forget who has logged in. */
	if (!card_has_others(card) || !card_other_slots_off(card))
		tokmux_mark_clean(card->reader->caller);
}

int tokmux_card_end(struct tokmux_card *card, unsigned int flags)
{
	struct card_reader *reader = card->reader;
	int saved = errno, ret = 0;
	bool off;

	if (flags & ~(unsigned int)(TOKMUX_CARD_OFF | TOKMUX_CARD_OFF_IF_WANTED))
		return -EINVAL;
	if (card->use == CARD_UNUSED)
		return -ENOLCK;
	if (has_ended(reader)) {
		give_back(reader);
		goto out;
	}
	off = flags & TOKMUX_CARD_OFF ||
	      (flags & TOKMUX_CARD_OFF_IF_WANTED && others_wait(reader));
	/* What can't be left to others of this user isn't left to anybody. */
	if (!off && card->share_ms)
		off = !leave(card);
	if (off)
		switch_off(card);
	card->use = CARD_UNUSED;
	card_detach(card);
	if (any_in(reader, CARD_USED, NULL))
		goto out;
	/* The others are kept as they were. */
	if (any_in(reader, CARD_IDLE, NULL) && !make_idle(reader))
		goto out;
	give_back(reader);
	ret = tokmux_release(reader->caller);
out:
	errno = saved;
	return ret;
}

void tokmux_card_free(struct tokmux_card *card)
{
	int saved = errno;

	if (card && card->reader->caller)
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
		ret = slot < ccid_desc(&card->ccid)->max_slot ? (int)slot + 1 : 0;
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
