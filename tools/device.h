/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real device that a token is to stand for.
 */
#ifndef TOKMUX_TOOL_DEVICE_H
#define TOKMUX_TOOL_DEVICE_H

/*
 * Would tokmux_create_device() take it? As udev knows it: it is not opened.
 * Returns 0, or the negative errno that it would return.
 */
int device_look(const char *node, int interface);

#endif /* TOKMUX_TOOL_DEVICE_H */
