# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Builds a kernel out of tree.  What is built is named by a key over everything
# that goes in: the content of the tree (build/linux as it stands, committed or
# not), the fragments and the compiler.  Nothing happens when the key is the one
# that build/kernel-<flavour> has; a kernel built before, by any clone, is
# restored from the cache.  Deleting the cache is always safe.

cache_entries=16
log_every=30

flavour_fragments()
{
	case $1 in
	release) echo guest feature test ;;
	kasan) echo guest feature test debug-kasan ;;
	lockdep) echo guest feature test debug-lockdep ;;
	nofused) echo guest feature test without-fused ;;
	*) die "no kernel flavour '$1'; there are release, kasan, lockdep and nofused" ;;
	esac
}

# merge_fragments FLAVOUR: one line per option, the last fragment's word counts
merge_fragments()
{
	local name files=() names
	names=$(flavour_fragments "$1")
	for name in $names; do files+=("$top/kernel/config/$name.config"); done
	awk '/^CONFIG_/ { s = $0; sub(/=.*/, "", s) }
	     /^# CONFIG_.* is not set$/ { s = $2 }
	     /^CONFIG_/ || /^# CONFIG_.* is not set$/ { if (!(s in line)) order[n++] = s; line[s] = $0; next }
	     /^#/ || /^$/ { next }
	     { printf "%s:%d: not a configuration line: %s\n", FILENAME, FNR, $0 > "/dev/stderr"; bad = 1 }
	     END { for (i = 0; i < n; i++) print line[order[i]]; exit bad }' "${files[@]}" ||
		die "a fragment of kernel/config is malformed"
}

# check_config FRAGMENT CONFIG: every line must have taken effect
check_config()
{
	local line option bad=
	while read -r line; do
		case $line in
		CONFIG_*=n) option=${line%=n} ;;
		CONFIG_*)
			grep -xF -- "$line" "$2" > /dev/null && continue
			say "did not take effect: $line (it is: $(grep -E -- "^(# )?${line%%=*}[= ]" "$2" || echo not there))"
			bad=y
			continue ;;
		*)
			option=${line#\# }
			option=${option% is not set} ;;
		esac
		! grep -q -- "^$option=" "$2" || { say "did not take effect: $line"; bad=y; }
	done < "$1"
	[ -z "$bad" ] || die "lines of kernel/config did not take effect, see above; a dependency is missing, or the option does not exist in this kernel"
}

# tree_state: prints the hash of the tree in build/linux, with whatever is not committed
tree_state()
{
	cp "$linux/.git/index" "$scratch/state"
	GIT_INDEX_FILE=$scratch/state g -C "$linux" add -Af
	GIT_INDEX_FILE=$scratch/state g -C "$linux" write-tree
}

# header_key TREE: names what `make headers` makes of a tree; prints one word
header_key()
{
	local part
	for part in include/uapi arch/x86/include/uapi arch/x86/entry/syscalls scripts Makefile; do
		g rev-parse "$1:$part"
	done | sha256sum | cut -c 1-24
}

# tree_without_linux: tree and header key of the series, when build/linux does not exist
tree_without_linux()
{
	local commit
	if [ ! -f "$(series_memory)" ]; then
		base_fetch
		series_check
		commit=$(series_commit)
		(cd "$(base_repo)" && series_remember "$(g rev-parse "$commit^{tree}")")
	fi
	cat "$(series_memory)"
}

# tree_current: sets $tree and $headers to what is to be built; brings a clean build/linux up to date
tree_current()
{
	base_need
	if [ ! -d "$linux/.git" ]; then
		read -r tree headers < <(tree_without_linux)
		[ -n "$headers" ] || exit 1
		return
	fi
	if [ "$(cat "$linux/.git/regbuf-series" 2>/dev/null)" != "$version $(repo_hash)" ]; then
		if linux_clean; then
			series_apply
		else
			say "build/linux has unsaved changes and the repository's series changed too: building build/linux as it is"
		fi
	fi
	tree=$(tree_state)
	headers=$(cd "$linux" && header_key "$tree")
}

kernel_key()
{
	{ echo "$tree"; cat "$1"; gcc --version; ld --version; } | sha256sum | cut -c 1-24
}

# kmake ARGS...: the kernel's make, deaf to the variables of an outer make
kmake()
{
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u MAKEOVERRIDES -u V -u K -u T -u O -u ARCH \
		KBUILD_BUILD_TIMESTAMP="$tool_date" KBUILD_BUILD_USER=$tool_name KBUILD_BUILD_HOST=localhost \
		LOCALVERSION= make -C "$linux" "$@"
}

elapsed() { printf '%d:%02d' $(((SECONDS - $1) / 60)) $(((SECONDS - $1) % 60)); }

