# SPDX-License-Identifier: GPL-2.0-only
# Where set-up keeps what is neither the host's nor the checkout's. Sourced.
#
#   $TOKMUX_CACHE/kernels/<release>/	a Debian kernel: image, modules, headers
#   $TOKMUX_CACHE/kernels/6.1		-> the release in use; also 6.12, newest
#   $TOKMUX_CACHE/kernels/arm64		-> one to build for only; also i386
#   $TOKMUX_CACHE/kernels/kasan		-> a built debug kernel; also kcsan, kcov
#   $TOKMUX_CACHE/kernels/series-tree/	a tree with our patches, and its build
#   $TOKMUX_CACHE/src/linux-source-6.12/	what the patches are for
#   $TOKMUX_CACHE/src/linux-source/	Debian's source: the host's release has one
#   $TOKMUX_CACHE/apt/<kernel>/		lists of another Debian's packages
#   $TOKMUX_CACHE/apt/security/		lists with the security suite's
#   $TOKMUX_CACHE/suites/<suite>/	a Debian of its own, see tests/suite
#   $TOKMUX_CACHE/card/			the emulated smartcard's NSS database
# shellcheck shell=bash disable=SC2034

: "${TOKMUX_CACHE:=/var/cache/tokmux}"
case $TOKMUX_CACHE in
/*) ;;
*) TOKMUX_CACHE=$PWD/$TOKMUX_CACHE ;;
esac
export TOKMUX_CACHE

kernels=$TOKMUX_CACHE/kernels
suites=$TOKMUX_CACHE/suites
linux_source=$TOKMUX_CACHE/src/linux-source

# 12, 13, or empty: another system, or a Debian that is not released yet.
# shellcheck disable=SC1091
debian_release=$(ID='' VERSION_ID=''; . /etc/os-release 2>/dev/null
	[ "$ID" != debian ] || echo "$VERSION_ID")

# The kernels that this release has, its own first: that one is the default.
case $debian_release in
13) debian_series='6.12' ;;
*) debian_series='6.1 6.12' ;;
esac
default_series=${debian_series%% *}

# Debian's package that depends on the newest image of a series.
image_meta() { # series
	if [ "$1" = "$default_series" ]; then
		echo linux-image-amd64
	else
		echo "linux-image-$1-amd64"
	fi
}

# The packages of tests/packages: all, or those that tests/suite installs.
wanted_packages() { # all|suite
	awk -v whose="$1" -v release="$debian_release" '
		/^$/ { out = 0 }
		/^# [+]/ { out = whose == "suite" }
		/^# 13:/ { out = whose == "all" && release == 12 }
		/^[a-z0-9]/ && !out { print $1 }
	' tests/packages | sort -u
}
