// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a PC/SC program sees of the library without a reader: strings, contexts,
 * and what is refused. symbols.sh compares the numbers.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include <winscard.h>
#include "kselftest_harness.h"

extern const char *pcsc_stringify_error(LONG error);

TEST(control_information)
{
	/* This program's own copies, if it isn't position-independent. */
	EXPECT_EQ(SCARD_PROTOCOL_T0, g_rgSCardT0Pci.dwProtocol);
	EXPECT_EQ(SCARD_PROTOCOL_T1, g_rgSCardT1Pci.dwProtocol);
	EXPECT_EQ(SCARD_PROTOCOL_RAW, g_rgSCardRawPci.dwProtocol);
	EXPECT_EQ(sizeof(SCARD_IO_REQUEST), g_rgSCardRawPci.cbPciLength);
}

TEST(errors_in_words)
{
	EXPECT_STREQ("Command successful.", pcsc_stringify_error(SCARD_S_SUCCESS));
	EXPECT_STREQ("Card was reset.", pcsc_stringify_error(SCARD_W_RESET_CARD));
	EXPECT_STREQ("Service not available.",
		     pcsc_stringify_error(SCARD_E_NO_SERVICE));
	EXPECT_STREQ("Unknown error: 0x12345678",
		     pcsc_stringify_error(0x12345678));
}

TEST(without_a_context)
{
	SCARD_READERSTATE state = { .szReader = "none" };
	SCARDHANDLE handle = 1;
	DWORD len = 0, protocol;
	BYTE bytes[300];

	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardReleaseContext(4711));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardIsValidContext(4711));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardCancel(4711));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardListReaders(4711, NULL, NULL, &len));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE,
		  SCardListReaderGroups(4711, NULL, &len));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardFreeMemory(4711, NULL));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardGetStatusChange(4711, 0, &state, 1));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE,
		  SCardConnect(4711, "none", SCARD_SHARE_SHARED,
			       SCARD_PROTOCOL_ANY, &handle, &protocol));
	EXPECT_EQ(0, handle);
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardBeginTransaction(4711));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardEndTransaction(4711, SCARD_LEAVE_CARD));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardDisconnect(4711, SCARD_LEAVE_CARD));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE,
		  SCardReconnect(4711, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY,
				 SCARD_LEAVE_CARD, &protocol));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE,
		  SCardStatus(4711, NULL, NULL, NULL, NULL, NULL, NULL));
	len = sizeof(bytes);
	EXPECT_EQ(SCARD_E_INVALID_HANDLE,
		  SCardTransmit(4711, SCARD_PCI_T0, bytes, 5, NULL, bytes, &len));
	EXPECT_EQ(0, len);
	EXPECT_EQ(SCARD_E_INVALID_HANDLE,
		  SCardControl(4711, 1, NULL, 0, bytes, sizeof(bytes), &len));
	len = sizeof(bytes);
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardGetAttrib(4711, 1, bytes, &len));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardSetAttrib(4711, 1, bytes, 1));
}

TEST(without_a_kernel)
{
	SCARDCONTEXT context = 1;
	LONG rv;

	EXPECT_EQ(SCARD_E_INVALID_PARAMETER,
		  SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, NULL));
	EXPECT_EQ(SCARD_E_INVALID_VALUE,
		  SCardEstablishContext(SCARD_SCOPE_GLOBAL + 1, NULL, NULL, &context));
	rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
	if (!rv) {
		EXPECT_EQ(0, SCardReleaseContext(context));
		SKIP(return, "the kernel module is loaded");
	}
	EXPECT_EQ(SCARD_E_NO_SERVICE, rv);
	EXPECT_EQ(0, context);
}

FIXTURE(context)
{
	SCARDCONTEXT id;
	bool skip;
};

FIXTURE_SETUP(context)
{
	self->skip = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL,
					   &self->id) == SCARD_E_NO_SERVICE;
	if (!self->skip)
		ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(context)
{
	if (!self->skip)
		SCardReleaseContext(self->id);
}

#define NEEDS_KERNEL() do {						\
	if (self->skip)							\
		SKIP(return, "the kernel module is not loaded");	\
} while (0)

TEST_F(context, is_valid_until_released)
{
	SCARDCONTEXT other;

	NEEDS_KERNEL();
	EXPECT_EQ(0, SCardIsValidContext(self->id));
	ASSERT_EQ(0, SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &other));
	EXPECT_NE(other, self->id);
	/* It fits in an int. */
	EXPECT_EQ(other, (int)other);
	EXPECT_EQ(0, SCardReleaseContext(other));
	EXPECT_EQ(SCARD_E_INVALID_HANDLE, SCardReleaseContext(other));
	EXPECT_EQ(0, SCardIsValidContext(self->id));
}

