"""The main job: a Dockerfile with RUN, COPY and two stages becomes an image and files, on every runtime and snapshotter.

Rows: DFE-001 … DFE-029, EXE-001 …, SNP-001 …, EXP-001 …; acceptance 2 of the main job.
"""
import hashlib
import json
import os
import tarfile

from support import machine
from support.case import Case, USERS
from support.daemon import Daemon

DOCKERFILE = """
FROM {base} AS build
WORKDIR /work
COPY src/ .
RUN cat greeting > result && mkdir -p deep/er && ln -s ../result deep/link && rm greeting
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t echo $((1+1)) >> result && test -d /c && test -d /t
FROM {base}
COPY --from=build --chown=builder:builder /work/ /out/
RUN rm /bin/vi && chmod 700 /out/deep
USER builder
ENV WHO=me
CMD ["cat", "/out/result"]
"""
SOURCES = {"src/greeting": "hello\n", "src/unused": "x" * 4096}


class Build(Case):
    def test_an_image_and_files_come_out(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": DOCKERFILE.format(base=self.base), **SOURCES})
                files, archive = daemon.out("files"), daemon.out("image.tar")
                daemon.build(context, extra=["--output", f"type=local,dest={files}", "--output", f"type=oci,dest={archive},name=example.com/sample:1"])
                with open(os.path.join(files, "out/result")) as file:
                    self.assertEqual(file.read(), "hello\n2\n")
                self.assertFalse(os.path.lexists(os.path.join(files, "bin/vi")))
                self.assertFalse(os.path.exists(os.path.join(files, "out/greeting")))
                with tarfile.open(archive) as tar:
                    index = json.load(tar.extractfile("index.json"))
                    self.assertEqual(index["manifests"][0]["annotations"]["io.containerd.image.name"], "example.com/sample:1")
                    config = self.config_of(tar, index)
                    self.assertEqual(config["config"]["User"], "builder")
                    self.assertEqual(config["config"]["Cmd"], ["cat", "/out/result"])
                    self.assertIn("WHO=me", config["config"]["Env"])
                    self.assertEqual(len(config["rootfs"]["diff_ids"]), 3)
                    for name in tar.getnames():
                        if name.startswith("blobs/sha256/") and not name.endswith("sha256"):
                            data = tar.extractfile(name)
                            if data is not None:
                                self.assertEqual(hashlib.sha256(data.read()).hexdigest(), name.rpartition("/")[2])

    def config_of(self, tar, index):
        read = lambda digest: json.load(tar.extractfile("blobs/" + digest.replace(":", "/")))
        return read(read(index["manifests"][0]["digest"])["config"]["digest"])

    def test_twelve_ways_give_one_digest(self):  # RLK-012, SNP-002, SNP-003, WRK-004
        """{root, user} x {runc, crun} x {overlayfs, fuse-overlayfs, native}; a step sees what its root is mounted from."""
        digests = {}
        for user in USERS:
            for runtime in ("runc", "crun"):
                for snapshotter, filesystem in (("overlayfs", "overlay"), ("fuse-overlayfs", "fuse.fuse-overlayfs"), ("native", None)):
                    with self.subTest(user=user, runtime=runtime, snapshotter=snapshotter), Daemon(user=user, runtime=runtime, snapshotter=snapshotter) as daemon:
                        context = daemon.context({"Dockerfile": DOCKERFILE.format(base=self.base), **SOURCES})
                        metadata = daemon.out("metadata.json")
                        output = f"type=oci,dest={daemon.out('image.tar')},rewrite-timestamp=true"
                        daemon.build(context, output, {"build-arg:SOURCE_DATE_EPOCH": "1700000000"}, ["--metadata-file", metadata])
                        with open(metadata) as file:
                            digests[user, runtime, snapshotter] = json.load(file)["containerimage.digest"]
                        seen = daemon.build({"Dockerfile": f"FROM {self.base}\nRUN awk '$5 == \"/\"' /proc/self/mountinfo"}).err
                        if filesystem:
                            self.assertIn(f" - {filesystem} ", seen)
                        else:
                            self.assertNotIn("overlay", [line for line in seen.splitlines() if " / / " in line or " - " in line][-1].split(" - ")[-1])
        self.assertEqual(len(digests), 12)
        self.assertEqual(len(set(digests.values())), 1, digests)

    def test_crun_beside_cgroup_v1_says_what_it_needs(self):
        """On a host that mounts v1 and v2 cgroups crun needs cgroup2 alone; the error says so."""
        daemon = Daemon(runtime="crun", cgroup2_alone=False).start(wait=False)
        try:
            if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
                daemon.wait_until_up()  # this host has cgroup2 alone: crun simply works
                daemon.build({"Dockerfile": f"FROM {self.base}\nRUN true"})
                return
            self.assertNotEqual(daemon.process.wait(20), 0)
            self.assertRegex(daemon.log(), r"crun.*cgroup")
            self.assertIn("cgroup2", daemon.log())
        finally:
            daemon.stop()

    def test_a_file_that_the_user_cannot_read_fails_the_build(self):
        with Daemon(user=machine.USER) as daemon:
            context = daemon.context({"Dockerfile": f"FROM {self.base}\nCOPY f /f\nRUN cat /f", "f": "secret"})
            os.chmod(os.path.join(context, "f"), 0)
            os.chown(os.path.join(context, "f"), 0, 0)
            failed = daemon.build(context, check=False)
            self.assertNotEqual(failed.returncode, 0)
            self.assertIn("permission denied", failed.err)

    def test_directories_that_the_user_cannot_read(self):
        """One that is wanted fails the build by name; one that nothing asks for, or that .dockerignore leaves out, is passed over."""
        with Daemon(user=machine.USER) as daemon:
            context = daemon.context({"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "x", "closed/in": "y"})
            os.chown(os.path.join(context, "closed"), 0, 0)
            os.chmod(os.path.join(context, "closed"), 0o700)
            daemon.build(context)
            with open(os.path.join(context, "Dockerfile"), "w") as file:
                file.write("FROM scratch\nCOPY . /\n")
            failed = daemon.build(context, check=False)
            self.assertNotEqual(failed.returncode, 0)
            self.assertRegex(failed.err, r"error: .*open closed: permission denied")
            with open(os.path.join(context, ".dockerignore"), "w") as file:
                file.write("clos*\n!closed/in/*\n")
            daemon.build(context)

    def test_networks(self):
        """RUN --network=host sees the host's loopback, none sees nothing but its own (EXE network rows)."""
        for user in self.both_users():
            with Daemon(user=user, flags=["--allow-insecure-entitlement", "network.host"]) as daemon:
                host, port = self.registry.host.split(":")
                text = f"FROM {self.base}\nRUN --network=host wget -q -O- http://{self.registry.host}/v2/\nRUN --network=none ! wget -q -O- http://{host}:{port}/v2/\n"
                daemon.build({"Dockerfile": text}, extra=["--allow", "network.host"], env={})

    def test_secrets_reach_the_step_and_no_layer(self):
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                context = daemon.context({"Dockerfile": f"FROM {self.base}\nRUN --mount=type=secret,id=s grep -q top /run/secrets/s\nRUN --mount=type=secret,id=e,env=E test \"$E\" = inside\n", "secret": "topsecret"})
                files = daemon.out("files")
                daemon.build(context, f"type=local,dest={files}", extra=["--secret", f"id=s,src={context}/secret", "--secret", "id=e,env=FROM_ENV"], env={"FROM_ENV": "inside"})
                self.assertFalse(os.path.exists(os.path.join(files, "run/secrets")))
                missing = daemon.build(context, extra=["--no-cache"], check=False)
                self.assertNotEqual(missing.returncode, 0)
