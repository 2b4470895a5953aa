# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The kernel's selftests of ublk, from a linux-source package of Debian's backports, unpacked and
# built below build/compat.  Goes with apt.sh.

selftests_path=tools/testing/selftests

# selftests_package VERSION: the package that a version belongs to
selftests_package() { sed -E 's/^([0-9]+\.[0-9]+).*/linux-source-\1/' <<< "$1"; }

# selftests_unpack DEB DIR: of the kernel only what the tests and their headers are made of
selftests_unpack()
{
	local package part parts=()
	package=$(selftests_package "$version")
	for part in Makefile scripts include/uapi arch/x86/{Makefile,Makefile_32.cpu,boot/Makefile,entry,include} \
		tools/{include,scripts} $selftests_path/{lib.mk,kselftest.h,kselftest_harness.h,ublk}; do
		parts+=("$package/$part")
	done
	mkdir -p "$2"
	dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$package.tar.xz" |
		tar -xJ -C "$2" --strip-components=1 "${parts[@]}" || die "${1##*/} cannot be unpacked"
}

# selftests_fetch VERSION DIR: the kernel's files in DIR/linux, and a liburing that is new enough in DIR/liburing
selftests_fetch()
{
	local version=$1 dir=$2 package have deb
	package=$(selftests_package "$version")
	apt_begin
	have=$(private_apt_cache madison "$package" | awk '{ print $3 }' | sort -u | paste -sd ' ' -)
	[[ " $have " = *" $version "* ]] || die "the archive has no $package $version; it has: ${have:-none of $package}"
	say "fetching $package $version and liburing-dev"
	rm -rf "$dir.tmp"
	private_apt_download "$dir.tmp/debs" "$dir.log" "$package=$version" liburing-dev || die "fetching $package $version and liburing-dev failed"
	selftests_unpack "$dir.tmp/debs/$package"_*.deb "$dir.tmp/linux"
	for deb in "$dir.tmp/debs"/liburing-dev_*.deb; do dpkg-deb -x "$deb" "$dir.tmp/liburing"; done
	rm -r "$dir.tmp/debs"
	mv "$dir.tmp" "$dir"
}

# selftests_mend SRC: a fault of their server.  How long it sits on an I/O is on the stack of a function that has
# returned when the SQE is submitted: in generic_06, for no time.
selftests_mend()
{
	sed -i '/struct __kernel_timespec ts = {/,/};/c\	static struct __kernel_timespec ts;\n\n\tts.tv_nsec = opts->delay_ns;' "$1/fault_inject.c"
}

# selftests_make DIR: their server, linked with the liburing that was fetched, and their tool
selftests_make()
{
	local dir=$1 src=$1/linux/$selftests_path/ublk library
	[ ! -f "$dir/built" ] || return 0
	say "building ${src#"$top"/}"
	selftests_mend "$src"
	library=$(find "$dir/liburing" -name liburing.a)
	if ! { make -C "$dir/linux" ARCH=x86 headers &&
		make -C "$src" USERCFLAGS="-isystem $dir/liburing/usr/include" LDLIBS="$library -lpthread -lm"; } > "$dir/build.log" 2>&1; then
		grep -E 'error|Error' "$dir/build.log" | head >&2 || true
		die "the selftests do not build, see ${dir#"$top"/}/build.log"
	fi
	touch "$dir/built"
}

# selftests_ready DIR: DIR/tests, copies that record their sub-cases; see subcase.sh.  A sub-case is a call with
# arguments of one of the functions that tests make for the purpose.
selftests_ready()
{
	local src=$1/linux/$selftests_path/ublk tests=$1/tests file
	rm -rf "$tests"
	mkdir -p "$tests"
	cp -r "$src/kublk" "$src/metadata_size" "$src/trace" "$tests/"
	for file in "$src"/test_*.sh; do
		sed -E 's/^(\t*)((ublk_[a-z_]+|run_(zoned_)?set_params_[a-z]+) )/\1subcase \2/' "$file" > "$tests/${file##*/}"
		chmod +x "$tests/${file##*/}"
	done
	# shellcheck disable=SC2016 # for them to expand
	{ cat "$src/test_common.sh"; echo '. "$SUBCASE_FUNCTION"'; } > "$tests/test_common.sh"
}

# selftests_names DIR: the names of its tests
selftests_names()
{
	local file name
	for file in "$1/linux/$selftests_path/ublk"/test_*.sh; do
		name=${file##*/test_}
		[ "$name" = common.sh ] || echo "${name%.sh}"
	done
}
