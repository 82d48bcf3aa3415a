// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A reader's lease, and the card behind it (R1, R2, R19).
 *
 * Between a program's uses of the card the lease is kept, but idle. So the card stays
 * as the program left it, and a transaction costs no transfer to the reader. When
 * others want the lease, this process gives it back, and before that takes the card's
 * power: the next holder finds no PIN verified, whatever library it uses. If this
 * process doesn't do so in time, because it is stopped for one, the kernel ends the
 * lease, and tells the next holder to reset the card.
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

int lease_open(struct reader *reader)
{
	struct tokmux_caller *caller;
	int ret;

	if (reader->card)
		return 0;
	/* Tokens of one monitor are for one thread at a time. */
	lock();
	ret = tokmux_open_token(reader->token, &caller);
	unlock();
	if (ret)
		return ret;
	ret = tokmux_bind(caller, 0);
	if (!ret)
		ret = tokmux_card_new(caller, 0, &reader->card);
	if (ret) {
		tokmux_close(caller);
		return ret;
	}
	lock();
	reader->caller = caller;
	unlock();
	return 0;
}

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

static DWORD protocol_of(const struct reader *reader)
{
	int protocol = tokmux_card_protocol(reader->card);

	if (protocol < 0)
		return SCARD_PROTOCOL_UNDEFINED;
	return protocol == 1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0;
}

/* The lease is gone, or about to be given back: the card is no longer ours. */
static void let_go(struct reader *reader, unsigned int how)
{
	tokmux_card_end(reader->card, how);
	lock();
	reader->held = false;
	reader->idle = false;
	reader->lost = false;
	reader->wanted_ms = 0;
	reader->grace_of = NULL;
	reader->listen_fd = -1;
	reader->hear = false;
	reader->slot.told = false;
	slot_was_reset(reader);
	unlock();
}

/* Gives the lease back. The next holder's card has no power. */
static void hand_over(struct reader *reader)
{
	let_go(reader, TOKMUX_CARD_OFF);
}

/* ---- between uses ---------------------------------------------------------- */

int64_t lease_due(const struct reader *reader)
{
	int64_t due = reader->used_ms + policy.linger_ms, latest;

	/* There is nothing to lose. */
	if (!reader->connections || reader->slot.content == SLOT_EMPTY)
		return 0;
	if (reader->grace_of && reader->grace_ms > due)
		due = reader->grace_ms;
	latest = reader->wanted_ms + policy.linger_most_ms;
	return reader->wanted_ms && latest < due ? latest : due;
}

