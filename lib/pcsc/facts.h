/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a reader says of itself, and the name that it has for programs.
 */
#ifndef TOKMUX_PCSC_FACTS_H
#define TOKMUX_PCSC_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <tokmux.h>
#include "winscard.h"

/* Of its USB device. Empty where it says nothing. */
struct facts {
	char maker[64], model[64], interface[64], serial[64];
	uint16_t vendor, product;
	uint16_t version;		/* bcdDevice */
	uint8_t bus, device;
	unsigned int slots;	/* 1 at least */
};

/* Is the token a card reader? Then @facts are filled in. */
bool facts_of_token(const struct tokmux_token *token, struct facts *facts);

/*
 * "Maker Model [interface] (serial) NN SS" as pcscd has it: programs are configured
 * by it. NN is the token's number, the same in all processes, and SS the slot's.
 */
void facts_name(const struct facts *facts, unsigned int index, unsigned int slot,
		char name[static SCARD_READER_NAME_MAX]);

#endif /* TOKMUX_PCSC_FACTS_H */
