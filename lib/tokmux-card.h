/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libtokmux: the card in a CCID reader that is a tokmux token
 *
 *	struct tokmux_card *card;
 *
 *	tokmux_card_new(caller, 0, &card);
 *	...
 *	ret = tokmux_card_begin(card, 5000);
 *	if (ret < 0)
 *		...
 *	if (ret & TOKMUX_CARD_TOUCHED)
 *		select the applet, verify the PIN again
 *	len = tokmux_card_transmit(card, apdu, sizeof(apdu), answer,
 *				   sizeof(answer), 0, 10000);
 *	tokmux_card_end(card, 0);
 *
 * Between begin and end this caller holds the exclusive lease, and the only way
 * to the reader is its lease fd: the moment the lease is taken, everything here
 * is -ENODEV.
 *
 * A reader with several slots has a card in each. There is one lease for all of them:
 * cards of one caller are in it together, from the first begin to the last end.
 *
 * tokmux.h's conventions hold, except that the cards of a caller are for one thread
 * at a time, and that -ETIMEDOUT may also mean a reader that does not answer.
 * tokmux_strerror() knows the errors of both. Data to and from the card
 * may hold a PIN or a key: no copy of it is left in memory.
 *
 * A reader that is pulled in the middle of a transfer may be -EIO first, and
 * -ENODEV from then on.
 *
 * After an error of any of these functions, other than the ones that are said
 * to change nothing, the card's state is unknown and tokmux_card_transmit() is
 * -ECONNRESET until tokmux_card_power_on().
 */
#ifndef TOKMUX_CARD_H
#define TOKMUX_CARD_H

#include <tokmux.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct tokmux_card - one slot of one reader
 */
struct tokmux_card;

/** TOKMUX_ATR_SIZE: no ATR is longer. */
#define TOKMUX_ATR_SIZE		33
/** TOKMUX_ANSWER_SIZE: no answer to an APDU is longer. */
#define TOKMUX_ANSWER_SIZE	65538

/* ---- a card on a token ------------------------------------------------ */

/**
 * tokmux_card_new() - the card of a token
 * @caller: bound, without TOKMUX_BIND_GROUP; stays the caller's, and outlives
 *	the card
 * @slot: which slot of the reader, from 0
 * @card: out: the card; nothing has been sent yet
 *
 * Callers bound as a group are one holder to the kernel, which could not say
 * then whether it was this card or another one on them that was used last.
 *
 * Cards of one caller share the way to the reader. There may be several for a slot;
 * one of them at a time is between begin and end, and none finds what another one has
 * verified.
 *
 * Return: 0; -EINVAL if the caller is bound as one of a group; -ENOMEM.
 */
int tokmux_card_new(struct tokmux_caller *caller, unsigned int slot,
		    struct tokmux_card **card);

/**
 * enum tokmux_card_begun - what a holder finds
 * @TOKMUX_CARD_TOUCHED: the card is not as this holder left it: nothing is
 *	selected, no PIN is verified
 * @TOKMUX_CARD_SCRUBBED: it was reset because of what the kernel said: its
 *	last holder had died, was thrown out or left a login
 */
enum tokmux_card_begun {
	TOKMUX_CARD_TOUCHED	= 1 << 0,
	TOKMUX_CARD_SCRUBBED	= 1 << 1
};

