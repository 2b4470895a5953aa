# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# From the repository to commits.  Everything happens in git's object database,
# without a work tree: a whole series takes about a second, so that `check`,
# `save` and `build` can all afford it.

# overlay_source DIR PATH: where DIR (a repository like ours) keeps the new kernel file PATH
overlay_source()
{
	case $2 in
	include/uapi/linux/*/*) echo "$1/kernel/files/$2" ;;
	include/uapi/linux/*) echo "$1/uapi/linux/${2##*/}" ;;
	*) echo "$1/kernel/files/$2" ;;
	esac
}

# series_lines: the series without comments and empty lines
series_lines() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$top/kernel/series"; }

# overlay_files: every new file that the repository has, as a path in the kernel
overlay_files()
{
	[ ! -d "$top/kernel/files" ] || (cd "$top/kernel/files" && find . -type f -printf '%P\n')
	[ ! -d "$top/uapi/linux" ] || (cd "$top/uapi/linux" && find . -type f -printf 'include/uapi/linux/%P\n')
}

series_check_files()
{
	local twice file
	twice=$(series_lines | tr -s ' \t' '\n' | sort | uniq -d | sed -n 1p)
	[ -z "$twice" ] || die "kernel/series names $twice twice; one patch owns each file"
	while read -r file; do
		[ -f "$(overlay_source "$top" "$file")" ] ||
			die "kernel/series names $file, but $(overlay_source . "$file") does not exist"
	done < <(series_lines | awk '{ for (i = 2; i <= NF; i++) print $i }')
	while read -r file; do
		series_lines | tr -s ' \t' '\n' | grep -xF "$file" > /dev/null ||
			die "$(overlay_source . "$file") is named by no line of kernel/series"
	done < <(overlay_files)
}

series_check_patches()
{
	local patch
	while read -r patch; do
		[ -f "$top/kernel/patches/$patch" ] ||
			die "kernel/series names $patch, but kernel/patches/$patch does not exist"
	done < <(series_lines | awk '{ print $1 }')
	for patch in "$top"/kernel/patches/*; do
		[ -f "$patch" ] || continue
		series_lines | awk '{ print $1 }' | grep -xF "${patch##*/}" > /dev/null ||
			die "kernel/patches/${patch##*/} is named by no line of kernel/series"
	done
}

# series_check: every patch and every new file is named exactly once
series_check()
{
	[ -n "$(series_lines)" ] || { say "kernel/series is empty: the kernel is the base"; return 0; }
	series_check_files
	series_check_patches
}

# add_overlay PATH: puts a new file into the index
add_overlay()
{
	local file mode=100644 blob
	file=$(overlay_source "$top" "$1")
	! g cat-file -e "$base:$1" 2>/dev/null ||
		die "$1 exists in Linux $version: change it by a patch, not by a new file"
	[ ! -x "$file" ] || mode=100755
	blob=$(g hash-object -w --no-filters "$file")
	g update-index --add --cacheinfo "$mode,$blob,$1"
}

apply_hook()
{
	local patch=$1 diff=$2 where
	[ -s "$diff" ] || return 0
	g apply --cached --whitespace=nowarn "$diff" 2> "$scratch/why" && return 0
	cat "$scratch/why" >&2
	where=$(sed -n 's/^error: \(patch failed: \)\?\(.*\):.*/\2/p' "$scratch/why" | sed -n 1p)
	die "$patch does not apply to ${where:-the tree} of Linux $version"
}

# apply_patch PARENT PATCH FILE...: prints the new commit; PATCH is a mail below kernel/
apply_patch()
{
	local parent=$1 patch=$2 info=$scratch/info file
	shift 2
	for file; do add_overlay "$file"; done
	g mailinfo -b --encoding=UTF-8 "$scratch/body" "$scratch/diff" \
		< "$top/kernel/$patch" > "$info"
	grep -q '^Subject: .' "$info" || die "kernel/$patch is not a mail of git format-patch"
	apply_hook "${patch##*/}" "$scratch/diff"
	{ sed -n 's/^Subject: //p' "$info"; echo; cat "$scratch/body"; } | g stripspace > "$scratch/message"
	as_author "$(sed -n 's/^Author: //p' "$info")" "$(sed -n 's/^Email: //p' "$info")" \
		  "$(sed -n 's/^Date: //p' "$info")" \
		  g commit-tree -p "$parent" -F "$scratch/message" "$(g write-tree)"
}

