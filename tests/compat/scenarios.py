"""What is asked of a client: one function a scenario, in this order, on one daemon whose state goes on from one to the next."""
import json
import os
import re
import signal
import subprocess
import tarfile
import time

import llb
import plain
from support import machine

ALL, NEEDED = {}, []


def scenario(verb, name, needed=False):
    """Registers a function of a bench under its verb; `needed` ones run whatever is asked for: others build on them."""
    def register(function):
        ALL[f"{verb}: {name}"] = (verb, function)
        if needed:
            NEEDED.append(function)
        return function
    return register


def simple(verb, name, *argv, **options):
    ALL[f"{verb}: {name}"] = (verb, lambda bench: bench.said(*argv, **options))


class Bench:
    """One client and one daemon."""

    def __init__(self, binary, daemon, base):
        self.binary, self.daemon, self.base = binary, daemon, base
        self.dir = machine.scratch("bench")
        self.env = machine.environment("root", self.dir, {"DOCKER_CONFIG": self.dir, "NO_COLOR": "1"})
        self.refs = {}

    def places(self):
        return [(self.dir, "BENCH"), (self.daemon.dir, "DAEMON"), (self.base, "BASE")]

    def path(self, name):
        return os.path.join(self.dir, name)

    def context(self, name, files):
        for path, text in files.items():
            target = self.path(f"{name}/{path}")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w") as file:
                file.write(text)
        return self.path(name)

    def argv(self, words):
        return [self.binary, "--addr", self.daemon.address, *[word.replace("{dir}", self.dir).replace("{base}", self.base) for word in words]]

    def run(self, *words, stdin=None, env=None):
        return subprocess.run(self.argv(words), input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, timeout=20, cwd=self.dir, env=dict(self.env, **(env or {})))

    def said(self, *words, tidy=lambda text: text, **options):
        """Exit code, stdout and stderr as one text; `tidy` makes them comparable beyond the patterns."""
        try:
            done = self.run(*words, **options)
        except subprocess.TimeoutExpired:
            return "does not end"
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return f"exit {done.returncode}\n-- stdout\n{tidy(out)}\n-- stderr\n{tidy(plain.steps(err))}"

    def build(self, *words, context="ok", progress="plain", **options):
        where = self.path(context)
        return self.said("build", f"--progress={progress}", "--frontend=dockerfile.v0", f"--local=context={where}", f"--local=dockerfile={where}", *words, **options)

    def ref(self, name):
        with open(self.path(f"ref-{name}")) as file:
            return file.read().strip()


def listing(path):
    """Files below a directory with their content, or of a tar archive with their names."""
    out = []
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        return "empty"
    if os.path.isfile(path):
        with tarfile.open(path) as tar:
            return "\n".join(sorted(entry.name for entry in tar))
    for top, _, names in sorted(os.walk(path)):
        out += [os.path.relpath(os.path.join(top, name), path) for name in sorted(names)]
    return "\n".join(out)


def shape(text):
    """Which keys the JSON objects of a text have, with the kinds of their values: what they say is ids, times and sizes."""
    found = set()

    def walk(value, path):
        if isinstance(value, dict):
            for key, one in value.items():
                walk(one, f"{path}.{key}")
        elif isinstance(value, list):
            for one in value:
                walk(one, path + "[]")
        elif value is not None:
            found.add(f"{path} {type(value).__name__}")
    for line in text.splitlines():
        try:
            walk(json.loads(line), "")
        except ValueError:
            found.add(line)
    return "\n".join(sorted(found))


def table(text):
    """The different lines of a table: how many there are of one kind depends on when the daemon tidies up."""
    return "\n".join(sorted(set(re.sub(r"[ \t]+", " ", plain.patterns(line)).strip() for line in text.splitlines())))


# ---- help and wrong words

for verb in ("", "build", "du", "prune", "prune-histories", "debug", "debug workers", "debug info", "debug histories", "debug logs", "debug get", "debug ctl", "debug monitor", "debug dump-llb",
             "debug dump-metadata", "dial-stdio"):
    simple("help", f"{verb or 'buildctl'} --help", *verb.split(), "--help")