/**
 * tokmux_card_begin() - get the exclusive lease and the card, powered
 * @card: from tokmux_card_new()
 * @timeout_ms: how long to wait, in turn, for the lease
 *
 * If another holder had the token in between, the card is switched off and on before
 * anything is sent to it, so that no holder works with what another one has
 * selected or verified. If none had, the card is as it was left; but in a reader
 * that gives cards power by itself it may be another card, so that there it is
 * switched off and on each time.
 *
 * If a card in another slot has brought the lease, this one is in it, too, and nothing
 * is waited for.
 *
 * To find its way to a reader that a killed holder has left in the middle of
 * a command may take up to 10 s more.
 *
 * Return: TOKMUX_CARD_* flags, 0 if the card is as this card was left; without
 * the lease: what tokmux_acquire() returns, -EALREADY also if this slot is in use by
 * another card of the caller, -EOPNOTSUPP if the token has no
 * reader, -ENOMEDIUM if there is no card in it, -EBUSY if another program has
 * the reader (pcscd), -EPROTO or -EIO if it or the card doesn't work, -ENODEV, also if
 * the lease that other slots' cards are in was taken away: they have to end first.
 */
int tokmux_card_begin(struct tokmux_card *card, int timeout_ms);

/**
 * tokmux_card_hold() - get the exclusive lease and the reader, with any card or
 * none
 * @card: from tokmux_card_new()
 * @timeout_ms: how long to wait, in turn, for the lease
 *
 * As tokmux_card_begin(), but a card is given no power, and an empty slot is no
 * error. If another holder had the token in between, a card that has power
 * loses it. tokmux_card_status() says what is in the slot, and
 * tokmux_card_power_on() gives the card power.
 *
 * Return: what tokmux_card_begin() returns, but for -ENOMEDIUM.
 */
int tokmux_card_hold(struct tokmux_card *card, int timeout_ms);

/**
 * enum tokmux_card_ending - how to leave the card
 * @TOKMUX_CARD_OFF: without power: it forgets all PINs and selections. With the last
 *	card that ends, so do those in slots where no card of the caller's was left
 *	with power
 * @TOKMUX_CARD_OFF_IF_WANTED: so if others wait for the token
 */
enum tokmux_card_ending {
	TOKMUX_CARD_OFF			= 1 << 0,
	TOKMUX_CARD_OFF_IF_WANTED	= 1 << 1
};

/**
 * tokmux_card_end() - give the reader and the lease back
 * @card: between tokmux_card_begin() and this
 * @flags: TOKMUX_CARD_OFF*
 *
 * The lease is given back whatever it returns, unless cards in other slots are in it:
 * then it is theirs, and idle if they are.
 *
 * Return: 0; -ENOLCK if there was no begin, -EINVAL for unknown flags, both
 * without effect; what tokmux_release() returns.
 */
int tokmux_card_end(struct tokmux_card *card, unsigned int flags);

/**
 * tokmux_card_idle() - keep the card and the lease, but don't use them now
 * @card: between tokmux_card_begin() and tokmux_card_end()
 * @linger_ms: see tokmux_idle()
 *
 * The next begin or hold goes on with the card as it was left, without a
 * transfer to the reader, if no other holder wanted the token meanwhile and the
 * reader was not reset. Else it is a new beginning, and answers so
 * (TOKMUX_CARD_TOUCHED). The lease is idle once no card in another slot is in use.
 * Until the next begin nothing but tokmux_card_end() may be done with the card. A
 * lease that ends while it is idle takes no power from the card: the next holder does
 * that.
 *
 * Return: 0; -ENOLCK if there was no begin; what tokmux_idle() returns, and then it is
 * not idle.
 */
int tokmux_card_idle(struct tokmux_card *card, unsigned int linger_ms);

/**
 * tokmux_card_share() - let the programs of one user find the card as others left it
 * @card: from tokmux_card_new(), before tokmux_card_begin()
 * @unused_ms: for how long after the card's last use it may be left like this; -1 for
 *	however long, 0 for not at all, as it is without this
 *
 * If this holder gives the card back in order, without TOKMUX_CARD_OFF, it keeps its
 * power, and the next holder of the same user who shares it finds it as it is, logins
 * included. TOKMUX_CARD_TOUCHED then says that the card has got power anew since this
 * holder had it last. If the next holder is another user or doesn't share the card, or
 * if this holder dies or loses its lease, the card is reset, as ever.
 *
 * How the card was left is kept in the user's runtime directory (XDG_RUNTIME_DIR).
 * Without one nothing is left, nor in a reader that gives cards power by itself, nor on a
 * token with TOKMUX_CREATE_NO_SCRUB.
 *
 * Return: 0; -EINVAL for a card without a token.
 */
