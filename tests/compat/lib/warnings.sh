# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Comparing what a tool says of two trees: lines move, so their numbers do not count.

# warnings FILE: its complaints without positions, sorted, as often as they are there
warnings()
{
	grep -E '(warning|error|WARNING|ERROR): ' "$1" | sed -E -e 's/^(\.\.\/)+//' -e 's/^([^: ]+):[0-9]+(:[0-9]+)?:/\1:/' -e 's/\(at [^)]*:[0-9]+\)//' | LC_ALL=C sort
}

# new_warnings BEFORE AFTER: what AFTER complains of and BEFORE does not
new_warnings()
{
	LC_ALL=C comm -13 <(warnings "$1") <(warnings "$2")
}
