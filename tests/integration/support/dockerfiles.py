"""The Dockerfiles of tests/dockerfiles, one directory each: how a case is built, and what an image says in the terms of its expect.json.

tests/dockerfiles/README.md has the format. No process and no network here.
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import stat
import tarfile

from . import image, machine
from .publish import PATH

TOP = machine.TOP / "tests/dockerfiles"
EPOCH = "1700000000"
CREATED = "2023-11-14T22:13:20Z"
BASE_CREATED = "2020-09-13T12:26:40Z"  # of all base images
FIELDS = {"why", "rows", "opts", "args", "secrets", "contexts", "ssh", "needs", "make", "modes", "links", "unlisted", "varies", "user", "config", "history", "files", "layers", "log", "warnings", "error", "line", "platforms",
          "annotations"}


class Dockerfile:
    """`values` replaces @NAME@ in the Dockerfile and in expect.json: addresses of servers, the machine's architecture."""

    def __init__(self, name, values):
        self.name, self.dir, self.values = name, TOP / name, values
        self.expect = json.loads(self.fill((self.dir / "expect.json").read_text()))
        unknown = set(self.expect) - FIELDS
        assert not unknown, f"{name}/expect.json: unknown {unknown}"

    def get(self, key, default=None):
        return self.expect.get(key, default)

    def fill(self, text):
        return re.sub(r"@(\w+)@", lambda found: self.values.get(found[1], found[0]), text)

    def stage(self, directory):
        """Puts the context into `directory`, same modes and times whatever the checkout has; returns the context and the named ones."""
        context = os.path.join(directory, "context")
        shutil.copytree(self.dir, context, symlinks=True, ignore=lambda where, names: ["expect.json"] if where == str(self.dir) else [])
        for name, what in self.get("make", {}).items():
            make_file(os.path.join(context, name), what)
        named = {}
        for name, where in self.get("contexts", {}).items():
            if where.startswith("dir:"):
                named[name] = os.path.join(directory, "named-" + re.sub(r"\W", "_", name))
                os.rename(os.path.join(context, where[4:]), named[name])
        for path in pathlib.Path(context).rglob("*ockerfile*"):
            if path.is_file():
                path.write_bytes(self.fill(path.read_bytes().decode("latin-1")).encode("latin-1"))
        for name, mode in self.get("modes", {}).items():
            os.chmod(os.path.join(context, name), int(mode, 8))
        modes = {os.path.join(context, name) for name in self.get("modes", {})}
        for where, names, files in os.walk(directory, topdown=False):
            for path in [os.path.join(where, name) for name in names + files] + [where]:
                status = os.lstat(path)
                if path not in modes and not stat.S_ISLNK(status.st_mode):
                    os.chmod(path, 0o755 if stat.S_ISDIR(status.st_mode) or status.st_mode & 0o100 else 0o644)
                os.utime(path, (image.MTIME, image.MTIME), follow_symlinks=False)
        return context, named