int tokmux_card_share(struct tokmux_card *card, int unused_ms);

/**
 * tokmux_card_free() - end it, if need be, and free it
 * @card: may be NULL
 */
void tokmux_card_free(struct tokmux_card *card);

/* ---- a card without a token ------------------------------------------- */

/**
 * tokmux_card_open_fd() - the card in a reader of which there is an open file
 * @fd: of a usbfs node (/dev/bus/usb/BBB/DDD) or a lease fd; stays the
 *	caller's, who keeps it open until tokmux_card_free()
 * @slot: which slot of the reader, from 0
 * @card: out: the card, not powered on by this
 *
 * There is no begin and no end then. Of a device that is several readers it is
 * the first one, or the one that the lease fd is for.
 *
 * Return: 0; -EINVAL if it is no such file or the reader has no such slot,
 * -EOPNOTSUPP if it is no CCID reader, -EBUSY if another program has it,
 * -EPROTO if what it says of itself can't be, -ETIMEDOUT, -ENODEV, -ENOMEM.
 */
int tokmux_card_open_fd(int fd, unsigned int slot, struct tokmux_card **card);

/**
 * enum tokmux_card_reader_kind - what kind of smartcard reader an interface is
 * @TOKMUX_CARD_READER_CCID: one of CCID, or one whose descriptors say nothing that
 *	can be understood
 * @TOKMUX_CARD_READER_ICCD: of USB's class for cards that are a device themselves
 *	(ICCD), which has other messages
 * @TOKMUX_CARD_READER_CHARACTERS: one of CCID that exchanges single characters with
 *	its card and leaves the rest to the computer
 */
enum tokmux_card_reader_kind {
	TOKMUX_CARD_READER_CCID		= 0,
	TOKMUX_CARD_READER_ICCD		= 1,
	TOKMUX_CARD_READER_CHARACTERS	= 2
};

/**
 * tokmux_card_reader_kind() - can this library drive a reader?
 * @device: a USB device's directory in sysfs, as /sys/bus/usb/devices/1-2
 * @interface: its interface of this number; -1 for all of its interfaces that
 *	are a smartcard reader's: if one is of TOKMUX_CARD_READER_CCID, so is the device
 *
 * Only readers of TOKMUX_CARD_READER_CCID are for this library. pcscd drives some of the
 * others. The reader itself is not asked.
 *
 * Return: &enum tokmux_card_reader_kind; -EOPNOTSUPP if there is no smartcard reader,
 * -ENODEV if there is no such device, -ENOMEM.
 */
int tokmux_card_reader_kind(const char *device, int interface);

/**
 * tokmux_card_reader_slots() - how many slots has a reader?
 * @device: a USB device's directory in sysfs, as /sys/bus/usb/devices/1-2
 * @interface: its interface of this number; -1 for the first one that is a
 *	smartcard reader's and says how many
 *
 * The reader itself is not asked.
 *
 * Return: the number, 1 to 256; -EOPNOTSUPP if there is no such reader or it doesn't
 * say, -ENODEV if there is no such device, -ENOMEM.
 */
int tokmux_card_reader_slots(const char *device, int interface);

/* ---- power ------------------------------------------------------------ */

/**
 * enum tokmux_card_presence - what is in the slot
 * @TOKMUX_CARD_ACTIVE: a card that has power
 * @TOKMUX_CARD_INACTIVE: a card without power
 * @TOKMUX_CARD_ABSENT: no card
 */
enum tokmux_card_presence {
	TOKMUX_CARD_ACTIVE	= 0,
	TOKMUX_CARD_INACTIVE	= 1,
	TOKMUX_CARD_ABSENT	= 2
};

