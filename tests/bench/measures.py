"""What is measured, one function a line of docs/performance.md. Each gets a Setting and adds rows to its table."""
import concurrent.futures
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import time

import large_tree
import sources
from daemons import kinds, probe_dir
from support import image, machine
from support.daemon import CGROUP2_ALONE

USERS = ("root", machine.USER)


class Setting:
    def __init__(self, table, registry, base, quick, idle_seconds, megabytes, repeats):
        self.table, self.registry, self.base, self.quick = table, registry, base, quick
        self.idle_seconds, self.megabytes, self.repeats = idle_seconds, megabytes, repeats

    def each(self, **options):
        """(user, daemon) for both users and every kind of daemon; the daemon is not started."""
        for user in USERS:
            for kind in kinds():
                yield user, kind(user=user, **options)


def start(setting):
    """Daemon exec to its first ListWorkers answer, on an empty and then on a used state directory."""
    for user, daemon in setting.each():
        goal = 60 if user == "root" else 120
        setting.table.add("start, new state directory", user, daemon.what, [daemon.first_answer()], goal=goal)
        setting.table.add("start, used state directory", user, daemon.what, [daemon.first_answer() for _ in range(setting.repeats)], goal=goal)


def idle(setting):
    """Sum of Pss of launcher, child, daemon and helpers, some time after start and some time after one build."""
    for user, daemon in setting.each():
        with daemon:
            time.sleep(setting.idle_seconds)
            setting.table.add(f"idle memory after start", user, daemon.what, [daemon.memory_mb()[0]], "MB", 30)
            daemon.build({"Dockerfile": f"FROM {setting.base}\nRUN true\nCOPY file /\n", "file": "x"})
            time.sleep(setting.idle_seconds)
            setting.table.add(f"idle memory after a build", user, daemon.what, [daemon.memory_mb()[0]], "MB", 30)


# ---- steps ----

def run_runc(setting):
    run_steps(setting, "runc")


def run_crun(setting):
    run_steps(setting, "crun")


def run_steps(setting, runtime, steps=20):
    """A RUN of nothing, in sequence, first build: (time of 1 + steps) - (time of 1), a step; beside the bare runtime."""
    for user, daemon in setting.each(runtime=runtime):
        with daemon:
            bare = setting.table.medians.get(("RUN true, a step: bare " + runtime, user, "bare"))
            if bare is None:
                with_seccomp = bare_runtime(daemon, runtime, 10 + setting.repeats, step_profile(setting, daemon))
                setting.table.add(f"RUN true, a step: bare {runtime}, seccomp", user, "bare", with_seccomp)
                bare = setting.table.add("RUN true, a step: bare " + runtime, user, "bare", bare_runtime(daemon, runtime, 10 + setting.repeats))
            samples = []
            for number in range(setting.repeats + 1):
                texts = [f"FROM {setting.base}\nENV N={number}.{count}\n" + 'RUN ["/bin/true"]\n' * count for count in (1, 1 + steps)]
                one, many = [daemon.timed_build(daemon.context({"Dockerfile": text})) for text in texts]
                if number > 0:  # the first pulls the base
                    samples.append((many - one) / steps)
            setting.table.add("RUN true, a step: " + runtime, user, daemon.what, samples, goal=bare + 8)


def step_profile(setting, daemon):
    """The seccomp profile of a step, as the daemon writes it for the runtime."""
    context = daemon.context({"Dockerfile": f"FROM {setting.base}\nRUN sleep 2\n"})
    build = subprocess.Popen(daemon.client(*daemon.build_args(context)), env=daemon.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=daemon.dir)
    while build.poll() is None:
        for path in pathlib.Path(daemon.root, "executor").glob("*/config.json"):
            try:
                profile = json.loads(path.read_text())["linux"]["seccomp"]
            except (OSError, ValueError):  # not there any more, or not written yet
                continue
            build.wait()
            return profile
        time.sleep(0.05)
    raise AssertionError("no step was seen")


