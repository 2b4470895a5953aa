# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Debian's source package liburing, unpacked and built below build/compat.

# liburing_fetch VERSION DIR
liburing_fetch()
{
	local version=$1 dir=$2 have
	apt_begin
	have=$(private_apt_cache showsrc --only-source liburing | sed -n 's/^Version: //p' | sort -u | paste -sd ' ' -)
	[[ " $have " = *" $version "* ]] || die "the archive has no source package liburing $version; it has: ${have:-none}"
	say "fetching liburing $version"
	rm -rf "$dir.tmp"
	mkdir -p "$dir.tmp"
	(cd "$dir.tmp" && private_apt source --download-only "liburing=$version" && dpkg-source -x liburing_*.dsc src) > "$dir.log" 2>&1 ||
		{ tail -n 20 "$dir.log" >&2; die "fetching liburing $version failed"; }
	mv "$dir.tmp" "$dir"
}

# liburing_variants DIR: tests that would end at something which this kernel lacks, without that.
# The guest has no IPv6, and send-zerocopy begins with it.
liburing_variants()
{
	local test=$1/src/test
	# IPv6 is asked for by a parameter, and by the lowest bit of a counter
	sed -e '/^static int create_socketpair_ip/,/^{/ s/^{/{\n\tipv6 = false;/' \
	    -e 's/for (j = 0; j < \([0-9]*\); j++)/for (j = 0; j < \1; j += 2)/' "$test/send-zerocopy.c" > "$test/send-zerocopy-ipv4.c"
	! cmp -s "$test/send-zerocopy.c" "$test/send-zerocopy-ipv4.c" || return 1
	make -C "$test" send-zerocopy-ipv4.t
}

# liburing_make DIR: the library and all test programs; one that does not build is an error
liburing_make()
{
	local src=$1/src
	[ ! -f "$1/built" ] || return 0
	say "building ${src#"$top"/}"
	if ! { (cd "$src" && ./configure --cc=gcc --cxx=g++ && make -j"$(nproc)" -C src && make -j"$(nproc)" -C test) &&
		liburing_variants "$1"; } > "$1/build.log" 2>&1; then
		grep -E 'error|Error' "$1/build.log" | head >&2 || true
		die "liburing does not build, see ${1#"$top"/}/build.log"
	fi
	touch "$1/built"
}

# liburing_tests DIR: the names of its tests; NAME@disk for those that can be given a disk as well
liburing_tests()
{
	local src=$1/src/test file name
	for file in "$src"/*.t; do
		name=${file##*/}
		name=${name%.t}
		# helpers of other tests
		case $name in
		exec-target) continue ;;
		esac
		echo "$name"
		case $name in
		cmd-discard | fdinfo | file-verify | iopoll | iopoll-leak | iopoll-overflow | read-write | sqwait | submit-reuse)
			echo "$name@disk" ;;
		esac
	done
}