simple("wrong words", "an unknown verb", "nonsense")
simple("wrong words", "an unknown flag", "build", "--nonsense")
simple("wrong words", "an unknown global flag", "--nonsense", "du")
simple("wrong words", "a flag without its value", "build", "--frontend")
simple("wrong words", "log format", "--log-format=x", "du")
simple("wrong words", "no daemon", "--addr", "unix:///nowhere/bk.sock", "du")
simple("wrong words", "an address of no kind", "--addr", "nonsense", "du")
simple("wrong words", "no daemon in time", "--addr", "unix:///nowhere/bk.sock", "--timeout=1", "--wait", "du")
simple("wrong words", "certificates that are not there", "--tlscacert", "/nowhere/ca", "--tlscert", "/nowhere/c", "--tlskey", "/nowhere/k", "du")
simple("wrong words", "version", "--version", tidy=lambda text: re.sub(r"(buildctl) \S+ \S+ ?\S*", r"\1 VERSION", text))

# ---- build

OK = {"Dockerfile": "FROM {base}\nCOPY one /one\nRUN echo said; echo wrong >&2; cat /one > /two\n", "one": "1\n"}


@scenario("build", "a Dockerfile", needed=True)
def _(bench):
    for name, text in {"ok": OK["Dockerfile"], "fails": "FROM {base}\nRUN echo before; exit 7\n", "slow": "FROM {base}\nRUN echo begun; sleep 60\n",
                       "secret": "FROM {base}\nRUN --mount=type=secret,id=s,required=true cat /run/secrets/s\n", "broken": "FROM {base}\nNONSENSE\n",
                       "missing": "FROM {base}\nCOPY nothing /\n", "scratch": "FROM scratch\nCOPY one /one\n", "target": "FROM {base} AS a\nRUN echo a\nFROM {base} AS b\nRUN echo b\n",
                       "warns": "FROM {base} as x\nENV a b\n", "noimage": "FROM {base}-missing\nRUN true\n"}.items():
        bench.context(name, {"Dockerfile": text.replace("{base}", bench.base), "one": "1\n"})
    return bench.build("--ref-file={dir}/ref-ok", "--metadata-file={dir}/metadata", "--output=type=image,name=example.org/ok")


@scenario("build", "--metadata-file")
def _(bench):
    with open(bench.path("metadata")) as file:
        return file.read()


@scenario("build", "--ref-file")
def _(bench):
    return str(len(bench.ref("ok")))


@scenario("build", "all of it cached")
def _(bench):
    return bench.build()


@scenario("build", "--no-cache")
def _(bench):
    return bench.build("--no-cache")


@scenario("build", "--opt target, build-arg")
def _(bench):
    return bench.build("--opt=target=a", "--opt=build-arg:x=y", context="target")


for output in ("local,dest={dir}/o-local", "tar,dest={dir}/o.tar", "oci,dest={dir}/o-oci.tar", "docker,dest={dir}/o-docker.tar", "oci,tar=false,dest={dir}/o-layout", "image,name=example.org/x", "cacheonly", "nonsense"):
    @scenario("build", f"--output type={output.split(',')[0]}{',tar=false' if 'tar=false' in output else ''}")
    def _(bench, output=output):
        out = bench.build("--output=type=" + output, context="scratch")
        dest = re.search(r"dest=(\S+)", output)
        return out + ("\n-- files\n" + listing(dest.group(1).replace("{dir}", bench.dir)) if dest else "")


@scenario("build", "--output to stdout")
def _(bench):
    done = bench.run("build", "--frontend=dockerfile.v0", "--progress=plain", f"--local=context={bench.path('scratch')}", f"--local=dockerfile={bench.path('scratch')}", "--output=type=tar")
    return f"exit {done.returncode} {done.stdout[:3]}\n{plain.steps(done.stderr.decode())}"


