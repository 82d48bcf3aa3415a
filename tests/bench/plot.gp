# SPDX-License-Identifier: GPL-2.0-only
# The figures that have a goal, each divided by it. report sets data, rows and
# the output. A line: ratio, row, low, high, verdict (0 met,
# 1 unclear, 2 missed), label.
#
# As narrow as a phone, so that its letters can be read there: each label stands
# above its figure, not beside it.
set terminal svg size 480, 90 + 26 * rows dynamic font "sans,11" background "white"
set logscale x
set xrange [] noextend
set yrange [-0.4:rows]
set offsets 0, 0, 0, 0
set lmargin 4
set rmargin 2
set key at graph 0.5, 1 center bottom horizontal
set tmargin 3
set xlabel "measured / goal: left of 1 is met;\nthe line is from quartile to quartile"
set xtics nomirror
set format x "%g"
set grid xtics
set arrow from 1, graph 0 to 1, graph 1 nohead lc rgb "#444444" lw 2
unset ytics
left = 0.001
plot for [v=0:2] data using ($5 == v ? $1 : NaN):2:3:4 with xerrorbars \
		pt 7 ps 0.6 lc rgb word("#1a7f37 #6e7781 #b35900", v + 1) \
		title word("met unclear missed", v + 1), \
	data using (left):($2 + 0.55):6 with labels left offset 0.5, 0 font "sans,10" notitle