def bare_runtime(daemon, runtime, count, seccomp=None):
    """Milliseconds of `runtime run` on an unpacked busybox, as the same user, with the runtime's own default specification,
    which has no seccomp profile, or with one."""
    bundle = machine.scratch("bundle", daemon.user)
    with open(os.path.join(bundle, "layer.tar"), "wb") as file:
        file.write(image.layer())
    as_user = lambda argv: machine.command_as(daemon.user, argv)
    rootless = daemon.user != "root"
    prefix = CGROUP2_ALONE if runtime == "crun" else []  # the daemon's own is what its launcher or its test gives it
    call = lambda argv: subprocess.run(prefix + as_user(argv), cwd=bundle, env=daemon.env, stdin=subprocess.DEVNULL, capture_output=True)
    call(["sh", "-c", f"mkdir rootfs && tar -xf layer.tar -C rootfs && {runtime} spec {'--rootless' if rootless else ''}"])
    path = pathlib.Path(bundle, "config.json")
    spec = json.loads(path.read_text())
    spec["process"]["terminal"] = False
    spec["process"]["args"] = ["/bin/true"]
    if runtime == "crun":
        spec["linux"].pop("resources", None)  # its device filter cannot be loaded everywhere; without it the limit is lower
        if rootless:
            spec["linux"].pop("cgroupsPath", None)
    if seccomp:
        spec["linux"]["seccomp"] = seccomp
    path.write_text(json.dumps(spec))
    samples = []
    state = os.path.join(bundle, "state")
    manager = ["--cgroup-manager=disabled"] if runtime == "crun" and rootless else []
    script = os.path.join(bundle, "loop.py")
    pathlib.Path(script).write_text(
        "import subprocess, sys, time\n"
        "for i in range(int(sys.argv[1])):\n"
        "  begin = time.perf_counter()\n"
        "  subprocess.run([*sys.argv[2:], 'bench-%d' % i], stdin=subprocess.DEVNULL, check=True)\n"
        "  print((time.perf_counter() - begin) * 1000, flush=True)\n")
    done = call(["python3", script, str(count), runtime, "--root", state, *manager, "run", "--bundle", bundle])
    samples = [float(line) for line in done.stdout.split()]
    if done.returncode != 0 or not samples:
        raise AssertionError(f"bare {runtime} as {daemon.user}: {done.stderr.decode()}")
    return samples


def noop(setting):
    """A build that is cached whole: the wall time of buildctl."""
    for user, daemon in setting.each():
        with daemon:
            for steps, goal in ((10, 30), (100, 60)):
                context = daemon.context({"Dockerfile": f"FROM {setting.base}\n" + "RUN true\n" * steps})
                daemon.timed_build(context)
                samples = [daemon.timed_build(context) for _ in range(20)]
                setting.table.add(f"no-op rebuild of {steps} steps", user, daemon.what, samples, goal=goal)


