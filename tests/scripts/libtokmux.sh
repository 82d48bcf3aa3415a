#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# libtokmux's own tests, where there is a kernel to talk to.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd -P)
exec "$top/build/user/tests/libtokmux/libtokmux"
