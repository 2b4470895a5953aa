# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The base: Debian's linux-source-6.12, whatever 6.12.y apt offers, imported
# once as a bare repository of one commit, build/base-<version>.git.

base_package="linux-source-6.12"
base_tarball=/usr/src/$base_package.tar.xz

# base_version: the upstream version of the installed package
base_version()
{
	local v
	# shellcheck disable=SC2016 # dpkg's own format
	v=$(dpkg-query -W -f '${Version}' $base_package 2>/dev/null) || v=
	[ -n "$v" ] && [ -f $base_tarball ] || return 1
	echo "${v%%-*}"
}

base_repo() { echo "$build/base-$version.git"; }

base_told=
# base_need: sets $version, installs the package when it is missing
base_need()
{
	version=$(base_version) || {
		"$top/scripts/install-deps" $base_package
		version=$(base_version) || die "$base_package is not installed; 'apt-get install $base_package' does it"
	}
	[ -z "$base_told" ] || return 0
	base_told=y
	tested=$(cat "$top/kernel/BASE")
	[ "$version" = "$tested" ] ||
		say "base is $version; the series was tested on $tested, going on with $version"
}

base_import()
{
	local repo=$1 tree=$scratch/unpacked commit
	say "unpacking $base_tarball"
	mkdir "$tree"
	tar -xf $base_tarball --strip-components=1 -C "$tree"
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
