/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PC/SC's interface as programs on Linux know it: the functions, types and
 * numbers of the PC/SC specification, with the sizes that pcsc-lite has given
 * them. tests/native/pcsc compares this file with pcsc-lite's headers.
 *
 * The library is built from this file alone. Programs have pcsc-lite's headers.
 */
#ifndef TOKMUX_PCSC_WINSCARD_H
#define TOKMUX_PCSC_WINSCARD_H

typedef unsigned char BYTE;
typedef unsigned long DWORD;
typedef long LONG;
typedef LONG SCARDCONTEXT;
typedef LONG SCARDHANDLE;

#define SCARD_ATR_MAX		33
#define SCARD_READER_NAME_MAX	128	/* with the NUL */

typedef struct {
	const char *szReader;
	void *pvUserData;
	DWORD dwCurrentState;
	DWORD dwEventState;
	DWORD cbAtr;
	BYTE rgbAtr[SCARD_ATR_MAX];
} SCARD_READERSTATE;

typedef struct {
	unsigned long dwProtocol;
	unsigned long cbPciLength;
} SCARD_IO_REQUEST;

#define SCARD_S_SUCCESS			((LONG)0x00000000)
#define SCARD_F_INTERNAL_ERROR		((LONG)0x80100001)
#define SCARD_E_CANCELLED		((LONG)0x80100002)
#define SCARD_E_INVALID_HANDLE		((LONG)0x80100003)
#define SCARD_E_INVALID_PARAMETER	((LONG)0x80100004)
#define SCARD_E_INVALID_TARGET		((LONG)0x80100005)
#define SCARD_E_NO_MEMORY		((LONG)0x80100006)
#define SCARD_F_WAITED_TOO_LONG		((LONG)0x80100007)
#define SCARD_E_INSUFFICIENT_BUFFER	((LONG)0x80100008)
#define SCARD_E_UNKNOWN_READER		((LONG)0x80100009)
#define SCARD_E_TIMEOUT			((LONG)0x8010000a)
#define SCARD_E_SHARING_VIOLATION	((LONG)0x8010000b)
#define SCARD_E_NO_SMARTCARD		((LONG)0x8010000c)
#define SCARD_E_UNKNOWN_CARD		((LONG)0x8010000d)
#define SCARD_E_CANT_DISPOSE		((LONG)0x8010000e)
#define SCARD_E_PROTO_MISMATCH		((LONG)0x8010000f)
#define SCARD_E_NOT_READY		((LONG)0x80100010)
#define SCARD_E_INVALID_VALUE		((LONG)0x80100011)
#define SCARD_E_SYSTEM_CANCELLED	((LONG)0x80100012)
#define SCARD_F_COMM_ERROR		((LONG)0x80100013)
#define SCARD_E_INVALID_ATR		((LONG)0x80100015)
#define SCARD_E_NOT_TRANSACTED		((LONG)0x80100016)
#define SCARD_E_READER_UNAVAILABLE	((LONG)0x80100017)
#define SCARD_E_PCI_TOO_SMALL		((LONG)0x80100019)
#define SCARD_E_READER_UNSUPPORTED	((LONG)0x8010001a)
#define SCARD_E_DUPLICATE_READER	((LONG)0x8010001b)
#define SCARD_E_CARD_UNSUPPORTED	((LONG)0x8010001c)
#define SCARD_E_NO_SERVICE		((LONG)0x8010001d)
#define SCARD_E_SERVICE_STOPPED		((LONG)0x8010001e)
/* pcsc-lite's number; Windows has 0x80100022. */
#define SCARD_E_UNSUPPORTED_FEATURE	((LONG)0x8010001f)
#define SCARD_E_NO_READERS_AVAILABLE	((LONG)0x8010002e)
#define SCARD_E_SERVER_TOO_BUSY		((LONG)0x80100031)
#define SCARD_W_UNSUPPORTED_CARD	((LONG)0x80100065)
#define SCARD_W_UNRESPONSIVE_CARD	((LONG)0x80100066)
#define SCARD_W_UNPOWERED_CARD		((LONG)0x80100067)
#define SCARD_W_RESET_CARD		((LONG)0x80100068)
#define SCARD_W_REMOVED_CARD		((LONG)0x80100069)
#define SCARD_W_SECURITY_VIOLATION	((LONG)0x8010006a)

#define SCARD_AUTOALLOCATE		((DWORD)-1)
#define SCARD_INFINITE			0xffffffff

#define SCARD_SCOPE_USER		0
#define SCARD_SCOPE_TERMINAL		1
#define SCARD_SCOPE_SYSTEM		2
#define SCARD_SCOPE_GLOBAL		3

#define SCARD_PROTOCOL_UNDEFINED	0x0000
#define SCARD_PROTOCOL_T0		0x0001
#define SCARD_PROTOCOL_T1		0x0002
#define SCARD_PROTOCOL_RAW		0x0004
/* Programs built long ago ask by this for any protocol. */
#define SCARD_PROTOCOL_ANY_OLD		0x1000

#define SCARD_SHARE_EXCLUSIVE		1
#define SCARD_SHARE_SHARED		2
#define SCARD_SHARE_DIRECT		3

#define SCARD_LEAVE_CARD		0
#define SCARD_RESET_CARD		1
#define SCARD_UNPOWER_CARD		2
#define SCARD_EJECT_CARD		3

