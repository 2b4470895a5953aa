# SPDX-License-Identifier: GPL-2.0
# Memory of each idle device, by how many there are.
load 'experiments/style.gp'
eval paper(620, 380)
set xlabel 'idle devices'
set ylabel 'MiB for each device, server and kernel'
set logscale xy
set xrange [0.8:700]
set yrange [0.2:40]
set xtics (1, 10, 50, 100, 250, 500)
set ytics (0.25, 0.5, 1, 2, 4, 8, 16, 32)
set key at graph 0.99,0.66 right Left reverse
# a run may have some of the modes only
modes = system(sprintf("awk -F, 'NR > 1 && !seen[$1]++ { print $1 }' '%s'", csv))
plot for [m in modes] \
	csv using (strcol('mode') eq m && strcol('state') eq 'idle' ? column('devices') : NaN):(column('all_kib') / 1024) \
	with linespoints lw 2 ps (m eq 'user-copy' ? 1.5 : 0.8) pt mark(m) lc rgb colour(m) title m
