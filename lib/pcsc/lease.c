// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A reader's lease, and the cards behind it (R1, R2, R19).
 *
 * Between a program's uses of the card the lease is kept, but idle. So the card stays
 * as the program left it, and a transaction costs no transfer to the reader. When
 * others want the lease, this process gives it back, and before that takes the card's
 * power: the next holder finds no PIN verified, whatever library it uses. With
 * isolate = no it leaves the card to the next program of the same user instead. If this
 * process doesn't do so in time, because it is stopped for one, the kernel ends the
 * lease, and tells the next holder to reset the card.
 *
 * The lease is for all slots of the reader. It is kept while one of them is used, and all
 * cards lose their power before it is given back. A slot's card joins the lease when
 * the slot is looked at, or used, for the first time in it.
 *
 * reader->use is taken where a function for others begins, and nowhere else.
 */
#include <errno.h>
#include "lease.h"
#include "note.h"
#include "policy.h"
#include "wake.h"

/* How long somebody who only looks waits for a reader of which nothing is known. */
#define FIRST_LOOK_MS	1000

static int new_cards(struct reader *reader, struct tokmux_caller *caller)
{
	struct slot *slot;
	int ret;

	for_each_slot(slot, reader) {
		ret = tokmux_card_new(caller, slot->number, &slot->card);
		if (ret)
			break;
		if (!policy.isolate)
			tokmux_card_share(slot->card, policy.forget_after_ms ?
						      (int)policy.forget_after_ms : -1);
	}
	if (slot == reader->slots + reader->nr_slots)
		return 0;
	while (slot-- > reader->slots) {
		tokmux_card_free(slot->card);
		slot->card = NULL;
	}
	return ret;
}

static int open_token(struct reader *reader)
{
	struct tokmux_caller *caller;
	int ret;

	if (reader->caller)
		return 0;
	/* Tokens of one monitor are for one thread at a time. */
	lock();
	ret = tokmux_open_token(reader->token, &caller);
	unlock();
	if (ret)
		return ret;
	ret = tokmux_bind(caller, 0);
	if (!ret)
		ret = new_cards(reader, caller);
	if (ret) {
		tokmux_close(caller);
		return ret;
	}
	lock();
	reader->caller = caller;
	unlock();
	return 0;
}

/* ---- the session ------------------------------------------------------------- */

/* Under the lock. */
static int open_session(struct reader *reader)
{
	return reader->session ? 0 :
	       tokmux_session_open(reader->caller, 0, &reader->session);
}

void lease_close_session(struct reader *reader)
{
	if (reader->session)
		tokmux_session_close(reader->caller, reader->session);
	reader->session = 0;
}

int lease_share(struct reader *reader)
{
	int ret;

	lock();
	ret = open_session(reader);
	reader->sharers += !ret;
	unlock();
	return ret;
}

void lease_unshare(struct reader *reader)
{
	lock();
	if (!--reader->sharers)
		lease_close_session(reader);
	unlock();
}

/* ---- the lease ------------------------------------------------------------------ */

/* Under the lock: what an earlier lease came to says nothing about this one. */
static void catch_up_events(struct reader *reader)
{
	struct tokmux_event event;

	reader->lost = false;
	reader->wanted_ms = 0;
	while (!tokmux_read_event(reader->caller, 0, &event)) {
		if (event.type == TOKMUX_EVENT_WANTED)
			reader->wanted_ms = now_ms();
		else if (event.type == TOKMUX_EVENT_LEASE_LOST)
			reader->wanted_ms = 0;
		else if (event.type == TOKMUX_EVENT_SESSIONS_ENDED)
			lease_close_session(reader);
	}
}

static void use_begin(struct reader *reader)
{
	pthread_mutex_lock(&reader->use);
}

static int use_end(struct reader *reader, int ret)
{
	pthread_mutex_unlock(&reader->use);
	return ret;
}

int lease_open(struct reader *reader)
{
	use_begin(reader);
	return use_end(reader, open_token(reader));
}

static DWORD protocol_of(const struct slot *slot)
{
	int protocol = tokmux_card_protocol(slot->card);

	if (protocol < 0)
		return SCARD_PROTOCOL_UNDEFINED;
	return protocol == 1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0;
}

/* Has its card joined the lease? */
static bool has_joined(const struct slot *slot)
{
	return tokmux_card_fd(slot->card) >= 0;
}

