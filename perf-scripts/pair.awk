# SPDX-License-Identifier: GPL-2.0
# Two profiles side by side: awk -F, -v a=NAME -v b=NAME -f pair.awk A B, where A and B are what
# symbols.awk prints.  By layer, and in it by symbol, the largest difference first: what each takes
# per I/O, its share of the whole, and B less A.  Symbols that take nothing worth telling are left out.

function magnitude(x) { return x < 0 ? -x : x }

{
	key = $2 "," $3; f = FILENAME == ARGV[1] ? "a" : "b"
	v[f, key] += $4; layer[f, $2] += $4; sum[f] += $4
	layers[$2]; symbols[key]
}

function row(indent, what, x, y)
{
	printf "%-44s %9.3f %7.2f%% %9.3f %7.2f%% %+9.3f\n", indent what, x, 100 * x / sum["a"], y, 100 * y / sum["b"], y - x
}

END {
	if (!sum["a"] || !sum["b"]) { print "pair: one of the two has no samples" > "/dev/stderr"; exit 1 }
	printf "%-44s %9s %8s %9s %8s %9s\n", "", a, "share", b, "share", "more"
	row("", "all", sum["a"], sum["b"])
	while (1) {
		best = -1
		for (l in layers) {
			d = magnitude(layer["b", l] - layer["a", l])
			if (d > best) { best = d; at = l }
		}
		if (best < 0) break
		delete layers[at]
		row("", at, layer["a", at], layer["b", at])
		symbols_of(at)
	}
}

function symbols_of(l,   key, best, at, d, p)
{
	while (1) {
		best = 0.02
		for (key in symbols) {
			split(key, p, ",")
			d = magnitude(v["b", key] - v["a", key])
			if (p[1] == l && d > best) { best = d; at = key }
		}
		if (best == 0.02) return
		split(at, p, ",")
		row("  ", p[2], v["a", at], v["b", at])
		delete symbols[at]
	}
}
