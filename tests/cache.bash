# SPDX-License-Identifier: GPL-2.0-only
# Where set-up keeps what is neither the host's nor the checkout's. Sourced.
#
#   $TOKMUX_CACHE/kernels/<release>/	a Debian kernel: image, modules, headers
#   $TOKMUX_CACHE/kernels/6.1		-> the release in use; also 6.12
#   $TOKMUX_CACHE/kernels/kasan		-> a built debug kernel; also kcsan
#   $TOKMUX_CACHE/src/linux-source-6.1/	Debian's source
#   $TOKMUX_CACHE/card/			the emulated smartcard's NSS database
# shellcheck shell=bash disable=SC2034

: "${TOKMUX_CACHE:=/var/cache/tokmux}"
case $TOKMUX_CACHE in
/*) ;;
*) TOKMUX_CACHE=$PWD/$TOKMUX_CACHE ;;
esac
export TOKMUX_CACHE

kernels=$TOKMUX_CACHE/kernels
linux_source=$TOKMUX_CACHE/src/linux-source-6.1

# The kernels of the matrix: <series> <Debian's package of the newest image>.
debian_series='6.1 6.12'
image_meta() {
	case $1 in
	6.1) echo linux-image-amd64 ;;
	*) echo "linux-image-$1-amd64" ;;
	esac
}
