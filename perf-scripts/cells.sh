# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Which cells can be measured.  Sourced by cost and where.

# shellcheck disable=SC2034 # theirs
cell_re='(raw:0:-|null:0:(copy|user-copy|register|fused|fused-n)|loop:1:(copy|user-copy|register|fused|fused-n)|mirror:[234]:(copy|user-copy|register|fused|fused-n))'

# check_cells REGEX FORM CELL...: all are cells, or the program ends with 2 (0 for --help)
check_cells()
{
	local re=$1 form=$2 cell
	for cell in "${@:3}"; do
		case $cell in
		-h | --help) sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
		esac
		[[ $cell =~ ^$re$ ]] || { echo "${0##*/}: error: '$cell' is no cell; right is $form, like raw:0:-, null:0:copy, loop:1:register, mirror:2:user-copy${form#TARGET:LEGS:MODE} (legs 2 to 4)" >&2; exit 2; }
	done
}
