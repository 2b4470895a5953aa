# SPDX-License-Identifier: GPL-2.0
# How all plots look.  Loaded by each one's file, with $csv, $svg set by experiments/plot, from the top folder.
# A mode has the same colour and mark in every plot: what copies is grey, zero copy blue, the rival green.
set output svg
set datafile separator ','
set datafile columnheaders
set datafile missing NaN
set border 3 lc rgb '#666666'
set tics nomirror out scale 0.5 textcolor rgb '#222222'
set grid ytics lc rgb '#e0e0e0' lt 1
set key samplen 2 spacing 1.1
paper(w, h) = sprintf("set terminal svg size %d,%d font 'DejaVu Sans,Arial,sans-serif,12' background 'white' noenhanced", w, h)
colour(mode) = mode eq 'copy' ? 0x6e6e6e : mode eq 'user-copy' ? 0x9a9a9a : mode eq 'get-data' ? 0xbfbfbf : \
	mode eq 'register' ? 0x1f5fa8 : mode eq 'auto' ? 0x4f8fd0 : mode eq 'handoff' ? 0x0a2a5e : mode eq 'register-chain' ? 0x7fb0de : mode eq 'fused' ? 0x1b8a5a : 0x86c9a5
mark(mode) = mode eq 'copy' ? 7 : mode eq 'user-copy' ? 6 : mode eq 'get-data' ? 9 : mode eq 'register' ? 5 : \
	mode eq 'register-chain' ? 4 : mode eq 'fused' ? 13 : 12
# the figures as a table, by a description
figures(description) = sprintf("< perf-scripts/report table --csv %s '%s'", description, csv)
# the place of panel I of three, side by side
margins(l, r, b, t) = sprintf("set lmargin at screen %g; set rmargin at screen %g; set bmargin at screen %g; set tmargin at screen %g", l, r, b, t)
panel(i, l, r, b, t, gap) = margins(l + (i - 1) * (r - l + gap) / 3.0, l + i * (r - l + gap) / 3.0 - gap, b, t)
# One legend for all panels: a plot of its own, over the whole width, with nothing but the key
legend = margins(0, 1, 0, 1) . "; set border 0; set tics scale 0; set format ''; unset grid; set xrange [0:1]; set yrange [0:1];" . \
	"set key at screen 0.5,0.985 center top horizontal maxrows 1"
legend_end = "unset key; set border 3; set tics scale 0.5; set format; set grid ytics lc rgb '#e0e0e0' lt 1"
