# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# From commits back to the repository: new files become overlay, changes to
# existing files become hook patches.  One commit owns each new file, because a
# file has one content in the repository: a later commit that touches it would
# make the earlier one a patch that never existed.

save_die_owned()
{
	die "commit '$(g -C "$repo" show -s --format=%s "$1")' changes $2, a new file of" \
	    "'${owner[$2]}'; fold it there with git rebase -i"
}

# save_new_files COMMIT: prints the files that are new relative to the base
save_new_files()
{
	local commit=$1 status file
	while IFS=$'\t' read -r status file; do
		[ -z "${owner[$file]:-}" ] || save_die_owned "$commit" "$file"
		[ "$status" = A ] || continue
		! g -C "$repo" cat-file -e "$from:$file" 2>/dev/null || continue
		owner[$file]=$(g -C "$repo" show -s --format=%s "$commit")
		new_files+=("$file")
	done < <(g -C "$repo" -c core.quotePath=false diff-tree -r --no-renames --no-commit-id --name-status "$commit")
}

# save_mail NUMBER COMMIT: writes the mail with what is not overlay, sets $mail to its name
save_mail()
{
	local number=$1 commit=$2 dir=$scratch/mail file stripped
	# the same commit without its new files, so that format-patch keeps one that has nothing else
	export GIT_INDEX_FILE=$scratch/index
	g -C "$repo" read-tree "$commit"
	for file in "${new_files[@]}"; do
		printf '0 %040d\t%s\n' 0 "$file"
	done | g -C "$repo" update-index --index-info
	stripped=$(g -C "$repo" write-tree)
	unset GIT_INDEX_FILE
	stripped=$(g -C "$repo" show -s --format=%B "$commit" | g stripspace |
		   as_author "$(g -C "$repo" show -s --format=%an "$commit")" \
			     "$(g -C "$repo" show -s --format=%ae "$commit")" \
			     "$(g -C "$repo" show -s --format=%aD "$commit")" \
			     g -C "$repo" commit-tree -p "$commit^" -F - "$stripped")
	rm -rf "$dir"
	# the functions' names in hunks, also where no work tree has the kernel's .gitattributes
	printf '*.[ch] diff=cpp\n' > "$scratch/attributes"
	mail=$(g -C "$repo" -c core.attributesFile="$scratch/attributes" format-patch -N -p --always --zero-commit --no-signature --full-index \
		--no-renames --start-number "$number" -o "$dir" -1 "$stripped")
	mail=${mail##*/}
	cp "$dir/$mail" "$out/kernel/patches/$mail"
}

save_overlay()
{
	local file to
	for file in "${new_files[@]}"; do
		to=$(overlay_source "$out" "$file")
		mkdir -p "${to%/*}"
		g -C "$repo" show "$1:$file" > "$to"
		[ "$(g -C "$repo" ls-tree "$1" -- "$file" | cut -c 1-6)" != 100755 ] || chmod +x "$to"
	done
}

# save_to REPO DIR FROM TO: writes the commits FROM..TO of REPO as DIR/kernel and DIR/uapi
save_to()
{
	local repo=$1 out=$2 from=$3 to=$4 commit number=0 mail new_files
	declare -A owner=()
	mkdir -p "$out/kernel/patches" "$out/kernel/files" "$out/uapi/linux"
	sed -n '/^#/p' "$top/kernel/series" > "$out/kernel/series"
	[ -z "$(g -C "$repo" rev-list --merges "$from..$to")" ] ||
		die "build/linux has a merge; the series is a line of commits, use git rebase"
	for commit in $(g -C "$repo" rev-list --reverse "$from..$to"); do
		new_files=()
		number=$((number + 1))
		save_new_files "$commit"
		save_mail $number "$commit"
		save_overlay "$commit"
		printf '%s\n' "$mail${new_files[*]:+ ${new_files[*]}}" >> "$out/kernel/series"
	done
}

save_same()
{
	cmp -s "$1" "$2" && [ "$(stat -c %A "$1" | tr -dc x)" = "$(stat -c %A "$2" | tr -dc x)" ]
}

# save_sync NEW OLD: makes OLD equal to NEW, touching only what differs
save_sync()
{
	local file
	mkdir -p "$2"
	(cd "$2" && find . -type f -printf '%P\n') | while read -r file; do
		[ -f "$1/$file" ] || { say "removing ${2#"$top"/}/$file"; rm "$2/$file"; }
	done
	(cd "$1" && find . -type f -printf '%P\n') | while read -r file; do
		! save_same "$1/$file" "$2/$file" || continue
		mkdir -p "$(dirname "$2/$file")"
		cp -p "$1/$file" "$2/$file"
	done
	find "$2" -mindepth 1 -type d -empty -delete
}

linux_need()
{
	[ -d "$linux/.git" ] || die "there is no build/linux; 'kernel/tree.sh apply' makes it"
	from=$(g -C "$linux" rev-parse -q --verify refs/regbuf/base) || die "build/linux was not made by tree.sh apply"
}

# save_unread: would saving overwrite what somebody changed in the repository since apply?
save_unread()
{
	local was
	read -r _ was < "$linux/.git/regbuf-series" 2>/dev/null || return 0
	[ "$was" != "$(repo_hash)" ]
}

series_save()
{
	local out=$scratch/save head from
	base_fetch
	linux_need
	[ -z "$(linux_status)" ] ||
		die "build/linux has uncommitted changes; commit them first (git -C build/linux status --ignored)"
	[ "${1:-}" = --force ] || ! save_unread ||
		die "kernel/ or uapi/ changed in the repository since the last apply or save; apply that first, or 'save --force' to overwrite it"
	head=$(g -C "$linux" rev-parse HEAD)
	save_to "$linux" "$out" "$from" "$head"
	save_sync "$out/kernel/patches" "$top/kernel/patches"
	save_sync "$out/kernel/files" "$top/kernel/files"
	save_sync "$out/uapi/linux" "$top/uapi/linux"
	cmp -s "$out/kernel/series" "$top/kernel/series" || cp "$out/kernel/series" "$top/kernel/series"
	series_mark "$head"
	say "saved $(series_lines | wc -l) patches and $(overlay_files | wc -l) new files"
}

# The mails have the line numbers and blob names of the base that they were saved on, which need not be this one.
check_neutral()
{
	sed -i -e 's/^index [0-9a-f]*\.\.[0-9a-f]*/index/' -e 's/^@@ [^@]* @@/@@/' "$1"/kernel/patches/*
}

# series_round_trip COMMIT: what save would write for it is what the repository has
series_round_trip()
{
	local new=$scratch/check old=$scratch/repository
	mkdir -p "$old/kernel" "$old/uapi"
	cp -r "$top/kernel/series" "$top/kernel/patches" "$old/kernel/"
	[ ! -d "$top/kernel/files" ] || cp -r "$top/kernel/files" "$old/kernel/"
	cp -r "$top/uapi/linux" "$old/uapi/"
	save_to "$(base_repo)" "$new" "$(g -C "$(base_repo)" rev-parse refs/heads/base)" "$1"
	check_neutral "$new"
	check_neutral "$old"
	mkdir -p "$old/kernel/files"
	diff -ru "$old" "$new" >&2 || die "apply and save do not give back the repository's series, see the differences above"
}

check_style()
{
	local dir=$scratch/style
	g -C "$(base_repo)" format-patch -q -N --no-signature -o "$dir" "base..$1"
	[ -d "$linux/scripts" ] || die "--checkpatch needs build/linux; 'kernel/tree.sh apply' makes it"
	"$linux/scripts/checkpatch.pl" --no-tree --root="$linux" --terse --show-types --quiet \
		--ignore MISSING_SIGN_OFF,FILE_PATH_CHANGES,COMMIT_LOG_LONG_LINE,UNKNOWN_COMMIT_ID "$dir"/*.patch
}

series_check_all()
{
	local commit
	base_fetch
	series_check
	[ -n "$(series_lines)" ] || return 0
	commit=$(series_commit)
	series_round_trip "$commit"
	say "$(series_lines | wc -l) patches apply to Linux $version, and save gives them back"
	[ "${1:-}" != --checkpatch ] || check_style "$commit"
}

# series_send: complete mails, new files included, for people who review by mail
series_send()
{
	local commit dir=$build/send
	base_fetch
	series_check
	[ -n "$(series_lines)" ] || die "kernel/series is empty: nothing to send"
	commit=$(series_commit)
	rm -rf "$dir"
	as_author $tool_name $tool_email $tool_date \
		g -C "$(base_repo)" format-patch -q -n --cover-letter --no-signature --base=base -o "$dir" "base..$commit"
	say "wrote $(find "$dir" -name '*.patch' | wc -l) mails to build/send; the first is the cover letter to fill in"
}
