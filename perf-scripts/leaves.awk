# SPDX-License-Identifier: GPL-2.0
# Folded stacks to what symbols.awk takes: the innermost function of each, `count command [k] symbol`.
{
	n = split(substr($0, 1, length($0) - length($NF) - 1), frame, ";")
	symbol = frame[n]
	kind = sub(/_\[k\]$/, "", symbol) ? "k" : "."
	count[frame[1] " [" kind "] " symbol] += $NF
}
END { for (k in count) print count[k], k }
