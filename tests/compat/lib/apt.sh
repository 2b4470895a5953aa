# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# An apt of its own below build/, which knows Debian 12 and 13 with their security
# updates and their sources, and Debian 13's backports.  What is asked and fetched here changes nothing of the
# machine; the archives are those that the machine itself uses, and are
# verified with Debian's keys as always.

apt_root=$compat/apt
apt_keys=/usr/share/keyrings/debian-archive-keyring.gpg
# seconds after which the lists are fetched again
apt_age=86400

apt_options()
{
	apt_args=(-o "Dir::Etc::sourcelist=$apt_root/sources.list" -o Dir::Etc::sourceparts=/nonexistent
		  -o "Dir::State=$apt_root/state" -o "Dir::State::status=$apt_root/status" -o "Dir::Cache=$apt_root/cache"
		  -o APT::Sandbox::User="$(id -un)" -o APT::Update::Error-Mode=any)
}

private_apt() { apt-get -q "${apt_args[@]}" "$@"; }
private_apt_cache() { apt-cache -q "${apt_args[@]}" "$@"; }

# private_apt_download DIR LOG PACKAGE[=VERSION]...: the packages in DIR; 1 with the reason if they do not come
private_apt_download()
{
	local dir=$1 log=$2
	shift 2
	mkdir -p "$dir"
	(cd "$dir" && private_apt download "$@") > "$log" 2>&1 || { tail -n 3 "$log" >&2; return 1; }
}

# apt_archive SUFFIX: the address from which the machine has Debian 12 or 13, or with suffix -security the updates;
# both releases are in one archive
apt_archive()
{
	local address
	# shellcheck disable=SC2016 # apt's own format
	address=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		  awk -v suffix="$1" '$1 == "bookworm" suffix || $1 == "trixie" suffix { print $2; exit }')
	[ -n "$address" ] || die "this machine's apt has no source for bookworm$1 or trixie$1, so it is not known where Debian's archive is; this needs Debian 12 or 13 with its security updates"
	echo "$address"
}

apt_sources()
{
	local main security release
	main=$(apt_archive '')
	security=$(apt_archive -security)
	for release in bookworm trixie; do
		printf '%s [signed-by=%s] %s %s main\n' \
			deb $apt_keys "$main" $release \
			deb-src $apt_keys "$main" $release \
			deb $apt_keys "$main" $release-updates \
			deb $apt_keys "$security" $release-security
	done
	printf 'deb [signed-by=%s] %s trixie-backports main\n' $apt_keys "$main"
}

# apt_begin: the private apt, with lists that are a day old at most
apt_begin()
{
	local stamp=$apt_root/fetched
	[ -f $apt_keys ] || die "there is no $apt_keys; 'apt-get install debian-archive-keyring' brings it"
	mkdir -p "$apt_root"/state/lists/partial "$apt_root"/cache/archives/partial
	: > "$apt_root/status"
	apt_sources > "$apt_root/sources.new"
	apt_options
	if cmp -s "$apt_root/sources.new" "$apt_root/sources.list" && [ -f "$stamp" ] &&
	   [ $(($(date +%s) - $(stat -c %Y "$stamp"))) -lt $apt_age ]; then return; fi
	mv "$apt_root/sources.new" "$apt_root/sources.list"
	say "fetching the lists of packages"
	rm -f "$stamp"
	private_apt update > "$apt_root/update.log" 2>&1 || {
		cat "$apt_root/update.log" >&2
		die "the archive did not answer for all of these: $(awk '{ print $1, $4 }' "$apt_root/sources.list" | paste -sd, -)"
	}
	touch "$stamp"
}
