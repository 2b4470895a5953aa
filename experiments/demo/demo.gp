# SPDX-License-Identifier: GPL-2.0
# Copy against register: throughput by target, direction and size.
load 'experiments/style.gp'
eval paper(860, 620)
modes = 'copy register'
set style fill solid 1 noborder
set boxwidth 0.9
number(b) = b eq '4k' ? 0 : b eq '64k' ? 3 : 6
set multiplot
eval legend
plot for [m in modes] NaN with boxes lc rgb colour(m) title m
eval legend_end
set xrange [0:9]
set xtics ('4k' 1.5, '64k' 4.5, '512k' 7.5) scale 0
set offsets 0, 0, graph 0.08, 0
set yrange [0:*]
do for [p = 0:3] {
	t = word('loop mirror', 1 + p / 2)
	r = word('write read', 1 + p % 2)
	left = 0.09 + 0.49 * (p % 2)
	low = p < 2 ? 0.56 : 0.07
	eval margins(left, left + 0.41, low, low + 0.33)
	set title t . ', ' . r
	if (p % 2) { unset ylabel } else { set ylabel 'MiB/s' }
	plot for [i = 1:2] csv using (strcol('target') eq t && strcol('rw') eq r && strcol('mode') eq word(modes, i) ? \
		number(strcol('bs')) + i : NaN):'mib_s' with boxes lc rgb colour(word(modes, i)), \
		for [i = 1:2] csv using (strcol('target') eq t && strcol('rw') eq r && strcol('mode') eq word(modes, i) ? \
		number(strcol('bs')) + i : NaN):'mib_s':(sprintf('%.0f', column('mib_s'))) with labels offset 0,0.6 font ',9'
}
unset multiplot
