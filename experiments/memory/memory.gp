# SPDX-License-Identifier: GPL-2.0
# All memory of idle devices by their number: gnuplot -e "csv='...'; svg='...'" memory.gp
set terminal svg size 640,400 font "sans,12" background "white"
set output svg
set datafile separator ','
set xlabel 'idle devices'
set ylabel 'MiB, servers and kernel'
set logscale xy
set grid lc rgb '#dddddd'
set key top left
pick(m) = sprintf("< awk -F, '$1 == \"%s\" && $3 == \"idle\"' %s", m, csv)
plot for [m in 'copy user-copy get-data register'] pick(m) using 2:($2*$6/1024) with linespoints pt 7 title m
