/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policies of this library: each with its value and the reason for it.
 */
#ifndef TOKMUX_PCSC_POLICY_H
#define TOKMUX_PCSC_POLICY_H

/*
 * An idle lease that others want is kept for this long after its last use. A
 * program reads a card in many short transactions: OpenSC takes some 14 to
 * recognise one, and gives up if the card is reset among them.
 */
#define LINGER_MS		150

/*
 * But once others have waited for this long, it is given to them after the
 * transaction that is going on, however busy this process is (R1, R4).
 */
#define LINGER_MAX_MS		2000

/*
 * A program that is told of a reset has to connect anew and select and verify
 * again. The lease is kept for it meanwhile: two programs that took the card
 * from each other at this point would reset it for ever.
 */
#define GRACE_MS		2000

/*
 * Without a connection the card loses its power after this long. A program that
 * connects again soon finds it as it was, also in a context of its own.
 */
#define UNUSED_MS		5000

/*
 * What is known of a slot counts as fresh for this long. A program that waits
 * for a card sees it within that time.
 */
#define FRESH_MS		250

/*
 * A holder without any connection has it exclusively, or is no PC/SC program.
 * But a program that has just disconnected has none either: it gives the lease
 * back within this time.
 */
#define EXCLUSIVE_SURE_MS	500

/*
 * A card may work on a command for as long as it, or the reader for it, asks for
 * more time: keys of RSA may take minutes to make. A reader that says nothing for
 * this long has lost the answer, and its holder must not keep others from it. By
 * default ISO/IEC 7816-3 gives a card about a second, and pcscd's driver a reader
 * three.
 */
#define SILENCE_MS		15000

#endif /* TOKMUX_PCSC_POLICY_H */
