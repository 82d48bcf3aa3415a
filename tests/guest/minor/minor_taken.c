// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the minor of /dev/tokmux-control, as a driver of somebody's own may:
 * for tests/scripts/module.sh.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations minor_taken_fops = {
	.owner	= THIS_MODULE,
};

static struct miscdevice minor_taken = {
	.minor	= 243,
	.name	= "minor-taken",
	.fops	= &minor_taken_fops,
};
module_misc_device(minor_taken);

MODULE_DESCRIPTION("Takes a minor, for a test");
MODULE_LICENSE("GPL");