/* SCardStatus() */
#define SCARD_UNKNOWN			0x0001
#define SCARD_ABSENT			0x0002
#define SCARD_PRESENT			0x0004
#define SCARD_SWALLOWED			0x0008
#define SCARD_POWERED			0x0010
#define SCARD_NEGOTIABLE		0x0020
#define SCARD_SPECIFIC			0x0040

/* SCardGetStatusChange() */
#define SCARD_STATE_UNAWARE		0x0000
#define SCARD_STATE_IGNORE		0x0001
#define SCARD_STATE_CHANGED		0x0002
#define SCARD_STATE_UNKNOWN		0x0004
#define SCARD_STATE_UNAVAILABLE		0x0008
#define SCARD_STATE_EMPTY		0x0010
#define SCARD_STATE_PRESENT		0x0020
#define SCARD_STATE_EXCLUSIVE		0x0080
#define SCARD_STATE_INUSE		0x0100
#define SCARD_STATE_MUTE		0x0200

/* SCardGetAttrib() */
#define SCARD_ATTR_VENDOR_NAME			0x00010100
#define SCARD_ATTR_VENDOR_IFD_VERSION		0x00010102
#define SCARD_ATTR_VENDOR_IFD_SERIAL_NO		0x00010103
#define SCARD_ATTR_CHANNEL_ID			0x00020110
#define SCARD_ATTR_CURRENT_PROTOCOL_TYPE	0x00080201
#define SCARD_ATTR_ICC_PRESENCE			0x00090300
#define SCARD_ATTR_ICC_INTERFACE_STATUS		0x00090301
#define SCARD_ATTR_ATR_STRING			0x00090303
#define SCARD_ATTR_ICC_TYPE_PER_ATR		0x00090304
#define SCARD_ATTR_MAXINPUT			0x0007a007
#define SCARD_ATTR_DEVICE_FRIENDLY_NAME		0x7fff0003
#define SCARD_ATTR_DEVICE_SYSTEM_NAME		0x7fff0004

/* SCardControl(): PC/SC part 10 */
#define CM_IOCTL_GET_FEATURE_REQUEST		(0x42000000 + 3400)
#define FEATURE_VERIFY_PIN_DIRECT		0x06
#define FEATURE_MODIFY_PIN_DIRECT		0x07
#define FEATURE_IFD_PIN_PROPERTIES		0x0a
#define FEATURE_GET_TLV_PROPERTIES		0x12
#define FEATURE_CCID_ESC_COMMAND		0x13
#define PCSCv2_PART10_PROPERTY_wLcdLayout		1
#define PCSCv2_PART10_PROPERTY_bEntryValidationCondition	2
#define PCSCv2_PART10_PROPERTY_bTimeOut2		3
#define PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize	10
#define PCSCv2_PART10_PROPERTY_wIdVendor	11
#define PCSCv2_PART10_PROPERTY_wIdProduct	12

extern const SCARD_IO_REQUEST g_rgSCardT0Pci, g_rgSCardT1Pci, g_rgSCardRawPci;

LONG SCardEstablishContext(DWORD scope, const void *reserved1,
			   const void *reserved2, SCARDCONTEXT *context);
LONG SCardReleaseContext(SCARDCONTEXT context);
LONG SCardIsValidContext(SCARDCONTEXT context);
LONG SCardCancel(SCARDCONTEXT context);
LONG SCardListReaders(SCARDCONTEXT context, const char *groups, char *readers,
		      DWORD *len);
LONG SCardListReaderGroups(SCARDCONTEXT context, char *groups, DWORD *len);
LONG SCardFreeMemory(SCARDCONTEXT context, const void *memory);
LONG SCardGetStatusChange(SCARDCONTEXT context, DWORD timeout,
			  SCARD_READERSTATE *states, DWORD nr);
LONG SCardConnect(SCARDCONTEXT context, const char *reader, DWORD share,
		  DWORD protocols, SCARDHANDLE *handle, DWORD *protocol);
LONG SCardReconnect(SCARDHANDLE handle, DWORD share, DWORD protocols,
		    DWORD initialization, DWORD *protocol);
LONG SCardDisconnect(SCARDHANDLE handle, DWORD disposition);
LONG SCardBeginTransaction(SCARDHANDLE handle);
LONG SCardEndTransaction(SCARDHANDLE handle, DWORD disposition);
LONG SCardStatus(SCARDHANDLE handle, char *reader, DWORD *reader_len,
		 DWORD *state, DWORD *protocol, BYTE *atr, DWORD *atr_len);
LONG SCardTransmit(SCARDHANDLE handle, const SCARD_IO_REQUEST *send_pci,
		   const BYTE *command, DWORD command_len,
		   SCARD_IO_REQUEST *answer_pci, BYTE *answer,
		   DWORD *answer_len);
LONG SCardControl(SCARDHANDLE handle, DWORD code, const void *request,
		  DWORD request_len, void *answer, DWORD size, DWORD *len);
LONG SCardGetAttrib(SCARDHANDLE handle, DWORD id, BYTE *value, DWORD *len);
LONG SCardSetAttrib(SCARDHANDLE handle, DWORD id, const BYTE *value, DWORD len);
const char *pcsc_stringify_error(LONG error);

#endif /* TOKMUX_PCSC_WINSCARD_H */
