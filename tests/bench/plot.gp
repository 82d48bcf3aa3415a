# SPDX-License-Identifier: GPL-2.0-only
# The figures that have a goal, each divided by it. report sets data, rows and
# the output. A line: ratio, row, low, high, verdict (0 met,
# 1 unclear, 2 missed), label.
set terminal svg size 1100, 60 + 18 * rows font "sans,11" background "white"
set logscale x
set xrange [] noextend
set yrange [-1:rows]
set offsets 0, 0, 0, 0
set key top right outside horizontal
set xlabel "measured / goal: left of 1 is met; the line is from quartile to quartile"
set xtics nomirror
set format x "%g"
set grid xtics
set arrow from 1, graph 0 to 1, graph 1 nohead lc rgb "#444444" lw 2
set ytics nomirror scale 0
plot for [v=0:2] data using ($5 == v ? $1 : NaN):2:3:4:ytic(6) with xerrorbars \
		pt 7 ps 0.6 lc rgb word("#1a7f37 #6e7781 #b35900", v + 1) \
		title word("met unclear missed", v + 1)