@scenario("build", "--progress=rawjson")
def _(bench):
    done = bench.run("build", "--frontend=dockerfile.v0", "--progress=rawjson", f"--local=context={bench.path('ok')}", f"--local=dockerfile={bench.path('ok')}", "--no-cache")
    return f"exit {done.returncode}\n{done.stdout.decode()}\n{plain.raw_json(done.stderr.decode())}"


for progress in ("quiet", "auto", "tty", "nonsense"):
    @scenario("build", f"--progress={progress} without a terminal")
    def _(bench, progress=progress):
        return bench.build(progress=progress)


@scenario("build", "BUILDKIT_PROGRESS=plain")
def _(bench):
    return bench.build(progress="auto", env={"BUILDKIT_PROGRESS": "plain"})


@scenario("build", "--trace")
def _(bench):
    out = bench.build("--trace={dir}/trace")
    with open(bench.path("trace")) as file:
        return out + plain.raw_json(file.read())


@scenario("build", "a step fails", needed=True)
def _(bench):
    return bench.build("--ref-file={dir}/ref-fails", context="fails")


for name in ("broken", "missing", "noimage", "warns"):
    @scenario("build", f"a Dockerfile: {name}")
    def _(bench, name=name):
        return bench.build(context=name)


@scenario("build", "no Dockerfile")
def _(bench):
    return bench.build("--opt=filename=none")


@scenario("build", "--secret")
def _(bench):
    return bench.build("--secret=id=s,src={dir}/ok/one", context="secret")


@scenario("build", "--secret of the environment")
def _(bench):
    return bench.build("--no-cache", "--secret=id=s,env=SECRET", context="secret", env={"SECRET": "x"})


@scenario("build", "no --secret")
def _(bench):
    return bench.build("--no-cache", context="secret")


for name, words in {"--secret of no file": ["--secret=id=s,src=/nowhere"], "--secret without id": ["--secret=x"], "--local of no directory": ["--local=context=/nowhere"], "--local without =": ["--local=x"],
                    "--opt without =": ["--opt=x"], "--output without type": ["--output=dest=x"], "--output local without dest": ["--output=type=local"], "--output image with dest": ["--output=type=image,dest=x"],
                    "--allow that is unknown": ["--allow=nonsense"], "--allow that the daemon refuses": ["--allow=security.insecure"], "--allow network.host": ["--allow=network.host"],
                    "--ssh of no socket": ["--ssh=default=/nowhere"], "--ssh without an agent": ["--ssh=default"], "--import-cache of no kind": ["--import-cache=type=nonsense"],
                    "--export-cache without type": ["--export-cache=dest=x"], "--import-cache local, none there": ["--import-cache=type=local,src={dir}/none"], "--oci-layout of no directory": ["--oci-layout=a={dir}/none"],
                    "--source-policy-file that is not there": ["--source-policy-file=/nowhere"], "--registry-auth-tlscontext, wrong": ["--registry-auth-tlscontext=x"], "--opt platform, wrong": ["--opt=platform=a/b/c/d"],
                    "--opt target, none": ["--opt=target=none"], "--metadata-file in no directory": ["--metadata-file=/nowhere/m"], "--debug-json-cache-metrics in no directory": ["--debug-json-cache-metrics=/nowhere/m"]}.items():
    @scenario("build", name)
    def _(bench, words=words):
        return bench.build(*words)

simple("build", "no frontend, nothing on stdin", "build")
simple("build", "no definition on stdin", "build", stdin=b"nonsense")
simple("build", "an empty definition", "build", stdin=b"")
simple("build", "an unknown frontend", "build", "--frontend=nonsense.v0")
simple("build", "gateway.v0 without a source", "build", "--progress=plain", "--frontend=gateway.v0")
simple("build", "gateway.v0 of an image that is none", "build", "--progress=plain", "--frontend=gateway.v0", "--opt=source={base}")
simple("build", "gateway.v0 of a missing image", "build", "--progress=plain", "--frontend=gateway.v0", "--opt=source={base}-missing")


