/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policies of this library: those of readers.conf, and those that nobody needs
 * to change, each with its value and the reason for it.
 */
#ifndef TOKMUX_PCSC_POLICY_H
#define TOKMUX_PCSC_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/* See policies.def. */
struct policy {
#define POLICY(field, key, by_default, least, most) int64_t field;
#define POLICY_SWITCH(field, key, by_default) bool field;
#include "policies.def"
#undef POLICY
#undef POLICY_SWITCH
};

/* Under the lock. Stays as it is once policy_read() was called. */
extern struct policy policy;
/*
 * Reads readers.conf, the first time only. A line that is not understood changes
 * nothing: "tokmux check" reports it.
 */
void policy_read(void);

/*
 * What is known of a slot counts as fresh for this long. A program that waits
 * for a card sees it within that time.
 */
#define FRESH_MS		250

/*
 * While this process has a reader, the reader itself tells of cards that come and go.
 * It is listened to no more often than this, and so is another process' note, whatever
 * their makers do.
 */
#define LISTEN_MS		20
/*
 * A reader without an interrupt endpoint can't tell, and is asked as often as pcscd asks.
 * One that can may forget to: it is asked when it has said nothing for long.
 */
#define ASK_MS			400
#define ASK_TELLING_MS		10000

/*
 * A program that sees a card is likely to connect, so the lease is kept for this
 * long after it was taken for a look. Other processes that look see nothing new
 * meanwhile.
 */
#define CONNECTS_SOON_MS	100

/*
 * A holder without any connection has it exclusively, or is no PC/SC program.
 * But a program that has just disconnected has none either: it gives the lease
 * back within this time.
 */
#define EXCLUSIVE_SURE_MS	500

/*
 * An idle lease that others want is given back by this process when it is time, with
 * its card in order. If that doesn't happen within this time more, the kernel ends it.
 */
#define HELP_MS			500

/*
 * A card may work on a command for as long as it, or the reader for it, asks for
 * more time: keys of RSA may take minutes to make. A reader that says nothing for
 * this long has lost the answer, and its holder must not keep others from it. By
 * default ISO/IEC 7816-3 gives a card about a second, and pcscd's driver a reader
 * three.
 */
#define SILENCE_MS		15000

#endif /* TOKMUX_PCSC_POLICY_H */