def clients(setting, loops=50):
    """Loops of buildctl processes at the same time, each with a cached build of five steps: builds a second, and the slowest of a hundred."""
    seconds = 3 if setting.quick else 15
    for user, daemon in setting.each():
        with daemon:
            context = daemon.context({"Dockerfile": f"FROM {setting.base}\nCOPY file /\n" + "RUN true\n" * 3, "file": "x"})
            daemon.timed_build(context)
            begin = time.perf_counter()
            times = sorted(daemon.timed_loops(loops, seconds, context))
            took = time.perf_counter() - begin
            setting.table.add(f"{loops} clients, cached builds", user, daemon.what, [len(times) / took], "1/s", 60, at_least=True)
            setting.table.add(f"{loops} clients, p99", user, daemon.what, [times[len(times) * 99 // 100] / 1000], "s", 1.5)


# ---- bytes ----

def context(setting):
    """A context of 10,000 files of 4 KiB, first time and unchanged (one file of another name changes nothing in it)."""
    for user, daemon in setting.each():
        files = {f"dir{i // 100}/file{i}": (b"%08d" % i) * 512 for i in range(10_000)}
        with daemon:
            first, unchanged = [], []
            for number in range(3):
                path = daemon.context({"Dockerfile": f"FROM scratch\nCOPY . /c{number}\n", **files})
                daemon.timed_build(daemon.context({"Dockerfile": "FROM scratch\n"}))
                first.append(daemon.timed_build(path) / 1000)
                unchanged += [daemon.timed_build(path) / 1000 for _ in range(setting.repeats)]
            setting.table.add("context of 10,000 files, first", user, daemon.what, first, "s", 1.0)
            setting.table.add("context of 10,000 files, unchanged", user, daemon.what, unchanged, "s", 0.15)


_tree = None


def tree(setting):
    global _tree
    if _tree is None:
        _tree = large_tree.make(setting.megabytes, setting.quick)
    return _tree


def export(setting):
    """type=oci with gzip of a large tree that is in the cache already; the ratio is that of the layer made. Beside it gzip -6."""
    layer = tree(setting)
    begin = time.perf_counter()
    packed = os.path.getsize(layer.packed)
    setting.table.add("export oci gzip", "root", "gzip", [layer.size / 1e6 / (time.perf_counter() - begin)], "MB/s")
    setting.table.add("export oci gzip, ratio", "root", "gzip", [layer.size / packed], "x")
    for user, daemon in setting.each():
        with daemon:
            rates, ratio = [], 0
            for number in range(2):
                directory = daemon.context({"Dockerfile": f"FROM scratch\nADD layer.tar /t{number}/\n"})
                place(layer.path, os.path.join(directory, "layer.tar"))
                daemon.timed_build(directory)
                archive = daemon.out("image.tar")
                took = daemon.timed_build(directory, "--output", f"type=oci,dest={archive}")
                rates.append(layer.size / 1e6 / (took / 1000))
                ratio = layer.size / os.path.getsize(archive)
                os.remove(archive)
            setting.table.add("export oci gzip", user, daemon.what, rates, "MB/s", 70, at_least=True)
            setting.table.add("export oci gzip, ratio", user, daemon.what, [ratio], "x", 2.8, at_least=True)


def place(source, target):
    """A link, or a copy on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def pushed(setting, number):
    """The large tree as a gzip layer of an image in the registry; (reference, uncompressed size). Each number is a layer of its
    own: what is pulled twice would have to be deleted between, and ext4 looks for new inodes slowly where some were deleted a
    minute ago. So the layer is two gzip members: a small file of its own, and the tree."""
    layer = tree(setting)
    marker = io.BytesIO()
    info = tarfile.TarInfo(f"number{number}")
    info.size = 1024
    marker.write(info.tobuf(tarfile.USTAR_FORMAT))
    marker.write(b"%01024d" % number)
    head, packed = gzip.compress(marker.getvalue()), os.path.join(machine.scratch("pushed"), f"{number}.gz")
    with open(packed, "wb") as out, open(layer.packed, "rb") as rest:
        out.write(head)
        shutil.copyfileobj(rest, out, 1 << 20)
    with open(layer.path, "rb") as rest:
        plain_digest = file_digest(marker.getvalue(), rest)
    with open(packed, "rb") as file:
        packed_digest = file_digest(b"", file)
    config = json.dumps({"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [plain_digest]}, "config": {}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": image.descriptor("application/vnd.oci.image.config.v1+json", config),
                           "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": packed_digest, "size": os.path.getsize(packed)}]}).encode()
    host = setting.registry.host
    with open(packed, "rb") as file:
        send_blob(host, packed_digest, file, os.path.getsize(packed))
    os.remove(packed)
    send_blob(host, image.digest(config), config, len(config))
    put(f"http://{host}/v2/large/manifests/v{number}", manifest, len(manifest), "application/vnd.oci.image.manifest.v1+json")
    return f"{host}/large:v{number}", layer.size + len(marker.getvalue())


def file_digest(head, file):
    hasher = hashlib.sha256(head)
    while piece := file.read(1 << 20):
        hasher.update(piece)
    return "sha256:" + hasher.hexdigest()


def put(url, data, size, kind="application/octet-stream", method="PUT"):
    import urllib.request
    headers = {"Content-Type": kind, "Content-Length": str(size)}
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method, headers=headers)) as answer:
        return answer.headers


def send_blob(host, digest, data, size):
    where = put(f"http://{host}/v2/large/blobs/uploads/", b"", 0, method="POST")["Location"]
    where = f"http://{host}{where}" if where.startswith("/") else where
    put(where + ("&" if "?" in where else "?") + "digest=" + digest, data, size)


def pull(setting):
    """An image of one large gzip layer from a registry on loopback: pulled, unpacked, one file copied out of it."""
    images = [pushed(setting, number) for number in range(3)]
    for user, daemon in setting.each():
        with daemon:
            rates = []
            for reference, size in images:
                directory = daemon.context({"Dockerfile": f"FROM scratch\nCOPY --from={reference} {tree(setting).file} /\n"})
                rates.append(size / 1e6 / (daemon.timed_build(directory) / 1000))
            setting.table.add("pull and unpack gzip", user, daemon.what, rates, "MB/s", 250, at_least=True)


def chain(setting):
    """A definition of file operations, each on the one before: first, then cached; the daemon's memory at its highest."""
    count = 1000 if setting.quick else 10_000
    path = os.path.join(machine.scratch("chain"), "definition")
    with open(path, "wb") as out:
        subprocess.run([os.path.join(probe_dir(), "bench_probe"), "chain", str(count)], stdout=out, check=True)
    os.chmod(path, 0o644)
    for user, daemon in setting.each():
        with daemon:
            solve = lambda: daemon.timed(daemon.client("build", "--progress=plain"), stdin=open(path, "rb")) / 1000
            setting.table.add(f"LLB chain of {count}, first", user, daemon.what, [solve()], "s")
            setting.table.add(f"LLB chain of {count}, cached", user, daemon.what, [solve() for _ in range(3)], "s", 2)
            _, resident, peak = daemon.memory_mb()
            setting.table.add(f"LLB chain of {count}, RSS after", user, daemon.what, [resident], "MB", 250)
            setting.table.add(f"LLB chain of {count}, RSS peak", user, daemon.what, [peak], "MB", 250)


def convert(setting):
    """A Dockerfile of 500 instructions of all kinds becomes LLB; the frontend alone, so neither user nor daemon matters."""
    milliseconds = subprocess.run([os.path.join(probe_dir(), "bench_probe"), "convert", "500"], stdout=subprocess.PIPE, check=True).stdout
    setting.table.add("Dockerfile of 500 instructions", "root", "frontend alone", [float(milliseconds)], "ms", 5)


ALL = (convert, start, idle, run_runc, run_crun, noop, clients, context, export, pull, chain, sources.git, sources.http)