/**
 * tokmux_card_status() - ask the reader what is in its slot
 * @card: the card
 *
 * Return: &enum tokmux_card_presence; -ENODEV, -ETIMEDOUT, -EPROTO, -EIO.
 */
int tokmux_card_status(struct tokmux_card *card);

/**
 * tokmux_card_scrub() - reset all cards of a token's reader for the next user
 * @caller: bound; needs CAP_SYS_ADMIN, and no lease
 *
 * A process whose user differs from the last one's waits for this when it asks
 * for the card. See TOKMUX_LEASE_FD_SCRUB in <linux/tokmux.h>.
 *
 * Return: 0; -EPERM; -EBUSY while the last user has the card; the errors of
 * tokmux_card_open_fd() and tokmux_card_power_off().
 */
int tokmux_card_scrub(struct tokmux_caller *caller);

/**
 * tokmux_card_wait() - wait for a card to come or go
 * @card: the card
 * @timeout_ms: see tokmux.h's conventions
 *
 * Return: &enum tokmux_card_presence once it is another one than before the
 * call, or was for a moment; -EAGAIN, -ETIMEDOUT without effect; -ENODEV,
 * -EPROTO, -EIO.
 */
int tokmux_card_wait(struct tokmux_card *card, int timeout_ms);

/**
 * tokmux_card_fd() - a descriptor to hear of cards by
 * @card: from tokmux_card_new()
 *
 * For poll(2). POLLOUT: tokmux_card_heard() may have something. It is the lease fd, and
 * ends with the lease. Of tokmux_card_open_fd() it is the program's own.
 *
 * Return: the descriptor; -ENOLCK before tokmux_card_begin() and
 * tokmux_card_hold(), without effect.
 */
int tokmux_card_fd(const struct tokmux_card *card);

/**
 * tokmux_card_heard() - has the reader told of a card that came or went?
 * @card: the card, in a reader that is held
 *
 * Doesn't wait, and sends the reader nothing. The first call begins to listen; from
 * then on nothing is lost that the reader tells. tokmux_card_status() says what is in
 * the slot then.
 *
 * Return: 1 if it has, since the last call; 0 if it hasn't; -EOPNOTSUPP if this reader
 * can't tell, so that its status has to be asked for now and then; -ENOLCK before
 * tokmux_card_begin() and tokmux_card_hold(); all without effect; -ENODEV, -EIO, -EPROTO.
 */
int tokmux_card_heard(struct tokmux_card *card);

/**
 * tokmux_card_power_on() - reset the card
 * @card: the card
 *
 * Off, if it was on, and on again: it forgets all PINs and selections.
 *
 * Return: the length of its ATR; -ENOMEDIUM without a card, -EIO if it doesn't
 * answer, -EPROTO if what it answers makes no sense, -EOPNOTSUPP if it and the
 * reader have no protocol in common, -ETIMEDOUT, -ENODEV.
 */
int tokmux_card_power_on(struct tokmux_card *card);

/**
 * enum tokmux_card_reset_flags - how to reset a card
 * @TOKMUX_CARD_T0: to speak T=0 with it
 * @TOKMUX_CARD_T1: to speak T=1 with it; both, or none: whichever it prefers
 * @TOKMUX_CARD_WARM: without taking its power
 */
enum tokmux_card_reset_flags {
	TOKMUX_CARD_T0		= 1 << 0,
	TOKMUX_CARD_T1		= 1 << 1,
	TOKMUX_CARD_WARM	= 1 << 2
};

/**
 * tokmux_card_reset() - reset the card in a way of one's own
 * @card: the card
 * @flags: TOKMUX_CARD_*; 0 is tokmux_card_power_on()
 *
 * A reader that chooses the protocol by itself can't be made to choose another one.
 * A warm reset is the card's own affair: it may well not forget what a cold one makes
 * it forget.
 *
 * Return: what tokmux_card_power_on() returns; -EOPNOTSUPP also if no protocol that
 * is wished can be had; -EINVAL for unknown flags, without effect.
 */
