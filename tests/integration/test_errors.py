"""Wrong input: the message names the cause, the daemon lives, nothing is left behind (acceptance 8 of the main job)."""
import os

from support.case import Case
from support.daemon import Daemon
from support import machine, registry

# The head of a program for s390x (elf(5)): 64 bits, most significant byte first, machine 22.
FOREIGN = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16" + bytes(44)


class Errors(Case):
    def check(self, daemon, files, *words, extra=()):
        failed = daemon.build(files, extra=extra, check=False)
        self.assertNotEqual(failed.returncode, 0, failed.err)
        for word in words:
            self.assertRegex(failed.err, word)
        daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})  # it lives

    def test_wrong_dockerfiles(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                self.check(daemon, {"Dockerfile": ""}, r"the Dockerfile cannot be empty")
                self.check(daemon, {"Dockerfile": f"FROM {self.base}\nRUNN x\n"}, r"unknown instruction: RUNN \(did you mean RUN\?\)", r"Dockerfile:2", r">>> RUNN x")
                self.check(daemon, {"Dockerfile": f"FROM {self.base}\nCOPY missing /x\n"}, r'"/missing": not found', r"Dockerfile:2")
                self.check(daemon, {"Dockerfile": f"FROM {self.base}\nRUN exit 7\n"}, r"exit code: 7", r"Dockerfile:2", r">>> RUN exit 7")
                self.check(daemon, {"other": ""}, r"failed to read dockerfile")
                self.check(daemon, {"Dockerfile": f"FROM {self.registry.host}/nosuch\n"}, r"nosuch.*not found")
                self.check(daemon, {"Dockerfile": f"FROM 127.0.0.1:{registry.free_port()}/down\n"}, r"connection refused|connect")
                self.check(daemon, {"Dockerfile": f"FROM --platform=linux/s390x {self.base}\nCOPY --chmod=755 foreign /bin/\nRUN [\"foreign\"]\n", "foreign": FOREIGN}, r"s390x.*emulator")
                self.check(daemon, {"Dockerfile": f"FROM {self.base}\nRUN --mount=type=ssh,required true\n"}, r"no SSH key .* forwarded from the client")

    def test_wrong_requests(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": f"FROM {self.base}\n"})
                for argv, word in ((["build", "--frontend", "nosuch.v0"], "nosuch.v0"),
                                   (["build", "--frontend", "gateway.v0", "--opt", f"source={self.registry.host}/nosuch"], "nosuch.*not found"),
                                   (daemon.build_args(context, "type=nosuch"), "nosuch"),
                                   (daemon.build_args(context, "", {"attest:sbom": ""}), "SBOM|sbom|not")):
                    failed = daemon.buildctl(*argv, check=False)
                    self.assertNotEqual(failed.returncode, 0, argv)
                    self.assertRegex(failed.err, word)
                garbage = daemon.buildctl("build", "--progress=plain", stdin=b"\xff\x01garbage", check=False)
                self.assertNotEqual(garbage.returncode, 0)
                daemon.build(context)

    def test_a_client_that_is_killed_leaves_nothing(self):
        import signal
        import subprocess
        import time
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": f"FROM {self.base}\nCOPY big /\nRUN sleep 1000\n", "big": os.urandom(5 << 20)})
                argv = machine.command_as(user, [machine.bin_dir() + "/buildctl", "--addr", daemon.address, *daemon.build_args(context)])
                for pause in (0.05, 0.3, 1.5):
                    client = subprocess.Popen(argv, env=daemon.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    time.sleep(pause)
                    client.send_signal(signal.SIGKILL)
                    client.wait()
                end = time.monotonic() + 30
                while daemon.pids_of_steps() and any("sleep 1000" in line for line in daemon.pids_of_steps()):
                    self.assertLess(time.monotonic(), end, "the step of a killed client goes on")
                    time.sleep(0.1)
                daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"})