def make_file(path, what):
    """What git does not keep: {"link": …}, {"text": …}, {"hex": …}, {"dir": true} or {"tar": {path: text}, "pack": "gz"}."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if "link" in what:
        os.symlink(what["link"], path)
    elif "dir" in what:
        os.makedirs(path)
    elif "tar" in what:
        pathlib.Path(path).write_bytes(tar_of(what["tar"], what.get("pack", "")))
    else:
        pathlib.Path(path).write_bytes(what["text"].encode() if "text" in what else bytes.fromhex(what["hex"]))


def tar_of(files, pack=""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + pack.replace("gz", ""), format=tarfile.USTAR_FORMAT) as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            info.mtime = image.MTIME
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            elif isinstance(text, dict):
                info.type, info.linkname = tarfile.SYMTYPE, text["link"]
                tar.addfile(info)
            else:
                info.mode, info.size = 0o644, len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0) if pack == "gz" else out.getvalue()


class Image:
    """One platform of an exported image."""

    def __init__(self, config, layers, published):
        self.platform = "/".join(filter(None, (config["os"], config["architecture"], config.get("variant"))))
        self.config = dict(config["config"])
        self.created = config.get("created")
        variables = [value for value in self.config.get("Env") or [] if value != PATH]
        self.config.pop("Env", None)
        if variables:
            self.config["Env"] = variables
        self.author = config.get("author")
        if self.author is not None:
            self.config["Author"] = self.author
        self.history = [entry for entry in config.get("history") or [] if entry.get("created") != BASE_CREATED]
        self.diff_ids = config["rootfs"]["diff_ids"] or []
        below = 0
        while below < len(self.diff_ids) and self.diff_ids[below] in published:
            below += 1
        self.own = self.diff_ids[below:]
        self.layers = [read_layer(data) for data in layers[below:]]

    def texts(self):
        """"+ " before what made a layer, "- " before what made none."""
        return [("- " if entry.get("empty_layer") else "+ ") + entry.get("created_by", "") for entry in self.history]

    def tree(self):
        """What lies above the base image: {path: entry}; a path of it that was removed has None."""
        found = {}
        for layer in self.layers:
            for path, entry in layer.items():
                where, name = os.path.split(path)
                if name.startswith(".wh."):
                    if name == ".wh..wh..opq":
                        for other in [other for other in found if other.startswith(where + "/")]:
                            found[other] = None
                        continue
                    gone = os.path.join(where, name[4:])
                    for other in [other for other in found if other == gone or other.startswith(gone + "/")]:
                        del found[other]
                    found[gone] = None
            for path, entry in layer.items():
                if not os.path.basename(path).startswith(".wh."):
                    if "same" in entry and found.get(entry["same"]):
                        entry = {**found[entry["same"]], "same": entry["same"]}
                    found[path] = entry
                    if not entry.get("dir"):
                        for other in [other for other in found if other.startswith(path + "/")]:
                            del found[other]
        return found


def read_layer(data):
    out = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            path = "/" + info.name.strip("/").removeprefix("./")
            entry = {"mode": "%04o" % info.mode, "owner": f"{info.uid}:{info.gid}", "time": int(info.mtime)}
            attributes = {key[len("SCHILY.xattr."):]: value for key, value in info.pax_headers.items() if key.startswith("SCHILY.xattr.")}
            if attributes:
                entry["attributes"] = attributes
            if info.isdir():
                entry["dir"] = True
            elif info.issym():
                entry["link"] = info.linkname
            elif info.islnk():
                entry["same"] = "/" + info.linkname.strip("/")
            elif info.isfile():
                content = tar.extractfile(info).read()
                entry["size"], entry["sha256"] = len(content), hashlib.sha256(content).hexdigest()
                try:
                    if len(content) < 4096:
                        entry["text"] = content.decode()
                except UnicodeDecodeError:
                    pass
            else:
                entry["kind"] = info.type.decode()
            out[path if path != "/." else "/"] = entry
    return out


def read_archive(path, published):
    """Images of an OCI archive by platform, and what its index says."""
    with tarfile.open(path) as tar:
        read = lambda digest: tar.extractfile("blobs/" + digest.replace(":", "/")).read()
        index = json.load(tar.extractfile("index.json"))
        todo, images, annotations = list(index["manifests"]), {}, {}
        while todo:
            top = json.loads(read(todo.pop(0)["digest"]))
            if "manifests" in top:
                todo += top["manifests"]
                continue
            config = json.loads(read(top["config"]["digest"]))
            below = config["rootfs"]["diff_ids"] or []
            layers = [b"" if diff_id in published else read(layer["digest"]) for diff_id, layer in zip(below, top["layers"] or [])]
            made = Image(config, layers, published)
            images[made.platform] = made
            annotations[made.platform] = top.get("annotations", {})
        return images, annotations


def differences(expect, made, varies=False):
    """What an image does not have as `expect` (expect.json, or one of its platforms) says, as lines."""
    out = []

    def same(what, wanted, found):
        if wanted != found:
            out.append(f"{what}:\n  expected {json.dumps(wanted, sort_keys=True)}\n  found    {json.dumps(found, sort_keys=True)}")

    if "config" in expect:
        same("config", expect["config"], made.config)
    if "history" in expect:
        same("history", expect["history"], made.texts())
    for entry in made.history:
        same("comment of " + entry.get("created_by", ""), "buildkit.dockerfile.v0", entry.get("comment"))
    same("layers of the history", len([entry for entry in made.history if not entry.get("empty_layer")]), len(made.own))
    if not varies:
        same("created", CREATED, made.created)
    if "layers" in expect:
        same("layers", expect["layers"], made.own if isinstance(expect["layers"], list) else len(made.own))
    if "files" in expect:
        out += differences_of_trees(expect["files"], made.tree(), expect.get("unlisted", []))
    return out


def differences_of_trees(wanted, found, unlisted):
    """`wanted` is all that there is above the base image, but for directories on the way (0755, root's) and patterns of `unlisted`."""
    out, parents = [], set()
    for path, want in wanted.items():
        place = path.rstrip("/") or "/"
        parents.update(str(parent) for parent in pathlib.PurePosixPath(place).parents)
        have = found.get(place)
        want = wanted_entry(path, want)
        if want is None:
            if have is not None or place not in found:
                out.append(f"{place}: should have been removed" if have else f"{place}: nothing removed it")
            continue
        if have is None:
            out.append(f"{place}: is not there")
            continue
        for key, value in want.items():
            if key == "matches":
                if not re.search(value, have.get("text", "")):
                    out.append(f"{place}: {have.get('text', '')!r} does not match {value!r}")
            elif have.get(key) != value:
                out.append(f"{place}: {key} is {have.get(key)!r}, not {value!r}")
    for path, have in found.items():
        listed = path in wanted or path + "/" in wanted or any(re.fullmatch(pattern, path) for pattern in unlisted)
        on_the_way = path in parents and have and have.get("dir") and (have["mode"] in ("0755", "1777")) and have["owner"] == "0:0"
        if not listed and not on_the_way:
            out.append(f"{path}: is not expected ({json.dumps(have)})")
    return out


def wanted_entry(path, want):
    if want is None:
        return None
    if isinstance(want, str):
        want = {"text": want}
    want = dict(want)
    if path.endswith("/"):
        want["dir"] = True
    default = "0777" if "link" in want else "0755" if want.get("dir") else "0644"
    return {"owner": "0:0", "mode": default, **want}
