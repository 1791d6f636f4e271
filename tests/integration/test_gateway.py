"""Frontends that come as images (gateway.v0), as root and as an ordinary user. DFE-105 to DFE-114."""
import json
import pathlib
import queue
import re
import tarfile
import unittest

import grpc

from support import api, frontend_image
from support.case import Case
from support.daemon import Daemon


class Gateway(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        host = cls.registry.host
        cls.plain = frontend_image.push_python(host, "frontends/plain")
        cls.node = frontend_image.push_node(host, "frontends/node")
        cls.labelled = frontend_image.push_python(host, "frontends/labelled", WorkingDir="/protos", Labels={
            "moby.buildkit.frontend.network.none": "true", "moby.buildkit.frontend.caps": "moby.buildkit.frontend.inputs,moby.test"})

    def gateway(self, daemon, source, *opts, check=True):
        out = daemon.out("tree")
        done = daemon.buildctl("build", "--progress=plain", "--frontend", "gateway.v0", "--opt", f"source={source}", *[word for opt in opts for word in ("--opt", opt)],
                               "--output", f"type=local,dest={out}", check=check)
        if not check:
            return done
        return json.loads(pathlib.Path(out, "report").read_text())

    def test_frontends(self):
        for user in self.both_users():
            with self.subTest(user=user), Daemon(user) as daemon:
                self.environment(daemon)
                self.labels(daemon)
                self.syntax(daemon)
                self.containers(daemon)
                self.failures(daemon)
                self.assertEqual(self.gateway(daemon, self.plain, "do=old"), {"old": 1})  # RPC-035
                self.assertEqual(self.gateway(daemon, self.plain, "do=oldest"), {"oldest": 1})
                self.in_javascript(daemon)

    def environment(self, daemon):  # DFE-106, DFE-108
        seen = self.gateway(daemon, self.plain, "a=b=c", "empty=")
        self.assertEqual(seen["opts"], {"source": self.plain, "a": "b=c", "empty": ""})
        self.assertTrue(seen["session"])
        self.assertEqual((seen["product"], seen["uid"], seen["cwd"], seen["inputs"]), ("buildkit", 0, "/", []))
        self.assertEqual(seen["workers"][0]["platforms"][0]["os"], "linux")
        self.assertGreater(seen["metadata"], 50)
        self.assertGreater(seen["caps"], 20)

    def labels(self, daemon):  # DFE-109, DFE-111
        seen = self.gateway(daemon, self.labelled, "frontend.caps=moby.test")
        self.assertEqual(seen["cwd"], "/protos")
        self.assertLessEqual(set(seen["interfaces"]), {"lo"})
        failed = self.gateway(daemon, self.plain, "frontend.caps=moby.test", check=False)
        self.assertIn("unsupported frontend capability moby.test", failed.err)

    def syntax(self, daemon):  # DFE-024, DFE-112
        out = daemon.out("tree")
        daemon.build({"Dockerfile": f"# syntax={self.plain} extra\nFROM scratch\n"}, output=f"type=local,dest={out}")
        seen = json.loads(pathlib.Path(out, "report").read_text())
        self.assertEqual((seen["opts"]["cmdline"], seen["opts"]["source"]), (f"{self.plain} extra", self.plain))
        out = daemon.out("tree")
        daemon.build({"Dockerfile": "FROM scratch\n"}, output=f"type=local,dest={out}", opts={"build-arg:BUILDKIT_SYNTAX": self.plain})
        self.assertTrue(pathlib.Path(out, "report").exists())
        # Built in: nothing is pulled.
        out = daemon.out("tree")
        daemon.build({"Dockerfile": "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY x /\n", "x": "1"}, output=f"type=local,dest={out}")
        self.assertTrue(pathlib.Path(out, "x").exists())

    def containers(self, daemon):  # DFE-116, DFE-117
        self.assertEqual(self.gateway(daemon, self.plain, "do=container"), {"out": "got input\n", "code": 0})

    def failures(self, daemon):  # DFE-113
        failed = self.gateway(daemon, self.plain, "do=exit", check=False)
        self.assertIn("exit code: 3: the frontend gives up", failed.err)
        self.assertIn("[frontend] ", failed.err)
        self.assertIn("no result for incomplete build", self.gateway(daemon, self.plain, "do=nothing", check=False).err)
        self.assertIn("this frontend refuses", self.gateway(daemon, self.plain, "do=refuse", check=False).err)
        self.gateway(daemon, self.plain, "do=twice")

    def in_javascript(self, daemon):  # RPC-035, DFE-107: another HTTP/2, no Ping, the oldest forms of the calls
        self.assertEqual(self.gateway(daemon, self.node, "a=b=c"), {"opts": {"source": self.node, "a": "b=c"}, "node": 3, "uid": 0})
        self.assertEqual(self.gateway(daemon, self.node, "do=container", f"base={self.base}:latest"), {"out": "in and out\n", "code": 7, "released": "exit code: 7"})
        self.assertIn("this frontend refuses", self.gateway(daemon, self.node, "do=refuse", check=False).err)
        self.assertEqual(self.configs(daemon, "single"), [("amd64", "SINGLE=1")])
        self.assertEqual(self.configs(daemon, "platforms"), [("amd64", "FOR=linux/amd64"), ("arm64", "FOR=linux/arm64")])
        self.assertEqual(self.configs(daemon, "final"), [("amd64", "FINAL=1")])

    def configs(self, daemon, do):
        """(architecture, variable) of each image that is exported."""
        archive = daemon.out("image.tar")
        daemon.buildctl("build", "--progress=plain", "--frontend", "gateway.v0", "--opt", f"source={self.node}", "--opt", f"do={do}", "--output", f"type=oci,dest={archive}")
        with tarfile.open(archive) as tar:
            blobs = [tar.extractfile(entry).read() for entry in tar if entry.name.startswith("blobs/sha256/")]
        found = [json.loads(blob) for blob in blobs if blob.startswith(b"{")]
        return sorted((config["architecture"], config["config"]["Env"][0]) for config in found if "rootfs" in config)

    def test_containers_of_clients(self):
        for user in self.both_users():
            with self.subTest(user=user), Daemon(user) as daemon, api.Client(daemon) as client:
                self.processes(client)
                self.bounds(client)
                self.failed_step(client)

    def tree(self, build):
        graph = api.Graph()
        return build.solve(graph.definition(graph.source(f"docker-image://{self.base}:latest")))

    def processes(self, client):  # DFE-116, DFE-117, DFE-119, DFE-121
        with client.frontend("processes") as build:
            build.call("NewContainer", ContainerID="c", hostname="inside", extraHosts=[api.pb.HostIP(Host="other", IP="10.1.2.3")],
                       Mounts=[api.pb.Mount(dest="/", resultID=self.tree(build)), api.pb.Mount(dest="/t", mountType=api.pb.TMPFS)])
            with Processes(build) as run:
                run.start("first", "trap 'echo size $(stty size)' WINCH; trap 'echo term; exit 0' TERM; echo $TERM > /t/made; echo up; while :; do sleep 0.1; done", fds=[0, 1], tty=True)
                run.wait_for("first", "up")
                run.send("first", Resize=api.gateway.ResizeMessage(Rows=33, Cols=77))
                run.wait_for("first", "size 33 77")
                run.start("second", "hostname; grep -c other /etc/hosts; cat /t/made; cat; id -u >&2", fds=[0, 1, 2], user="1000")
                run.send("second", File=api.gateway.FdMessage(Fd=0, Data=b"typed"))
                run.send("second", File=api.gateway.FdMessage(Fd=0, EOF=True))
                self.assertEqual(run.end("second"), 0)
                self.assertEqual(run.text["second", 1], "inside\n1\nxterm\ntyped")
                self.assertEqual(run.text["second", 2], "1000\n")
                self.assertEqual(build.call("ReadFileContainer", Ref="c", FilePath="/made", MountIndex=1).Data, b"xterm\n")
                self.assertIn("busybox", [entry.path for entry in build.call("ReadDirContainer", Ref="c", DirPath="/bin").entries])
                self.assertEqual(build.call("StatFileContainer", Ref="c", Path="/bin").stat.path, "bin")
                run.send("first", Signal=api.gateway.SignalMessage(Name="TERM"))
                self.assertEqual(run.end("first"), 0)
            build.call("ReleaseContainer", ContainerID="c")

    def bounds(self, client):  # DFE-118: what is another build's, or nobody's, is refused
        with client.frontend("one") as one, client.frontend("two") as two:
            ref = self.tree(one)
            self.assertIn("no such ref: " + ref, client.refusal(two.call, "ReadFile", Ref=ref, FilePath="bin")[1])
            self.assertIn("return reference " + ref + " not found", client.refusal(two.call, "NewContainer", ContainerID="c", Mounts=[api.pb.Mount(dest="/", resultID=ref)])[1])
            one.call("NewContainer", ContainerID="../c", Network=api.pb.HOST, Mounts=[api.pb.Mount(dest="/", resultID=ref), api.pb.Mount(dest="/../../x", resultID=ref)])
            self.assertEqual(client.refusal(one.call, "NewContainer", ContainerID="../c", Mounts=[api.pb.Mount(dest="/", resultID=ref)])[0], grpc.StatusCode.ALREADY_EXISTS)
            self.assertIn("not found", client.refusal(two.call, "ReleaseContainer", ContainerID="../c")[1])
            self.assertIn("out of bounds", client.refusal(one.call, "ReadFileContainer", Ref="../c", FilePath="/x", MountIndex=7)[1])
            with Processes(one) as run:
                run.start("p", "true", container="../c")
                self.assertEqual(run.end("p"), 255)
                self.assertIn("network.host is not allowed", run.errors["p"])
            self.assertIn("network.host is not allowed", client.refusal(one.call, "ReleaseContainer", ContainerID="../c")[1])

    def failed_step(self, client):  # DFE-120
        with client.frontend("failed") as build:
            graph = api.Graph()
            base = graph.source(f"docker-image://{self.base}:latest")
            definition = graph.definition(graph.run([base], "echo left > /left; exit 3"))
            with self.assertRaises(grpc.RpcError) as refused:
                build.call("Solve", Definition=definition, allowResultReturn=True, Evaluate=True)
            details = dict(refused.exception.trailing_metadata())["grpc-status-details-bin"]
            (left,) = re.search(rb'"mountIDs":\["([^"]*)"', details).groups()
            build.call("NewContainer", ContainerID="look", Mounts=[api.pb.Mount(dest="/", resultID=left.decode())])
            self.assertEqual(build.call("ReadFileContainer", Ref="look", FilePath="/left").Data, b"left\n")
            with Processes(build) as run:
                run.start("p", "cat /left", container="look")
                self.assertEqual((run.end("p"), run.text["p", 1]), (0, "left\n"))
            build.call("ReleaseContainer", ContainerID="look")

    def test_allowed_repositories(self):  # DFE-110
        config = f'[frontend."gateway.v0"]\nallowedRepositories = ["{self.plain}"]\n'
        with Daemon(config=config) as daemon:
            self.gateway(daemon, self.plain)
            failed = self.gateway(daemon, self.labelled, check=False)
            self.assertIn(f"'{self.labelled}' is not an allowed gateway source", failed.err)
        with Daemon(config='[frontend."gateway.v0"]\nenabled = false\n') as daemon:
            self.assertIn("invalid frontend: gateway.v0", self.gateway(daemon, self.plain, check=False).err)


class Processes:
    """One ExecProcess stream."""

    def __init__(self, build):
        self.out, self.text, self.codes, self.errors = queue.Queue(), {}, {}, {}
        message = api.gateway.ExecMessage
        method = build.client.channel.stream_stream("/moby.buildkit.v1.frontend.LLBBridge/ExecProcess", request_serializer=message.SerializeToString, response_deserializer=message.FromString)
        self.call = method(iter(self.out.get, None), metadata=((api.BUILD_ID, build.ref),), timeout=30)
        self.done = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.out.put(None)
        self.call.cancel()

    def send(self, process, **fields):
        self.out.put(api.gateway.ExecMessage(ProcessID=process, **fields))

    def start(self, process, script, container="c", fds=(1, 2), tty=False, user=""):
        meta = api.pb.Meta(args=["sh", "-c", script], cwd="/", env=["PATH=/bin"], user=user)
        self.send(process, Init=api.gateway.InitMessage(ContainerID=container, Fds=fds, Tty=tty, Meta=meta))

    def step(self):
        message = next(self.call)
        process = message.ProcessID
        if message.HasField("File"):
            key = (process, message.File.Fd)
            self.text[key] = self.text.get(key, "") + message.File.Data.decode()
        if message.HasField("Exit"):
            self.codes[process], self.errors[process] = message.Exit.Code, message.Exit.Error.message
        if message.HasField("Done"):
            self.done.add(process)

    def wait_for(self, process, text):
        while text not in self.text.get((process, 1), ""):
            self.step()

    def end(self, process):
        while process not in self.done:
            self.step()
        return self.codes[process]


if __name__ == "__main__":
    unittest.main()
