// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a card was left, in the user's own directory: taken once, by the key of its slot,
 * and not at all where anybody else might have written it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../../lib/card/card_left.h"
#include "kselftest_harness.h"

FIXTURE(left)
{
	char top[32], dir[48], file[64], other[64];
	struct card_left_key key;
	struct card_left left, taken;
};

FIXTURE_SETUP(left)
{
	strcpy(self->top, "/tmp/left-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->top));
	ASSERT_EQ(0, setenv("XDG_RUNTIME_DIR", self->top, 1));
	snprintf(self->dir, sizeof(self->dir), "%s/tokmux", self->top);
	snprintf(self->file, sizeof(self->file), "%s/card-7-0", self->dir);
	snprintf(self->other, sizeof(self->other), "%s/other", self->top);
	memset(&self->key, 0, sizeof(self->key));
	strcpy(self->key.format, "tokmux1");
	strcpy(self->key.boot, "7b1c1c1e-0000-4000-8000-000000000001");
	self->key.index = 7;
	self->key.token = 4711;
	self->left = (struct card_left){
		.epoch = 5, .power_id = 0x1234, .used_ms = 99, .protocol = 1,
		.atr_len = 2, .atr = { 0x3b, 0x00 },
	};
}

FIXTURE_TEARDOWN(left)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", self->top);
	EXPECT_EQ(0, system(command));
}

#define PUT()	card_left_put(&self->key, &self->left)
#define TAKE()	card_left_take(&self->key, &self->taken)

TEST_F(left, once)
{
	struct stat st;

	EXPECT_FALSE(TAKE());
	ASSERT_EQ(0, PUT());
	ASSERT_EQ(0, stat(self->dir, &st));
	EXPECT_EQ(0700, st.st_mode & 07777);
	ASSERT_EQ(0, stat(self->file, &st));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_TRUE(TAKE());
	EXPECT_EQ(0, memcmp(&self->left, &self->taken, sizeof(self->left)));
	EXPECT_FALSE(TAKE());
	/* The last one counts. */
	ASSERT_EQ(0, PUT());
	self->left.epoch++;
	ASSERT_EQ(0, PUT());
	EXPECT_TRUE(TAKE());
	EXPECT_EQ(6, self->taken.epoch);
}

/* Of another token, another boot or another version. */
TEST_F(left, another_key)
{
	struct card_left_key key = self->key;

	ASSERT_EQ(0, PUT());
	self->key.slot = 1;
	EXPECT_FALSE(TAKE());
	self->key.slot = 0;
	self->key.token++;
	EXPECT_FALSE(TAKE());
	/* Whatever it was, it is gone. */
	self->key = key;
	EXPECT_FALSE(TAKE());
	ASSERT_EQ(0, PUT());
	self->key.boot[0]++;
	EXPECT_FALSE(TAKE());
	self->key = key;
	ASSERT_EQ(0, PUT());
	self->key.format[6]++;
	EXPECT_FALSE(TAKE());
}

TEST_F(left, malformed)
{
	off_t len;
	int fd;

	for (len = 0; len <= 129; len += len == 127 ? 2 : 1) {
		ASSERT_EQ(0, PUT());
		ASSERT_EQ(0, truncate(self->file, len));
		ASSERT_FALSE(TAKE());
	}
	self->left.atr_len = 34;
	ASSERT_EQ(0, PUT());
	EXPECT_FALSE(TAKE());
	self->left.atr_len = 1;
	ASSERT_EQ(0, PUT());
	EXPECT_FALSE(TAKE());
	self->left.atr_len = 2;
	self->left.protocol = 2;
	ASSERT_EQ(0, PUT());
	EXPECT_FALSE(TAKE());
	self->left.protocol = 0;
	self->left.power_id = 0;
	ASSERT_EQ(0, PUT());
	EXPECT_FALSE(TAKE());
	/* One that was killed while it wrote is in nobody's way. */
	strcat(self->file, ".new");
	fd = open(self->file, O_CREAT | O_WRONLY, 0600);
	ASSERT_LE(0, fd);
	close(fd);
	self->left.power_id = 1;
	ASSERT_EQ(0, PUT());
	EXPECT_TRUE(TAKE());
}

TEST_F(left, what_others_could_have_written)
{
	ASSERT_EQ(0, PUT());
	ASSERT_EQ(0, chmod(self->file, 0620));
	EXPECT_FALSE(TAKE());
	/* A link to a good one, and a good one with two names. */
	ASSERT_EQ(0, PUT());
	ASSERT_EQ(0, rename(self->file, self->other));
	ASSERT_EQ(0, symlink(self->other, self->file));
	EXPECT_FALSE(TAKE());
	ASSERT_EQ(0, link(self->other, self->file));
	EXPECT_FALSE(TAKE());
	ASSERT_EQ(0, rename(self->other, self->file));
	EXPECT_TRUE(TAKE());
	/* Nobody waits for one who writes into a pipe. */
	ASSERT_EQ(0, mkfifo(self->file, 0600));
	EXPECT_FALSE(TAKE());
	ASSERT_EQ(0, mkdir(self->file, 0700));
	EXPECT_FALSE(TAKE());
	EXPECT_NE(0, PUT());
	ASSERT_EQ(0, rmdir(self->file));
	if (geteuid())
		return;
	ASSERT_EQ(0, PUT());
	ASSERT_EQ(0, chown(self->file, 65534, 0));
	EXPECT_FALSE(TAKE());
}

/* Directories that others may write, or have. */
TEST_F(left, directories)
{
	static const mode_t modes[] = { 0777, 0701, 0710, 01777 };
	size_t i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, PUT());
		ASSERT_EQ(0, chmod(self->dir, modes[i]));
		EXPECT_FALSE(TAKE());
		EXPECT_NE(0, PUT());
		ASSERT_EQ(0, chmod(self->dir, 0700));
		EXPECT_TRUE(TAKE());
		ASSERT_EQ(0, PUT());
		ASSERT_EQ(0, chmod(self->top, modes[i]));
		EXPECT_FALSE(TAKE());
		EXPECT_NE(0, PUT());
		ASSERT_EQ(0, chmod(self->top, 0700));
		EXPECT_TRUE(TAKE());
	}
	ASSERT_EQ(0, PUT());
	ASSERT_EQ(0, rename(self->dir, self->other));
	ASSERT_EQ(0, symlink(self->other, self->dir));
	EXPECT_FALSE(TAKE());
	EXPECT_NE(0, PUT());
	/* None at all, and one that isn't a path from the root. */
	ASSERT_EQ(0, setenv("XDG_RUNTIME_DIR", "/nonexistent", 1));
	EXPECT_FALSE(TAKE());
	EXPECT_NE(0, PUT());
	if (geteuid())
		return;
	ASSERT_EQ(0, setenv("XDG_RUNTIME_DIR", self->top, 1));
	ASSERT_EQ(0, unlink(self->dir));
	ASSERT_EQ(0, chown(self->top, 65534, 0));
	EXPECT_NE(0, PUT());
}

TEST_HARNESS_MAIN
