# SPDX-License-Identifier: GPL-2.0
# Samples by symbol: awk -v ios=N -v period=NS -f symbols.awk layers SAMPLES
# SAMPLES has lines `count command [k] symbol`, with [.] for programs; of each comes one line
# side,layer,symbol,kinsn with thousands of instructions (of nanoseconds on real hardware) per I/O.

FILENAME ~ /layers$/ {
	if ($0 ~ /^#/ || !NF) next
	layer[++n] = $1; sub(/^[^|]*\| /, ""); regex[n] = $0
	next
}

# perf itself, and what it starts
$2 ~ /^(perf|sh|sleep|cat)$/ { next }

{
	samples = $1; comm = $2
	side = comm ~ /^regbuf/ ? "server" : comm ~ /^fio/ ? "client" : comm ~ /^iou-wrk/ ? "io-wq" : comm ~ /^swapper/ ? "idle" : comm == "all" ? "all" : "other"
	if (!match($0, /\[[k.]\] /)) next
	user = substr($0, RSTART + 1, 1) == "."
	symbol = substr($0, RSTART + 4); sub(/ +$/, "", symbol)
	l = "other"
	if (user) l = side == "server" ? "server" : side == "all" ? "programs" : "client"
	else for (i = 1; i <= n; i++) if (symbol ~ regex[i]) { l = layer[i]; break }
	printf "%s,%s,%s,%.4f\n", side, l, symbol, samples * period / 1000 / ios
}
