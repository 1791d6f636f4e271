"""Records of builds: through buildctl, the API and docker-buildx; across restarts and kill -9."""
import json
import os
import pathlib
import sqlite3
import subprocess
import tarfile
import threading
import time

from support import machine
from support.api import Client
from support.case import Case
from support.daemon import Daemon
from support.buildx import fetch

DOCKERFILE = "FROM {base}\nRUN echo said by the step\n"
FAILING = "FROM {base}\nRUN echo before it fails; exit 3\n"
NAMES = ("STARTED", "COMPLETE", "DELETED")


def histories(daemon):
    """What `debug histories` tells, by ref."""
    lines = daemon.buildctl("debug", "histories", "--format", "{{json .}}").out.splitlines()
    return {event["record"]["Ref"]: event["record"] for event in map(json.loads, lines)}


def told(events):
    return [(NAMES[event.type], event.record.Ref) for event in events]


class History(Case):
    def built(self, daemon, text=DOCKERFILE, check=True, output="", **opts):
        """The ref of a build that is over."""
        ref = daemon.out("ref")
        daemon.build({"Dockerfile": text.format(base=self.base)}, output=output, opts={name.replace("_", ":"): value for name, value in opts.items()},
                     extra=["--ref-file", ref], check=check)
        return pathlib.Path(ref).read_text()

    def wait_for(self, question, what):
        end = time.monotonic() + 60
        while not question():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def test_what_buildctl_tells(self):
        """CTL-053, CTL-055, CTL-056, ATT-029, ATT-030, ATT-032, hostile 34."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                good = self.built(daemon, output=f"type=oci,dest={daemon.out('image.tar')}", **{"build-arg_FROM": "https://name:word@example.com/"})
                bad = self.built(daemon, FAILING, check=False)
                records = histories(daemon)
                self.assertEqual(set(records), {good, bad})
                record = records[good]
                self.assertEqual(record["FrontendAttrs"]["build-arg:FROM"], "https://xxxxx:xxxxx@example.com/")
                self.assertEqual([exporter["Type"] for exporter in record["Exporters"]], ["oci"])
                self.assertEqual(record["numCompletedSteps"], record["numTotalSteps"])
                self.assertIn("containerimage.config", record["ExporterResponse"])
                self.assertEqual(records[bad]["error"]["message"].count("exit code: 3"), 1)
                table = daemon.buildctl("debug", "histories").out
                self.assertEqual(table.splitlines()[0].split(), ["TYPE", "REF", "CREATED", "COMPLETED", "GENERATION", "PINNED"])
                self.assertIn(good, table)
                self.assertIn("said by the step", daemon.buildctl("debug", "logs", "--progress=plain", good).out)
                self.assertIn("before it fails", daemon.buildctl("debug", "logs", "--progress=plain", bad).out)
                trace = daemon.buildctl("debug", "logs", "--trace", good).out
                self.assertIn("RUN echo said by the step", trace)
                self.assertIn("moby.buildkit.v1.Control/Solve", trace)
                for name, descriptor in {"logs": record["logs"], "trace": record["trace"], "error": records[bad]["externalError"], "image": record["Result"]["Results"]["0"]}.items():
                    self.assertEqual(len(daemon.buildctl("debug", "get", descriptor["digest"]).stdout), descriptor["size"], name)
                daemon.buildctl("prune", "--all")
                self.assertIn("said by the step", daemon.buildctl("debug", "logs", "--progress=plain", good).out)
                self.assertIn("no such job nobody", daemon.buildctl("debug", "logs", "nobody", check=False).err)

    def test_pins_and_removal(self):
        """CTL-047, CTL-054, RPC-020, ATT-035: a pinned record stays, a deleted one takes its log along."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                pinned, deleted, pruned = (self.built(daemon, DOCKERFILE + f"RUN echo {i}\n") for i in range(3))
                log = histories(daemon)[deleted]["logs"]["digest"]
                daemon.buildctl("debug", "ctl", "--pin", pinned)
                daemon.buildctl("debug", "ctl", "--delete", deleted)
                self.assertEqual(set(histories(daemon)), {pinned, pruned})
                self.assertIn("not found", daemon.buildctl("debug", "get", log, check=False).err)
                out = daemon.buildctl("prune-histories").out
                self.assertIn(pruned, out)
                self.assertNotIn(pinned, out)
                record = histories(daemon)[pinned]
                self.assertEqual((record["pinned"], record["Generation"]), (True, 1))
                self.assertEqual(daemon.buildctl("debug", "ctl", "--pin", "nobody", check=False).err, "error: failed to retrieve ref nobody: file does not exist\n")
                daemon.buildctl("debug", "ctl", "--unpin", pinned)
                daemon.buildctl("prune-histories")
                self.assertEqual(histories(daemon), {})

    def test_listening(self):
        """RPC-019, ATT-033, ATT-034, ATT-037, RPC-080, CTL-052: what is, then what happens, until the daemon ends."""
        for user in self.both_users():
            with Daemon(user=user) as daemon, Client(daemon) as client:
                monitor = subprocess.Popen(machine.command_as(user, [machine.bin_dir() + "/buildctl", "--addr", daemon.address, "debug", "monitor"]), env=daemon.env, text=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                heard, ended = [], []
                stream = client.control("ListenBuildHistory", timeout=300)

                def listen():
                    for event in stream:
                        heard.append((NAMES[event.type], event.record.Ref))
                    ended.append(True)

                listener = threading.Thread(target=listen)
                listener.start()
                # The monitor has come when it tells of a build that began after it.
                first = self.built(daemon)
                told_of = monitor.stdout.readline()
                while not told_of.startswith("event: STARTED"):
                    first = self.built(daemon)
                    told_of = monitor.stdout.readline()
                second = self.built(daemon, FAILING, check=False)
                ask = lambda **fields: told(client.control("ListenBuildHistory", EarlyExit=True, **fields))
                self.assertEqual(ask(Limit=1), [("COMPLETE", second)])
                self.assertEqual(ask(Filter=["status==error"]), [("COMPLETE", second)])
                self.assertEqual(ask(Ref=first), [("COMPLETE", first)])
                self.assertEqual(ask(ActiveOnly=True), [])
                self.assertEqual(ask(Ref="buildx-test-history-api-feature", ActiveOnly=True), [])
                client.control("UpdateBuildHistory", Ref=second, Delete=True)
                client.control("UpdateBuildHistory", Ref=first, Finalize=True)
                self.wait_for(lambda: ("DELETED", second) in heard, heard)
                for ref in (first, second):
                    self.assertEqual([name for name, of in heard if of == ref][:2], ["STARTED", "COMPLETE"])
                self.assertEqual(daemon.stop(), 0)
                listener.join(30)
                self.assertTrue(ended, "the stream ends in peace with the daemon")
                out, err = monitor.communicate(timeout=30)
                self.assertIn(f"event: COMPLETE ref:{second}", out)
                self.assertIn("  logs: media_type:\"application/vnd.buildkit.status.v0\" digest:\"sha256:", out)
                self.assertEqual(err, "error: EOF\n")

    def test_after_a_crash(self):
        """ATT-039, hostile 68: what ended is whole, what ran is gone, and no lease of it is left."""
        for user in self.both_users():
            daemon = Daemon(user=user)
            with daemon, Client(daemon) as client:
                over = self.built(daemon)
                running = daemon.out("ref")
                context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN sleep 4321\n"})
                argv = machine.command_as(user, [machine.bin_dir() + "/buildctl", "--addr", daemon.address, *daemon.build_args(context, extra=["--ref-file", running])])
                build = subprocess.Popen(argv, env=daemon.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.wait_for(lambda: any("sleep 4321" in line for line in daemon.pids_of_steps()), "the step does not start")
                self.assertEqual([name for name, _ in told(client.control("ListenBuildHistory", EarlyExit=True))], ["STARTED", "COMPLETE"])
                daemon.kill()
                build.wait(60)
                daemon.start()
                self.assertEqual(set(histories(daemon)), {over})
                self.assertIn("said by the step", daemon.buildctl("debug", "logs", "--progress=plain", over).out)
                self.built(daemon)
                daemon.stop()
                database = sqlite3.connect(f"file:{daemon.root}/store.db?mode=ro", uri=True)
                refs = {ref for ref, in database.execute("SELECT ref FROM builds")}
                leases = {id.removeprefix("history/") for id, in database.execute("SELECT DISTINCT id FROM leases WHERE id LIKE 'history/%'")}
                database.close()
                self.assertEqual(len(refs), 2)
                self.assertEqual(leases, refs)

    def test_limits(self):
        """DMN-065, trap 11: a record goes when it is beyond both limits; a pinned one never."""
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                pinned, old, new = (self.built(daemon) for _ in range(3))
                daemon.buildctl("debug", "ctl", "--pin", pinned)
                for limits, left in (("maxAge = \"48h\"\nmaxEntries = 0", {pinned, old, new}), ("maxAge = 0\nmaxEntries = 2", {pinned, old, new}), ("maxEntries = 1", {pinned, new})):
                    daemon.stop()
                    pathlib.Path(daemon.dir, "buildkitd.toml").write_text(f"[history]\n{limits}\n")
                    daemon.start()
                    if len(left) == 2:
                        self.wait_for(lambda: len(histories(daemon)) < 3, "old records stay")
                    self.assertEqual(set(histories(daemon)), left, limits)

    def test_docker_buildx(self):
        """RPC-082, RPC-080, RPC-038: docker-buildx history ls, inspect, logs, inspect attachment, export, rm."""
        program = fetch("sid")
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                env = {"DOCKER_CONFIG": os.path.join(daemon.dir, "docker"), "BUILDX_BUILDER": "mine"}
                buildx = lambda *argv, **options: daemon.run([program, *argv], env=env, **options)
                buildx("create", "--name", "mine", "--driver", "remote", daemon.address)
                refs = []
                for text in (DOCKERFILE, FAILING):
                    context, metadata = daemon.context({"Dockerfile": text.format(base=self.base)}), daemon.out("metadata.json")
                    buildx("build", "--progress=plain", "--build-arg", "WHAT=thing", "--metadata-file", metadata, "-o", f"type=oci,dest={daemon.out('x.tar')}", context, check=text == DOCKERFILE)
                    if os.path.exists(metadata):
                        refs.append(json.loads(pathlib.Path(metadata).read_text())["buildx.build.ref"].rpartition("/")[2])
                listed = [json.loads(line) for line in buildx("history", "ls", "--format", "json").out.splitlines()]
                self.assertEqual([(record["status"], record["ref"].rpartition("/")[2] == refs[0]) for record in listed], [("Error", False), ("Completed", True)])
                failed = listed[0]["ref"].rpartition("/")[2]
                good, bad = (json.loads(buildx("history", "inspect", "--format", "json", ref).out) for ref in (refs[0], failed))
                self.assertEqual((good["Status"], good["BuildArgs"]), ("completed", [{"Name": "WHAT", "Value": "thing"}]))
                self.assertIn("exit code: 3", bad["Error"]["Message"])
                pretty = buildx("history", "inspect", failed).out
                self.assertIn("before it fails", pretty)
                self.assertIn(">>> RUN echo before it fails", pretty)
                self.assertIn("said by the step", (lambda done: done.out + done.err)(buildx("history", "logs", "--progress=plain", refs[0])))
                (manifest,) = [a["Digest"] for a in good["Attachments"]]
                self.assertEqual(json.loads(buildx("history", "inspect", "attachment", refs[0], manifest).out)["schemaVersion"], 2)
                for ref in (refs[0], failed):
                    bundle = daemon.out("bundle.dockerbuild")
                    buildx("history", "export", "-o", bundle, ref)
                    with tarfile.open(bundle) as archive:
                        self.assertIn("index.json", archive.getnames())
                buildx("history", "rm", refs[0])
                self.assertIn("is deleted", buildx("history", "inspect", refs[0], check=False).err)
                buildx("history", "rm", "--all")
                self.assertEqual(buildx("history", "ls", "--format", "json").out.strip(), "")
