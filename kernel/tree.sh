#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's tree: from Debian's source and our series to commits, and back.
set -euo pipefail

# shellcheck source=kernel/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
# shellcheck source=kernel/lib/base.sh
. "$top/kernel/lib/base.sh"
# shellcheck source=kernel/lib/series.sh
. "$top/kernel/lib/series.sh"
# shellcheck source=kernel/lib/save.sh
. "$top/kernel/lib/save.sh"
# shellcheck source=kernel/lib/build.sh
. "$top/kernel/lib/build.sh"

usage()
{
	cat <<-EOF
	usage: kernel/tree.sh COMMAND
	  fetch             install and import Debian's linux-source-6.12
	  apply [--force]   make build/linux: the base, and one commit per patch
	  save [--force]    write the commits of build/linux back to kernel/ and uapi/
	  check [--checkpatch]  prove that apply and save agree with the repository
	  send              write the complete series as mails to build/send
	  build FLAVOUR     build release, kasan, lockdep or nofused into build/kernel-FLAVOUR
	  headers           install the kernel's uapi headers into build/headers/include
	REGBUF_BUILD names another directory than build/.
	EOF
}

fetch()
{
	base_fetch
	echo "Linux $version (tested: $tested)"
}

main()
{
	local command=${1:-}
	[ $# -eq 0 ] || shift
	case $command in
	help | --help | -h | '') usage; return ;;
	esac
	lock tree
	case $command in
	fetch) fetch ;;
	apply) series_apply "$@" ;;
	save) series_save "$@" ;;
	check) series_check_all "$@" ;;
	send) series_send ;;
	build) build_kernel "${1:?tree.sh: build what? release, kasan, lockdep or nofused}" ;;
	headers) build_headers ;;
	*) usage >&2; die "no command '$command'" ;;
	esac
}

main "$@"
