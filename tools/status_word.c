// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Status words: what a card says of a command (ISO/IEC 7816-4, 5.6).
 */
#include <stddef.h>
#include <stdio.h>
#include "status_word.h"
#include "tool.h"

static const struct {
	uint16_t sw;
	const char *meaning;
} words[] = {
	{ 0x9000, "success" },
	{ 0x6200, "warning: nothing has changed" },
	{ 0x6281, "warning: the data may be damaged" },
	{ 0x6282, "warning: the file or record ends before the length that was asked for" },
	{ 0x6283, "warning: the selected file is deactivated" },
	{ 0x6284, "warning: the file's control information is malformed" },
	{ 0x6285, "warning: the selected file is in termination state" },
	{ 0x6300, "warning: not verified" },
	{ 0x6381, "warning: this write has filled the file" },
	{ 0x6400, "execution failed: nothing has changed" },
	{ 0x6401, "the card wants an immediate answer" },
	{ 0x6500, "execution failed: something has changed" },
	{ 0x6581, "the card's memory has failed" },
	{ 0x6600, "a security problem" },
	{ 0x6700, "wrong length" },
	{ 0x6800, "the class byte asks for what the card doesn't support" },
	{ 0x6881, "logical channels are not supported" },
	{ 0x6882, "secure messaging is not supported" },
	{ 0x6883, "the last command of a chain was expected" },
	{ 0x6884, "command chaining is not supported" },
	{ 0x6900, "the command is not allowed" },
	{ 0x6981, "the command doesn't fit the file's structure" },
	{ 0x6982, "not permitted: a PIN or a key has to be verified first" },
	{ 0x6983, "blocked: too many wrong PINs" },
	{ 0x6984, "the PIN or key can't be used" },
	{ 0x6985, "the conditions for this are not met" },
	{ 0x6986, "the command is not allowed: no file is selected" },
	{ 0x6987, "secure messaging: objects are missing" },
	{ 0x6988, "secure messaging: objects are wrong" },
	{ 0x6A00, "wrong P1-P2" },
	{ 0x6A80, "wrong data" },
	{ 0x6A81, "this function is not supported" },
	{ 0x6A82, "no such file or application" },
	{ 0x6A83, "no such record" },
	{ 0x6A84, "not enough memory in the file" },
	{ 0x6A85, "the length doesn't fit the structure of the data" },
	{ 0x6A86, "wrong P1-P2" },
	{ 0x6A87, "the length doesn't fit P1-P2" },
	{ 0x6A88, "the data that is referred to is not there: perhaps no such PIN or key" },
	{ 0x6A89, "the file exists already" },
	{ 0x6A8A, "an application of that name exists already" },
	{ 0x6B00, "wrong P1-P2: perhaps beyond the end of the file" },
	{ 0x6D00, "no such instruction" },
	{ 0x6E00, "no such class" },
	{ 0x6F00, "the command failed, and the card doesn't say why" },
};

const char *status_word_meaning(uint16_t sw)
{
	static char text[64];
	unsigned int low = sw & 0xff;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].sw == sw)
			return words[i].meaning;
	switch (sw >> 8) {
	case 0x61:
		snprintf(text, sizeof(text), "success; %u more bytes can be fetched",
			 low ? low : 256);
		return text;
	case 0x6C:
		snprintf(text, sizeof(text), "wrong length: %u bytes are there",
			 low ? low : 256);
		return text;
	case 0x63:
		if ((low & 0xf0) != 0xc0)
			break;
		snprintf(text, sizeof(text), "wrong: %u tries are left", low & 0xf);
		return text;
	}
	return "the card's own; see its manual";
}
