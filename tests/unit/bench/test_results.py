"""The report says what was measured, with its spread, and compares like with like."""

from bench.fleet import Joins, Traffic
from bench.measure import Span, Usage, evaluate
from bench.results import Run, charts, median_and_spread, report, write

CORES = (0, (1,), (1,))


def measurement(load, worker_s):
    traffic = Traffic(seconds=10.0, expected=load * 1000, received=load * 1000, sent_packets=1000)
    traffic.latency.add(0.001 * load)
    span = Span(Usage(0.0, 0.0, 0.0, 0), Usage(10.0, worker_s, 0.1, 10**7), {}, {})
    return evaluate(("webinar", "viewers"), load, load + 1, traffic, load, Joins(), span, 0)


def run(system, number, load, worker_s):
    made = Run("a webinar", "webinar", system, "1.0", number)
    best = measurement(load, worker_s).to_json()
    made.search = {"load": load, "measurement": best, "failed_load": load + 1, "failed_measurement": None}
    made.add(measurement(load // 2, worker_s / 2))
    made.add(measurement(load, worker_s))
    return made


RUNS = [run("greenroom", n, 100 + 10 * n, 5.0) for n in range(3)] + [run("other", n, 50, 10.0) for n in range(3)]


def row(text, label):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_figures_are_medians_with_their_spread():
    text = report(RUNS, CORES)
    assert row(text, "load") == ["110 (100 - 120)", "50 (50 - 50)"]
    assert row(text, "CPU workers") == ["50.0 % (50.0 % - 50.0 %)", "100.0 % (100.0 % - 100.0 %)"]


def test_each_of_several_fixed_loads_has_its_column():
    runs = [run("greenroom", n, 100, 5.0 + n) for n in range(3)] + [run("other", 0, 80, 10.0)]
    for each in runs:
        each.search = None
    del runs[3].measurements[0]
    text = report(runs, CORES)
    assert "| | greenroom, 50 | greenroom, 100 | other |" in text
    assert row(text, "load") == ["50 (50 - 50)", "100 (100 - 100)", "80"]
    assert row(text, "CPU workers")[:2] == ["30.0 % (25.0 % - 35.0 %)", "60.0 % (50.0 % - 70.0 %)"]
    assert "- load, greenroom / other: 1.25" in text


def test_reports_that_were_left_unread_are_told():
    runs = [run("greenroom", 0, 100, 5.0)]
    runs[0].search["measurement"]["server_drops"] = {"rtcp_shed": 420}
    assert row(report(runs, CORES), "reports left unread (`rtcp_shed`), per s") == ["42"]


def test_systems_are_compared_run_by_run():
    text = report(RUNS, CORES)
    assert "- load, greenroom / other: 2.20 (2.00 - 2.40)" in text
    assert "- CPU per forwarded packet, greenroom / other: 0.23 (0.21 - 0.25)" in text


def test_runs_that_met_a_slow_machine_are_left_out_and_told():
    """Wide vector units of virtual machines are ten times slower now and then, and that is no server's fault."""
    runs = [run("greenroom", n, 100 + 10 * n, 5.0) for n in range(3)]
    for each in runs:
        each.cipher_ns = [700.0, 800.0]
    assert "before and after the runs: 750 (700 - 800) ns\n" in report(runs, CORES)
    runs[2].cipher_ns = [720.0, 9000.0]
    text = report(runs, CORES)
    assert row(text, "load") == ["105 (100 - 110)"]
    assert "ns; 1 more were left out" in text


def test_failures_are_told_and_do_not_count():
    failed = Run("a webinar", "webinar", "greenroom", "1.0", 3, error="it went away")
    text = report([*RUNS, failed], CORES)
    assert row(text, "load")[0] == "110 (100 - 120)"
    assert "greenroom, run 4, failed: it went away" in text


def test_a_case_that_only_failed_is_still_reported():
    text = report([Run("a webinar", "webinar", "greenroom", "1.0", 0, error="it went away")], CORES)
    assert row(text, "load") == ["-"]
    assert "it went away" in text


def test_plots_are_of_medians_over_the_runs():
    cpu, latency = charts(RUNS)
    ours, theirs = cpu.series
    assert (ours.name, theirs.name) == ("greenroom", "other")
    assert [round(x) for x, _ in ours.points] == [5500, 11000]
    assert [round(y) for _, y in ours.points] == [25, 50]
    assert len(latency.series) == 4


def test_what_was_not_measured_is_a_dash():
    assert median_and_spread([None, None], str) == "-"
    assert median_and_spread([None, 3.0], str) == "3.0"


def test_files_are_written(tmp_path):
    write(tmp_path / "new", RUNS, CORES)
    assert (tmp_path / "new" / "results.svg").read_text().startswith("<svg")
    assert "## a webinar" in (tmp_path / "new" / "RESULTS.md").read_text()
