/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LOG_H
#define TOKMUX_LOG_H

enum log_level {
	LOG_NONE,
	LOG_ERROR,
	LOG_INFO,
};

void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* TOKMUX_LOG_H */
