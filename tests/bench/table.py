"""Samples and the one table that a run prints."""
import os
import statistics

FORMAT = "{:<34} {:<9} {:<5} {:>9} {:>9} {:>9} {:>3} {:>9}  {}"


class Table:
    """Rows appear as soon as they are known; `missed` counts goals not reached by the project's own programs."""

    def __init__(self):
        self.missed = 0
        self.medians = {}
        print(FORMAT.format("work", "user", "what", "median", "min", "max", "n", "goal", "ok"), flush=True)

    def add(self, work, user, what, samples, unit="ms", goal=None, at_least=False):
        """`what`: ours, ref, bare or gzip; only ours has a goal."""
        median = statistics.median(samples)
        self.medians[work, user, what] = median
        verdict, limit = "", ""
        if goal is not None and what == "ours":
            good = median >= goal if at_least else median <= goal
            self.missed += not good
            verdict, limit = "yes" if good else "NO", ("≥ " if at_least else "≤ ") + number(goal)
        print(FORMAT.format(f"{work} [{unit}]", user, what, number(median), number(min(samples)), number(max(samples)), len(samples), limit, verdict), flush=True)
        return median


def number(value):
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def machine_line():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    kernel = os.uname().release
    memory = int(next(line for line in open("/proc/meminfo")).split()[1]) // 1024
    return f"{os.cpu_count()} x {model}, {memory} MB, Linux {kernel}, load {os.getloadavg()[0]:.2f}"
