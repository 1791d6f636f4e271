"""One buildkitd for a test, as root or as the ordinary user, and clients that talk to it."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

from . import leaks, machine

CGROUP2_ALONE = ["unshare", "-mC", "--propagation", "private", "sh", "-c", 'umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"', "sh"]


class Daemon:
    """`with Daemon(user="bktest", runtime="crun", snapshotter="native") as daemon:` — checks for leaks at its end."""

    def __init__(self, user="root", runtime="", snapshotter="", flags=(), config="", env=None, root="", cgroup2_alone=None, check_leaks=True):
        self.user, self.runtime, self.check_leaks = user, runtime, check_leaks
        self.dir = machine.scratch("daemon", user)
        self.run_dir = os.path.join(self.dir, "run")
        self.root = root or os.path.join(self.dir, "root")
        os.mkdir(self.run_dir, 0o700)
        if user != "root":
            import pwd
            account = pwd.getpwnam(user)
            os.chown(self.run_dir, account.pw_uid, account.pw_gid)
        self.socket = os.path.join(self.run_dir, "bk.sock")
        self.address = "unix://" + self.socket
        self.env = machine.environment(user, self.run_dir, env)
        config_path = os.path.join(self.dir, "buildkitd.toml")
        pathlib.Path(config_path).write_text(config)
        os.chmod(config_path, 0o644)
        self.flags = ["--root", self.root, "--addr", self.address, "--config", config_path]
        if runtime:
            self.flags.append("--oci-worker-binary=" + runtime)
        if snapshotter:
            self.flags.append("--oci-worker-snapshotter=" + snapshotter)
        self.flags += list(flags)
        # The launcher shows an ordinary user cgroup2 alone; root has to be given it for crun.
        self.cgroup2_alone = runtime == "crun" and user == "root" if cgroup2_alone is None else cgroup2_alone
        self.process = None
        self.log_path = os.path.join(self.dir, "log")

    def command(self):
        prefix = CGROUP2_ALONE if self.cgroup2_alone else []
        return prefix + machine.command_as(self.user, [os.path.join(machine.bin_dir(), "buildkitd")] + self.flags)

    def start(self, wait=True):
        log = open(self.log_path, "ab")
        self.groups_before = leaks.control_groups(self.user)
        self.process = subprocess.Popen(self.command(), env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True)
        log.close()
        if wait:
            self.wait_until_up()
        return self

    def wait_until_up(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log()}")
            if self.answers():
                return
            time.sleep(0.02)
        raise AssertionError(f"the daemon does not answer after {seconds} s:\n{self.log()}")

    def answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(1)
                s.connect(self.socket)
            return True
        except OSError:
            return False

    def log(self):
        return pathlib.Path(self.log_path).read_text(errors="replace")[-6000:]

    def await_log(self, pattern, count=1, seconds=60):
        """Waits for `count` lines of the log that have `pattern`."""
        end = time.monotonic() + seconds
        while len(re.findall(pattern, pathlib.Path(self.log_path).read_text(errors="replace"))) < count:
            assert time.monotonic() < end, f"no {pattern} in:\n{self.log()}"
            time.sleep(0.02)

    def pids(self):
        """Processes of this daemon (launcher, daemon, helpers), by command line."""
        return leaks.processes(self.dir)

    def pids_of_steps(self):
        """Command lines of processes that run below the daemon, its own and its launcher's left out."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
                    line = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append((int(entry), line))
        found, todo = [], [self.process.pid] if self.process else []
        while todo:
            for pid, line in children.get(todo.pop(), []):
                todo.append(pid)
                if "/buildkitd " not in line:
                    found.append(line)
        return found

    def daemon_pid(self):
        """The daemon itself, not what watches it nor a process that it forked and that has its command line for a moment."""
        found = [pid for pid, text in self.pids().items()
                 if "/buildkitd " in text and "rootlesskit" not in text.split("buildkitd")[0] and not text.startswith(("sh ", "unshare ", "setpriv ", "/proc/self/exe "))]
        (pid,) = [pid for pid in found if leaks.parent(pid) not in found]
        return pid

    def stop(self, sig=signal.SIGTERM, seconds=20):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise AssertionError(f"the daemon does not end on signal {sig}:\n{self.log()}")
        self.process = None
        return code

    def kill(self):
        """kill -9 of the daemon itself; what watches it has to end by itself."""
        os.kill(self.daemon_pid(), signal.SIGKILL)
        self.process.wait(20)
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(f"---- log of {' '.join(self.command())}\n{self.log()}")
        self.stop()
        if kind is None and self.check_leaks:
            self.assert_clean()

    def assert_clean(self):
        left = leaks.settle(lambda: leaks.processes(self.dir))
        assert not left, f"processes left behind: {left}"
        left = leaks.settle(lambda: leaks.mounts(self.dir))
        assert not left, f"mounts left behind: {left}"
        left = leaks.settle(lambda: sorted(set(leaks.control_groups(self.user)) - self.groups_before))
        assert not left, f"control groups left behind: {left}"

    # ---- clients ----

    def run(self, argv, check=True, env=None, stdin=None, timeout=300, user=None, cwd=None):
        """Runs a client as the daemon's user; the text of a failure has all output."""
        full = dict(self.env, BUILDKIT_HOST=self.address, **(env or {}))
        done = subprocess.run(machine.command_as(user or self.user, argv), env=full, input=stdin, capture_output=True, timeout=timeout, cwd=cwd or self.dir)
        done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.out[-2000:]}\n{done.err[-6000:]}\n---- daemon\n{self.log()}")
        return done

    def buildctl(self, *argv, **options):
        return self.run([os.path.join(machine.bin_dir(), "buildctl"), "--addr", self.address, *argv], **options)

    def context(self, files):
        """A directory with `files` (path → text or bytes) that the daemon's user owns."""
        path = tempfile.mkdtemp(prefix="context-", dir=self.dir)
        for name, data in files.items():
            target = os.path.join(path, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
        if self.user != "root":
            subprocess.run(["chown", "-R", f"{self.user}:", path], check=True)
        return path

    def build_args(self, context, output="", opts=None, extra=()):
        argv = ["build", "--progress=plain", "--frontend", "dockerfile.v0", "--local", f"context={context}", "--local", f"dockerfile={context}"]
        for key, value in (opts or {}).items():
            argv += ["--opt", f"{key}={value}"]
        if output:
            argv += ["--output", output]
        return argv + list(extra)

    def build(self, context, output="", opts=None, extra=(), **options):
        if isinstance(context, dict):
            context = self.context(context)
        return self.buildctl(*self.build_args(context, output, opts, extra), **options)

    def out(self, name):
        """A path that the daemon's user may write."""
        path = os.path.join(tempfile.mkdtemp(prefix="out-", dir=self.dir), name)
        if self.user != "root":
            subprocess.run(["chown", f"{self.user}:", os.path.dirname(path)], check=True)
        return path

    def du(self):
        return json.loads(self.buildctl("du", "--format", "json").out) or []
