# SPDX-License-Identifier: GPL-2.0
# Copy against register, from build/demo.csv: gnuplot -e "csv='...'; svg='...'" plot.gp
set terminal svg size 900,640 font "sans,12" background "white"
set output svg
set datafile separator ','
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set yrange [0:*]
set ylabel 'MiB/s'
set grid ytics lc rgb '#dddddd'
set key top left
set multiplot layout 2,2 title 'Copy against register, random I/O at depth 32 on null\_blk'
pick(t, m, r) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\" && $4 == \"%s\"' %s", t, m, r, csv)
do for [t in 'loop mirror'] {
	do for [r in 'write read'] {
		set title sprintf('%s, %s', t, r)
		plot pick(t, 'copy', r) using 6:xtic(3) title 'copy' lc rgb '#b0b0b0', \
		     pick(t, 'register', r) using 6 title 'register' lc rgb '#2a7ab0'
	}
}
unset multiplot