TEST_F(context, groups)
{
	static const char groups[] = "SCard$DefaultReaders\0";
	char buffer[sizeof(groups)], *own;
	DWORD len = 0;

	NEEDS_KERNEL();
	EXPECT_EQ(0, SCardListReaderGroups(self->id, NULL, &len));
	EXPECT_EQ(sizeof(groups), len);
	len--;
	EXPECT_EQ(SCARD_E_INSUFFICIENT_BUFFER,
		  SCardListReaderGroups(self->id, buffer, &len));
	EXPECT_EQ(sizeof(groups), len);
	EXPECT_EQ(0, SCardListReaderGroups(self->id, buffer, &len));
	EXPECT_EQ(0, memcmp(buffer, groups, sizeof(groups)));
	len = SCARD_AUTOALLOCATE;
	ASSERT_EQ(0, SCardListReaderGroups(self->id, (LPSTR)&own, &len));
	EXPECT_EQ(sizeof(groups), len);
	EXPECT_EQ(0, memcmp(own, groups, sizeof(groups)));
	EXPECT_EQ(0, SCardFreeMemory(self->id, own));
	EXPECT_EQ(SCARD_E_INVALID_PARAMETER,
		  SCardListReaderGroups(self->id, buffer, NULL));
}

TEST_F(context, unknown_reader)
{
	SCARD_READERSTATE state = { .szReader = "no such reader" };
	SCARDHANDLE handle;
	DWORD protocol;

	NEEDS_KERNEL();
	EXPECT_EQ(SCARD_E_UNKNOWN_READER,
		  SCardConnect(self->id, "no such reader", SCARD_SHARE_SHARED,
			       SCARD_PROTOCOL_ANY, &handle, &protocol));
	EXPECT_EQ(SCARD_E_INVALID_VALUE,
		  SCardConnect(self->id, "no such reader", 17,
			       SCARD_PROTOCOL_ANY, &handle, &protocol));
	EXPECT_EQ(SCARD_E_PROTO_MISMATCH,
		  SCardConnect(self->id, "no such reader", SCARD_SHARE_SHARED,
			       0, &handle, &protocol));
	EXPECT_EQ(SCARD_E_UNKNOWN_READER,
		  SCardGetStatusChange(self->id, 0, &state, 1));
	EXPECT_EQ(SCARD_S_SUCCESS, SCardGetStatusChange(self->id, 0, NULL, 0));
	state.dwCurrentState = SCARD_STATE_IGNORE;
	EXPECT_EQ(SCARD_S_SUCCESS, SCardGetStatusChange(self->id, 0, &state, 1));
}

static void *cancel_later(void *id)
{
	usleep(100000);
	while (SCardCancel(*(SCARDCONTEXT *)id) == SCARD_S_SUCCESS)
		usleep(10000);
	return NULL;
}

TEST_F(context, waits_for_readers)
{
	SCARD_READERSTATE state = { .szReader = "\\\\?PnP?\\Notification" };
	pthread_t thread;

	NEEDS_KERNEL();
	EXPECT_EQ(SCARD_E_TIMEOUT, SCardGetStatusChange(self->id, 0, &state, 1));
	EXPECT_EQ(0, state.dwEventState & (SCARD_STATE_UNKNOWN | SCARD_STATE_CHANGED));
	EXPECT_EQ(SCARD_E_TIMEOUT, SCardGetStatusChange(self->id, 50, &state, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, cancel_later, &self->id));
	EXPECT_EQ(SCARD_E_CANCELLED,
		  SCardGetStatusChange(self->id, INFINITE, &state, 1));
	/* It ends with the context. */
	EXPECT_EQ(0, SCardReleaseContext(self->id));
	pthread_join(thread, NULL);
}

static void *wait_for_ever(void *id)
{
	SCARD_READERSTATE state = { .szReader = "\\\\?PnP?\\Notification" };

	return (void *)SCardGetStatusChange(*(SCARDCONTEXT *)id, INFINITE,
					    &state, 1);
}

TEST_F(context, released_while_a_thread_waits)
{
	SCARDCONTEXT id = self->id;
	pthread_t thread;
	void *rv;

	NEEDS_KERNEL();
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_ever, &id));
	usleep(100000);
	EXPECT_EQ(0, SCardReleaseContext(id));
	ASSERT_EQ(0, pthread_join(thread, &rv));
	/* Or INVALID_HANDLE, if it came too late. */
	EXPECT_TRUE((LONG)rv == SCARD_E_CANCELLED ||
		    (LONG)rv == SCARD_E_INVALID_HANDLE);
}

TEST_F(context, is_the_parents_after_fork)
{
	int status;
	pid_t pid;

	NEEDS_KERNEL();
	pid = fork();
	if (!pid) {
		SCARDCONTEXT own;

		if (SCardIsValidContext(self->id) != SCARD_E_INVALID_HANDLE)
			_exit(1);
		if (SCardEstablishContext(SCARD_SCOPE_USER, NULL, NULL, &own) ||
		    SCardReleaseContext(own))
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, SCardIsValidContext(self->id));
}

TEST_HARNESS_MAIN