# series_commit: prints the commit that base and series make; runs in a subshell, as its callers use $()
series_commit()
{
	local commit line words
	GIT_DIR=$(base_repo)
	GIT_INDEX_FILE=$scratch/index
	export GIT_DIR GIT_INDEX_FILE
	base=$(g rev-parse refs/heads/base)
	g read-tree "$base"
	commit=$base
	while read -r line; do
		read -ra words <<< "$line"
		commit=$(apply_patch "$commit" "patches/${words[0]}" "${words[@]:1}") || exit 1
	done < <(series_lines)
	rm -f "$GIT_INDEX_FILE"
	echo "$commit"
}

# linux_status: what is not committed; Debian's .gitignore hides every new file, so look behind it
linux_status() { g -C "$linux" status --porcelain --ignored; }

# linux_clean: is everything in build/linux also in the repository, as far as we were told?
linux_clean()
{
	[ -z "$(linux_status)" ] &&
		[ "$(g -C "$linux" rev-parse HEAD)" = "$(g -C "$linux" rev-parse -q --verify refs/regbuf/saved)" ]
}

linux_create()
{
	say "checking out build/linux"
	rm -rf "$linux.tmp"
	g clone -q --shared --no-checkout "$(base_repo)" "$linux.tmp"
	g -C "$linux.tmp" config gc.auto 0
	g -C "$linux.tmp" config user.useConfigOnly true
	g -C "$linux.tmp" checkout -q -B regbuf "$1"
	mv "$linux.tmp" "$linux"
}

# linux_borrow: lets build/linux see the objects of a base that came later
linux_borrow()
{
	local list=$linux/.git/objects/info/alternates
	grep -qxF "$(base_repo)/objects" "$list" 2>/dev/null || echo "$(base_repo)/objects" >> "$list"
}

series_mark()
{
	g -C "$linux" update-ref refs/regbuf/base "$(g -C "$(base_repo)" rev-parse refs/heads/base)"
	g -C "$linux" update-ref refs/regbuf/saved "$1"
	echo "$version $(repo_hash)" > "$linux/.git/regbuf-series"
	(cd "$linux" && series_remember "$(g rev-parse "$1^{tree}")")
}

# Which tree the series makes is kept beside the built kernels: a fresh clone finds its kernel without unpacking anything.
series_memory() { echo "$cache/series/$version-$(repo_hash)"; }

# series_remember TREE, in the repository that has it
series_remember()
{
	mkdir -p "$cache/series"
	echo "$1 $(header_key "$1")" > "$(series_memory)"
}

# repo_hash: of everything in the repository that makes the kernel's tree
repo_hash()
{
	(cd "$top" && find kernel/series kernel/patches kernel/adapt kernel/files uapi/linux -type f 2>/dev/null |
		LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c 1-16)
}

# series_apply [--force]: build/linux becomes base plus series
series_apply()
{
	local commit
	base_fetch
	series_check
	commit=$(series_commit)
	if [ ! -d "$linux/.git" ]; then
		linux_create "$commit"
	else
		[ "${1:-}" = --force ] || linux_clean ||
			die "build/linux has changes that are not in the repository; 'kernel/tree.sh save' keeps them, 'apply --force' drops them"
		linux_borrow
		g -C "$linux" checkout -q -f -B regbuf "$commit"
		g -C "$linux" clean -q -d -f -x
	fi
	series_mark "$commit"
	say "build/linux is Linux $version and $(series_lines | wc -l) patches"
}
