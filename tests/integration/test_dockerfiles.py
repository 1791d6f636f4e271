"""Every directory of tests/dockerfiles, built by both users' daemons, against what its Dockerfile says (DFE-001 … DFE-104).

All builds of both daemons run side by side before the first test; then each Dockerfile has a test of its own. Both users have to get the
same images byte by byte. BK_DOCKERFILES=NAME,… builds only some; BK_DOCKERFILES_USERS: whose daemons;
BK_RESULTS=DIR keeps what was built, for tests/dockerfiles/compare; BK_TIMES=1 tells how long each build took.
"""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

from support import dockerfiles, image, machine, registry, toolchains
from support.daemon import Daemon
from support.dockerfiles import Dockerfile
from support.git_server import GitServer
from support.http_server import File, HttpServer
from support.publish import HOST, Part, Publisher

NAMES = sorted(path.parent.name for path in dockerfiles.TOP.glob("*/expect.json"))
CHOSEN = [name for name in os.environ.get("BK_DOCKERFILES", "").split(",") if name] or NAMES
USERS = os.environ.get("BK_DOCKERFILES_USERS", f"root,{machine.USER}").split(",")
RESULTS = os.environ.get("BK_RESULTS", "")
FOREIGN = [part for part in (("amd64", ""), ("arm64", ""), ("arm", "v7")) if part[0] != HOST]
SERVICE = {"Env": [dockerfiles.PATH, "MODE=quiet"], "Entrypoint": ["/bin/service"], "Cmd": ["--serve"], "User": "builder", "WorkingDir": "/srv", "Labels": {"vendor": "base", "tier": "one"},
           "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "StopSignal": "SIGQUIT", "Shell": ["/bin/ash", "-c"],
           "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5000000000}}
ONBUILD = {"Env": [dockerfiles.PATH], "Cmd": ["sh"], "OnBuild": ["ARG NAME=nobody", "COPY --chown=builder:builder *.conf /etc/app/", "RUN echo built for $NAME > /etc/app/owner"]}


class Dockerfiles(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        machine.make_user()
        machine.open_devices()
        enter = lambda server: (server.__enter__(), cls.addClassCleanup(server.__exit__, None, None, None))[0]
        cls.registry, cls.web, cls.git = enter(registry.Registry()), enter(HttpServer()), enter(GitServer())
        cls.publisher = Publisher(cls.registry.host)
        base = image.layer()
        foreign = lambda arch: dockerfiles.tar_of({"etc/": "", "etc/arch": arch + "\n"})
        cls.publisher.image("library/busybox", [Part([base])] + [Part([foreign(arch + variant)], architecture=arch, variant=variant) for arch, variant in FOREIGN])
        cls.publisher.image("library/service", [Part([base], SERVICE)])
        cls.publisher.image("library/onbuild", [Part([base], ONBUILD)])
        cases = [Dockerfile(name, {}) for name in CHOSEN]
        if any(set(case.get("needs", [])) & set(toolchains.IMAGES) for case in cases):
            toolchains.publish(cls.publisher, base)
        cls.serve()
        values = {"web": cls.web.url, "credentials": "http://joe:s3cret@" + cls.web.host, "hidden": "http://xxxxx:xxxxx@" + cls.web.host, "git": f"http://{cls.git.host}", "registry": cls.registry.host, "arch": HOST, "commit": cls.commit}
        cls.cases = {name: Dockerfile(name, values) for name in CHOSEN}
        cls.values = values
        cls.done = {}
        daemons = {user: enter(cls.daemon(user)) for user in USERS}
        jobs = [(case, user) for case in cls.cases.values() for user in USERS if not cls.missing(case)]
        jobs.sort(key=lambda job: -len(job[0].get("needs", [])))
        with concurrent.futures.ThreadPoolExecutor(2 * len(os.sched_getaffinity(0))) as pool:
            for job, result in zip(jobs, pool.map(lambda job: cls.build(job[0], daemons[job[1]]), jobs)):
                cls.done[job[0].name, job[1]] = result

    @classmethod
    def daemon(cls, user):
        config = f'[registry."docker.io"]\nmirrors = ["{cls.registry.host}"]\n[registry."{cls.registry.host}"]\nhttp = true\n'
        return Daemon(user=user, config=config, flags=["--allow-insecure-entitlement", "network.host", "--allow-insecure-entitlement", "security.insecure"], check_leaks=not RESULTS)

    @classmethod
    def serve(cls):
        files = {"notes.txt": b"from the web\n", "tool.tar.gz": dockerfiles.tar_of({"tool/": "", "tool/run": "echo tool\n"}, "gz")}
        for name, data in files.items():
            cls.web.files["/" + name] = File(data, headers={"Last-Modified": "Sun, 13 Sep 2020 12:26:40 GMT"})
        cls.web.files["/context.tar.gz"] = File(dockerfiles.tar_of({"docker/": "", "docker/Dockerfile": "FROM scratch\nCOPY data /\n", "data": "in the archive\n"}, "gz"))
        cls.git.repository("dockerized", "mkdir app\ncd app\nprintf 'FROM scratch\\nCOPY a.txt /\\n' >Dockerfile\necho in the repository >a.txt\ngit add .\ngit commit -qm app")
        cls.commit = cls.git.repository("project", "git tag -a v1 -m v1\nchmod +x a\ngit commit -qam two\ngit rev-parse v1^{commit}").splitlines()[-1]

    @staticmethod
    def missing(case):
        return [tool for need in case.get("needs", []) for tool in toolchains.missing(need)]

    @classmethod
    def build(cls, case, daemon):
        """(process, images, annotations)"""
        directory = machine.scratch("case")
        context, named = case.stage(directory)
        extra = list(case.get("args", []))
        opts = {"build-arg:SOURCE_DATE_EPOCH": dockerfiles.EPOCH, **case.get("opts", {})}
        opts = {key: value for key, value in opts.items() if value is not None}
        begin = time.monotonic()
        for name, where in case.get("contexts", {}).items():
            if name in named:
                key = re.sub(r"\W", "-", name)
                extra += ["--local", f"{key}={named[name]}"]
                opts["context:" + name] = "local:" + key
            elif where == "oci-layout:":
                layout = os.path.join(directory, "layout")
                opts["context:" + name] = "oci-layout://stored@" + image.write_layout(layout)
                extra += ["--oci-layout", "stored=" + layout]
            else:
                opts["context:" + name] = where
        for name, text in case.get("secrets", {}).items():
            path = os.path.join(directory, "secret-" + name)
            with open(path, "w") as file:
                file.write(text)
            extra += ["--secret", f"id={name},src={path}"]
        if case.get("ssh"):
            extra += ["--ssh", "default=" + cls.agent(daemon.user)]
        if daemon.user != "root":
            subprocess.run(["chown", "-Rh", f"{daemon.user}:", directory], check=True)
        archive = os.path.join(directory, "image.tar")
        done = daemon.build(context, f"type=oci,dest={archive},rewrite-timestamp=true", opts, extra, check=False)
        images, annotations = ({}, {}) if done.returncode else dockerfiles.read_archive(archive, cls.publisher.diff_ids)
        shutil.rmtree(directory)
        if os.environ.get("BK_TIMES"):
            print(f"{time.monotonic() - begin:.1f} {case.name} {daemon.user}", file=sys.stderr)
        if RESULTS:
            cls.keep(case, daemon.user, done, images)
        return done, images, annotations

    @classmethod
    def keep(cls, case, user, done, images):
        os.makedirs(RESULTS, exist_ok=True)
        text = {"error": "\n".join(done.err.splitlines()[-40:]) if done.returncode else "",
                "images": {name: {"config": made.config, "history": made.texts(), "created": made.created, "layers": made.own, "contents": made.layers, "tree": made.tree()} for name, made in images.items()}}
        text = json.dumps(text, indent=1, sort_keys=True)
        for name, value in cls.values.items():
            if name in ("web", "git", "registry", "commit"):
                text = text.replace(value, f"@{name}@")
        with open(os.path.join(RESULTS, f"{case.name}-{user}.json"), "w") as file:
            file.write(text + "\n")

    @classmethod
    def agent(cls, user):
        if user not in cls.agents:
            cls.agents[user] = cls.git.start_ssh(user)[1]
        return cls.agents[user]

    agents = {}

    def check(self, name):
        case = self.cases[name]
        missing = self.missing(case)
        if missing:
            self.skipTest(f"not on this machine: {', '.join(missing)}")
        for user in USERS:
            done, images, _ = self.done[name, user]
            with self.subTest(user=user):
                for pattern in case.get("log", []):
                    self.assertRegex(done.err, pattern)
                if case.get("error") is not None:
                    self.check_error(case, done)
                    continue
                self.assertEqual(done.returncode, 0, done.err[-4000:])
                self.assertEqual(sorted(re.findall(r"WARN(?:ING)?: (\w+)", done.err)), sorted(case.get("warnings", [])))
                expected = case.get("platforms") or {f"linux/{HOST}": case.expect}
                self.assertEqual(sorted(images), sorted(expected))
                for platform, expect in expected.items():
                    wrong = dockerfiles.differences(expect, images[platform], case.get("varies"))
                    if wrong:
                        self.fail(platform + "\n" + "\n".join(wrong))
        if case.get("error") is None and not case.get("varies") and len(USERS) == 2:
            first, second = (self.done[name, user][1] for user in USERS)
            self.assertEqual({platform: made.diff_ids for platform, made in first.items()}, {platform: made.diff_ids for platform, made in second.items()}, "both users' layers")

    def check_error(self, case, done):
        self.assertNotEqual(done.returncode, 0)
        said = [line for line in done.err.splitlines() if line.startswith(("error: ", "ERROR: "))]
        self.assertRegex("\n".join(said) or done.err[-3000:], case.get("error"))
        if "line" in case.expect:
            self.assertEqual(case.get("line"), [int(number) for number in re.findall(r"^ +(\d+) \| >>> ", done.err, re.MULTILINE)], done.err[-2000:])


for _name in CHOSEN:
    setattr(Dockerfiles, "test_" + _name.replace("-", "_"), lambda self, name=_name: self.check(name))

if __name__ == "__main__":
    unittest.main()
