# SPDX-License-Identifier: GPL-2.0-only
# Kernels of another Debian or another machine than the host's, each with all that
# builds for it: kbuild's programs ask for a newer C library than the host may
# have, and a kernel's headers for the compiler that built the kernel. Sourced by
# tests/setup.
#
# apt finds out what is needed, with a configuration and lists of its own in the
# cache: the host's sources and what is installed on it play no part. The packages
# are unpacked into one directory, the root in which tests/guest/build-module runs
# make. Nothing in it is installed, and no package's script is run.
# shellcheck shell=bash disable=SC2154

# The programs that Debian's kernel headers take for granted.
foreign_tools='coreutils dash diffutils findutils grep make mawk sed sparse'

# The mirror that the host's apt uses, if it knows one.
foreign_mirror() {
	local mirror
	# shellcheck disable=SC2016 # apt's variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' \
		'Label: Debian' 2>/dev/null | head -n 1)
	mirror=${mirror:-http://deb.debian.org/debian}
	echo "${mirror%/}"
}

# Sets APT_CONFIG: what follows in this shell sees these suites and nothing else.
foreign_apt() { # kernel architecture suite…
	local dir=$TOKMUX_CACHE/apt/$1 architecture=$2 suite mirror
	shift 2
	mirror=$(foreign_mirror)
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	: >"$dir/status"
	for suite; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
			"$mirror $suite main"
	done >"$dir/sources.list"
	# Of testing only what is asked for by name.
	printf '%s\n' 'Package: *' 'Pin: release n=forky' 'Pin-Priority: -1' \
		>"$dir/preferences"
	cat >"$dir/apt.conf" <<-END
		Dir::State "$dir";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir/cache";
		Dir::Etc::SourceList "$dir/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "$dir/preferences";
		Dir::Etc::PreferencesParts "/dev/null";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; "$architecture"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
	END
	export APT_CONFIG=$dir/apt.conf
	apt-get update -q >&2 || die "apt-get update failed for $*"
}

# Sets APT_CONFIG: the host's apt, which sees one more suite of its Debian. The host's
# own sources are not ours to change.
host_apt() { # security|backports
	local dir=$TOKMUX_CACHE/apt/$1 suite mirror
	# shellcheck disable=SC1091
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME-$1")
	mirror=$(foreign_mirror)
	[ "$1" != security ] || mirror+=-security
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/sources.list.d"
	find /etc/apt/sources.list.d -type f -exec cp -t "$dir/sources.list.d" {} +
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"$mirror $suite main" >"$dir/sources.list.d/tokmux-$1.list"
	cat >"$dir/apt.conf" <<-END
		Dir::State::lists "$dir/lists";
		Dir::Cache "$dir/cache";
		Dir::Etc::SourceParts "$dir/sources.list.d";
		APT::Sandbox::User "root";
	END
	export APT_CONFIG=$dir/apt.conf
	apt-get update -q >&2
}

# Those of a package's dependencies whose name is like the pattern.
foreign_depends() { # suite package pattern
	apt-cache -t "$1" depends "$2" |
		sed -n "s/^ *|\{0,1\}Depends: \($3\)\(:[a-z0-9]*\)\{0,1\}\$/\1/p" | sort -u
}

foreign_fetch() { # suite release architecture
	local image=
	# shellcheck disable=SC2086 # words
	apt-get install -q -y --download-only -t "$1" -o Dir::Cache::archives="$PWD" \
		"linux-headers-$2:$3" $foreign_tools || return
	if [ "$3" = amd64 ]; then
		# Not with the image's own dependencies, which make an initramfs.
		image="linux-image-$2 $(foreign_depends "$1" "linux-image-$2" "linux-[a-z]*-$2")"
		# shellcheck disable=SC2086 # words
		apt-get download -q -t "$1" $image || return
	fi
	# Kernels from 7.2 on want one that knows __typeof_unqual__, which 13's doesn't.
	[ "$1" != trixie-backports ] || apt-get download -q sparse/forky
}

