# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A later kernel, configured as our release kernel: build/kernel-mainline.  Its source is the package of Debian 13's
# backports, of the version that tests/vm/debian/kernels has for `backports`.
# Not taken: kernel.org's source, which apt cannot verify.
# Goes with apt.sh, build.sh and tests/vm/kernels.sh.

mainline_dir=$compat/mainline
mainline_options=$top/tests/compat/mainline.options

# mainline_rows: those of the list, OURS THEIRS WHY, parted by tabs
mainline_rows() { grep -v '^#' "$mainline_options"; }

# mainline_check FRAGMENT: a row that replaces nothing is out of date
mainline_check()
{
	local ours theirs why
	while IFS=$'\t' read -r ours theirs why; do
		if [ -z "$theirs" ] || [ -z "$why" ]; then
			die "${mainline_options#"$top"/}: '$ours': right is a line, what it gets instead, and why, parted by tabs"
		fi
		grep -qxF -- "$ours" "$1" || die "${mainline_options#"$top"/}: '$ours' is no line of kernel/config"
	done < <(mainline_rows)
}

# mainline_fragment: the release kernel's configuration as this source has it
mainline_fragment()
{
	merge_fragments release > "$scratch/release"
	mainline_check "$scratch/release"
	mainline_rows | awk -F '\t' 'NR == FNR { instead[$1] = $2; next }
		!($0 in instead) { print; next }
		instead[$0] != "-" { print instead[$0] }' - "$scratch/release"
}

# mainline_tell: what the configurations differ by
mainline_tell()
{
	local ours theirs why
	while IFS=$'\t' read -r ours theirs why; do
		case $theirs in
		-) say "without $ours: $why" ;;
		*) say "$theirs instead of $ours: $why" ;;
		esac
	done < <(mainline_rows)
}

# mainline_sources: `VERSION PACKAGE` of the archive's, oldest first
mainline_sources()
{
	private_apt_cache pkgnames linux-source- | grep -E '^linux-source-[0-9.]+$' | xargs -r apt-cache -q "${apt_args[@]}" madison |
		sed -n 's,^ *\([^ ]*\) | *\([^ ]*\) | [^ ]* trixie-backports/main amd64 Packages$,\2 \1,p' | sort -uV
}

# mainline_choose VERSION: prints `VERSION PACKAGE`; another version only when that is gone
mainline_choose()
{
	local all chosen
	all=$(mainline_sources)
	[ -n "$all" ] || die "the archive has no package linux-source-* in trixie-backports"
	chosen=$(awk -v version="$1" '$1 == version' <<< "$all")
	if [ -z "$chosen" ]; then
		chosen=$(tail -n 1 <<< "$all")
		say "the archive has no source of $1 any more; taking ${chosen% *}, on which nothing was tried yet"
	fi
	echo "$chosen"
}

# mainline_unpack VERSION PACKAGE: $mainline_dir/linux is that source
mainline_unpack()
{
	local debs=$mainline_dir/debs deb
	[ "$(cat "$mainline_dir/version" 2> /dev/null)" != "$1" ] || return 0
	say "fetching $2 $1"
	rm -rf "$mainline_dir"
	mkdir -p "$mainline_dir/linux"
	private_apt_download "$debs" "$mainline_dir/log" "$2=$1" || die "fetching $2 $1 failed"
	deb=$(find "$debs" -name "${2}_*.deb")
	[ -f "$deb" ] || die "apt downloaded nothing for $2 $1"
	say "unpacking it"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$2.tar.xz" | tar -xJ --strip-components=1 -C "$mainline_dir/linux"
	rm -rf "$debs"
	echo "$1" > "$mainline_dir/version"
}

# mainline_made KEY: build/kernel-mainline is this one, now or from the cache
mainline_made()
{
	[ "$(cat "$out/key" 2> /dev/null)" != "$1" ] || { say 'kernel mainline: up to date'; return 0; }
	cache_get "$1" mainline "$out" || return 1
	echo "$1" > "$out/key"
}

# mainline_compile VERSION FRAGMENT PACKAGE: builds it, unless it was built before
mainline_compile()
{
	local key
	key=$(tree="mainline $1" kernel_key "$2")
	! mainline_made "$key" || return 0
	mainline_unpack "$1" "$3"
	mkdir -p "$out"
	rm -f "$out/key"
	mainline_tell
	linux=$mainline_dir/linux version=$1 kernel_compile mainline "$2"
	kernel_install "$out"
	cache_put "$key" "${kernel_files[@]/#/$out/}"
	echo "$key" > "$out/key"
}

mainline_build()
{
	local out=$build/kernel-mainline fragment=$scratch/mainline suites version package
	compat_lock mainline
	mainline_fragment > "$fragment"
	read -r _ suites _ version < <(debian_row backports)
	[ "$suites" = trixie-backports ] || die "tests/vm/debian/kernels: backports is of $suites; right is trixie-backports"
	# what was made of that version needs no look at the archive
	if ! mainline_made "$(tree="mainline $version" kernel_key "$fragment")"; then
		apt_begin
		read -r version package < <(mainline_choose "$version")
		[ -n "$package" ] || exit 1
		mainline_compile "$version" "$fragment" "$package"
	fi
	unlock
}