@scenario("build", "gateway.v0 by # syntax= of an image that is none")
def _(bench):
    bench.context("syntax", {"Dockerfile": f"# syntax={bench.base}\nFROM {bench.base}\n"})
    return bench.build(context="syntax")


@scenario("build", "a definition on stdin", needed=True)
def _(bench):
    with open(bench.path("llb"), "wb") as file:
        file.write(llb.definition(bench.base, "echo from stdin"))
    return bench.said("build", "--progress=plain", stdin=llb.definition(bench.base, "echo from stdin"))


@scenario("build", "a definition on stdin whose step fails")
def _(bench):
    return bench.said("build", "--progress=plain", stdin=llb.definition(bench.base, "echo no; exit 3"))


@scenario("build", "a definition with a tar output")
def _(bench):
    return bench.said("build", "--progress=plain", "--output=type=tar,dest={dir}/llb.tar", stdin=llb.definition(bench.base, "echo 1 > /f")) + listing(bench.path("llb.tar"))


for request in ("frontend.outline", "frontend.targets", "frontend.lint", "frontend.subrequests.describe", "frontend.nonsense"):
    @scenario("build", f"--opt requestid={request}")
    def _(bench, request=request):
        return bench.build(f"--opt=requestid={request}", context="target")


@scenario("build", "interrupted")
def _(bench):
    where = bench.path("slow")
    client = subprocess.Popen(bench.argv(["build", "--progress=plain", "--frontend=dockerfile.v0", f"--local=context={where}", f"--local=dockerfile={where}"]), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bench.env)
    seen = ""
    for line in client.stderr:
        seen += line
        if re.search(r"^#\d+ [\d.]+ begun", line):
            break
    client.send_signal(signal.SIGINT)
    out, err = client.communicate(timeout=30)
    time.sleep(2)  # what the daemon tidies up is not to be seen in what follows
    # The step's end comes with its time or not, as the last messages of the daemon come.
    return f"exit {client.returncode}\n{out}\n{plain.steps(seen + err)}"


# ---- what is kept

for name, words in {"": [], "--verbose": ["-v"], "--format": ["--format", "{{json .}}"], "--filter": ["--filter", "type==exec.cachemount"], "--filter, wrong": ["--filter", "type=="], "--format, wrong": ["--format", "{{"]}.items():
    @scenario("du", name or "plain")
    def _(bench, words=words):
        return bench.said("du", *words, tidy=(lambda text: shape(text)) if "--format" in words else table)

for name, words in {"workers": [], "workers -v": ["-v"], "workers --format": ["--format", "{{json .}}"], "workers --filter": ["--filter", "id==none"], "workers --filter, wrong": ["--filter", "!!"]}.items():
    @scenario("debug workers", name)
    def _(bench, words=words):
        return bench.said("debug", "workers", *words, tidy=shape if "--format" in words else table)

version = lambda text: re.sub(r"(BuildKit:).*", r"\1 VERSION", text)
simple("debug info", "info", "debug", "info", tidy=version)
simple("debug info", "info --format", "debug", "info", "--format", "{{json .}}", tidy=shape)
simple("debug histories", "histories", "debug", "histories", tidy=table)
simple("debug histories", "histories --format", "debug", "histories", "--format", "{{json .}}", tidy=shape)
simple("debug logs", "logs of nobody", "debug", "logs", "nobody")
simple("debug logs", "logs without a ref", "debug", "logs")
simple("debug get", "get without a digest", "debug", "get")
simple("debug get", "get of no digest", "debug", "get", "nonsense")
simple("debug get", "get of nothing", "debug", "get", "sha256:" + "0" * 64)
simple("debug ctl", "ctl without a ref", "debug", "ctl")
simple("debug ctl", "ctl without an action", "debug", "ctl", "nobody")
simple("debug ctl", "ctl --pin of nobody", "debug", "ctl", "--pin", "nobody")
simple("debug ctl", "ctl --delete of nobody", "debug", "ctl", "--delete", "nobody")
simple("debug ctl", "ctl --pin --unpin", "debug", "ctl", "--pin", "--unpin", "nobody")

