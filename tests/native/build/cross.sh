#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A build for another machine: what that machine has is told by the pkg-config and
# the paths that the user names, and by nothing else. This one has its libraries as
# Fedora has them, below lib64.
set -uo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
cd "$top" || exit

if [ "${TOKMUX_TEST_ARBITER:-}" = kernel ]; then
	echo "1..0 # SKIP the same in a guest as outside"
	exit
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL B SAN
real=$(command -v pkg-config)
modules=$dir/lib64/pkcs11
mkdir -p "$dir/bin" "$modules"

cat >"$dir/target-pkg-config" <<END
#!/bin/sh
case "\$*" in
*--variable=p11_module_path*) echo '$modules' ;;
*--variable=libdir*) echo '$dir/lib64' ;;
*--cflags*) echo "-DTARGET \$($real "\$@")" ;;
*) exec '$real' "\$@" ;;
esac
END
cat >"$dir/bin/pkg-config" <<END
#!/bin/sh
echo "\$*" >>'$dir/wrong'
exec '$real' "\$@"
END
chmod +x "$dir/target-pkg-config" "$dir/bin/pkg-config"

# The target's compiler adds a macro of its own, so that it is seen where it is not
# used, as flags of the user's are.
cat >"$dir/target-gcc" <<END
#!/bin/sh
printf '%s\n' "\$*" >>'$dir/compiled'
exec gcc "\$@"
END
chmod +x "$dir/target-gcc"

build() { # make's variable…
	PATH=$dir/bin:$PATH make -s -C lib B="$dir/build" CC="$dir/target-gcc" \
		PKG_CONFIG="$dir/target-pkg-config" "$@" &&
		PATH=$dir/bin:$PATH make -s -C lib/pkcs11 B="$dir/build" \
			CC="$dir/target-gcc" PKG_CONFIG="$dir/target-pkg-config" "$@" &&
		PATH=$dir/bin:$PATH make -s -C tools B="$dir/build" \
			CC="$dir/target-gcc" PKG_CONFIG="$dir/target-pkg-config" "$@"
}
quiet() { "$@" >"$dir/log" 2>&1 || { cat "$dir/log"; return 1; }; }

tap_check "the build with a pkg-config, a compiler and flags of one's own" \
	quiet build CPPFLAGS="-I$dir/include" CFLAGS=-O1 LDFLAGS="-L$dir/lib64"
tap_check "no other pkg-config is asked" test ! -e "$dir/wrong"
# shellcheck disable=SC2016 # the shell that is called expands it
tap_check "each compilation has the user's paths" sh -c \
	'! grep -e " -c " "$1" | grep -vqe "-I$2/include"' - "$dir/compiled" "$dir"
# shellcheck disable=SC2016
tap_check "each linkage, too" sh -c \
	'! grep -v -e " -c " "$1" | grep -vqe "-L$2/lib64"' - "$dir/compiled" "$dir"

# A backend that is there and nowhere else is found by its name.
backend=$(find /usr/lib* -name libsofthsm2.so -print -quit)
ln -s "$backend" "$modules/only-there.so"
mkdir "$dir/tokens"
export SOFTHSM2_CONF=$dir/softhsm2.conf TOKMUX_CONF=$dir/tokmux.conf
echo "directories.tokendir = $dir/tokens" >"$SOFTHSM2_CONF"
printf '[global]\narbiter = local\n[backend one]\nmodule = only-there.so\n' >"$TOKMUX_CONF"
tap_check "backends are found where that machine's p11-kit has them" \
	quiet pkcs11-tool --module "$dir/build/tokmux-pkcs11.so" -L
tap_end
