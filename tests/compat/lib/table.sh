# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The rows of selftests.table: NAME pass WORD..., or NAME leave REASON.  Goes with $top.

selftests_table=${SELFTESTS_TABLE:-$top/tests/compat/selftests.table}

# table_names [WHAT]: of all rows, or of those that say pass, or leave
table_names() { awk -v what="${1:-}" '!/^#/ && NF && (what == "" || $2 == what) { print $1 }' "$selftests_table"; }

# row_what NAME: pass or leave; nothing if there is no such row
row_what() { awk -v name="$1" '$1 == name { print $2 }' "$selftests_table"; }

# row_rest NAME: its words, or the reason
row_rest() { awk -v name="$1" '$1 == name { $1 = $2 = ""; sub(/^ +/, ""); print }' "$selftests_table"; }

# row_has NAME WORD: prints the word if the row has it
row_has() { row_rest "$1" | tr ' ' '\n' | grep -xF -e "$2" || true; }

# row_values NAME KEY: of the words KEY=VALUE, in one line
row_values() { row_rest "$1" | tr ' ' '\n' | sed -n "s/^$2=//p" | paste -sd ' ' -; }