/*
 * The lease is gone, or about to be given back: the cards are no longer ours. @reset: for
 * all that this process knows they are reset then.
 */
static void let_go(struct reader *reader, unsigned int how, bool reset)
{
	struct slot *slot;

	for_each_slot(slot, reader)
		tokmux_card_end(slot->card, how);
	lock();
	reader->held = false;
	reader->idle = false;
	reader->lost = false;
	reader->wanted_ms = 0;
	reader->listen_fd = -1;
	reader->hear = false;
	for_each_slot(slot, reader) {
		slot->grace_of = NULL;
		slot->told = false;
		slot->protocol = SCARD_PROTOCOL_UNDEFINED;
		if (reset)
			slot_was_reset(slot);
	}
	unlock();
}

/*
 * Gives the lease back. The next holder's cards have no power, or are those of the same
 * user. What became of them is told with the next lease then.
 */
static void hand_over(struct reader *reader, bool off)
{
	off |= policy.isolate;
	let_go(reader, off ? TOKMUX_CARD_OFF : 0, off);
}

/* ---- between uses ---------------------------------------------------------- */

int64_t lease_due(const struct reader *reader)
{
	int64_t due = reader->used_ms + policy.linger_ms, latest;
	const struct slot *slot;

	/* There is nothing to lose. */
	if (!reader_connections(reader) || reader_is_empty(reader))
		return 0;
	for_each_slot(slot, reader)
		if (slot->grace_of && slot->grace_ms > due)
			due = slot->grace_ms;
	latest = reader->wanted_ms + policy.linger_most_ms;
	return reader->wanted_ms && latest < due ? latest : due;
}

/* Keeps the lease, without using it. */
static void rest(struct reader *reader)
{
	struct slot *slot;
	int64_t linger_ms;
	int ret = 0;

	lock();
	linger_ms = lease_due(reader) - now_ms();
	unlock();
	linger_ms = (linger_ms > 0 ? linger_ms : 0) + HELP_MS;
	if (linger_ms > TOKMUX_MAX_LINGER_MS)
		linger_ms = TOKMUX_MAX_LINGER_MS;
	for_each_slot(slot, reader)
		if (!ret && has_joined(slot))
			ret = tokmux_card_idle(slot->card, (unsigned int)linger_ms);
	/* A lease that was taken meanwhile is missed with its next use. */
	reader->idle = !ret;
}

/* Have others waited long enough? If they gave up, that is forgotten. */
static bool is_due(struct reader *reader)
{
	struct lease_others others;
	bool wanted, due;

	lock();
	wanted = reader->wanted_ms && !reader->lost;
	due = now_ms() >= lease_due(reader);
	unlock();
	if (!wanted || !due)
		return false;
	if (lease_others(reader, &others) || others.waiters)
		return true;
	lock();
	reader->wanted_ms = 0;
	unlock();
	return false;
}

static bool is_used(const struct reader *reader)
{
	const struct slot *slot;

	for_each_slot(slot, reader)
		if (slot->used)
			return true;
	return false;
}

static void write_notes(struct reader *reader)
{
	struct slot *slot;

	for_each_slot(slot, reader)
		note_write(slot);
}

void lease_leave(struct slot *slot, bool keeps)
{
	struct reader *reader = slot->reader;

	use_begin(reader);
	slot->used = keeps;
	if (reader->held && !reader->idle) {
		write_notes(reader);
		if (!is_used(reader) && is_due(reader))
			hand_over(reader, false);
		else if (!is_used(reader))
			rest(reader);
	}
	use_end(reader, 0);
}

bool lease_is_wanted(struct reader *reader)
{
	bool wanted;

	use_begin(reader);
	wanted = reader->held && is_due(reader);
	use_end(reader, 0);
	return wanted;
}

void lease_give_back(struct reader *reader, bool off)
{
	use_begin(reader);
	if (reader->held)
		hand_over(reader, off);
	use_end(reader, 0);
}

/*
 * The reader answers -ENODEV: it was unplugged, or the lease was taken. Returns
 * what of the two it is.
 */
static int find_out(struct reader *reader)
{
	struct tokmux_state state;
	struct slot *slot;
	int ret;

	ret = tokmux_info(reader->caller, &state, sizeof(state));
	let_go(reader, 0, true);
	if (!ret && !(state.flags & TOKMUX_INFO_HOLDING))
		return -ESTALE;
	lock();
	for_each_slot(slot, reader)
		slot_was_emptied(slot);
	unlock();
	return -ENODEV;
}

