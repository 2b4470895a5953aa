# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The base: Debian's linux-source-6.12, whatever 6.12.y apt offers, imported
# once as a bare repository of one commit, build/base-<version>.git.
# REGBUF_BASE=FILE.deb: that package, which need not be installed, instead of the installed one.

base_package="linux-source-6.12"
base_tarball=/usr/src/$base_package.tar.xz

# base_version: the upstream version of the package
base_version()
{
	local v
	if [ -n "${REGBUF_BASE:-}" ]; then
		base_file_version
		return
	fi
	# shellcheck disable=SC2016 # dpkg's own format
	v=$(dpkg-query -W -f '${Version}' $base_package 2>/dev/null) || v=
	[ -n "$v" ] && [ -f $base_tarball ] || return 1
	echo "${v%%-*}"
}

# base_file_version: of REGBUF_BASE, whose name Debian makes of package and version
base_file_version()
{
	local v=${REGBUF_BASE##*/}
	if [[ ! $v =~ ^${base_package}_[0-9][^_]*_all\.deb$ ]] || [ ! -f "$REGBUF_BASE" ]; then
		die "REGBUF_BASE=$REGBUF_BASE: right is a package file, ${base_package}_VERSION_all.deb"
	fi
	v=${v#"${base_package}_"}
	echo "${v%%[-_]*}"
}

# base_source: prints the package's tarball of Linux
base_source()
{
	if [ -n "${REGBUF_BASE:-}" ]; then
		dpkg-deb --fsys-tarfile "$REGBUF_BASE" | tar -xO "./usr/src/$base_package.tar.xz"
	else
		cat "$base_tarball"
	fi
}

base_repo() { echo "$build/base-$version.git"; }

# base_tell: another version than the tested one is said once in a build directory; every command of make comes here
base_tell()
{
	[ "$(cat "$build/base-told" 2>/dev/null)" != "$version $tested" ] || return 0
	say "the base is Linux $version, the series was last tested on $tested; that is fine as long as its patches apply"
	echo "$version $tested" > "$build/base-told"
}

# base_need: sets $version, installs the package when it is missing
base_need()
{
	version=$(base_version) || {
		[ -z "${REGBUF_BASE:-}" ] || exit 1
		"$top/scripts/install-deps" $base_package
		version=$(base_version) || die "$base_package is not installed; 'apt-get install $base_package' does it"
	}
	tested=$(cat "$top/kernel/BASE")
	[ "$version" = "$tested" ] || base_tell
}

base_import()
{
	local repo=$1 tree=$scratch/unpacked commit
	say "unpacking ${REGBUF_BASE:-$base_tarball}"
	mkdir "$tree"
	base_source | tar -xJ --strip-components=1 -C "$tree"
	say "importing Linux $version"
	rm -rf "$repo.tmp"
	g init -q --bare "$repo.tmp"
	g -C "$repo.tmp" config gc.auto 0
	g -C "$repo.tmp" config core.looseCompression 1
	g --git-dir="$repo.tmp" --work-tree="$tree" add -Af .
	commit=$(g -C "$repo.tmp" write-tree)
	commit=$(as_author $tool_name $tool_email $tool_date \
		 g -C "$repo.tmp" commit-tree -m "Linux $version, from Debian's $base_package" "$commit")
	g -C "$repo.tmp" update-ref refs/heads/base "$commit"
	rm -f "$repo.tmp/index"
	mv "$repo.tmp" "$repo"
	rm -rf "$tree"
}

# base_adapt: where a later 6.12.y has changed lines that the series changes, kernel/adapt/VERSION.patch goes
# back to what the series finds in the others.  Branch stock is Debian's source, base what the series applies to.
base_adapt()
{
	local commit patch
	commit=$(base_stock)
	while read -r patch; do
		commit=$(base_adapt_by "$commit" "$patch") || exit 1
	done < <(base_adapts)
	g -C "$(base_repo)" update-ref refs/heads/base "$commit"
}

base_stock()
{
	g -C "$(base_repo)" rev-parse -q --verify refs/heads/stock && return
	# imported before there was a difference
	g -C "$(base_repo)" update-ref refs/heads/stock refs/heads/base
	g -C "$(base_repo)" rev-parse refs/heads/stock
}

# base_adapts: the names of those that are for $version, oldest first
base_adapts()
{
	local name
	find "$top/kernel/adapt" -name '*.patch' -printf '%f\n' 2> /dev/null | sort -V | while read -r name; do
		[ "$(printf '%s\n' "${name%.patch}" "$version" | sort -V | head -n 1)" != "${name%.patch}" ] || echo "$name"
	done
}

# base_adapt_by COMMIT NAME: prints the new commit
base_adapt_by()
{
	GIT_DIR=$(base_repo)
	GIT_INDEX_FILE=$scratch/adapt-index
	export GIT_DIR GIT_INDEX_FILE
	g read-tree "$1"
	apply_patch "$1" "adapt/$2"
	rm -f "$GIT_INDEX_FILE"
}

base_fetch()
{
	base_need
	[ -d "$(base_repo)" ] || base_import "$(base_repo)"
	base_adapt
}