int tokmux_card_reset(struct tokmux_card *card, unsigned int flags);

/**
 * tokmux_card_power_off() - take the card's power
 * @card: the card
 *
 * Return: 0, also without a card; -EIO, -EPROTO, -ETIMEDOUT, -ENODEV.
 */
int tokmux_card_power_off(struct tokmux_card *card);

/**
 * tokmux_card_atr() - what the card said when it got power
 * @card: the card
 * @atr: out: its bytes
 *
 * Return: their number; -ECONNRESET if it has no power, without effect.
 */
int tokmux_card_atr(const struct tokmux_card *card,
		    uint8_t atr[TOKMUX_ATR_SIZE]);

/**
 * tokmux_card_protocol() - how the reader talks to the card
 * @card: the card
 *
 * Return: 0 for T=0, 1 for T=1; -ECONNRESET if the card has no power, without
 * effect.
 */
int tokmux_card_protocol(const struct tokmux_card *card);

/**
 * tokmux_card_apdu_max() - how much data an APDU may have
 * @card: the card, in a reader that is held
 *
 * Return: 65536 if extended APDUs can be sent as they are, 256 if only short ones
 * can; -ENOLCK before tokmux_card_begin() and tokmux_card_hold(), without effect.
 */
int tokmux_card_apdu_max(const struct tokmux_card *card);

/**
 * tokmux_card_reader_error() - why the reader says that its last command failed
 * @card: the card
 *
 * For those who know the reader: beside an error of the other functions, whose
 * errno says what it means for them.
 *
 * Return: bError as CCID 1.1 has it, 6.2.6, 0 to 255: 0xfe for a mute card, say;
 * -ENODATA if the last command did not fail or the reader did not say why,
 * without effect.
 */
int tokmux_card_reader_error(const struct tokmux_card *card);

/* ---- the reader ------------------------------------------------------- */

/**
 * struct tokmux_card_reader - what a reader says of itself
 * @slots: how many slots it has
 * @protocols: CCID's dwProtocols
 * @features: dwFeatures
 * @max_message: dwMaxCCIDMessageLength
 * @lcd_layout: wLcdLayout, 0 without a display
 * @pin_support: bPINSupport, 0 without a PIN pad
 *
 * As CCID 1.1 has it, 5.1, with known errors of known readers put right.
 */
struct tokmux_card_reader {
	uint32_t slots;
	uint32_t protocols;
	uint32_t features;
	uint32_t max_message;
	uint16_t lcd_layout;
	uint8_t pin_support;
	uint8_t reserved;
};

/**
 * tokmux_card_describe() - what the reader says of itself
 * @card: the card, in a reader that is held
 * @reader: out: what it says
 * @size: sizeof(*@reader), which may grow with a later version
 *
 * Return: 0; -ENOLCK before tokmux_card_begin() and tokmux_card_hold(), without
 * effect.
 */
int tokmux_card_describe(const struct tokmux_card *card,
			 struct tokmux_card_reader *reader, size_t size);

/**
 * tokmux_card_escape() - a command of the reader's own
 * @card: the card, in a reader that is held; it needs no power
 * @command: the command, as the reader's maker has it
 * @len: its length
 * @answer: out: the answer
 * @size: room in @answer
 * @timeout_ms: how long it may take
 *
 * Such a command may change the reader for all who use it later.
 *
 * Return: the answer's length, also 0; -ENOLCK, -EMSGSIZE without effect;
 * -EOPNOTSUPP if the reader has no such commands, -EOVERFLOW if the answer doesn't
 * fit and is lost, -EIO if the reader refuses it, -EPROTO, -ETIMEDOUT, -ENODEV.
 */
