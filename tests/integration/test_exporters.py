"""What a build's result becomes, driven by buildctl (EXP rows of order 1): files, archives, images in the store and in a registry."""
import hashlib
import json
import os
import pathlib
import tarfile
import urllib.request

from support.case import Case
from support.daemon import Daemon

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Exporters(Case):
    def each(self, **options):
        for user in self.both_users():
            with Daemon(user=user, **options) as daemon:
                yield daemon

    def text(self):
        return f"FROM {self.base}\nRUN mkdir /made && echo one > /made/one && ln -s one /made/link && chown 1000:1000 /made/one\n"

    def manifest(self, name, tag="latest"):
        request = urllib.request.Request(f"http://{self.registry.host}/v2/{name}/manifests/{tag}", headers={"Accept": f"{INDEX}, {MANIFEST}, {DOCKER_MANIFEST}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer), answer.headers["Docker-Content-Digest"]

    def test_local(self):  # EXP-049, CTL-034
        for daemon in self.each():
            files = daemon.out("files")
            daemon.build({"Dockerfile": self.text()}, f"type=local,dest={files}")
            self.assertEqual(pathlib.Path(files, "made/one").read_text(), "one\n")
            self.assertEqual(os.readlink(os.path.join(files, "made/link")), "one")
            old = pathlib.Path(files, "made/old")
            old.write_text("was there")
            daemon.build({"Dockerfile": self.text()}, f"type=local,dest={files}")
            self.assertTrue(old.exists(), "copying keeps what is there")
            daemon.build({"Dockerfile": self.text()}, f"type=local,dest={files},mode=delete")
            self.assertFalse(old.exists(), "mirroring removes what the result does not have")
            self.assertEqual(pathlib.Path(files, "made/one").read_text(), "one\n")

    def test_tar(self):  # EXP-054, CTL-034
        for daemon in self.each():
            path = daemon.out("files.tar")
            daemon.build({"Dockerfile": self.text()}, f"type=tar,dest={path}")
            with tarfile.open(path) as tar:
                one = tar.getmember("made/one")
                self.assertEqual((one.uid, one.gid, tar.extractfile(one).read()), (1000, 1000, b"one\n"))
                self.assertEqual(tar.getmember("made/link").linkname, "one")
            piped = daemon.build({"Dockerfile": self.text()}, "type=tar,dest=-")
            self.assertEqual(piped.stdout, pathlib.Path(path).read_bytes())

    def test_layouts(self):  # EXP-042
        for daemon in self.each():
            for kind in ("oci", "docker"):
                archive, layout = daemon.out("image.tar"), daemon.out("layout")
                daemon.build({"Dockerfile": self.text()}, extra=["--output", f"type={kind},name=example.com/a:1,dest={archive}", "--output", f"type={kind},name=example.com/a:1,tar=false,dest={layout}"])
                index = json.loads(pathlib.Path(layout, "index.json").read_text())
                top = index["manifests"][0]
                data = pathlib.Path(layout, "blobs", top["digest"].replace(":", "/")).read_bytes()
                self.assertEqual("sha256:" + hashlib.sha256(data).hexdigest(), top["digest"])
                with tarfile.open(archive) as tar:
                    self.assertEqual(json.load(tar.extractfile("index.json"))["manifests"][0]["digest"], top["digest"])
                    self.assertEqual("manifest.json" in tar.getnames(), kind == "docker")
                    if kind == "docker":
                        self.assertEqual(json.load(tar.extractfile("manifest.json"))[0]["RepoTags"], ["example.com/a:1"])

    def test_an_image_under_several_names(self):  # EXP-010, EXP-011
        for daemon in self.each():
            names = [f"{self.registry.host}/several-{daemon.user}:{tag}" for tag in ("a", "b")]
            metadata = daemon.out("metadata.json")
            daemon.build({"Dockerfile": self.text()}, f'type=image,"name={names[0]},{names[1]}",push=true', extra=["--metadata-file", metadata])
            known = json.loads(pathlib.Path(metadata).read_text())
            self.assertEqual(known["image.name"], ",".join(names))
            for tag in ("a", "b"):
                self.assertEqual(self.manifest(f"several-{daemon.user}", tag)[1], known["containerimage.digest"])
            self.assertEqual(known["containerimage.descriptor"]["digest"], known["containerimage.digest"])

    def test_an_image_is_kept_without_a_push(self):
        for daemon in self.each():
            metadata = daemon.out("metadata.json")
            daemon.build({"Dockerfile": self.text()}, "type=image,name=example.com/kept:1", extra=["--metadata-file", metadata])
            self.assertIn("containerimage.digest", json.loads(pathlib.Path(metadata).read_text()))

    def test_annotations(self):
        for daemon in self.each():
            name = f"{self.registry.host}/annotated-{daemon.user}"
            daemon.build({"Dockerfile": self.text()}, f"type=image,name={name},push=true,annotation.org.example.one=1,annotation-manifest.org.example.two=2,oci-mediatypes=true")
            self.assertEqual(self.manifest(f"annotated-{daemon.user}")[0]["annotations"], {"org.example.one": "1", "org.example.two": "2"})

    def test_compressions_have_one_content(self):
        """Whatever packs them, the layers' diff ids are the same; a level changes the bytes only."""
        for daemon in self.each():
            seen = set()
            for attrs in ("compression=gzip", "compression=gzip,compression-level=1", "compression=zstd", "compression=zstd,compression-level=19", "compression=uncompressed"):
                archive = daemon.out("image.tar")
                daemon.build({"Dockerfile": self.text()}, f"type=oci,dest={archive},{attrs},force-compression=true,rewrite-timestamp=true", {"build-arg:SOURCE_DATE_EPOCH": "1700000000"})
                with tarfile.open(archive) as tar:
                    read = lambda digest: json.load(tar.extractfile("blobs/" + digest.replace(":", "/")))
                    manifest = read(json.load(tar.extractfile("index.json"))["manifests"][0]["digest"])
                    ending = {"gzip": "tar+gzip", "zstd": "tar+zstd", "uncompressed": "tar"}[attrs.partition("=")[2].partition(",")[0]]
                    self.assertEqual({layer["mediaType"].rpartition(".")[2] for layer in manifest["layers"]}, {ending})
                    seen.add(tuple(read(manifest["config"]["digest"])["rootfs"]["diff_ids"]))
            self.assertEqual(len(seen), 1, seen)

    def test_wrong_attributes_are_refused(self):
        for daemon in self.each():
            for output, words in (("type=nothing,dest=x", "nothing"), ("type=image,name=UPPER,push=true", "UPPER"), ("type=oci,dest=x.tar,compression=lzma", "lzma"),
                                  ("type=local,dest=x,mode=wrong", "wrong"), ("type=oci,dest=x.tar,compression-level=high", "high")):
                refused = daemon.build({"Dockerfile": self.text()}, output, check=False)
                self.assertNotEqual(refused.returncode, 0, output)
                self.assertIn(words, refused.err, output)
