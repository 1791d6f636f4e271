"""What a step sees and what it leaves: limits, names, devices, programs of other machines, secrets; both users, root's with runc and crun."""
import json
import os
import pathlib
import re
import subprocess
import threading
import time

from support import machine
from support.api import Graph, pb, serialized
from support.case import Case
from support.daemon import Daemon

MIB = 1 << 20

DEVICES = {"free.yaml": """cdiVersion: 0.7.0
kind: vendor.test/dev
annotations:
  org.mobyproject.buildkit.device.autoallow: true
containerEdits:
  env: [VENDOR=test]
devices:
- name: one
  containerEdits:
    env:
    - DEV=one
    mounts:
    - hostPath: %(dir)s/host-file
      containerPath: /opt/from-host
      options: [ro, nosuid, nodev, rbind]
- name: two
  containerEdits: {env: [DEV=two], additionalGids: [4242]}
""", "closed.json": """{"cdiVersion": "0.6.0", "kind": "closed.test/dev", "devices": [{"name": "x", "containerEdits": {"env": ["CLOSED=1"],
  "hooks": [{"hookName": "createRuntime", "path": "/bin/sh", "args": ["sh", "-c", "cat >/dev/null; echo hooked >%(dir)s/hooked"]}]}}]}"""}


class Steps(Case):
    def test_names_and_sizes(self):
        """DFE-012, DFE-014, DFE-070: extra hosts, hostname, shm-size, ulimit."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                lines = ["grep -q '^10.9.8.7.one$' /etc/hosts", "grep -q '^fd00::7.two$' /etc/hosts", "test $(hostname) = builder", "test $(ulimit -n) = 321",
                         "test $(ulimit -Hn) = 654", "test $(df -k /dev/shm | tail -1 | awk '{print $2}') = 4096"]
                opts = {"add-hosts": "one=10.9.8.7,two=fd00::7", "hostname": "builder", "ulimit": "nofile=321:654", "shm-size": str(4 * MIB)}
                daemon.build({"Dockerfile": f"FROM {self.base}\n" + "".join(f"RUN {line}\n" for line in lines)}, opts=opts)
                daemon.build({"Dockerfile": f"FROM {self.base}\nARG BUILDKIT_SANDBOX_HOSTNAME\nRUN test $(hostname) = other\n"}, opts=dict(opts, **{"build-arg:BUILDKIT_SANDBOX_HOSTNAME": "other"}))

    def group_of(self, daemon, controller):
        """The directory of the group that the one running step is in."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() != b"sleep\x0030.4242\x00":
                        continue
                    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
                        number, names, path = line.split(":", 2)
                        if controller in names.split(","):
                            return f"/sys/fs/cgroup/{names}{path}", path
                except OSError:
                    pass
            time.sleep(0.02)
        self.fail("no step runs")

    def while_running(self, daemon, opts, look):
        """`look` runs while the step sleeps; then the build is cancelled."""
        context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN sleep 30.4242\n"})
        argv = machine.command_as(daemon.user, [os.path.join(machine.bin_dir(), "buildctl"), "--addr", daemon.address] + daemon.build_args(context, opts=opts, extra=["--no-cache"]))
        build = subprocess.Popen(argv, env=daemon.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            look()
        finally:
            build.terminate()
            build.communicate()

    def test_limits(self):
        """DFE-015, LLB rows of linux resources: root's steps are in a group with the limits; memory beyond them ends the step."""
        if not os.path.isdir("/sys/fs/cgroup/memory"):
            return  # the machine has cgroup2 alone; the runtime is told the same there
        with Daemon(runtime="runc", flags=["--oci-worker-snapshotter=native"]) as daemon:
            opts = {"memory": str(32 * MIB), "cpushares": "512", "cpuquota": "50000", "cpuperiod": "100000", "cpusetcpus": "0", "cgroup-parent": "bk-test-parent"}

            def look():
                memory, path = self.group_of(daemon, "memory")
                self.assertRegex(path, r"/bk-test-parent/buildkit/[a-z0-9]+$")
                self.assertEqual(pathlib.Path(memory, "memory.limit_in_bytes").read_text().strip(), str(32 * MIB))
                cpu, _ = self.group_of(daemon, "cpu")
                self.assertEqual(pathlib.Path(cpu, "cpu.shares").read_text().strip(), "512")
                self.assertEqual(pathlib.Path(cpu, "cpu.cfs_quota_us").read_text().strip(), "50000")
                cpuset, _ = self.group_of(daemon, "cpuset")
                self.assertEqual(pathlib.Path(cpuset, "cpuset.cpus").read_text().strip(), "0")
            self.while_running(daemon, opts, look)
            greedy = daemon.build({"Dockerfile": f"FROM {self.base}\nRUN dd if=/dev/zero of=/dev/null bs=128M count=2\n"}, opts={"memory": str(32 * MIB), "memswap": str(32 * MIB)}, check=False)
            self.assertNotEqual(greedy.returncode, 0)
            self.assertRegex(greedy.err, "cannot allocate memory|exit code: 137")
            daemon.build({"Dockerfile": f"FROM {self.base}\nRUN dd if=/dev/zero of=/dev/null bs=8M count=2\n"}, opts={"memory": str(32 * MIB)})
            # A parent that a build names may be in use elsewhere: it stays.
            for group in [*pathlib.Path("/sys/fs/cgroup").glob("*/bk-test-parent/buildkit"), *pathlib.Path("/sys/fs/cgroup").glob("*/bk-test-parent")]:
                os.rmdir(group)

    def test_limits_that_nobody_keeps(self):
        """A rootless daemon says so, and builds."""
        with Daemon(user=machine.USER) as daemon:
            done = daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true\n"}, opts={"memory": str(64 * MIB)})
            self.assertIn("limits of memory and processors are not enforced", done.err)
            self.assertNotIn("not enforced", daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true # again\n"}).err)

    def test_devices(self):
        """DFE-044, LLB-032, EXE-071…075, DMN-024: found, listed, granted, refused, injected."""
        for user in self.both_users():
            where = machine.scratch("cdi", user)
            os.chmod(where, 0o755)
            pathlib.Path(where, "host-file").write_text("of the host\n")
            for name, text in DEVICES.items():
                pathlib.Path(where, name).write_text(text % {"dir": where})
            with Daemon(user=user, flags=["--cdi-spec-dir", where]) as daemon:
                workers = json.loads(daemon.buildctl("debug", "workers", "--format", "{{json .}}").out)
                seen = {d["name"]: d.get("autoAllow", False) for d in workers[0]["cdiDevices"]}
                self.assertEqual(seen, {"vendor.test/dev=one": True, "vendor.test/dev=two": True, "closed.test/dev=x": False})

                def build(line, device="", *extra, optional=False, **options):
                    graph = Graph()
                    op = pb.Op()
                    op.exec.meta.MergeFrom(pb.Meta(args=["sh", "-c", line], cwd="/"))
                    op.exec.mounts.add(input=0, dest="/", output=0)
                    if device:
                        op.exec.cdiDevices.add(name=device, optional=optional)
                    last = graph.add(op, [graph.source(f"docker-image://{self.base}:latest")])
                    allow = [word for name in extra for word in ("--allow", name)]
                    return daemon.buildctl("build", "--progress=plain", *allow, stdin=serialized(graph.definition(last)), **options)
                build('test "$VENDOR $DEV" = "test one" && grep -q host /opt/from-host', "vendor.test/dev=one")
                build('test "$DEV" = two && grep -q 4242 /proc/self/status', "vendor.test/dev=two")
                build('test "$DEV" = one', "vendor.test/dev")
                build('test -z "$DEV"', "nosuch.test/dev=x", optional=True)
                build('test -z "$VENDOR" && ! grep -q . /opt/from-host')
                self.assertIn('required device "nosuch.test/dev=x" is not registered', build("true", "nosuch.test/dev=x", check=False).err)
                self.assertIn("device closed.test/dev=x is requested by the build but not allowed", build("true", "closed.test/dev=x", check=False).err)
                build('test "$CLOSED" = 1', "closed.test/dev=x", "device=closed.test/dev=x")
                self.assertEqual(pathlib.Path(where, "hooked").read_text(), "hooked\n")
                build('test "$CLOSED" = 1 # alias', "mine", "device=closed.test/dev=x,alias=mine")
                build('test "$CLOSED" = 1 # all', "closed.test/dev", "device")
                # The stable frontend leaves them to its labs channel, as the original's.
                self.assertIn("device feature is only supported", daemon.build({"Dockerfile": f"FROM {self.base}\nRUN --device=vendor.test/dev true\n"}, check=False).err)
            with Daemon(user=user, flags=["--cdi-disabled"]) as daemon:
                self.assertIn("granting entitlement device is not allowed", build("true", "", "device", check=False).err)
                self.assertIn("CDI disabled", build("true", "vendor.test/dev=one", check=False).err)
                build('test -z "$VENDOR"', "vendor.test/dev=one", optional=True)

    def test_secrets_are_nowhere(self):
        """DFE-040, hostile rows: neither on disk, in logs, history, results nor in any command line; only in the step's memory."""
        for user in self.both_users():
            with Daemon(user=user, flags=["--debug"]) as daemon:
                file_secret, env_secret = "filesecret-7d1f0c55", "envsecret-93ab2e44"
                text = (f"FROM {self.base}\nRUN --mount=type=secret,id=f,required --mount=type=secret,id=e,env=E,required test \"$(cat /run/secrets/f) $E\" = \"$(echo {file_secret} | sed s/X/X/) $E\" && sleep 2\n"
                        "RUN --mount=type=secret,id=f cat /run/secrets/f >/dev/null\n").replace(file_secret, "filesecret-7d1f0cXX")
                text = text.replace("s/X/X/", "s/XX/55/")  # the Dockerfile does not have it either
                context = daemon.context({"Dockerfile": text})
                path = os.path.join(daemon.dir, "secret-file")
                pathlib.Path(path).write_text(file_secret)
                os.chmod(path, 0o644)
                needles = [s.encode() for s in (file_secret, env_secret)]
                command_lines, stop = set(), threading.Event()

                def watch():
                    while not stop.is_set():
                        for pid in filter(str.isdigit, os.listdir("/proc")):
                            try:
                                line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                            except OSError:
                                continue
                            if any(needle in line for needle in needles):
                                command_lines.add(line)
                        time.sleep(0.01)
                watcher = threading.Thread(target=watch)
                watcher.start()
                try:
                    image = daemon.out("image.tar")
                    metadata = daemon.out("metadata.json")
                    done = daemon.build(context, f"type=oci,dest={image},compression=uncompressed", env={"FROM_ENV": env_secret},
                                        extra=["--secret", f"id=f,src={path}", "--secret", "id=e,env=FROM_ENV", "--metadata-file", metadata])
                finally:
                    stop.set()
                    watcher.join()
                self.assertFalse(command_lines)
                # A second build with other values uses what the first one made: secrets are no part of keys.
                pathlib.Path(path).write_text("other")
                again = daemon.build(context, env={"FROM_ENV": "another"}, extra=["--secret", f"id=f,src={path}", "--secret", "id=e,env=FROM_ENV"])
                self.assertEqual(len(re.findall(r"^#\d+ CACHED$", again.err, re.M)), 2)
                for needle in needles:
                    said = done.out + done.err + daemon.log()
                    self.assertNotIn(needle.decode(), said)
                    found = subprocess.run(["grep", "-rlaF", needle.decode(), daemon.root, os.path.dirname(image), os.path.dirname(metadata), daemon.run_dir], capture_output=True, text=True)
                    self.assertEqual(found.stdout, "")

    def test_programs_of_other_machines(self):
        """A foreign step needs an emulator, and the error says how to get one (EXE rows of platforms)."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                done = daemon.build({"Dockerfile": "FROM scratch\nCOPY x /x\nRUN [\"/x\"]\n", "x": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(40)},
                                    opts={"platform": "linux/riscv64"}, check=False)
                self.assertNotEqual(done.returncode, 0)
                if not os.path.exists("/proc/sys/fs/binfmt_misc/qemu-riscv64"):
                    self.assertIn("no support for running processes with linux/riscv64 platform", done.err)
                    self.assertIn("qemu-user-static", done.err)


if __name__ == "__main__":
    import unittest
    unittest.main()
