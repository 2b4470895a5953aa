# SPDX-License-Identifier: GPL-2.0
# Microseconds per 4k I/O that comes alone to a disk that takes 20: a panel for each direction, with one axis.
# The column of kloop, which has no mode, has no name.
load 'experiments/style.gp'
eval paper(860, 340)
data = figures('experiments/release/plot.table')
modes = 'register auto handoff'
set style fill solid 1 noborder
set boxwidth 0.9
place(t) = t eq 'loop' ? 0 : t eq 'mirror' ? 5 : t eq 'set' ? 8 : NaN
at(i) = place(strcol('target')) + i
kloop(b) = strcol('rw') eq b && strcol('target') eq 'kloop' ? 4 : NaN
set multiplot
eval legend
plot for [m in modes] NaN with boxes lc rgb colour(m) title m, NaN with boxes lc rgb '#b0b0b0' title 'kloop'
eval legend_end
set xrange [0:12]
set xtics ('loop' 2.5, 'mirror of 2' 7, 'with a record' 10.5) scale 0
set yrange [0:50]
do for [p = 1:2] {
	b = word('write read', p)
	eval margins(0.08 + (p - 1) * 0.48, 0.51 + (p - 1) * 0.48, 0.10, 0.80)
	set title '4k ' . b . 's'
	if (p == 1) { set ylabel 'microseconds' } else { unset ylabel }
	plot for [i = 1:words(modes)] data using (strcol('rw') eq b ? at(i) : NaN):(column(word(modes, i))) with boxes lc rgb colour(word(modes, i)), \
		for [i = 1:words(modes)] data using (strcol('rw') eq b ? at(i) : NaN):(column(word(modes, i))):(sprintf('%.1f', column(word(modes, i)))) \
		with labels offset 0,0.6 font ',8', \
		data using (kloop(b)):(column(6)) with boxes lc rgb '#b0b0b0', \
		data using (kloop(b)):(column(6)):(sprintf('%.1f', column(6))) with labels offset 0,0.6 font ',8'
}
unset multiplot
