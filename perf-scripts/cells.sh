# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Which cells can be measured.  Sourced by whatever measures some.

# The modes of the server, and what does without it: the backend itself, the kernel's own drivers and NBD.
# shellcheck disable=SC2034 # theirs
cell_modes='copy|user-copy|get-data|register|register-chain|fused|fused-n'
cell_served="null:0:($cell_modes)|loop:1:($cell_modes)|mirror:[234]:($cell_modes)"
cell_peers='kloop:1:-|md:[234]:-|nbd:[01]:-'
# shellcheck disable=SC2034 # theirs
cell_re="(raw:0:-|$cell_served|$cell_peers)"

# check_cells REGEX FORM CELL...: all are cells, or the program ends with 2 (0 for --help)
check_cells()
{
	local re=$1 form=$2 cell
	for cell in "${@:3}"; do
		case $cell in
		-h | --help) sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
		esac
		[[ $cell =~ ^$re$ ]] || { echo "${0##*/}: error: '$cell' is no cell; right is $form, like raw:0:-, null:0:copy, loop:1:register, mirror:2:user-copy, md:2:-${form#TARGET:LEGS:MODE} (legs of a mirror 2 to 4)" >&2; exit 2; }
	done
}
