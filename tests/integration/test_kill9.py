"""kill -9 of the daemon at random moments of pull, unpack, step, commit, export and collection.

After each: the next start answers at once, steps whose end a client was told are still cached, the next build has the digest of a
clean store, nothing of before is mounted or running. BK_KILLS: how many (200); BK_KILL_SECONDS: after which no new round begins
(300); BK_SEED: what decides phases and moments (printed). Starts are held to BK_START_SECONDS (1), times what wants to run for each
processor when that is more than one.
"""
import json
import os
import pathlib
import random
import re
import subprocess
import threading
import time

from support import leaks, machine
from support.api import Client
from support.case import Case, steps
from support.daemon import Daemon

DOCKERFILE = """
FROM {base}
COPY files /files
RUN cat /files/* > /all; sleep 0.0{variant}; seq 1 20000 > /numbers; echo work is done
RUN mkdir /d && cd /d && for i in $(seq 60); do echo $i > f$i; done; rm /numbers; echo more is done
"""

# phase → (the line of the client's display that opens it, the longest wait after it in seconds)
PHASES = {
    "pull": (r"\[1/4\] FROM", 0.08),
    "unpack": (r"extracting|sha256:.* done", 0.08),
    "step": (r"\[3/4\] RUN", 0.25),
    "commit": (r"(work|more) is done", 0.06),
    "export": (r"exporting", 0.15),
    "collection": (None, 0.06),
}
VARIANTS = 4


class Kill9(Case):
    def context(self, daemon, variant):
        files = {f"files/{i}": f"{variant} {i}\n" * 400 for i in range(40)}
        return daemon.context({"Dockerfile": DOCKERFILE.format(base=self.base, variant=variant), **files})

    def argv(self, daemon, context, out):
        build = daemon.build_args(context, f"type=oci,dest={out},rewrite-timestamp=true", {"build-arg:SOURCE_DATE_EPOCH": "1600000000"}, ["--metadata-file", out + ".json"])
        return [machine.bin_dir() + "/buildctl", "--addr", daemon.address, *build]

    def whole(self, daemon, context):
        """A build that has to work: (its progress, the image's digest)."""
        out = daemon.out("image.tar")
        done = daemon.run(self.argv(daemon, context, out))
        return done.err, json.loads(pathlib.Path(out + ".json").read_text())["containerimage.digest"]

    def killed(self, daemon, context, phase, wait):
        """Kills the daemon `wait` seconds into `phase` of a build or a collection; gives out what the client was told until then."""
        opens = PHASES[phase][0]
        argv = self.argv(daemon, context, daemon.out("image.tar")) if opens else [machine.bin_dir() + "/buildctl", "--addr", daemon.address, "prune", "--all"]
        client = subprocess.Popen(machine.command_as(daemon.user, argv), env=daemon.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=daemon.dir)
        told, begun = [], threading.Event()
        if not opens:
            begun.set()

        def read():
            for line in client.stderr:
                told.append(line)
                if opens and re.search(opens, line):
                    begun.set()
            begun.set()

        reader = threading.Thread(target=read)
        reader.start()
        self.assertTrue(begun.wait(60), f"{phase} does not begin: {told}")
        time.sleep(wait)
        daemon.kill()
        client.wait(30)
        reader.join()
        client.stderr.close()
        return "".join(told)

    def start(self, daemon):
        """Starts the daemon and gives out after how many seconds it answered a call."""
        begin = time.monotonic()
        daemon.start()
        with Client(daemon) as client:
            client.control("ListWorkers", timeout=30)
        return time.monotonic() - begin

    def nothing_is_left(self, daemon):
        self.assertEqual(leaks.settle(lambda: leaks.mounts(daemon.dir)), [])
        self.assertEqual(leaks.settle(daemon.pids_of_steps), [])
        others = lambda: {pid: text for pid, text in leaks.processes(daemon.dir).items() if re.search(r"\b(runc|crun|sh|busybox|fuse-overlayfs|buildctl)\b", text.split(" ")[0])}
        self.assertEqual(leaks.settle(others), {})
        bundles = pathlib.Path(daemon.root, "executor")
        self.assertEqual(leaks.settle(lambda: sorted(str(path) for path in [*bundles.glob("*/"), *bundles.glob("runtime/*/*")] if path.name != "runtime")), [])
        ingest = pathlib.Path(daemon.root, "content/ingest")
        self.assertEqual(sorted(os.listdir(ingest)) if ingest.exists() else [], [])

    def rounds(self, user, count, seconds, chance):
        with Daemon(user=user) as clean:
            contexts = [self.context(clean, variant) for variant in range(VARIANTS)]
            wanted = [self.whole(clean, context)[1] for context in contexts]
        starts, done, found, end = [], dict.fromkeys(PHASES, 0), 0, time.monotonic() + seconds
        with Daemon(user=user) as daemon:
            contexts = [self.context(daemon, variant) for variant in range(VARIANTS)]
            groups = daemon.groups_before
            for number in range(count):
                if time.monotonic() > end:
                    break
                phase = list(PHASES)[number % len(PHASES)]
                variant, wait = chance.randrange(VARIANTS), chance.uniform(0, PHASES[phase][1])
                if PHASES[phase][0]:
                    daemon.buildctl("prune", "--all")
                with self.subTest(user=user, number=number, phase=phase, variant=variant, wait=wait):
                    told = self.killed(daemon, contexts[variant], phase, wait)
                    starts.append(self.start(daemon))
                    self.nothing_is_left(daemon)
                    progress, digest = self.whole(daemon, contexts[variant])
                    self.assertEqual(digest, wanted[variant], progress)
                    again = steps(progress)
                    for name, state in steps(told).items():
                        if state in ("DONE", "CACHED") and re.match(r"\[[234]/4\]", name):
                            self.assertEqual(again.get(name), "CACHED", f"told:\n{told}\nthen:\n{progress}")
                            found += 1
                    done[phase] += 1
            daemon.buildctl("prune-histories")  # records keep logs and manifests
            daemon.buildctl("prune", "--all")
            self.assertEqual(daemon.du(), [])
            for kind in ("content/blobs/sha256", "snapshots"):
                self.assertEqual(os.listdir(os.path.join(daemon.root, kind)), [], f"{kind} is not empty after prune --all")
            daemon.groups_before = groups  # of before the first start: nothing of the crashed ones may be there
        starts.sort()
        print(f"{user}: {sum(done.values())} of {count} rounds {done}; {found} finished steps found again; start to first answer: "
              f"median {starts[len(starts) // 2]:.3f} s, most {starts[-1]:.3f} s", flush=True)
        if count >= len(PHASES):
            self.assertGreater(min(done.values()), 0, "no time was left for some phase: give more with BK_KILL_SECONDS")
        share = max(1.0, os.getloadavg()[0] / os.cpu_count())  # of other things that want the processors
        self.assertLessEqual(starts[-1], float(os.environ.get("BK_START_SECONDS", 1)) * share, f"load {os.getloadavg()}")

    def test_at_random_moments(self):
        count, seconds = int(os.environ.get("BK_KILLS", 200)), float(os.environ.get("BK_KILL_SECONDS", 300))
        seed = int(os.environ.get("BK_SEED", random.SystemRandom().randrange(10**6)))
        print(f"BK_SEED={seed}", flush=True)
        self.rounds("root", count * 3 // 4, seconds * 3 / 4, random.Random(seed))
        self.rounds(machine.USER, count - count * 3 // 4, seconds / 4, random.Random(seed + 1))
