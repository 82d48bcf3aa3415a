# SPDX-License-Identifier: GPL-2.0-only
# A kernel that a guest can run. Sourced, after tests/cache.bash.
#
# find_kernel NAME sets
#	kernel_image	the bzImage, or empty: it can only be built for
#	kernel_boot	what QEMU boots: the bare vmlinux if there is one beside,
#			to unpack a bzImage takes an emulated CPU 5 s
#	kernel_release	what uname -r will say
#	kernel_root	a directory with lib/modules/<release>, or empty: all built in
#	kernel_build	where modules are built against it, or empty: nowhere
#	kernel_chroot	the root of that path, with the programs that build
# or leaves the reason in kernel_error and fails. NAME is one of the cache's
# (6.1, 6.12, newest, arm64, kasan, a release…), a bzImage or a kernel's build tree.
# shellcheck shell=bash disable=SC2034,SC2154

kernel_error=

# The release is in the image itself (Documentation/arch/x86/boot.rst).
image_release() { # bzImage
	local magic offset
	magic=$(dd if="$1" bs=1 skip=514 count=4 status=none 2>/dev/null |
		tr -d '\0') || return
	[ "$magic" = HdrS ] || return
	offset=$(od -An -tu2 -j526 -N2 "$1")
	tail -c +$((offset + 512 + 1)) "$1" | head -c 256 | tr '\0' '\n' |
		sed -n '1s/ .*//p'
}

find_kernel() { # name
	local name=$1 dir
	kernel_image= kernel_boot= kernel_release= kernel_root= kernel_build= kernel_chroot=/
	kernel_error=
	if [[ $name != */* ]] && [ -e "$kernels/$name" ]; then
		name=$(readlink -f "$kernels/$name")
	elif [[ $name != */* && ! -e $name ]]; then
		case $name in
		"${debian_series%% *}" | "${debian_series##* }") kernel_error="kernel $name is not in $TOKMUX_CACHE; run 'make setup'" ;;
		newest | arm64 | i386) kernel_error="kernel $name is not in $TOKMUX_CACHE; run tests/setup $name" ;;
		kasan | kcsan | kcov) kernel_error="kernel $name is not in $TOKMUX_CACHE; run tests/guest/build-kernel $name" ;;
		*) kernel_error="no kernel '$name': want ${debian_series// /, }, newest, kasan, kcsan, kcov or a path" ;;
		esac
		return 1
	fi
	if [ -d "$name" ]; then
		dir=$(readlink -f "$name")
		if [ -x "$dir/usr/bin/make" ]; then
			kernel_chroot=$dir
			kernel_release=${dir##*/}
			kernel_build=/usr/src/linux-headers-$kernel_release
			[ -e "$dir/boot/vmlinuz-$kernel_release" ] || return 0
		fi
		if [ -e "$dir/arch/x86/boot/bzImage" ]; then
			kernel_image=$dir/arch/x86/boot/bzImage
			kernel_build=$dir
		else
			for kernel_image in "$dir"/boot/vmlinuz-*; do :; done
		fi
		[ -r "$kernel_image" ] || {
			kernel_error="$name holds neither arch/x86/boot/bzImage nor boot/vmlinuz-*"
			return 1
		}
	else
		kernel_image=$(readlink -f "$name") && [ -r "$kernel_image" ] || {
			kernel_error="cannot read $name"
			return 1
		}
		dir=$(dirname "$kernel_image")
	fi
	kernel_release=$(image_release "$kernel_image")
	[ -n "$kernel_release" ] || {
		kernel_error="$kernel_image is not a bzImage"
		return 1
	}
	kernel_boot=$kernel_image
	local root
	# QEMU enters it by its PVH note. Not in a build tree: with KASAN the code
	# behind that entry needs shadow memory that isn't there yet.
	if readelf -n "$dir/boot/vmlinux-$kernel_release" 2>/dev/null |
		grep 'type: (0x00000012)' >/dev/null; then
		kernel_boot=$dir/boot/vmlinux-$kernel_release
	fi
	for root in "$dir" "$dir/.." /; do
		if [ -e "$root/lib/modules/$kernel_release/modules.dep" ]; then
			kernel_root=$(readlink -f "$root")
			break
		fi
	done
	if [ -z "$kernel_build" ]; then
		for root in "${kernel_root:-/}" "$dir" "$dir/.." /; do
			if [ -e "$root/lib/modules/$kernel_release/build/Makefile" ]; then
				kernel_build=$(readlink -f "$root/lib/modules/$kernel_release/build")
				break
			fi
		done
	fi
}