int tokmux_card_escape(struct tokmux_card *card, const void *command, size_t len,
		       void *answer, size_t size, int timeout_ms);

/**
 * enum tokmux_card_pin - the first byte of what tokmux_card_secure() takes
 * @TOKMUX_CARD_PIN_VERIFY: a PIN is entered and verified
 * @TOKMUX_CARD_PIN_MODIFY: a PIN is entered anew
 */
enum tokmux_card_pin {
	TOKMUX_CARD_PIN_VERIFY	= 0,
	TOKMUX_CARD_PIN_MODIFY	= 1
};

/**
 * tokmux_card_secure() - let the user enter a PIN at the reader
 * @card: the card, powered on
 * @pin: bPINOperation and the structure that goes with it, with the card's command
 *	at its end, as CCID 1.1 has them, 6.1.11
 * @len: its length
 * @answer: out: the card's answer, status word included
 * @size: room in @answer, which need be no more than 2 bytes
 * @timeout_ms: how long it may take: longer than the reader gives the user
 *
 * The PIN does not leave the reader.
 *
 * Return: the answer's length, 2 at least; without effect: -EINVAL if @pin is too
 * short, -ENOLCK, -EMSGSIZE, -ECONNRESET if the card has no power, -EOPNOTSUPP if the
 * reader has no PIN pad for this, -ENOMEM; -ECANCELED if the user has cancelled, -ETIME
 * if nobody entered a PIN in time, both known to the reader only; -EOVERFLOW,
 * -ETIMEDOUT, -ENOMEDIUM, -EIO, -EPROTO, -ENODEV as tokmux_card_transmit().
 */
int tokmux_card_secure(struct tokmux_card *card, const void *pin, size_t len,
		       void *answer, size_t size, int timeout_ms);

/* ---- what others may know ---------------------------------------------- */

/**
 * enum tokmux_card_content - what is in a slot, as its holder says
 * @TOKMUX_CARD_UNKNOWN: nobody has said
 * @TOKMUX_CARD_NONE: no card
 * @TOKMUX_CARD_GOOD: a card
 * @TOKMUX_CARD_MUTE: a card that doesn't answer
 */
enum tokmux_card_content {
	TOKMUX_CARD_UNKNOWN	= 0,
	TOKMUX_CARD_NONE	= 1,
	TOKMUX_CARD_GOOD	= 2,
	TOKMUX_CARD_MUTE	= 3
};

/**
 * enum tokmux_card_noted - what else is said of a slot
 * @TOKMUX_CARD_NOTED_HELD: its holder has the reader still, and would say if it
 *	were otherwise now. This is the kernel's word.
 * @TOKMUX_CARD_NOTED_EXCLUSIVE: the holder keeps the reader from all others
 */
enum tokmux_card_noted {
	TOKMUX_CARD_NOTED_HELD		= 1 << 0,
	TOKMUX_CARD_NOTED_EXCLUSIVE	= 1 << 1
};

/**
 * struct tokmux_card_note - what a holder lets others know of a slot
 * @age_ms: how long ago it was written
 * @changes: how often cards came and went, a counter that all holders go on with.
 *	For tokmux_card_write_note(): how much more often.
 * @content: &enum tokmux_card_content
 * @flags: TOKMUX_CARD_NOTED_*
 * @atr_len: length of @atr; 0 if it isn't known
 * @atr: what the card said when it got power
 * @reserved: 0
 */
struct tokmux_card_note {
	uint32_t age_ms;
	uint16_t changes;
	uint8_t content;
	uint8_t flags;
	uint8_t atr_len;
	uint8_t atr[TOKMUX_ATR_SIZE];
	uint8_t reserved[6];
};

