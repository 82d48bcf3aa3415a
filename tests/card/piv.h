/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An applet that OpenSC knows, on the card of the tests: as much of PIV (NIST
 * SP 800-73-4) as listing, logging in and signing take. The keys and certificates
 * come from files that the test has made, SLOT.key (PEM) and SLOT.der, of the
 * slots 9a (needs the PIN once), 9c (a PIN for each signature) and 9e (no PIN);
 * RSA 2048 or EC P-256. The PIN and its tries are the card's own.
 */
#ifndef PIV_H
#define PIV_H

#include "card.h"

/* Onto @card; false with the reason printed if @dir has no key that it can use. */
bool piv_add(struct card *card, const char *dir);

#endif /* PIV_H */