# What the packages' scripts would have done, and what Debian forgot.
foreign_finish() { # root release
	local root=$1 release=$2 name
	for name in bin sbin lib lib64; do
		[ -e "$root/$name" ] || ln -s "usr/$name" "$root/$name"
	done
	mkdir -p "$root/tmp" "$root/dev" "$root/proc" "$root/boot"
	[ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
	# 7.3's Makefile asks a script that isn't among the headers whether sparse
	# will do, and without an answer goes on without sparse.
	for name in "$root"/usr/lib/linux-kbuild-*/scripts; do
		[ -e "$name/checker-valid.sh" ] ||
			printf '%s\n' '#!/bin/sh' 'echo 1' >"$name/checker-valid.sh"
		chmod +x "$name/checker-valid.sh"
	done
	# Since 7.2 the image, signed or not, is not in boot/.
	for name in "$root/usr/lib/modules/$release"/vmlinuz*; do
		[ ! -e "$name" ] || ln -sf "../${name#"$root/"}" "$root/boot/vmlinuz-$release"
	done
}

foreign_kernel() { # newest, arm64 or i386
	local name=$1 suites suite=trixie-backports architecture=$1 flavour=$1
	local release version tmp deb
	if [ -z "$update" ] && [ -e "$kernels/$name/.complete" ]; then
		return
	fi
	case $name in
	newest) architecture=amd64 flavour=amd64 ;;
	# The last Debian that has kernels for it.
	i386) suite=bookworm flavour=686-pae ;;
	esac
	suites=$suite
	[ $suite != trixie-backports ] || suites='trixie trixie-backports forky'
	command -v apt-get >/dev/null ||
		die "kernel $name is not in $TOKMUX_CACHE, and there is no apt here to fetch it"
	# shellcheck disable=SC2086 # words
	foreign_apt "$name" "$architecture" $suites
	release=$(foreign_depends "$suite" "linux-headers-$flavour:$architecture" \
		'linux-headers-[0-9][^:]*' | sed 's/^linux-headers-//')
	[ "$(wc -w <<<"$release")" = 1 ] ||
		die "expected one release of linux-headers-$flavour in $suite, got: $release"
	if [ ! -e "$kernels/$release/.complete" ]; then
		version=$(apt-cache -t "$suite" show --no-all-versions \
			"linux-headers-$release:$architecture" | sed -n 's/^Version: //p')
		say "fetching kernel $release ($version), and what builds for it"
		tmp=$(mktemp -d "$kernels/.fetch.XXXXXX")
		# shellcheck disable=SC2064 # the value of now
		trap "rm -rf '$tmp'" EXIT
		mkdir -p "$tmp/debs/partial" "$tmp/root"
		(cd "$tmp/debs" && foreign_fetch "$suite" "$release" "$architecture") >&2 ||
			die "could not fetch kernel $release"
		for deb in "$tmp"/debs/*.deb; do
			dpkg-deb -x "$deb" "$tmp/root" || die "cannot unpack ${deb##*/}"
		done
		foreign_finish "$tmp/root" "$release"
		[ ! -e "$tmp/root/boot/vmlinuz-$release" ] ||
			index_kernel "$tmp/root" "$release"
		echo "$version" >"$tmp/root/.complete"
		rm -rf "${kernels:?}/$release"
		mv -T "$tmp/root" "$kernels/$release"
		rm -rf "$tmp"
		trap - EXIT
	fi
	ln -sfn "$release" "$kernels/$name"
	[ "$name" != newest ] ||
		ln -sfn "$release" "$kernels/$(grep -o '^[0-9]*\.[0-9]*' <<<"$release")"
}

# The source that the patch series is for.
foreign_source() { # linux-source-6.12
	local name=$1 source=$TOKMUX_CACHE/src tmp
	[ ! -e "$source/$name/Makefile" ] || return 0
	foreign_apt "$name" amd64 trixie
	mkdir -p "$source"
	tmp=$(mktemp -d "$source/.fetch.XXXXXX")
	# shellcheck disable=SC2064 # the value of now
	trap "rm -rf '$tmp'" EXIT
	(cd "$tmp" && apt-get download -q "$name") >&2 || die "could not fetch $name"
	dpkg-deb --fsys-tarfile "$tmp"/*.deb | tar -C "$tmp" -xO "./usr/src/$name.tar.xz" |
		tar -C "$tmp" -xJ || die "cannot unpack $name"
	mv -T "$tmp/$name" "$source/$name"
	rm -rf "$tmp"
	trap - EXIT
}
