# SPDX-License-Identifier: GPL-2.0
# `perf script -F comm,ip,sym` to folded stacks: one line `command;outermost;...;innermost count`
# each, kernel functions marked _[k], as flamegraph.pl takes them.  The idle task is left out, and
# so are perf and the shell that it starts.  Of callers that are unknown one after the other, one is kept.

function flush(   stack, i)
{
	if (comm != "" && depth && comm !~ /^(swapper|perf|sh|sleep|cat)/) {
		stack = comm
		for (i = depth; i > 0; i--) stack = stack ";" frame[i]
		count[stack]++
	}
	comm = ""; depth = 0; frame[0] = ""
}

/^[^ \t]/ { flush(); comm = $1; sub(/[-:\/].*/, "", comm); next }

NF >= 2 && $1 ~ /^[0-9a-f]+$/ {
	kernel = length($1) == 16 && $1 ~ /^ffff/
	sub(/^[ \t]*[0-9a-f]+ /, "")
	sub(/\+0x[0-9a-f]+$/, "")
	gsub(/[; ]/, "_")
	if ($0 != "[unknown]" || frame[depth] != "[unknown]")
		frame[++depth] = $0 (kernel ? "_[k]" : "")
}

END { flush(); for (s in count) print s, count[s] }
