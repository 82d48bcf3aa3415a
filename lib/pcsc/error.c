// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PC/SC's errors. Programs compare them, and people look the sentences up: both
 * are those that pcsc-lite gives.
 */
#include <errno.h>
#include <stdio.h>
#include "error.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

LONG error_of_access(int err)
{
	switch (-err) {
	case 0:
		return SCARD_S_SUCCESS;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return SCARD_E_NO_MEMORY;
	case ENODEV:
	case ENOENT:
		return SCARD_E_READER_UNAVAILABLE;
	case ENOMEDIUM:
		return SCARD_E_NO_SMARTCARD;
	case EIO:
	case EPROTO:
	case ECONNABORTED:
	case ETIMEDOUT:
		return SCARD_W_UNRESPONSIVE_CARD;
	case EOPNOTSUPP:
		return SCARD_E_PROTO_MISMATCH;
	/* Another program has the reader itself, pcscd perhaps. */
	case EBUSY:
		return SCARD_E_SHARING_VIOLATION;
	case EACCES:
	case EPERM:
		return SCARD_W_SECURITY_VIOLATION;
	case ENOBUFS:
	case EAGAIN:
		return SCARD_E_SERVER_TOO_BUSY;
	default:
		return SCARD_F_INTERNAL_ERROR;
	}
}

LONG error_of_command(int err)
{
	switch (-err) {
	case EINVAL:
		return SCARD_E_INVALID_PARAMETER;
	case EOVERFLOW:
		return SCARD_E_INSUFFICIENT_BUFFER;
	case ENODEV:
		return SCARD_E_READER_UNAVAILABLE;
	case ENOMEDIUM:
		return SCARD_W_REMOVED_CARD;
	/* The reader takes no command as long, or the card did not answer. */
	default:
		return SCARD_E_NOT_TRANSACTED;
	}
}

static const struct {
	LONG error;
	const char *text;
} texts[] = {
	{ SCARD_S_SUCCESS,		"Command successful." },
	{ SCARD_F_INTERNAL_ERROR,	"Internal error." },
	{ SCARD_E_CANCELLED,		"Command cancelled." },
	{ SCARD_E_INVALID_HANDLE,	"Invalid handle." },
	{ SCARD_E_INVALID_PARAMETER,	"Invalid parameter given." },
	{ SCARD_E_INVALID_TARGET,	"Invalid target given." },
	{ SCARD_E_NO_MEMORY,		"Not enough memory." },
	{ SCARD_F_WAITED_TOO_LONG,	"Waited too long." },
	{ SCARD_E_INSUFFICIENT_BUFFER,	"Insufficient buffer." },
	{ SCARD_E_UNKNOWN_READER,	"Unknown reader specified." },
	{ SCARD_E_TIMEOUT,		"Command timeout." },
	{ SCARD_E_SHARING_VIOLATION,	"Sharing violation." },
	{ SCARD_E_NO_SMARTCARD,		"No smart card inserted." },
	{ SCARD_E_UNKNOWN_CARD,		"Unknown card." },
	{ SCARD_E_CANT_DISPOSE,		"Cannot dispose handle." },
	{ SCARD_E_PROTO_MISMATCH,	"Card protocol mismatch." },
	{ SCARD_E_NOT_READY,		"Subsystem not ready." },
	{ SCARD_E_INVALID_VALUE,	"Invalid value given." },
	{ SCARD_E_SYSTEM_CANCELLED,	"System cancelled." },
	{ SCARD_F_COMM_ERROR,		"RPC transport error." },
	{ SCARD_E_INVALID_ATR,		"Invalid ATR." },
	{ SCARD_E_NOT_TRANSACTED,	"Transaction failed." },
	{ SCARD_E_READER_UNAVAILABLE,	"Reader is unavailable." },
	{ SCARD_E_PCI_TOO_SMALL,	"PCI struct too small." },
	{ SCARD_E_READER_UNSUPPORTED,	"Reader is unsupported." },
	{ SCARD_E_DUPLICATE_READER,	"Reader already exists." },
	{ SCARD_E_CARD_UNSUPPORTED,	"Card is unsupported." },
	{ SCARD_E_NO_SERVICE,		"Service not available." },
	{ SCARD_E_SERVICE_STOPPED,	"Service was stopped." },
	{ SCARD_E_UNSUPPORTED_FEATURE,	"Feature not supported." },
	{ SCARD_E_NO_READERS_AVAILABLE,	"Cannot find a smart card reader." },
	{ SCARD_W_UNSUPPORTED_CARD,	"Card is not supported." },
	{ SCARD_W_UNRESPONSIVE_CARD,	"Card is unresponsive." },
	{ SCARD_W_UNPOWERED_CARD,	"Card is unpowered." },
	{ SCARD_W_RESET_CARD,		"Card was reset." },
	{ SCARD_W_REMOVED_CARD,		"Card was removed." },
	{ SCARD_W_SECURITY_VIOLATION,	"Access denied." },
};

const char *pcsc_stringify_error(LONG error)
{
	static __thread char unknown[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].error == error)
			return texts[i].text;
	snprintf(unknown, sizeof(unknown), "Unknown error: 0x%08lX",
		 (unsigned long)error);
	return unknown;
}
