"""The launcher, started as an ordinary user: who one is inside, how it ends, what it shows, what it says when it cannot work.

Rows: RLK-015 … RLK-038; docs/rootless.md.
"""
import contextlib
import http.server
import json
import os
import pty
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from support import leaks, machine

WARNING = "level=warning"


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Launcher(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.account = machine.make_user()
        machine.open_devices()
        cls.bin = machine.scratch("launcher")
        shutil.copy2(machine.BUILD / "bin/rootlesskit", cls.bin)
        cls.program = cls.bin + "/rootlesskit"

    def setUp(self):
        self.dir = machine.scratch("rk", owner=machine.USER)
        self.state = self.dir + "/state"
        self.addCleanup(self.nothing_is_left)

    def nothing_is_left(self):
        self.assertEqual(leaks.settle(lambda: leaks.processes(self.dir)), {})
        self.assertEqual(leaks.mounts(self.dir), [])
        self.assertFalse([name for name in os.listdir(self.dir) if name.startswith("rootlesskit")])

    def command(self, *words, before=None):
        """The launcher's command line as the user; `before`: a script that root runs in a mount namespace of its own first."""
        argv = machine.command_as(machine.USER, [self.program, *words])
        if before:
            argv = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-e", "-c", before + '\nexec "$@"', "sh", *argv]
        return argv

    def environment(self, **extra):
        env = {"PATH": machine.PATH, "HOME": self.account.pw_dir, "USER": machine.USER, "TMPDIR": self.dir, "T": self.dir, "LANG": "C.UTF-8"}
        return {**env, **extra}

    def run_it(self, *words, before=None, **options):
        return subprocess.run(self.command(*words, before=before), env=self.environment(), cwd=self.dir, text=True, capture_output=True, timeout=60, **options)

    def out_of(self, *words):
        done = self.run_it(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def start(self, *words, **options):
        """Started, and the command has made $T/ready."""
        process = subprocess.Popen(self.command(f"--state-dir={self.state}", *words), env=self.environment(), cwd=self.dir, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        missing = leaks.settle(lambda: not os.path.exists(self.dir + "/ready"), 20)
        self.assertFalse(missing, "the command never started")
        return process

    def fails(self, code, text, *words, before=None):
        done = self.run_it(f"--state-dir={self.state}", *words, before=before)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        errors = [line for line in done.stderr.splitlines() if WARNING not in line]
        self.assertEqual(len(errors), 1, done.stderr)
        self.assertIn(text, errors[0])


class Inside(Launcher):
    def test_the_command_is_root_and_has_all_ranges(self):
        self.assertEqual(self.out_of("id", "-u"), "0\n")
        for kind, own in (("uid", self.account.pw_uid), ("gid", self.account.pw_gid)):
            with open(f"/etc/sub{kind}") as file:
                ranges = [line.strip().split(":")[1:] for line in file if line.split(":")[0] in (machine.USER, str(self.account.pw_uid))]
            mapped = [line.split() for line in self.out_of("cat", f"/proc/self/{kind}_map").splitlines()]
            self.assertEqual(mapped[0], ["0", str(own), "1"])
            self.assertEqual([line[1:] for line in mapped[1:]], ranges)

    def test_files_can_belong_to_anybody(self):
        self.assertEqual(self.out_of("sh", "-c", "touch $T/f && chown 1000:1000 $T/f && stat -c %u:%g $T/f && rm $T/f"), "1000:1000\n")

    def test_the_environment_tells_where_one_is(self):
        lines = self.out_of(f"--state-dir={self.state}", "sh", "-c", "env; cat $ROOTLESSKIT_STATE_DIR/child_pid").splitlines()
        self.assertIn(f"ROOTLESSKIT_STATE_DIR={self.state}", lines)
        self.assertIn(f"ROOTLESSKIT_PARENT_EUID={self.account.pw_uid}", lines)
        self.assertIn(f"ROOTLESSKIT_PARENT_EGID={self.account.pw_gid}", lines)
        self.assertRegex(lines[-1], r"^[0-9]+$")
        self.assertFalse(os.path.exists(self.state))

    def test_copy_up_makes_a_directory_writable_and_leaves_the_original_alone(self):
        out = self.out_of("--copy-up=/etc", "sh", "-c", "rm /etc/passwd; echo mine > /etc/passwd; echo new > /etc/bk-new; cat /etc/passwd /etc/bk-new; test -r /etc/group")
        self.assertEqual(out, "mine\nnew\n")
        self.assertFalse(os.path.exists("/etc/bk-new"))

    def test_slirp4netns_protects_itself_when_asked(self):
        out = self.out_of("--net=slirp4netns", "--copy-up=/etc", "--disable-host-loopback", "--slirp4netns-sandbox=true", "--slirp4netns-seccomp=true", "cat", "/etc/resolv.conf")
        self.assertEqual(out, "nameserver 10.0.2.3\n")

    def test_names_of_the_host_can_differ(self):
        self.assertEqual(self.out_of("--utsns", "--ipcns", "sh", "-c", "hostname elsewhere && hostname"), "elsewhere\n")

    def test_a_pid_namespace_shows_its_own_processes(self):
        out = self.out_of("--pidns", "sh", "-c", "ls /proc | grep -c '^[0-9]*$'; cat /proc/1/comm")
        self.assertLess(int(out.split()[0]), 8)
        self.assertEqual(out.split()[1], "exe")

    def test_copy_up_never_touches_the_original_wherever_one_stands(self):
        os.makedirs(self.dir + "/tree/sub")
        for path in (self.dir + "/keep", self.dir + "/tree/file"):
            with open(path, "w") as file:
                file.write("kept\n")
        subprocess.run(["chown", "-R", machine.USER, self.dir], check=True)
        before = subprocess.run(["find", self.dir], text=True, capture_output=True).stdout
        for words in (["--copy-up=."], ["--copy-up=tree"], [f"--copy-up={self.dir}"], ["--copy-up=..", f"--copy-up={self.dir}"], ["--copy-up=tree,tree"]):
            self.assertEqual(self.run_it("--state-dir=/var/tmp/rk-copy-up", *words, "true").returncode, 0, words)
        for words in (["--copy-up="], ["--copy-up=/"], ["--copy-up=/tmp"]):
            self.assertEqual(self.run_it(*words, "true").returncode, 1, words)
        self.assertEqual(subprocess.run(["find", self.dir], text=True, capture_output=True).stdout, before)
        self.assertEqual(self.out_of("--copy-up=tree", "sh", "-c", "cat tree/file; rm tree/file; ls tree"), "kept\nsub\n")

    def test_a_cgroup_namespace_shows_cgroup2_alone(self):
        for flags in (["--cgroupns"], ["--cgroupns", "--net=none"]):
            out = self.out_of(*flags, "sh", "-c", "stat -f -c %T /sys/fs/cgroup; ls /sys/fs/cgroup/cgroup.procs; grep ^0: /proc/self/cgroup")
            self.assertEqual(out, "cgroup2fs\n/sys/fs/cgroup/cgroup.procs\n0::/\n")

    def test_both_runtimes_run_a_container_there(self):
        rootfs = self.dir + "/bundle/rootfs"
        for name in ("bin", "dev", "proc"):
            os.makedirs(f"{rootfs}/{name}")
        shutil.copy2("/bin/busybox", rootfs + "/bin/busybox")
        spec = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": "box",
                "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "args": ["/bin/busybox", "sh", "-c", "echo pid $$; busybox hostname"],
                            "capabilities": {"bounding": [], "effective": [], "permitted": []}},
                "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
                "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "cgroup")]}}
        with open(self.dir + "/bundle/config.json", "w") as file:
            json.dump(spec, file)
        subprocess.run(["chown", "-R", machine.USER, self.dir + "/bundle"], check=True)
        for runtime in ("crun", "runc"):
            with self.subTest(runtime):
                script = f"cd $T/bundle && {runtime} --root $T/run-{runtime} run bk-launcher-{os.getpid()} </dev/null"
                self.assertEqual(self.out_of("--cgroupns", "sh", "-c", script), "pid 1\nbox\n")


class Ending(Launcher):
    def test_the_commands_code_is_passed_on(self):
        for code in (0, 1, 42):
            self.assertEqual(self.run_it("sh", "-c", f"exit {code}").returncode, code)
        self.assertEqual(self.run_it("sh", "-c", "kill -9 $$").returncode, 255)

    def test_signals_reach_the_command_once(self):
        script = "trap 'echo {0}; n=x$n' {0}; touch $T/ready; i=0; while [ $i -lt 200 ] && [ -z \"$n\" ]; do sleep 0.05; i=$((i+1)); done; sleep 0.3; echo end"
        for name in ("TERM", "INT", "HUP", "USR1", "TSTP", "RTMIN+1"):
            for flags in ([], ["--pidns"]):
                with self.subTest(name, flags=flags):
                    process = self.start(*flags, "bash", "-c", script.format(name))
                    process.send_signal(signal.SIGRTMIN + 1 if name == "RTMIN+1" else getattr(signal, "SIG" + name))
                    self.assertEqual(process.communicate(timeout=30)[0], f"{name}\nend\n")
                    os.unlink(self.dir + "/ready")

    def test_ctrl_c_on_a_terminal_reaches_the_command_once(self):
        script = "trap 'echo got-int' INT; touch $T/ready; sleep 0.5 & wait; wait; sleep 0.3; echo end"
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.dir)
            os.execvpe("setpriv", self.command("bash", "-c", script), self.environment())
        leaks.settle(lambda: not os.path.exists(self.dir + "/ready"), 20)
        os.write(terminal, b"\x03")
        text = b""
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            text += piece
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, text)
        self.assertEqual(text.count(b"got-int"), 1, text)
        self.assertIn(b"end", text)

    def test_a_command_that_ignores_hangups_by_nohup_keeps_doing_so(self):
        argv = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *self.command("sh", "-c", "grep SigIgn /proc/self/status")]
        out = subprocess.run(argv, env=self.environment(), cwd=self.dir, text=True, capture_output=True, timeout=60).stdout
        self.assertEqual(int(out.split()[1], 16) & 1, 1)

    def test_everything_ends_with_the_command(self):
        script = "setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; sleep 0.2; exit 7"
        for flags in ([], ["--pidns"], ["--pidns", "--reaper=false"]):
            self.assertEqual(self.run_it(*flags, "sh", "-c", script, stdin=subprocess.DEVNULL).returncode, 7)
            self.nothing_is_left()

    def test_everything_ends_when_the_launcher_is_killed(self):
        script = "setsid sleep 1000 & (setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' &) ; sleep 0.2; touch $T/ready; sleep 1000"
        for flags in ([], ["--pidns"], ["--net=slirp4netns", "--copy-up=/etc", "--disable-host-loopback"]):
            with self.subTest(flags=flags):
                process = self.start(*flags, "sh", "-c", script)
                process.kill()
                process.wait(timeout=10)
                self.assertEqual(leaks.settle(lambda: leaks.processes(self.dir)), {})
                os.unlink(self.dir + "/ready")

    def test_everything_ends_when_the_child_is_killed(self):
        process = self.start("sh", "-c", "setsid sleep 1000 & touch $T/ready; sleep 1000")
        with open(self.state + "/child_pid") as file:
            os.kill(int(file.read()), signal.SIGKILL)
        self.assertEqual(process.wait(timeout=10), 255)
        self.assertFalse(os.path.exists(self.state))

    def test_a_killed_launchers_state_directory_is_used_again(self):
        process = self.start("sh", "-c", "touch $T/ready; sleep 1000")
        refused = self.run_it(f"--state-dir={self.state}", "true")
        self.assertEqual(refused.returncode, 106)
        self.assertIn("another RootlessKit is running", refused.stderr)
        process.kill()
        process.wait(timeout=10)
        self.assertEqual(sorted(os.listdir(self.state)), ["api.sock", "child_pid", "lock"])
        self.assertEqual(leaks.settle(lambda: leaks.processes(self.dir)), {})
        self.out_of(f"--state-dir={self.state}", "true")
        self.assertFalse(os.path.exists(self.state))

    def test_a_set_up_under_way_can_be_interrupted(self):
        slow = self.dir + "/slow"
        with open(slow, "w") as file:
            file.write('#!/bin/sh\n[ "$1" = --help ] && exec echo --netns-type\ntouch $T/ready\nexec sleep 1000\n')
        os.chmod(slow, 0o755)
        for sent in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            process = self.start("--net=slirp4netns", f"--slirp4netns-binary={slow}", "true")
            process.send_signal(sent)
            err = process.communicate(timeout=10)[1]
            self.assertEqual(leaks.settle(lambda: leaks.processes(self.dir)), {})
            if sent != signal.SIGKILL:
                self.assertEqual(process.returncode, 1)
                self.assertIn("interrupted while setting up", err)
                self.assertFalse(os.path.exists(self.state))
            os.unlink(self.dir + "/ready")

    def test_closed_standard_descriptors_do_no_harm(self):
        argv = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *self.command("sh", "-c", "echo out; echo err >&2; cat; touch $T/done")]
        self.assertEqual(subprocess.run(argv, env=self.environment(), cwd=self.dir, timeout=60).returncode, 0)
        self.assertTrue(os.path.exists(self.dir + "/done"))

    def test_clients_of_the_api_cannot_hold_the_launcher_up(self):
        process = self.start("sh", "-c", "trap 'exit 3' TERM; touch $T/ready; while :; do sleep 0.1; done")
        silent = [socket.socket(socket.AF_UNIX) for _ in range(8)]
        for client in silent:
            self.addCleanup(client.close)
            client.connect(self.state + "/api.sock")
        with contextlib.suppress(OSError):  # it hangs up on requests without an end
            silent[0].sendall(b"x" * 65536)
        silent[1].sendall(b"GET\r\n\r\n")
        answer = subprocess.run(["curl", "-s", "--max-time", "10", "--unix-socket", self.state + "/api.sock", "http://x/v1/info"], text=True, capture_output=True).stdout
        self.assertEqual(json.loads(answer)["stateDir"], self.state)
        self.assertEqual((silent[1].recv(1), answer.startswith("{")), (b"", True))
        process.terminate()
        self.assertEqual(process.wait(timeout=10), 3)

    def test_the_parent_stays_small(self):
        process = self.start("sh", "-c", "touch $T/ready; sleep 1000")
        with open(f"/proc/{process.pid}/status") as file:
            status = file.read()
        self.assertLess(int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)), 4096)
        self.assertEqual(re.search(r"Threads:\s+(\d+)", status).group(1), "1")


