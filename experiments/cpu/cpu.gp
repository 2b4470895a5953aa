# SPDX-License-Identifier: GPL-2.0
# The server's processor time per write at equal throughput: a panel for each size, with an axis of its own.
load 'experiments/style.gp'
eval paper(860, 360)
data = figures('experiments/cpu/plot.table')
modes = 'copy user-copy get-data register fused-n'
set style fill solid 1 noborder
set boxwidth 0.9
short(x) = x < 10 ? sprintf('%.1f', x) : sprintf('%.0f', x)
at(i) = (strcol('target') eq 'loop' ? 0 : 6.5) + i
set multiplot
eval legend
plot for [m in modes] NaN with boxes lc rgb colour(m) title m
eval legend_end
set xrange [0:13]
set xtics ('loop' 3, 'mirror of 2' 9.5) scale 0
set offsets 0, 0, graph 0.08, 0
set yrange [0:*]
do for [p = 1:3] {
	b = word('4k 64k 512k', p)
	eval panel(p, 0.08, 0.99, 0.09, 0.80, 0.06)
	set title b . ' writes'
	if (p == 1) { set ylabel "microseconds of the server's" } else { unset ylabel }
	plot for [i = 1:words(modes)] data using (strcol('bs') eq b ? at(i) : NaN):(column(word(modes, i))) with boxes \
		lc rgb colour(word(modes, i)), \
		for [i = 1:words(modes)] data using (strcol('bs') eq b ? at(i) : NaN):(column(word(modes, i))):(short(column(word(modes, i)))) \
		with labels offset 0,0.6 font ',8'
}
unset multiplot
