/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TOKMUX_LEASE_FILE_H
#define TOKMUX_LEASE_FILE_H

struct tokmux_call;
struct tokmux_caller;
struct tokmux_lease_file;

struct tokmux_lease_file *tokmux_lease_file_new(struct tokmux_call *call);
int tokmux_lease_file_get_turn(struct tokmux_caller *caller);
int tokmux_lease_file_open(struct tokmux_lease_file *lf,
			   struct tokmux_caller *caller);
void tokmux_lease_file_kill(struct tokmux_caller *caller);

#endif /* TOKMUX_LEASE_FILE_H */
