#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# P1 and P9 with few rounds, and what is made of them. Whether a goal is met is no test's
# business: a busy machine decides that as well.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
tap_natively_only
out=$(mktemp -d) || exit
trap 'rm -rf "$out"' EXIT
bench=$top/tests/bench

# In Python, which knows what there is as "runs", "bench" and "table".
checks() { # assertions
	python3 -c "
import json
bench = json.load(open('$out/bench.json'))
table = open('$out/table').read().splitlines()
runs = bench['runs']
$1"
}

# As if p11-kit were told of tokmux: its proxy has it inside.
refuses_itself() {
	local output
	output=$(python3 - 2>&1 <<-END
		import importlib.machinery, importlib.util, sys
		sys.dont_write_bytecode = True
		loader = importlib.machinery.SourceFileLoader("measure", "$bench/measure")
		measure = importlib.util.module_from_spec(
		    importlib.util.spec_from_loader("measure", loader))
		loader.exec_module(measure)
		measure.MODULES["proxy"] = measure.MODULES["tokmux"]
		sys.argv[1:] = ["--arbiter", "local", "--quick", "--output",
		                "$out/refused.json", "P1"]
		measure.main()
	END
	) && { echo "it was measured"; return 1; }
	[[ $output = *"loads tokmux"* ]] || { echo "$output"; return 1; }
}

tap_check "P1 is measured" "$bench/measure" --arbiter local --quick \
	--output "$out/host.json" P1
printf '%s\n' 0.25 1.5 0.5 >"$out/load"
report() {
	"$bench/report" --host-load "$out/load" --output "$out/bench" \
		"$out/host.json" >"$out/table"
}
tap_check "and reported" report
tap_check "the samples are JSON, three rounds of all three each" checks '
for sample in runs[0]["samples"]:
    counted = sample["unit"] == "instructions"
    assert len(sample["rounds"]) == (1 if counted else 3), sample
    for samples in sample["rounds"]:
        assert set(samples) == {"bare", "tokmux", "proxy"}, sample
        assert all(v > 0 or counted and peer == "bare"
                   for peer, v in samples.items()), sample'
tap_check "every figure is there, or named as one without a ratio" checks '
labels = {"{name} {what} / {beside}, {where}".format(**f)
          for f in bench["figures"]} | set(bench["no_ratio"])
for operation in ("info", "open-close", "find", "digest", "sign"):
    for threads in ("", ", 2 threads"):
        labels.remove(f"P1 {operation}{threads} / p11-kit proxy, host")
    labels.remove(f"P1 {operation} / p11-kit proxy, instructions, host")
assert not labels, labels'
tap_check "all instructions have a ratio and a verdict" checks '
counted = [f for f in bench["figures"] if "instructions" in f["beside"]]
assert len(counted) == 5, counted
for f in counted:
    assert 0 < f["median"] < 100 and f["goal"] == .5, f
    assert f["verdict"] == ("met" if f["median"] <= .5 else "missed"), f'
tap_check "the backend's own are in none of them" checks '
counts = {s["case"]: s["rounds"][0] for s in runs[0]["samples"]
          if s["unit"] == "instructions"}
# Two calls each; a signature takes SoftHSM2 half a million.
assert all(counts["sign"][peer] < 2 * counts["digest"][peer]
           for peer in ("tokmux", "proxy")), counts'
tap_check "the table begins with the host and its load" grep -qE \
	'^host: .* × .*, load 0\.2 before, 1\.5 at most$' "$out/table"
tap_check "and has a line for each figure" checks '
rows = [line for line in table if line.startswith("P1 ")]
assert len(rows) == len(bench["figures"]), rows
assert sum(line.startswith("no ratio: ") for line in table) == len(bench["no_ratio"])'
tap_check "the plot is XML" python3 -c '
import sys, xml.dom.minidom as dom
assert dom.parse(sys.argv[1]).documentElement.tagName == "svg"' "$out/bench.svg"
tap_check "a proxy that is tokmux itself is refused" refuses_itself

tap_check "P9 is measured" "$bench/measure" --arbiter local --quick \
	--output "$out/host.json" P9
tap_check "and reported" report
tap_check "its figures are there: signers, nginx, and programs that start" checks '
what = {f["what"] for f in bench["figures"]}
assert {"a signature from Python: rate", "a handshake of nginx, workers: 2: rate",
        "a handshake of nginx, workers: 2: CPU", "32 programs that start: rate",
        "32 programs that log in: how many can"} <= what, what
for f in bench["figures"]:
    assert 0 < f["median"] < 100, f'
tap_end
