# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the checks of this folder share: tree.sh's functions, and one work tree of
# Linux, build/compat/linux, which stands at whatever commit a check looks at.
# build/linux is somebody's work and is never touched.

# shellcheck source=kernel/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../kernel/lib/common.sh"
# shellcheck source=kernel/lib/base.sh disable=SC2086 # what it leaves unquoted tree.sh has set
. "$top/kernel/lib/base.sh"
# shellcheck source=kernel/lib/series.sh disable=SC2119,SC2120 # tree.sh gives it arguments
. "$top/kernel/lib/series.sh"
# shellcheck source=kernel/lib/save.sh disable=SC2086 # the same
. "$top/kernel/lib/save.sh"
# shellcheck source=kernel/lib/build.sh disable=SC2119,SC2120 # the same
. "$top/kernel/lib/build.sh"

program=${0##*/}
compat=$build/compat
linux=$compat/linux

say() { printf '%s: %s\n' "$program" "$*" >&2; }
die() { printf '%s: error: %s\n' "$program" "$*" >&2; exit 1; }
die_usage() { printf '%s: error: %s; see --help\n' "$program" "$*" >&2; exit 2; }

# need_value OPTION COUNT: an option that takes a value must have one
need_value() { [ "$2" -ge 2 ] || die_usage "$1 needs a value"; }

# need_number OPTION VALUE
need_number() { [[ $2 =~ ^[1-9][0-9]*$ ]] || die_usage "$1 $2: it has to be a number from 1 on"; }

# compat_lock WHAT: one check at a time may have `tree`, the work tree, or `liburing`, its results; `unlock` lets go
compat_lock()
{
	mkdir -p "$compat"
	exec 9>"$compat/$1.lock"
	flock -n 9 || { say "waiting for another check"; flock 9; }
}

# compat_checkout COMMIT: build/compat/linux becomes that commit, and only what differs gets a new date
compat_checkout()
{
	local list=$linux/.git/objects/info/alternates
	if [ ! -d "$linux/.git" ]; then
		say "checking out build/compat/linux"
		rm -rf "$linux.tmp"
		g clone -q --shared --no-checkout "$(base_repo)" "$linux.tmp"
		g -C "$linux.tmp" config gc.auto 0
		mv "$linux.tmp" "$linux"
	fi
	grep -qxF "$(base_repo)/objects" "$list" 2>/dev/null || echo "$(base_repo)/objects" >> "$list"
	g -C "$linux" checkout -q -f --detach "$1"
	g -C "$linux" clean -q -d -f -x
}

# options_of BASE COMMIT: the configuration options that the series adds
options_of()
{
	g -C "$(base_repo)" diff "$1" "$2" -- 'Kconfig*' '*/Kconfig*' | sed -n 's/^+\(menu\)\?config \([A-Z0-9_]*\)$/CONFIG_\2/p'
}

# without_options FRAGMENT OPTION...: the fragment less these options
without_options()
{
	local fragment=$1
	shift
	[ $# -gt 0 ] || { cat "$fragment"; return; }
	printf '%s\n' "$@" | awk 'NR == FNR { gone[$1]; next }
		{ option = $1 == "#" ? $2 : $1; sub(/=.*/, "", option) } !(option in gone)' - "$fragment"
}
