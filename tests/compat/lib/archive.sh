# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the archive has of the base's package: its versions, the package file of one, and git
# repositories of that.  Goes with apt.sh, whose private apt it asks.

suites=(bookworm-security trixie trixie-security)
debs=$compat/debs
declare -A suites_of=()

# archive_versions: sets $versions, oldest first, $suites_of, which suites have each, and $suites_without, which have none
archive_versions()
{
	local version suite
	apt_begin
	while read -r version suite; do
		[[ " ${suites_of[$version]:-} " = *" $suite "* ]] || suites_of[$version]+="${suites_of[$version]:+ }$suite"
	done < <(private_apt_cache madison "$base_package" | sed -n "s,^ *$base_package | *\([^ ]*\) | [^ ]* \([^ /]*\)/main amd64 Packages\$,\1 \2,p")
	suites_without=()
	for suite in "${suites[@]}"; do
		[[ " ${suites_of[*]} " = *" $suite "* ]] || suites_without+=("$suite")
	done
	mapfile -t versions < <(printf '%s\n' "${!suites_of[@]}" | grep . | sort -V)
}

# archive_fetch VERSION: Debian's; the package file is REGBUF_BASE from then on.  Or prints why not, and returns 1
archive_fetch()
{
	mkdir -p "$debs"
	(cd "$debs" && private_apt download "$base_package=$1") > "$compat/download.log" 2>&1 || { tail -n 3 "$compat/download.log"; return 1; }
	REGBUF_BASE=$(find "$debs" -name "${base_package}_${1}_*.deb")
	export REGBUF_BASE
	[ -f "$REGBUF_BASE" ] || { echo "apt downloaded nothing for $1"; return 1; }
}

# archive_import REPO: the package as REPO, which borrows the objects that the installed base has
archive_import()
{
	local seed
	[ ! -d "$1" ] || return 0
	seed=$(find "${compat%/*}" -maxdepth 1 -name 'base-*.git' | sort -V | tail -n 1)
	if [ -z "$seed" ]; then base_import "$1"; return; fi
	GIT_ALTERNATE_OBJECT_DIRECTORIES=$seed/objects base_import "$1"
	echo "$seed/objects" > "$1/objects/info/alternates"
}

# touched: the files that the series changes or adds
touched()
{
	{ find "$top/kernel/adapt" "$top/kernel/patches" -name '*.patch' -exec sed -n 's,^--- a/,,p' {} + 2> /dev/null || true; overlay_files; } | sort -u
}

# archive_files VERSION: names the repository of nothing but those
archive_files() { echo "$compat/base-$1-files-$(touched | sha256sum | cut -c 1-8).git"; }

# archive_import_files REPO: what is new in the series is not in the package, so tar misses it; 1 when it finds nothing
archive_import_files()
{
	local small=$scratch/files
	[ ! -d "$1" ] || return 0
	mkdir -p "$small/linux"
	touched | sed "s,^,$base_package/," > "$small/list"
	base_source | tar -xJ -C "$small/linux" --strip-components=1 -T "$small/list" 2> "$small/missing" || true
	[ -n "$(find "$small/linux" -type f -print -quit)" ] || { rm -rf "$small"; return 1; }
	tar -cJf "$small/tarball" -C "$small" linux
	REGBUF_BASE='' base_tarball=$small/tarball base_import "$1"
	rm -rf "$small"
}
