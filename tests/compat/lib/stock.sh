# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The base without the series, configured as our release kernel: build/compat/kernel-stock.
# It is cached like any other kernel.  It lies to the sources as build/kernel-release does, or ccache would not know
# what both have.

# stock_fragment: the release kernel's configuration, less the options that the base does not know
stock_fragment()
{
	local commit options=()
	commit=$(series_commit)
	mapfile -t options < <(options_of base "$commit")
	merge_fragments release > "$scratch/release"
	without_options "$scratch/release" "${options[@]}"
}

stock_build()
{
	local out=$build/compat/kernel-stock fragment=$scratch/stock key
	compat_lock tree
	base_fetch
	stock_fragment > "$fragment"
	# shellcheck disable=SC2034 # kernel_key reads it
	tree=$(g -C "$(base_repo)" rev-parse 'stock^{tree}')
	key=$(kernel_key "$fragment")
	if [ "$(cat "$out/key" 2>/dev/null)" = "$key" ]; then unlock; return; fi
	mkdir -p "$out"
	rm -f "$out/key"
	if ! cache_get "$key" stock "$out"; then
		compat_checkout "$(g -C "$(base_repo)" rev-parse stock)"
		build=$compat kernel_make stock "$fragment"
		kernel_install "$out"
		cache_put "$key" "${kernel_files[@]/#/$out/}"
	fi
	echo "$key" > "$out/key"
	unlock
}
