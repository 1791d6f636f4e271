"""Daemons to measure: the project's own, and a reference's with the same settings (REF=DIR with its buildkitd and buildctl)."""
import os
import re
import shutil
import subprocess
import time

from support import leaks, machine
from support.daemon import Daemon

REF = os.environ.get("REF", "")
_ref_bin = None


def ref_bin():
    global _ref_bin
    if _ref_bin is None:
        _ref_bin = machine.scratch("ref")
        for name in ("buildkitd", "buildctl"):
            shutil.copy2(os.path.join(REF, name), _ref_bin)
    return _ref_bin


class Own(Daemon):
    what = "ours"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, check_leaks=False, **options)
        self.bin = machine.bin_dir()

    def timed_build(self, context, *more, stdin=None):
        """Wall time in ms of the buildctl process alone."""
        return self.timed(self.client(*self.build_args(context), *more))

    def timed(self, argv, stdin=None):
        env = dict(self.env, BUILDKIT_HOST=self.address)
        begin = time.perf_counter()
        done = subprocess.run(argv, env=env, stdin=stdin or subprocess.DEVNULL, capture_output=True, cwd=self.dir)
        took = (time.perf_counter() - begin) * 1000
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}\n{done.stderr.decode()[-3000:]}\n{self.log()}")
        return took

    def timed_loops(self, loops, seconds, context):
        """Wall times in ms of buildctl processes, `loops` at the same time; the probe starts them, since this script's threads would take a part of what is measured."""
        argv = [os.path.join(probe_dir(), "bench_probe"), "loops", str(loops), str(seconds), *self.plain_client(*self.build_args(context))]
        done = subprocess.run(machine.command_as(self.user, argv), env=dict(self.env, BUILDKIT_HOST=self.address), capture_output=True, cwd=self.dir)
        if done.returncode != 0:
            raise AssertionError(f"{done.stderr.decode()[-3000:]}\n{self.log()}")
        return [float(line) for line in done.stdout.split()]

    def plain_client(self, *argv):
        return [os.path.join(self.bin, "buildctl"), "--addr", self.address, *argv]

    def client(self, *argv):
        return machine.command_as(self.user, self.plain_client(*argv))

    def memory_mb(self):
        """(sum of Pss of launcher, child, daemon and helpers, VmRSS of the daemon, its VmHWM)."""
        pss, largest = 0, (0, 0)
        for pid in self.pids():
            try:
                text, status = open(f"/proc/{pid}/smaps_rollup").read(), open(f"/proc/{pid}/status").read()
            except OSError:
                continue
            pss += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
            resident, peak = (int(re.search(name + r":\s+(\d+)", status).group(1)) / 1024 for name in ("VmRSS", "VmHWM"))
            largest = max(largest, (resident, peak))  # the daemon; a launcher is small
        return pss / 1024, *largest

    def cpu_seconds(self):
        """Of the launcher, the daemon and what they still run or waited for."""
        ticks = 0
        for pid in self.pids():
            try:
                fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")

    def first_answer(self):
        """Milliseconds from exec to the first ListWorkers answer; the daemon is ended again."""
        probe = [os.path.join(probe_dir(), "bench_probe"), "first-answer", self.socket]
        command = self.command()
        head = command[: len(command) - len(self.program_command())]
        done = subprocess.run(head + probe + self.program_command(), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(self.log_path, "ab"), cwd="/", check=True)
        took, pid = done.stdout.split()
        os.kill(int(pid), 15)
        leaks.settle(lambda: leaks.processes(self.dir), 20)
        return float(took)

    def program_command(self):
        return [os.path.join(self.bin, "buildkitd"), *self.flags]


class Reference(Own):
    what = "ref"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.bin = ref_bin()
        if self.user != "root":
            self.flags += ["--rootless", "--oci-worker-no-process-sandbox=false"]

    def program_command(self):
        launcher = [] if self.user == "root" else ["/usr/bin/rootlesskit", "--net=host", "--copy-up=/etc", "--copy-up=/run", "--state-dir", os.path.join(self.run_dir, "rk")]
        return launcher + [os.path.join(self.bin, "buildkitd"), *self.flags]

    def command(self):
        prefix = super().command()
        own = [os.path.join(machine.bin_dir(), "buildkitd"), *self.flags]
        return prefix[: len(prefix) - len(own)] + self.program_command()

    def daemon_pid(self):
        return max(pid for pid, text in self.pids().items() if text.startswith(os.path.join(self.bin, "buildkitd")))


def kinds():
    return [Own] + ([Reference] if REF else [])


_probe_dir = None


def probe_dir():
    global _probe_dir
    if _probe_dir is None:
        _probe_dir = machine.scratch("probe")
        shutil.copy2(machine.BUILD / "bin/bench_probe", _probe_dir)
    return _probe_dir
