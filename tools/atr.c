// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux atr: what the card says when it gets power.
 */
#include <getopt.h>
#include "card.h"
#include "view.h"

enum { TOKEN, SLOT, ATR };

static const struct column columns[] = {
	[TOKEN] = { "token", TEXT, "as it was named" },
	[SLOT] = { "slot", NUMBER, "of the reader" },
	[ATR] = { "atr", TEXT, "the answer to reset, in hex" },
};

static int show(struct view *view, const struct held_card *held,
		const struct card_options *options)
{
	char hex[2 * TOKMUX_ATR_SIZE + 1];
	uint8_t atr[TOKMUX_ATR_SIZE];
	int len;

	len = tokmux_card_atr(held->card, atr);
	if (len < 0)
		return card_failed(held, len);
	card_hex(hex, atr, len);
	view_row(view);
	view_set(view, TOKEN, held->what);
	view_setf(view, SLOT, "%lu", options->slot);
	view_set(view, ATR, hex);
	return view_print(view);
}

static int atr(const char *what, const struct card_options *options,
	       struct view *view)
{
	struct held_card held;
	int status;

	status = card_find(what, options, &held);
	if (status)
		return status;
	status = card_hold(&held, options);
	if (!status)
		status = show(view, &held, options);
	card_let_go(&held);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = { VIEW_LONG, CARD_LONG, {} };
	struct card_options options = CARD_OPTIONS;
	struct view_options view_options = {};
	int option, status = STATUS_OK;
	struct view *view;

	while ((option = getopt_long(argc, argv, VIEW_SHORT CARD_SHORT,
				     long_options, NULL)) >= 0) {
		if (!view_option(&view_options, option, optarg) &&
		    !card_option(&options, option, optarg, &status))
			return option_status(option);
		if (status)
			return status;
	}
	/* One value needs no heading. */
	if (!view_options.columns)
		view_options.no_headings = true;
	view = view_new(columns, ARRAY_SIZE(columns), "atr", "cards",
			&view_options, &status);
	if (!view)
		return status;
	if (argc - optind == 1)
		status = atr(argv[optind], &options, view);
	else
		status = bad_usage("one TOKEN is needed");
	view_free(view);
	return status;
}

const struct verb atr_verb = {
	.name		= "atr",
	.run		= run,
	.synopsis	= "[OPTION…] TOKEN",
	.summary	= "what the card in a token's reader answers to reset",
	.options	= CARD_HELP VIEW_HELP,
};
