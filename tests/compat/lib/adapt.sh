# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Where a base has changed what the series changes: which hunks it refuses, and the fewest of
# the base's changes that have to be taken back for the series to fit.
# $repo is the base's repository, here as in base.sh.

# rejected INDEX: the hunks of $scratch/diff, the patch that failed, which the tree in INDEX refuses
rejected()
{
	local dir=$scratch/rejected
	rm -rf "$dir"
	mkdir "$dir"
	sed -n 's,^--- a/,,p' "$scratch/diff" |
		GIT_INDEX_FILE=$1 g -C "$dir" --git-dir="$repo" --work-tree="$dir" checkout-index -f -q --stdin 2> /dev/null || true
	(cd "$dir" && GIT_CEILING_DIRECTORIES=$scratch g apply --reject --whitespace=nowarn "$scratch/diff") 2> "$dir.log" || true
	find "$dir" -name '*.rej' -print0 | sort -z | xargs -0 -r cat > "$dir.hunks"
	if [ -s "$dir.hunks" ]; then cat "$dir.hunks"; else sed -n 's/^error: //p' "$dir.log"; fi
}

# hunks FROM TO: each hunk that leads from one commit to the other, as a patch of its own, $scratch/hunks/*
hunks()
{
	local dir=$scratch/hunks
	rm -rf "$dir"
	mkdir "$dir"
	g -C "$repo" diff --no-renames "$1" "$2" |
		awk -v dir="$dir" '/^diff / { head = ""; in_head = 1 }
			/^index / { next }
			/^@@ / { in_head = 0; file = sprintf("%s/%03d", dir, ++n); printf "%s", head > file }
			in_head { head = head $0 "\n"; next }
			{ print > file }'
}

# with_hunks COMMIT HUNK...: prints the commit that they make of it
with_hunks()
{
	local parent=$1
	shift
	export GIT_DIR=$repo GIT_INDEX_FILE=$scratch/with-hunks
	g read-tree "$parent"
	cat "$@" | g apply --cached --whitespace=nowarn || return 1
	as_author $tool_name $tool_email $tool_date g commit-tree -p "$parent" -m 'taken back' "$(g write-tree)"
}

# fits_with COMMIT HUNK...: does the series fit on that?
fits_with()
{
	local commit
	[ $# -gt 1 ] || return 1
	commit=$(with_hunks "$@" 2> /dev/null) || return 1
	g -C "$repo" update-ref refs/heads/base "$commit"
	(series_commit) > /dev/null 2>&1
}

# fewest COMMIT: sets $kept, those of $scratch/hunks that cannot be left out; 1 when not even all of them do
fewest()
{
	local hunk other rest
	kept=("$scratch"/hunks/*)
	fits_with "$1" "${kept[@]}" || return 1
	for hunk in "${kept[@]}"; do
		rest=()
		for other in "${kept[@]}"; do [ "$other" = "$hunk" ] || rest+=("$other"); done
		! fits_with "$1" "${rest[@]}" || kept=("${rest[@]}")
	done
}

# adaptation FROM TO VERSION TESTED: prints the mail that takes back in FROM, of VERSION, what keeps the series
# from fitting, so that it is as in TO, of TESTED
adaptation()
{
	local kept status=0 back
	hunks "$1" "$2"
	fewest "$1" || status=1
	g -C "$repo" update-ref refs/heads/base "$1"
	[ $status = 0 ] || return 1
	back=$(with_hunks "$1" "${kept[@]}")
	cat <<-EOF
	From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
	From: $tool_name <$tool_email>
	Date: $(date -R)
	Subject: [PATCH] as in $4, where the series changes it

	TODO: what $3 has changed here, and which patch of the series does
	that too. A fix that the series does not make must not be lost.

	---
	EOF
	g -C "$repo" diff --full-index --no-renames "$1" "$back"
}
