# SPDX-License-Identifier: GPL-2.0
# Instructions by function:
#   sort SYMBOLS COUNTS | awk -f counts.awk
# SYMBOLS has lines `ADDRESS F NAME` of functions, COUNTS `ADDRESS N INSTRUCTIONS` (functions.c), addresses of 16
# hexadecimal digits; 0 is that of programs.  Prints what symbols.awk takes: `INSTRUCTIONS all [k] NAME`, and
# `INSTRUCTIONS all [.] programs`.
$2 == "F" { name = $3; next }
{ n[$1 ~ /^0+$/ ? "[.] programs" : "[k] " name] += $3 }
END { for (s in n) printf "%.0f all %s\n", n[s], s }
