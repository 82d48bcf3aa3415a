// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A reader, and the way to it: the cards in its slots share both.
 */
#include <stdlib.h>
#include "card.h"
#include "ccid_usb.h"

struct card_reader *card_reader_alloc(void)
{
	struct card_reader *reader = calloc(1, sizeof(*reader));

	if (reader)
		reader->lease_fd = -1;
	return reader;
}

void card_reader_add(struct card_reader *reader, struct tokmux_card *card)
{
	card->reader = reader;
	card->next = reader->cards;
	reader->cards = card;
}

void card_reader_drop(struct card_reader *reader, struct tokmux_card *card)
{
	struct tokmux_card **at = &reader->cards;

	while (*at != card)
		at = &(*at)->next;
	*at = card->next;
	if (reader->cards)
		return;
	card_reader_disconnect(reader);
	ccid_usb_bus_free(reader->bus);
	if (reader->caller)
		reader->caller->reader = NULL;
	free(reader);
}

int card_reader_connect(struct card_reader *reader, struct ccid_transport *transport)
{
	int ret = ccid_reader_init(&reader->ccid, transport);

	if (ret)
		transport->ops->close(transport);
	reader->connected = !ret;
	return ret;
}

int card_reader_connect_fd(struct card_reader *reader, int fd)
{
	struct ccid_transport *transport;
	int ret = 0;

	if (!reader->bus)
		ret = ccid_usb_bus(&reader->bus);
	if (!ret)
		ret = ccid_usb_open(reader->bus, fd, &transport);
	return ret ? ret : card_reader_connect(reader, transport);
}

void card_reader_disconnect(struct card_reader *reader)
{
	struct tokmux_card *card;

	for (card = reader->cards; card; card = card->next)
		card->connected = false;
	if (reader->connected)
		ccid_reader_destroy(&reader->ccid);
	reader->connected = false;
}