/* What an attempt to give the card power came to. */
static int learn(struct slot *slot, int ret)
{
	uint8_t atr[TOKMUX_ATR_SIZE];
	int len = 0;

	if (ret == -ENODEV)
		return find_out(slot->reader);
	if (ret >= 0)
		len = tokmux_card_atr(slot->card, atr);
	lock();
	if (ret == -ENOMEDIUM)
		slot_is(slot, SLOT_EMPTY, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	else if (ret < 0 || len < 0)
		slot_is(slot, SLOT_MUTE, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	else
		slot_is(slot, SLOT_CARD, atr, (size_t)len, protocol_of(slot));
	unlock();
	return ret < 0 ? ret : 0;
}

static int hold(struct slot *slot, int timeout_ms)
{
	int ret;

	do {
		ret = tokmux_card_hold(slot->card, timeout_ms);
	} while (ret == -EINTR);
	return ret;
}

/* The slot's card has joined the lease. @touched: it is not as this process left it. */
static void joined(struct slot *slot, bool touched)
{
	/* From now on the reader tells of cards that come and go, if it can. */
	const bool tells = tokmux_card_heard(slot->card) >= 0;
	struct reader *reader = slot->reader;

	lock();
	slot->told = tells;
	reader->listen_fd = tells ? tokmux_card_fd(slot->card) : -1;
	if (touched)
		slot_was_reset(slot);
	unlock();
	/* It was left to this process. */
	if (tokmux_card_protocol(slot->card) >= 0)
		learn(slot, 0);
}

/* This process has a lease that it had not before; the slot's card is in it. */
static void begin(struct slot *of, bool touched)
{
	struct reader *reader = of->reader;
	struct tokmux_card_reader about = {};
	struct slot *slot;

	tokmux_card_describe(of->card, &about, sizeof(about));
	for_each_slot(slot, reader)
		note_begin(slot);
	joined(of, touched);
	lock();
	if (!reader->about.slots)
		reader->about = about;
	reader->held = true;
	for_each_slot(slot, reader)
		slot->told &= slot == of;
	reader->heard_ms = now_ms();
	reader->only_seen = false;
	reader->used_ms = now_ms();
	catch_up_events(reader);
	/* An eject has ended the session, and the program goes on. */
	if (reader->sharers)
		open_session(reader);
	/* There is one more file to wait for. */
	wake_keeper();
	unlock();
}

/* Goes on with the cards of an idle lease, or gets another one. */
static int resume(struct reader *reader, int timeout_ms)
{
	struct slot *slot;
	int fd, ret;

	for_each_slot(slot, reader) {
		fd = tokmux_card_fd(slot->card);
		if (fd < 0)
			continue;
		ret = hold(slot, timeout_ms);
		if (ret < 0) {
			let_go(reader, 0, true);
			return ret;
		}
		/* The old file was open while this one was opened. */
		if (tokmux_card_fd(slot->card) != fd) {
			begin(slot, true);
		} else if (ret & TOKMUX_CARD_TOUCHED) {
			lock();
			slot_was_reset(slot);
			unlock();
		}
	}
	reader->idle = false;
	return 0;
}

/* In a lease that there is. */
static int join(struct slot *slot)
{
	int ret;

	if (has_joined(slot))
		return 0;
	ret = hold(slot, 0);
	if (ret == -ENODEV)
		return find_out(slot->reader);
	if (ret < 0)
		return ret;
	joined(slot, ret & TOKMUX_CARD_TOUCHED);
	return 0;
}

static int take(struct slot *slot, int timeout_ms)
{
	struct reader *reader = slot->reader;
	bool lost;
	int ret;

	if (reader->held && reader->idle) {
		ret = resume(reader, timeout_ms);
		return ret ? ret : join(slot);
	}
	lock();
	lost = reader->lost;
	unlock();
	if (reader->held && !lost)
		return join(slot);
	if (reader->held)
		let_go(reader, 0, true);
	ret = open_token(reader);
	if (ret)
		return ret;
	ret = hold(slot, timeout_ms);
	if (ret < 0)
		return ret;
	begin(slot, ret & TOKMUX_CARD_TOUCHED);
	return 0;
}

int lease_take(struct slot *slot, int timeout_ms)
{
	use_begin(slot->reader);
	slot->used = true;
	return use_end(slot->reader, take(slot, timeout_ms));
}

bool lease_use_own(struct slot *slot)
{
	struct reader *reader = slot->reader;

	use_begin(reader);
	slot->used = true;
	if (reader->held && reader->idle)
		resume(reader, 0);
	return use_end(reader, reader->held && !join(slot));
}

static int reset(struct slot *slot, unsigned int how)
{
	int ret;

	/* A use of another slot has found the lease gone since this one began. */
	if (!has_joined(slot))
		return -ESTALE;
	lock();
	slot_was_reset(slot);
	unlock();
	ret = learn(slot, tokmux_card_reset(slot->card, how));
	/* The protocols that are wished can't be had. The card itself is well. */
	if (ret == -EOPNOTSUPP && how & (TOKMUX_CARD_T0 | TOKMUX_CARD_T1))
		learn(slot, tokmux_card_reset(slot->card, 0));
	return ret;
}

int lease_reset(struct slot *slot, unsigned int how)
{
	use_begin(slot->reader);
	return use_end(slot->reader, reset(slot, how));
}

int lease_power(struct slot *slot, unsigned int how)
{
	int ret = 0;

	use_begin(slot->reader);
	if (tokmux_card_protocol(slot->card) < 0)
		ret = reset(slot, how);
	return use_end(slot->reader, ret);
}

int lease_unpower(struct slot *slot)
{
	struct reader *reader = slot->reader;
	int ret;

	use_begin(reader);
	ret = tokmux_card_power_off(slot->card);
	lock();
	slot_was_reset(slot);
	unlock();
	return use_end(reader, ret == -ENODEV ? find_out(reader) : ret);
}

/* ---- looking --------------------------------------------------------------- */

/* The slot's card has joined. -ENODEV: perhaps the lease is not here any more. */
static int ask(struct slot *slot)
{
	bool powered = tokmux_card_protocol(slot->card) >= 0;
	int ret = tokmux_card_status(slot->card);

	if (ret == -ENODEV)
		return ret;
	lock();
	if (ret < 0)
		slot_is(slot, SLOT_MUTE, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	else if (ret == TOKMUX_CARD_ABSENT)
		slot_is(slot, SLOT_EMPTY, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	else if (powered && tokmux_card_protocol(slot->card) < 0)
		/* It had power, and was out meanwhile. */
		slot_was_emptied(slot);
	else
		slot->seen_ms = now_ms();
	/* A card that is new is given power, to see its ATR. */
	ret = ret >= 0 && ret != TOKMUX_CARD_ABSENT &&
	      slot->content != SLOT_MUTE && !slot->atr_len;
	if (ret)
		slot_was_reset(slot);
	unlock();
	ret = ret ? tokmux_card_reset(slot->card, 0) : 0;
	if (ret == -ENODEV)
		return ret;
	if (ret)
		learn(slot, ret);
	return 0;
}

static void look(struct slot *slot)
{
	if (ask(slot) == -ENODEV)
		find_out(slot->reader);
}

/* Another process has the reader, and hasn't said what is in it. Or nobody has it. */
static void look_oneself(struct slot *slot)
{
	struct reader *reader = slot->reader;
	bool held = reader->held, rests = !held || reader->idle, keep, first;
	int ret;

	lock();
	first = !slot->seen_ms;
	unlock();
	ret = take(slot, first ? FIRST_LOOK_MS : 0);
	if (!ret) {
		look(slot);
		write_notes(reader);
	}
	lock();
	reader->access = ret == -EACCES || ret == -EPERM ? ret : 0;
	/*
	 * Whoever holds it uses a card. To be told that there is none would be
	 * wrong more often.
	 */
	if (first && ret == -ETIMEDOUT)
		slot_is(slot, SLOT_CARD, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	slot->seen_ms = now_ms();
	/* The program that looks is likely to want the card next. */
	keep = held || slot->protocol != SCARD_PROTOCOL_UNDEFINED;
	if (!ret && !held && keep) {
		reader->only_seen = true;
		wake_keeper();
	}
	unlock();
	/* Unless the reader went meanwhile. */
	if (!ret && !keep && reader->held)
		hand_over(reader, false);
	else if (reader->held && rests)
		rest(reader);
}

void lease_look(struct slot *slot)
{
	struct reader *reader = slot->reader;

	use_begin(reader);
	if (reader->held || open_token(reader) || !note_read(slot))
		look_oneself(slot);
	use_end(reader, 0);
}

static void listen_to(struct slot *slot, bool sure)
{
	int ret;

	/* A slot that doesn't work is a program's to try again. */
	if (!has_joined(slot) &&
	    (!sure || slot->content == SLOT_MUTE || join(slot)))
		return;
	ret = tokmux_card_heard(slot->card);
	if (ret < 0) {
		lock();
		slot->told = false;
		slot->reader->listen_fd = -1;
		unlock();
	}
	/* What comes of it if the lease is gone, the turn's next use finds out. */
	if (ret != -ENODEV && (ret || sure))
		ask(slot);
}

bool lease_listen(struct reader *reader, bool sure)
{
	struct slot *slot;
	bool rests;

	if (pthread_mutex_trylock(&reader->use))
		return false;
	rests = reader->held && reader->idle;
	if (rests)
		resume(reader, 0);
	for_each_slot(slot, reader)
		if (reader->held)
			listen_to(slot, sure);
	if (reader->held)
		write_notes(reader);
	if (reader->held && rests)
		rest(reader);
	return !use_end(reader, 0);
}

void lease_look_and_pass(struct slot *slot)
{
	unlock();
	lease_look(slot);
	lock();
	turn_pass(slot);
}

/* ---- commands -------------------------------------------------------------- */

/* The card was taken out; perhaps there is another one by now. */
static int taken_out(struct slot *slot)
{
	lock();
	slot_was_emptied(slot);
	unlock();
	look(slot);
	return -ENOMEDIUM;
}

/* Notes what a command came to. */
static int answered(struct slot *slot, int ret)
{
	switch (ret) {
	case -EINVAL:
	case -EMSGSIZE:
	case -EOVERFLOW:
	case -EOPNOTSUPP:
	case -ECANCELED:
	case -ETIME:
		return ret;
	case -ECONNRESET:
	case -ENOMEDIUM:
		return taken_out(slot);
	case -ENODEV:
		return find_out(slot->reader);
	case -ENOLCK:
		/* A use of another slot has found the lease gone since this one began. */
		return -ESTALE;
	}
	lock();
	if (ret >= 0)
		slot->seen_ms = now_ms();
	else
		/* Nobody knows how far the card came. */
		slot_was_reset(slot);
	unlock();
	return ret;
}

/* What the reader told during a command doesn't wake the keeper any more. */
static void hear_all(struct reader *reader)
{
	struct slot *slot;

	for_each_slot(slot, reader)
		if (has_joined(slot) && tokmux_card_heard(slot->card) > 0)
			look(slot);
}

int lease_transmit(struct slot *slot, const void *command, size_t len,
		   void *answer, size_t size, bool raw)
{
	const unsigned int flags = TOKMUX_CARD_PATIENT |
				   (raw ? TOKMUX_CARD_RAW : 0);
	int ret;

	use_begin(slot->reader);
	ret = answered(slot, tokmux_card_transmit(slot->card, command, len, answer,
						  size, flags, SILENCE_MS));
	if (ret >= 0)
		hear_all(slot->reader);
	return use_end(slot->reader, ret);
}

int lease_secure(struct slot *slot, const void *pin, size_t len,
		 void *answer, size_t size, int timeout_ms)
{
	int ret;

	use_begin(slot->reader);
	ret = answered(slot, tokmux_card_secure(slot->card, pin, len, answer, size,
						timeout_ms));
	return use_end(slot->reader, ret);
}

int lease_escape(struct slot *slot, const void *command, size_t len,
		 void *answer, size_t size)
{
	int ret;

	use_begin(slot->reader);
	ret = tokmux_card_escape(slot->card, command, len, answer, size, SILENCE_MS);
	/* The card is not concerned. */
	return use_end(slot->reader, ret == -ENODEV ? find_out(slot->reader) : ret);
}

int lease_apdu_max(struct slot *slot)
{
	use_begin(slot->reader);
	return use_end(slot->reader, tokmux_card_apdu_max(slot->card));
}

/* ---- other processes ------------------------------------------------------- */

int lease_others(struct reader *reader, struct lease_others *others)
{
	struct tokmux_state state;
	int ret;

	ret = tokmux_info(reader->caller, &state, sizeof(state));
	if (ret)
		return ret;
	others->sessions = state.sessions;
	others->waiters = state.waiters;
	others->held = state.flags & TOKMUX_INFO_EXCLUSIVE && !state.idle &&
		       !(state.flags & TOKMUX_INFO_HOLDING);
	return 0;
}
