"""What a user sees while a build runs: the lines of the plain display, the pictures of the tty one, and that logs steer neither."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from support import case, daemon, machine

EVIL = "printf 'before\\033[2J\\033[1;1H\\033]0;owned\\007\\033[31mred\\033[0m after\\n'"


def on_a_terminal(argv, env, rows=30, columns=100, seconds=120):
    """Runs argv on a pseudo-terminal and returns (exit code, everything that it wrote)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    out, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([master], [], [], 1)
        try:
            piece = os.read(master, 65536) if ready else None
        except OSError:  # the other end is closed
            break
        if piece == b"":
            break
        out += piece or b""
    os.close(master)
    return process.wait(10), out.decode(errors="replace").replace("\r\n", "\n")


class Progress(case.Case):
    def setUp(self):
        self.daemon = daemon.Daemon(config=f'[registry."{self.registry.host}"]\n  http = true\n').start()
        self.addCleanup(self.daemon.stop)
        self.context = self.daemon.context({
            "Dockerfile": f"FROM {self.base}\nWORKDIR /w\nRUN echo said; echo so >&2\nCOPY file /\nCOPY --link file /linked\nRUN test -e /linked\n",
            "file": "x" * 20000, "evil/Dockerfile": f"FROM {self.base}\nRUN {EVIL}\nRUN {EVIL}; exit 3\n"})

    def terminal(self, context, *extra, env=None, **size):
        argv = [os.path.join(machine.bin_dir(), "buildctl"), "--addr", self.daemon.address] + self.daemon.build_args(context, extra=extra)
        return on_a_terminal([a for a in argv if a != "--progress=plain"], dict(self.daemon.env, TERM="xterm", **(env or {})), **size)

    def test_plain_shows_every_piece_of_work_by_its_name(self):  # SRC-014, SRC-034
        name = f"{self.registry.host}/made:1"
        err = self.daemon.build(self.context, f"type=image,name={name},push=true").err
        for line in (r"\[internal\] load build definition from Dockerfile", r"transferring dockerfile: \d+B", r"\[internal\] load metadata for \S+/base:latest",
                     r"transferring context: 2B", r"\[1/6\] FROM \S+@sha256:[0-9a-f]{64}", r"resolve \S+@sha256:[0-9a-f]{64}", r"sha256:[0-9a-f]{64} [\d.]+MB / [\d.]+MB",
                     r"extracting sha256:[0-9a-f]{64}", r"\[internal\] load build context", r"transferring context: 20\.\d\dkB", r"\[2/6\] WORKDIR /w",
                     r"\d+\.\d{3} said", r"\d+\.\d{3} so", r"merging", r"exporting to image", r"exporting layers", r"exporting manifest sha256:[0-9a-f]{64}",
                     r"exporting config sha256:[0-9a-f]{64}", r"pushing layers", rf"pushing manifest for {re.escape(name)}@sha256:[0-9a-f]{{64}}"):
            self.assertRegex(err, rf"(?m)^#\d+ {line}")
        self.assertNotRegex(err, "\x1b")

    def test_the_time_of_a_pull_is_that_of_its_step(self):
        vertexes, statuses = [], []
        err = self.daemon.buildctl(*[a.replace("plain", "rawjson") for a in self.daemon.build_args(self.context)]).err
        for line in err.splitlines():
            message = json.loads(line)
            vertexes += message.get("vertexes", [])
            statuses += message.get("statuses", [])
        pull = next(v["digest"] for v in vertexes if "] FROM " in v["name"])
        runs = [(v["started"], v["completed"]) for v in vertexes if v["digest"] == pull and "completed" in v]
        work = [(s["started"], s["completed"]) for s in statuses if s["vertex"] == pull and "completed" in s]
        self.assertEqual(len(work), 3, err)  # resolve, one layer, extracting it
        for started, completed in work:
            self.assertTrue(any(begin <= started and completed <= end for begin, end in runs), (started, completed, runs))

    def test_the_tty_display_ends_with_a_picture_of_all_steps(self):
        code, out = self.terminal(self.context)
        self.assertEqual(code, 0, out[-3000:])
        last = out[out.rindex("[+] Building"):]
        self.assertRegex(last, r"\((\d+)/\1\) FINISHED")
        for text in ("=> [internal] load build definition", "=> => transferring context: 20.", "=> [2/6] WORKDIR /w", "=> => extracting sha256:"):
            self.assertIn(text, last)
        self.assertTrue(out.rstrip().endswith("\x1b[?25h"), "the cursor is left hidden")

    def test_no_color_leaves_no_colour(self):
        _, out = self.terminal(self.context, env={"NO_COLOR": "1"})
        self.assertNotRegex(out, "\x1b\\[3\\dm")
        _, out = self.terminal(self.context)
        self.assertIn("\x1b[34m", out)

    def test_a_terminal_is_told_how_to_have_a_daemon(self):
        argv = [os.path.join(machine.bin_dir(), "buildctl"), "--addr", "unix:///nowhere/buildkitd.sock", "du"]
        code, text = on_a_terminal(argv, self.daemon.env)
        self.assertNotEqual(code, 0)
        self.assertRegex(text, r"error: .*no such file or directory\"\nhint: .*buildctl --daemonless")
        piped = subprocess.run(argv, env=self.daemon.env, capture_output=True, text=True)
        self.assertRegex(piped.stderr, r"^error: .*\n$")

    def test_logs_cannot_steer_the_terminal(self):
        for mode in ("tty", "plain"):
            with self.subTest(mode=mode):
                code, out = self.terminal(os.path.join(self.context, "evil"), f"--progress={mode}", "--no-cache")
                self.assertEqual(code, 1)
                self.assertIn("before", out)
                for sequence in ("\x1b[2J", "\x1b[1;1H", "\x1b]0;", "\x07"):
                    self.assertNotIn(sequence, out)

    def test_piped_logs_are_as_they_were(self):
        err = self.daemon.build(os.path.join(self.context, "evil"), extra=("--no-cache",), check=False).err
        self.assertIn("before\x1b[2J\x1b[1;1H\x1b]0;owned\x07\x1b[31mred", err)