# kmake_logged LOG WHAT ARGS...: shows progress now and then, and the log when it fails
kmake_logged()
{
	local log=$1 what=$2 began=$SECONDS told=$SECONDS pid
	shift 2
	if [ "${V:-}" = 1 ]; then kmake "$@"; return; fi
	kmake "$@" > "$log" 2>&1 9>&- &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		sleep 0.3
		[ $((SECONDS - told)) -lt $log_every ] && continue
		told=$SECONDS
		say "$what: $(grep -c '^  CC ' "$log" || true) files compiled, $(elapsed "$began") elapsed"
	done
	wait $pid || {
		grep -E -B 2 -A 8 'error:|Error [0-9]|undefined reference' "$log" | head -n 60 >&2 || true
		die "$what: make failed after $(elapsed "$began"), all of it is in ${log#"$top"/}"
	}
	grep -A 4 'warning:' "$log" >&2 || true
	say "$what: built in $(elapsed "$began")"
}

# kernel_compile FLAVOUR FRAGMENT: build/kernel-FLAVOUR/obj of what is in $linux
kernel_compile()
{
	local flavour=$1 fragment=$2 obj=$build/kernel-$1/obj targets=(bzImage)
	mkdir -p "$obj"
	kmake O="$obj" KCONFIG_ALLCONFIG="$fragment" allnoconfig > "$obj/config.log" 2>&1 ||
		{ cat "$obj/config.log" >&2; die "configuring failed"; }
	check_config "$fragment" "$obj/.config"
	say "kernel $flavour: building Linux $version with $(nproc) processors, about 5 minutes when nothing is built yet"
	grep -q '^CONFIG_MODULES=y' "$obj/.config" && targets+=(modules)
	kmake_logged "$obj/build.log" "kernel $flavour" O="$obj" -j"$(nproc)" "${targets[@]}"
}

kernel_make()
{
	# build_kernel has let go of the tree's lock; the subshell ends with it, and the kernel's stays
	[ -d "$linux/.git" ] || (lock tree; series_apply)
	kernel_compile "$@"
}

# cache_put KEY FILE...: keeps the files; the oldest entries go
cache_put()
{
	local entry=$cache/$1
	shift
	rm -rf "$entry.tmp"
	mkdir -p "$entry.tmp"
	cp -r "$@" "$entry.tmp/"
	rm -rf "$entry"
	mv "$entry.tmp" "$entry"
	find "$cache" -mindepth 1 -maxdepth 1 -type d ! -name series ! -name probe -printf '%T@ %p\n' |
		sort -rn | awk -v keep=$cache_entries 'NR > keep { print $2 }' | xargs -r rm -rf
}

# cache_get KEY NAME OUT: the kernel of that key in OUT, or 1
cache_get()
{
	[ -f "$cache/$1/bzImage" ] || return 1
	rm -rf "$3/modules"
	mkdir -p "$3"
	cp -r "$cache/$1"/* "$3/"
	touch "$cache/$1"
	say "kernel $2: restored from the cache"
}

# kernel_files: what a built kernel consists of, in its directory
kernel_files=(bzImage System.map config modules)

kernel_install()
{
	local obj=$1/obj
	cp "$obj/arch/x86/boot/bzImage" "$obj/System.map" "$1/"
	cp "$obj/.config" "$1/config"
	rm -rf "$1/modules"
	mkdir "$1/modules"
	find "$obj" -name '*.ko' -exec cp -t "$1/modules" {} +
}

build_kernel()
{
	local flavour=$1 out=$build/kernel-$1 fragment=$scratch/fragment key
	merge_fragments "$flavour" > "$fragment"
	tree_current
	unlock
	lock "kernel-$flavour"
	key=$(kernel_key "$fragment")
	if [ "$(cat "$out/key" 2>/dev/null)" = "$key" ]; then
		say "kernel $flavour: up to date"
		return
	fi
	mkdir -p "$out"
	rm -f "$out/key"
	if ! cache_get "$key" "$flavour" "$out"; then
		kernel_make "$flavour" "$fragment"
		kernel_install "$out"
		[ "$(tree_state)" = "$tree" ] || die "build/linux changed during the build; run it again"
		cache_put "$key" "${kernel_files[@]/#/$out/}"
	fi
	echo "$key" > "$out/key"
}

build_headers()
{
	local out=$build/headers key
	tree_current
	key=headers-$headers
	if [ "$(cat "$out/key" 2>/dev/null)" = "$key" ]; then return; fi
	rm -rf "$out/key" "$out/include"
	mkdir -p "$out"
	if [ -d "$cache/$key" ]; then
		cp -r "$cache/$key/include" "$out/"
		touch "$cache/$key"
	else
		[ -d "$linux/.git" ] || series_apply
		kmake_logged "$out/build.log" headers O="$out/obj" headers
		cp -r "$out/obj/usr/include" "$out/"
		find "$out/include" ! -type d ! -name '*.h' -delete
		cache_put "$key" "$out/include"
	fi
	echo "$key" > "$out/key"
}
