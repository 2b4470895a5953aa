# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What every part of tree.sh uses: where things are, how to speak, how to call git.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${REGBUF_BUILD:-$top/build}
linux=$build/linux
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ublk-regbuf

# The identity and date of what no person wrote, fixed so that hashes repeat.
tool_name=ublk-regbuf
tool_email=ublk-regbuf@localhost
tool_date='2024-11-17T22:15:08Z'

say() { printf 'tree.sh: %s\n' "$*" >&2; }
die() { printf 'tree.sh: error: %s\n' "$*" >&2; exit 1; }

# git, deaf to whatever the user's configuration or an outer git says
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE
g() { GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git "$@"; }

# as_author NAME EMAIL DATE COMMAND...: with the identity that makes a commit
as_author()
{
	local name=$1 email=$2 date=$3
	shift 3
	GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date \
	GIT_COMMITTER_NAME=$tool_name GIT_COMMITTER_EMAIL=$tool_email GIT_COMMITTER_DATE=$date "$@"
}

# One temporary directory for the whole run, made at once: a subshell could not tell us of its own.
mkdir -p "$build"
scratch=$(mktemp -d "$build/tree.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# lock NAME: two runs at once would write the same place, so the second waits.
# Held until the end, or until unlock.
lock()
{
	exec 9>"$build/$1.lock"
	flock -n 9 || { say "waiting for another tree.sh"; flock 9; }
}

unlock() { exec 9>&-; }