/**
 * tokmux_card_read_note() - what a reader's holder says of a slot
 * @caller: on the reader's token; need not be bound
 * @slot: which slot of the reader, from 0
 * @flags: TOKMUX_NOTE_WATCH or 0, as tokmux_read_note()
 * @note: out: what it says
 *
 * Takes no lease, sends the reader nothing, and nobody notices. The holder may be wrong,
 * or lie.
 *
 * Return: 0; -ENODATA if no holder has said anything of it, and then the caller is
 * watching all the same; what tokmux_read_note() returns.
 */
int tokmux_card_read_note(struct tokmux_caller *caller, unsigned int slot,
			  unsigned int flags, struct tokmux_card_note *note);

/**
 * tokmux_card_write_note() - let others know what is in a slot
 * @caller: the holder of the reader's token
 * @slot: which slot of the reader, from 0
 * @note: what to say. TOKMUX_CARD_NOTED_HELD and @age_ms are not looked at.
 *
 * A holder that writes one has to write again when it isn't so any more. What an
 * earlier holder has said of other slots is forgotten.
 *
 * Return: 0; -EINVAL if the values are none, or if the slot isn't one of the first
 * three; what tokmux_write_note() returns.
 */
int tokmux_card_write_note(struct tokmux_caller *caller, unsigned int slot,
			   const struct tokmux_card_note *note);

/* ---- APDUs ------------------------------------------------------------ */

/**
 * enum tokmux_card_transmit_flags - how to send a command
 * @TOKMUX_CARD_CHAIN: where the reader or the protocol takes short APDUs only,
 *	send a longer one by command chaining (ISO/IEC 7816-4, 5.3.3), and
 *	collect by GET RESPONSE what 61xx announces up to the length asked for
 * @TOKMUX_CARD_PATIENT: the time limit is for the reader's silence, not for the
 *	whole command: it begins anew each time that the reader says that the
 *	card needs more time, or the card itself does
 * @TOKMUX_CARD_RAW: send the bytes as they are, and hand out what comes: to a reader
 *	that takes APDUs an APDU, else a TPDU of T=0 or a block of T=1. Not with
 *	TOKMUX_CARD_CHAIN
 */
enum tokmux_card_transmit_flags {
	TOKMUX_CARD_CHAIN	= 1 << 0,
	TOKMUX_CARD_PATIENT	= 1 << 1,
	TOKMUX_CARD_RAW		= 1 << 2
};

/**
 * tokmux_card_transmit() - send a command, get its answer
 * @card: the card, powered on
 * @apdu: the command, short or extended
 * @len: its length
 * @answer: out: the answer, status word included; may be @apdu
 * @size: room in @answer, TOKMUX_ANSWER_SIZE always suffices
 * @flags: TOKMUX_CARD_*
 * @timeout_ms: how long it may take; how long the card asks for in between
 *	doesn't matter, but with TOKMUX_CARD_PATIENT
 *
 * What T=0 can't do in one go (61xx, 6Cxx, an answer to a command with data)
 * is done here. An extended APDU goes as a short one where a short one can say
 * it and the reader takes no other.
 *
 * Return: the answer's length, 2 at least but for TOKMUX_CARD_RAW; without effect:
 * -EINVAL for flags that can't be, or if it is no APDU, -EMSGSIZE if the reader
 * can't take one as long, -ECONNRESET if the card has no power or was exchanged since
 * it was powered on (which a reader that gives cards power by itself has to tell: not
 * without an interrupt endpoint),
 * -ENOLCK before
 * tokmux_card_begin(), but for what is no APDU; -EOVERFLOW if the
 * answer doesn't fit and is lost, the card goes on; -ETIMEDOUT, -ENOMEDIUM if
 * the card is out, -EIO if it is mute or the reader refuses
 * (tokmux_card_reader_error()), -ECONNABORTED if it gave up, -EPROTO,
 * -ENODEV.
 */
int tokmux_card_transmit(struct tokmux_card *card, const void *apdu, size_t len,
			 void *answer, size_t size, unsigned int flags,
			 int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif /* TOKMUX_CARD_H */