class Network(Launcher):
    SLIRP = ("--net=slirp4netns", "--copy-up=/etc")

    def test_slirp4netns_gives_an_address_a_route_and_a_name_server(self):
        out = self.out_of(*self.SLIRP, "--disable-host-loopback", "--mtu=1400", "--cidr=10.9.0.0/24", "sh", "-c",
                          "ip -o -4 addr show tap0 | awk '{print $4}'; cat /sys/class/net/tap0/mtu; ip route | head -1; cat /etc/resolv.conf")
        self.assertEqual(out, "10.9.0.100/24\n1400\ndefault via 10.9.0.2 dev tap0 \nnameserver 10.9.0.3\n")

    def test_slirp4netns_carries_packets_and_hides_the_hosts_loopback_when_asked(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        ask = ["curl", "-s", "--noproxy", "*", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", f"http://10.0.2.2:{server.server_port}/"]
        self.assertEqual(self.run_it(*self.SLIRP, *ask).stdout, "501")
        self.assertNotEqual(self.run_it(*self.SLIRP, "--disable-host-loopback", *ask).returncode, 0)

    def test_no_network_has_the_loopback_only(self):
        self.assertEqual(self.out_of("--net=none", "sh", "-c", "ip -o link | wc -l; ip -o -4 addr show lo | awk '{print $4}'"), "1\n127.0.0.1/8\n")

    def test_the_end_of_slirp4netns_is_told(self):
        process = self.start(*self.SLIRP, "--disable-host-loopback", "sh", "-c", "touch $T/ready; sleep 2")
        for pid, command in leaks.processes(self.dir).items():
            if "slirp4netns --mtu" in command:
                os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)
        self.assertIn("slirp4netns has ended", err)


class Missing(Launcher):
    def test_newuidmap(self):
        self.fails(101, "apt-get install uidmap", "true", before="echo x > $T/n; mount --bind $T/n /usr/bin/newuidmap")
        self.fails(101, "chmod u+s", "true", before="cp /usr/bin/newuidmap $T/n; chmod 755 $T/n; mount --bind $T/n /usr/bin/newuidmap")
        self.fails(101, "no_new_privs", "true", before='set -- setpriv --no-new-privs "$@"')

    def test_ranges(self):
        for kind in ("subuid", "subgid"):
            self.fails(102, f"usermod --add-{kind}s", "true", before=f"mount --bind /dev/null /etc/{kind}")
        self.fails(102, "string to int", "--subid-source=static", "true", before=f"echo {machine.USER}:x:5 > $T/s; mount --bind $T/s /etc/subuid")

    def test_user_namespaces(self):
        self.fails(103, "sysctl -w user.max_user_namespaces", "true", before="echo 0 > $T/n; mount --bind $T/n /proc/sys/user/max_user_namespaces")

    def test_tun_device(self):
        tun = "mount -t tmpfs none /mnt; mknod -m 600 /mnt/tun c 10 200; mount --bind /mnt/tun /dev/net/tun"
        self.fails(104, "chmod 0666 /dev/net/tun", "--net=slirp4netns", "true", before=tun)
        self.fails(104, "modprobe tun", "--net=slirp4netns", "true", before="mount -t tmpfs none /dev/net")
        self.out_of("true")

    def test_slirp4netns(self):
        self.fails(105, "apt-get install slirp4netns", "--net=slirp4netns", "--slirp4netns-binary=/nosuch", "true")
        self.fails(105, "0.4.0", "--net=slirp4netns", "--slirp4netns-binary=/bin/true", "true")

    def test_what_is_not_built_is_refused_by_name(self):
        for flag in ("--detach-netns", "--pasta-binary=x", "--net=pasta", "--net=vpnkit", "--port-driver=builtin"):
            extra = ["--net=none"] if flag.startswith("--port") else []
            self.fails(1, f"{flag.split('=x')[0]} is not built yet", *extra, flag, "true")
        self.fails(1, "--evacuate-cgroup2 is not built yet", "--pidns", "--cgroupns", "--evacuate-cgroup2=x", "true")
        self.assertIn("flag provided but not defined: -nosuch", self.run_it("--nosuch", "true").stderr)


if __name__ == "__main__":
    unittest.main()