/* Keeps the lease, without using it. */
static void rest(struct reader *reader)
{
	int64_t linger_ms;

	lock();
	linger_ms = lease_due(reader) - now_ms();
	unlock();
	linger_ms = (linger_ms > 0 ? linger_ms : 0) + HELP_MS;
	if (linger_ms > TOKMUX_MAX_LINGER_MS)
		linger_ms = TOKMUX_MAX_LINGER_MS;
	/* A lease that was taken meanwhile is missed with its next use. */
	reader->idle = !tokmux_card_idle(reader->card, (unsigned int)linger_ms);
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

void lease_leave(struct reader *reader, bool keeps)
{
	use_begin(reader);
	if (reader->held && !reader->idle) {
		note_write(reader);
		if (!keeps && is_due(reader))
			hand_over(reader);
		else if (!keeps)
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

void lease_give_back(struct reader *reader)
{
	use_begin(reader);
	if (reader->held)
		hand_over(reader);
	use_end(reader, 0);
}

/*
 * The reader answers -ENODEV: it was unplugged, or the lease was taken. Returns
 * what of the two it is.
 */
static int find_out(struct reader *reader)
{
	struct tokmux_state state;
	int ret;

	ret = tokmux_info(reader->caller, &state, sizeof(state));
	let_go(reader, 0);
	if (!ret && !(state.flags & TOKMUX_INFO_HOLDING))
		return -ESTALE;
	lock();
	slot_was_emptied(reader);
	unlock();
	return -ENODEV;
}

/* What an attempt to give the card power came to. */
static int learn(struct reader *reader, int ret)
{
	uint8_t atr[TOKMUX_ATR_SIZE];
	int len = 0;

	if (ret == -ENODEV)
		return find_out(reader);
	if (ret >= 0)
		len = tokmux_card_atr(reader->card, atr);
	lock();
	if (ret == -ENOMEDIUM)
		slot_is(reader, SLOT_EMPTY, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	else if (ret < 0 || len < 0)
		slot_is(reader, SLOT_MUTE, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	else
		slot_is(reader, SLOT_CARD, atr, (size_t)len,
			protocol_of(reader));
	unlock();
	return ret < 0 ? ret : 0;
}

static int hold(struct reader *reader, int timeout_ms)
{
	int ret;

	do {
		ret = tokmux_card_hold(reader->card, timeout_ms);
	} while (ret == -EINTR);
	return ret;
}

/* This process has a lease that it had not before. @touched: or the card had not. */
static void begin(struct reader *reader, bool touched)
{
	struct tokmux_card_reader about = {};
	bool tells;

	tokmux_card_describe(reader->card, &about, sizeof(about));
	note_begin(reader);
	/* From now on it tells of cards that come and go, if it can. */
	tells = tokmux_card_heard(reader->card) >= 0;
	lock();
	if (!reader->about.slots)
		reader->about = about;
	reader->held = true;
	reader->slot.told = tells;
	reader->listen_fd = tells ? tokmux_card_fd(reader->card) : -1;
	reader->heard_ms = now_ms();
	reader->only_seen = false;
	reader->used_ms = now_ms();
	if (touched)
		slot_was_reset(reader);
	catch_up_events(reader);
	/* There is one more file to wait for. */
	wake_keeper();
	unlock();
}

/* Uses the lease that this process has kept, or gets another one. */
static int resume(struct reader *reader, int timeout_ms)
{
	const int fd = tokmux_card_fd(reader->card);
	int ret = hold(reader, timeout_ms);

	if (ret < 0) {
		let_go(reader, 0);
		return ret;
	}
	reader->idle = false;
	/* The old file was open while this one was opened. */
	if (tokmux_card_fd(reader->card) != fd) {
		begin(reader, true);
	} else if (ret & TOKMUX_CARD_TOUCHED) {
		lock();
		slot_was_reset(reader);
		unlock();
	}
	return 0;
}

static int take(struct reader *reader, int timeout_ms)
{
	bool lost;
	int ret;

	if (reader->held && reader->idle)
		return resume(reader, timeout_ms);
	lock();
	lost = reader->lost;
	unlock();
	if (reader->held && !lost)
		return 0;
	if (reader->held)
		let_go(reader, 0);
	ret = lease_open(reader);
	if (ret)
		return ret;
	ret = hold(reader, timeout_ms);
	if (ret < 0)
		return ret;
	begin(reader, ret & TOKMUX_CARD_TOUCHED);
	return 0;
}

int lease_take(struct reader *reader, int timeout_ms)
{
	use_begin(reader);
	return use_end(reader, take(reader, timeout_ms));
}

bool lease_use_own(struct reader *reader)
{
	use_begin(reader);
	if (reader->held && reader->idle)
		resume(reader, 0);
	return use_end(reader, reader->held);
}

static int reset(struct reader *reader, unsigned int how)
{
	int ret;

	lock();
	slot_was_reset(reader);
	unlock();
	ret = learn(reader, tokmux_card_reset(reader->card, how));
	/* The protocols that are wished can't be had. The card itself is well. */
	if (ret == -EOPNOTSUPP && how & (TOKMUX_CARD_T0 | TOKMUX_CARD_T1))
		learn(reader, tokmux_card_reset(reader->card, 0));
	return ret;
}

int lease_reset(struct reader *reader, unsigned int how)
{
	use_begin(reader);
	return use_end(reader, reset(reader, how));
}

int lease_power(struct reader *reader, unsigned int how)
{
	int ret = 0;

	use_begin(reader);
	if (tokmux_card_protocol(reader->card) < 0)
		ret = reset(reader, how);
	return use_end(reader, ret);
}

int lease_unpower(struct reader *reader)
{
	int ret;

	use_begin(reader);
	ret = tokmux_card_power_off(reader->card);
	lock();
	slot_was_reset(reader);
	unlock();
	return use_end(reader, ret == -ENODEV ? find_out(reader) : ret);
}

/* ---- looking --------------------------------------------------------------- */

/* The lease is here. -ENODEV: perhaps not any more. */
static int ask(struct reader *reader)
{
	bool powered = tokmux_card_protocol(reader->card) >= 0;
	int ret = tokmux_card_status(reader->card);

	if (ret == -ENODEV)
		return ret;
	lock();
	if (ret < 0)
		slot_is(reader, SLOT_MUTE, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	else if (ret == TOKMUX_CARD_ABSENT)
		slot_is(reader, SLOT_EMPTY, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	else if (powered && tokmux_card_protocol(reader->card) < 0)
		/* It had power, and was out meanwhile. */
		slot_was_emptied(reader);
	else
		reader->slot.seen_ms = now_ms();
	/* A card that is new is given power, to see its ATR. */
	ret = ret >= 0 && ret != TOKMUX_CARD_ABSENT &&
	      reader->slot.content != SLOT_MUTE && !reader->slot.atr_len;
	if (ret)
		slot_was_reset(reader);
	unlock();
	ret = ret ? tokmux_card_reset(reader->card, 0) : 0;
	if (ret == -ENODEV)
		return ret;
	if (ret)
		learn(reader, ret);
	return 0;
}

/* With the turn. */
static void look(struct reader *reader)
{
	if (ask(reader) == -ENODEV)
		find_out(reader);
}

/* Another process has the reader, and hasn't said what is in it. Or nobody has it. */
static void look_oneself(struct reader *reader)
{
	bool held = reader->held, rests = !held || reader->idle, keep, first;
	int ret;

	lock();
	first = !reader->slot.seen_ms;
	unlock();
	ret = take(reader, first ? FIRST_LOOK_MS : 0);
	if (!ret) {
		look(reader);
		note_write(reader);
	}
	lock();
	reader->access = ret == -EACCES || ret == -EPERM ? ret : 0;
	/*
	 * Whoever holds it uses a card. To be told that there is none would be
	 * wrong more often.
	 */
	if (first && ret == -ETIMEDOUT)
		slot_is(reader, SLOT_CARD, NULL, 0, SCARD_PROTOCOL_UNDEFINED);
	reader->slot.seen_ms = now_ms();
	/* The program that looks is likely to want the card next. */
	keep = held || reader->slot.protocol != SCARD_PROTOCOL_UNDEFINED;
	if (!ret && !held && keep) {
		reader->only_seen = true;
		wake_keeper();
	}
	unlock();
	/* Unless the reader went meanwhile. */
	if (!ret && !keep && reader->held)
		hand_over(reader);
	else if (reader->held && rests)
		rest(reader);
}

void lease_look(struct reader *reader)
{
	use_begin(reader);
	if (reader->held || lease_open(reader) || !note_read(reader))
		look_oneself(reader);
	use_end(reader, 0);
}

bool lease_listen(struct reader *reader, bool sure)
{
	bool rests;
	int ret;

	if (pthread_mutex_trylock(&reader->use))
		return false;
	rests = reader->held && reader->idle;
	if (rests)
		resume(reader, 0);
	ret = reader->held ? tokmux_card_heard(reader->card) : -ENODEV;
	if (ret < 0) {
		lock();
		reader->slot.told = false;
		reader->listen_fd = -1;
		unlock();
	}
	/* What comes of it if the lease is gone, the turn's next use finds out. */
	if (ret != -ENODEV && (ret || sure))
		ask(reader);
	if (reader->held)
		note_write(reader);
	if (reader->held && rests)
		rest(reader);
	return !use_end(reader, 0);
}

void lease_look_and_pass(struct reader *reader)
{
	unlock();
	lease_look(reader);
	lock();
	turn_pass(reader);
}

/* ---- commands -------------------------------------------------------------- */

/* The card was taken out; perhaps there is another one by now. */
static int taken_out(struct reader *reader)
{
	lock();
	slot_was_emptied(reader);
	unlock();
	look(reader);
	return -ENOMEDIUM;
}

/* Notes what a command came to. */
static int answered(struct reader *reader, int ret)
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
		return taken_out(reader);
	case -ENODEV:
		return find_out(reader);
	}
	lock();
	if (ret >= 0)
		reader->slot.seen_ms = now_ms();
	else
		/* Nobody knows how far the card came. */
		slot_was_reset(reader);
	unlock();
	return ret;
}

int lease_transmit(struct reader *reader, const void *command, size_t len,
		   void *answer, size_t size, bool raw)
{
	const unsigned int flags = TOKMUX_CARD_PATIENT |
				   (raw ? TOKMUX_CARD_RAW : 0);
	int ret;

	use_begin(reader);
	ret = answered(reader, tokmux_card_transmit(reader->card, command, len,
						    answer, size, flags,
						    SILENCE_MS));
	/* What the reader told meanwhile doesn't wake the keeper any more. */
	if (ret >= 0 && tokmux_card_heard(reader->card) > 0)
		look(reader);
	return use_end(reader, ret);
}

int lease_secure(struct reader *reader, const void *pin, size_t len,
		 void *answer, size_t size, int timeout_ms)
{
	int ret;

	use_begin(reader);
	ret = answered(reader, tokmux_card_secure(reader->card, pin, len, answer,
						  size, timeout_ms));
	return use_end(reader, ret);
}

int lease_escape(struct reader *reader, const void *command, size_t len,
		 void *answer, size_t size)
{
	int ret;

	use_begin(reader);
	ret = tokmux_card_escape(reader->card, command, len, answer, size,
				 SILENCE_MS);
	/* The card is not concerned. */
	return use_end(reader, ret == -ENODEV ? find_out(reader) : ret);
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