for ref in ("ok", "fails"):
    @scenario("debug logs", f"logs of a build ({ref})")
    def _(bench, ref=ref):
        return bench.said("debug", "logs", "--progress=plain", bench.ref(ref), tidy=plain.steps)

for ref in ("ok", "fails", "of nobody"):
    @scenario("debug monitor", f"monitor --completed --ref ({ref}), interrupted")
    def _(bench, ref=ref):
        client = subprocess.Popen(bench.argv(["debug", "monitor", "--completed", "--ref=" + ("nobody" if " " in ref else bench.ref(ref))]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=bench.env)
        time.sleep(1.5)
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=10)
        return f"exit {client.returncode}\n{table(out)}\n{err}"


@scenario("debug get", "get of a config")
def _(bench):
    with open(bench.path("metadata")) as file:
        config = json.load(file)["containerimage.config.digest"]
    return bench.said("debug", "get", config, tidy=shape)


@scenario("debug ctl", "ctl --pin, --unpin, --delete")
def _(bench):
    # Daemons go on telling of a build for some seconds after its end, record or not.
    bench.build("--ref-file={dir}/ref-gone", context="fails")
    out = ""
    for word in ("--pin", "--unpin", "--delete"):
        out += bench.said("debug", "ctl", word, bench.ref("gone")) + "\n"
    return out + bench.said("debug", "logs", "--progress=plain", bench.ref("gone"), tidy=plain.steps)


simple("debug dump-llb", "dump-llb of a file", "debug", "dump-llb", "{dir}/llb")
simple("debug dump-llb", "dump-llb --dot", "debug", "dump-llb", "--dot", "{dir}/llb")
simple("debug dump-llb", "dump-llb of no file", "debug", "dump-llb", "/nowhere")
simple("debug dump-llb", "dump-llb of nonsense", "debug", "dump-llb", stdin=b"nonsense")
simple("debug dump-metadata", "dump-metadata of no directory", "debug", "dump-metadata", "--root=/nowhere")


@scenario("dial-stdio", "the HTTP/2 greeting of the daemon")
def _(bench):
    client = subprocess.Popen(bench.argv(["dial-stdio"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bench.env)
    client.stdin.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    client.stdin.flush()
    first = client.stdout.read(9)
    client.stdin.close()
    client.stdout.read()
    return f"frame {first[3]} flags {first[4]}, exit {client.wait(10)} {client.stderr.read().decode()}"


simple("dial-stdio", "no daemon", "--addr", "unix:///nowhere/bk.sock", "dial-stdio")
simple("prune-histories", "prune-histories --format, wrong", "prune-histories", "--format", "{{")
simple("prune-histories", "prune-histories", "prune-histories", tidy=table)
simple("prune-histories", "prune-histories, nothing left", "prune-histories")
simple("prune-histories", "prune-histories, nothing left, --format", "prune-histories", "--format", "{{json .}}")
simple("debug histories", "histories, none", "debug", "histories")
simple("prune", "prune --filter of nothing", "prune", "--filter", "type==exec.cachemount")
simple("prune", "prune --filter, wrong", "prune", "--filter", "type==")
simple("prune", "prune --keep-duration", "prune", "--keep-duration=1h")
simple("prune", "prune --keep-duration, wrong", "prune", "--keep-duration=x")
simple("prune", "prune --keep-storage", "prune", "--keep-storage=100000")
simple("prune", "prune --format", "prune", "--filter", "type==source.local", "--format", "{{json .}}", tidy=shape)
simple("prune", "prune -v", "prune", "-v", "--filter", "type==regular", tidy=table)
simple("prune", "prune --all", "prune", "--all", tidy=table)
simple("prune", "prune, nothing left", "prune")
simple("du", "nothing left", "du")


@scenario("debug dump-metadata", "dump-metadata of a daemon that ended", needed=True)
def _(bench):
    bench.daemon.stop()
    done = bench.run("debug", "dump-metadata", "--root", bench.daemon.root)
    return f"exit {done.returncode}"
