"""Steps of another architecture, which a real emulator runs (Debian's qemu and busybox), of root's and the user's daemon."""
import pathlib
import platform

from support import emulator, image, publish
from support.case import Case
from support.daemon import Daemon

DOCKERFILE = """FROM {base} AS made
ARG TARGETARCH
RUN echo $(uname -m) $TARGETARCH > /made
RUN ["/bin/busybox", "cp", "/made", "/again"]
FROM scratch
COPY --from=made /made /again /
"""


class Emulation(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        parts = [publish.Part([image.layer()]), publish.Part([image.layer(emulator.busybox())], architecture=emulator.NAME)]
        publish.Publisher(cls.registry.host).image("both", parts)

    def build(self, daemon, platforms, **options):
        out = daemon.out("out")
        context = daemon.context({"Dockerfile": DOCKERFILE.format(base=f"{self.registry.host}/both")})
        done = daemon.buildctl(*daemon.build_args(context, f"type=local,dest={out}", {"platform": ",".join(platforms)}), **options)
        return done, {str(path.relative_to(out)): path.read_text() for path in sorted(pathlib.Path(out).rglob("*")) if path.is_file()}

    def test_steps_of_another_architecture(self):
        """EXE-034, EXE-035, WRK-002: refused with the fix while nothing emulates it; run once an emulator is registered, without a new start; offered by a daemon that starts then."""
        mine, other = "linux/" + publish.HOST, "linux/" + emulator.NAME
        names = {mine: f"{platform.machine()} {publish.HOST}\n", other: f"{emulator.UNAME} {emulator.NAME}\n"}
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                refused = self.build(daemon, [other], check=False)[0]
                self.assertNotEqual(refused.returncode, 0)
                self.assertRegex(refused.err, rf"no support for running processes with {other}.* \(register an emulator, for example with the Debian packages qemu-user-static")
                with emulator.Emulator():
                    self.assertEqual(self.build(daemon, [other])[1], {"made": names[other], "again": names[other]})
                    both = self.build(daemon, [mine, other])[1]
                    self.assertEqual(both, {f"{on.replace('/', '_')}/{file}": text for on, text in names.items() for file in ("made", "again")})
                    self.assertNotIn(other, daemon.buildctl("debug", "workers").out)
                    with Daemon(user=user) as second:
                        self.assertIn(other, second.buildctl("debug", "workers").out)
