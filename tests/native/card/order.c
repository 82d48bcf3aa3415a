// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes, one card, in QEMU's reader: the card is tests/card/vscard.c
 * behind ccid-card-passthru, and it writes down what it sees, in order.
 *
 * Needs a guest with --usb-card=sim; with our own reader the same is in lease.c.
 */
#include "kselftest_harness.h"
#include "scripts.h"

/* QEMU's, see tests/guest/reader. */
static bool find_node(char node[64])
{
	unsigned int bus = 0, device = 0;
	FILE *f = popen("for d in /sys/bus/usb/devices/*; do"
			" grep -qs QEMU $d/manufacturer && grep -qs 4433 $d/idProduct &&"
			" cat $d/busnum $d/devnum; done", "r");

	if (fscanf(f, "%u %u", &bus, &device) != 2)
		bus = 0;
	pclose(f);
	snprintf(node, 64, "/dev/bus/usb/%03u/%03u", bus, device);
	return bus;
}

FIXTURE(order)
{
	int unused;
};

FIXTURE_SETUP(order)
{
	self->unused = 0;
}

FIXTURE_TEARDOWN(order)
{
}

TEST_F_TIMEOUT(order, scripts_never_mix, 240)
{
	const char *log = getenv("TOKMUX_CARD_LOG");
	char node[64], token[32];
	unsigned int index, passed;
	int i, status;
	pid_t pids[2];

	if (!log || tokmux_present() != 1)
		SKIP(return, "not in a guest with --usb-card=sim");
	ASSERT_TRUE(find_node(node));
	ASSERT_EQ(0, tokmux_create_device("order", 0, 0, 0, node, -1, &index));
	snprintf(token, sizeof(token), "/dev/tokmux%u", index);
	ASSERT_EQ(0, system("udevadm settle --timeout=10"));
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(script(token, (uint8_t)(0x40 + i)));
	}
	for (i = 0; i < 2; i++) {
		waitpid(pids[i], &status, 0);
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(2 * ROUNDS, count_scripts(log, &passed));
	TH_LOG("%u scripts of %u commands, the card changed hands %u times",
	       2 * ROUNDS, SCRIPT, passed);
	EXPECT_LT(0, passed);
	EXPECT_EQ(0, tokmux_remove_system(index));
}

TEST_HARNESS_MAIN
