"""docker-buildx build: what it was asked for is what comes out (outputs, platforms, metadata, annotations, limits of steps)."""
import json
import pathlib
import tarfile
import time
import unittest
import urllib.request

from support import image, publish
from support.buildx import BuildxCase, names, tree

TYPES = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
TWO = "--platform=linux/amd64,linux/arm64"
PLATFORMS = "FROM scratch\nARG TARGETPLATFORM\nCOPY file /plat/$TARGETPLATFORM\nLABEL a=b\n"


class BuildxBuild(BuildxCase):
    def get(self, name, kind, what):
        """(document, digest) of what the registry has."""
        with urllib.request.urlopen(urllib.request.Request(f"http://{self.registry.host}/v2/{name}/{kind}/{what}", headers={"Accept": TYPES})) as answer:
            return json.loads(answer.read()), answer.headers["Docker-Content-Digest"]

    def name(self):
        return f"out-{time.monotonic_ns()}"

    def test_every_output_and_two_platforms_at_once(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": PLATFORMS, "file": "content"})
            name = self.name()
            files, tar, oci, metadata = (daemon.out(part) for part in ("files", "a.tar", "oci.tar", "m.json"))
            self.build(daemon, TWO, "-o", files, "-o", f"type=tar,dest={tar}", "-o", f"type=oci,dest={oci}", "-o", f"type=registry,name={self.registry.host}/{name}:1",
                       "-o", "type=cacheonly", "--metadata-file", metadata, context)
            expected = {f"linux_{arch}/plat/linux/{arch}": "content" for arch in ("amd64", "arm64")}
            self.assertEqual(tree(files), expected)
            self.assertEqual(sorted(names(tar)), sorted(expected))
            index, digest = self.get(name, "manifests", "1")
            self.assertEqual([m["platform"]["architecture"] for m in index["manifests"]], ["amd64", "arm64"])
            for manifest in index["manifests"]:
                config, _ = self.get(name, "blobs", self.get(name, "manifests", manifest["digest"])[0]["config"]["digest"])
                self.assertEqual((config["architecture"], config["config"]["Labels"]), (manifest["platform"]["architecture"], {"a": "b"}))
            with tarfile.open(oci) as archive:
                self.assertEqual(json.load(archive.extractfile("index.json"))["manifests"][0]["digest"], digest)
            self.assertEqual(json.loads(pathlib.Path(metadata).read_text())["containerimage.digest"], digest)
            refused = self.build(daemon, TWO, "-o", f"type=docker,dest={tar}", context, check=False)
            self.assertIn("docker exporter does not support exporting manifest lists", refused.err)

    def test_what_describes_the_image(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": PLATFORMS, "file": "content"})
            name = self.name()
            metadata, ids = daemon.out("m.json"), daemon.out("iid")
            self.build(daemon, "--push", "-t", f"{self.registry.host}/{name}:1", "-t", f"{self.registry.host}/{name}:2", "--metadata-file", metadata, "--iidfile", ids, "--label", "c=d", context)
            manifest, digest = self.get(name, "manifests", "1")
            self.assertEqual(self.get(name, "manifests", "2")[1], digest)
            said = json.loads(pathlib.Path(metadata).read_text())
            self.assertEqual((said["containerimage.digest"], said["containerimage.config.digest"]), (digest, manifest["config"]["digest"]))
            self.assertEqual(said["image.name"], f"{self.registry.host}/{name}:1,{self.registry.host}/{name}:2")
            self.assertEqual(said["containerimage.descriptor"]["platform"]["architecture"], publish.HOST)
            self.assertEqual(pathlib.Path(ids).read_text(), manifest["config"]["digest"])
            self.assertEqual(self.get(name, "blobs", manifest["config"]["digest"])[0]["config"]["Labels"], {"a": "b", "c": "d"})

    def test_annotations(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": PLATFORMS, "file": "content"})
            name = self.name()
            given = ["a=1", "manifest-descriptor:b=2", "index:c=3", "manifest[linux/arm64]:e=5"]
            self.build(daemon, TWO, "--push", "-t", f"{self.registry.host}/{name}:1", *[part for text in given for part in ("--annotation", text)], context)
            index, _ = self.get(name, "manifests", "1")
            self.assertEqual(index["annotations"], {"c": "3"})
            self.assertEqual([m["annotations"] for m in index["manifests"]], [{"b": "2"}] * 2)
            self.assertEqual([self.get(name, "manifests", m["digest"])[0]["annotations"] for m in index["manifests"]], [{"a": "1"}, {"a": "1", "e": "5"}])

    def test_layouts_as_directories_and_streams(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": PLATFORMS, "file": "content"})
            layout = daemon.out("layout")
            self.build(daemon, "-o", f"type=oci,dest={layout},tar=false", context)
            top = json.loads(pathlib.Path(layout, "index.json").read_text())["manifests"][0]
            self.assertEqual(image.digest(pathlib.Path(layout, "blobs", top["digest"].replace(":", "/")).read_bytes()), top["digest"])
            stream = daemon.out("x.tar")
            pathlib.Path(stream).write_bytes(self.build(daemon, "-o", "-", context).stdout)
            self.assertEqual(names(stream), [f"plat/linux/{publish.HOST}"])

    def test_secrets(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base} AS b\nRUN --mount=type=secret,id=f cat /run/secrets/f > /out\nRUN --mount=type=secret,id=e,env=E echo $E >> /out\n"
                                                    "FROM scratch\nCOPY --from=b /out /out\n", "f": "file\n"})
            secrets = ["--secret", f"id=f,src={context}/f", "--secret", "id=e,env=MINE"]
            self.assertEqual(self.files(daemon, *secrets, context, env={"MINE": "variable"}), {"out": "file\nvariable\n"})
            needs = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN --mount=type=secret,id=gone,required true\n"})
            self.assertIn("secret gone: not found", self.build(daemon, "-o", "type=cacheonly", needs, check=False).err)

    def test_what_steps_get(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base} AS b\nRUN (grep -w foo /etc/hosts; ulimit -n; df -k /dev/shm | awk 'END{{print $2}}'; awk -F: 'NR>2{{print $1}}' /proc/net/dev) > /out\n"
                                                    "FROM scratch\nCOPY --from=b /out /out\n"})
            given = ["--add-host", "foo:10.1.2.3", "--ulimit", "nofile=100:200", "--shm-size", "32m", "--network=none"]
            self.assertEqual(self.files(daemon, *given, context)["out"].split(), ["10.1.2.3", "foo", "100", "32768", "lo"])

    def test_entitlements(self):
        for daemon in self.each(flags=["--allow-insecure-entitlement", "network.host"]):
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN --network=host true\n"})
            refused = self.build(daemon, "-o", "type=cacheonly", context, check=False)
            self.assertIn("network.host is not allowed", refused.err)
            self.assertNotEqual(refused.returncode, 0)
            self.build(daemon, "-o", "type=cacheonly", "--allow", "network.host", context)
            self.assertIn("security.insecure is not allowed", self.build(daemon, "-o", "type=cacheonly", "--allow", "security.insecure", context, check=False).err)

    def test_calls(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": "ARG BASE=scratch\nFROM scratch AS first\nFROM $BASE as second\nARG WHAT=x\nCOPY --from=first / /\n"})
            check = self.buildx(daemon, "build", "--call=check,format=json", context, check=False)
            self.assertEqual([warning["ruleName"] for warning in json.loads(check.out)["warnings"]], ["FromAsCasing"])
            self.assertNotEqual(check.returncode, 0)
            outline = json.loads(self.buildx(daemon, "build", "--call=outline,format=json", context).out)
            self.assertEqual((outline["name"], {arg["name"]: arg.get("value") for arg in outline["args"]}), ("second", {"BASE": "scratch", "WHAT": "x"}))
            targets = json.loads(self.buildx(daemon, "build", "--call=targets,format=json", context).out)
            self.assertEqual([(t["name"], t.get("default", False)) for t in targets["targets"]], [("first", False), ("second", True)])
            self.assertIn("FromAsCasing", self.buildx(daemon, "build", "--check", context, check=False).out)

    def test_progress(self):
        for daemon in self.each():
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN echo words of the step\n"})
            run = lambda kind, *more: self.buildx(daemon, "build", "--progress=" + kind, "--provenance=false", "--no-cache", "-o", "type=cacheonly", *more, context)
            self.assertRegex(run("plain").err, r"#\d+ \[2/2\] RUN echo words of the step\n#\d+ [0-9.]+ words of the step\n#\d+ DONE")
            self.assertEqual((lambda done: (done.out.strip(), done.err))(run("quiet")), ("", ""))
            events = [json.loads(line) for line in run("rawjson").err.splitlines()]
            self.assertIn("[2/2] RUN echo words of the step", {v["name"] for event in events for v in event.get("vertexes", [])})
            self.assertRegex(run("auto").err, r"RUN echo words of the step")


if __name__ == "__main__":
    unittest.main()
