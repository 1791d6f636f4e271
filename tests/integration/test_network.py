"""Networks of steps: private ones by CNI plugins and by the built-in bridge, their pool, what plugins are told, and what is left after every kind of end.

Rows: EXE-039 … EXE-045, DMN-032, DMN-033, DMN-074, DMN-075, WRK-001, WRK-008, WRK-010, RLK-004. Root has the plugins in the host's
network, an ordinary user in one of the launcher's.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

from support import api, cni, leaks, machine
from support.case import Case
from support.cni import PrivateNetwork, RecordingPlugins, WebServer, files, pins
from support.daemon import Daemon
from support.network import Network, ip
from support.running_build import PATIENCE, RunningBuild
from test_gateway import Processes

LABEL = "org.mobyproject.buildkit.worker.network"
HOST_ALLOWED = ("--allow-insecure-entitlement", "network.host")
BRIDGE, DIR = "--oci-worker-net=bridge", "--oci-cni-binary-dir"
SHOW = "ip -4 -o addr show dev eth0 | awk '{print $4}'"
ADDRESS = f"echo address $({SHOW})"
SPACE = "echo space $(readlink /proc/self/ns/net)"
LOOPBACK = "ip link show dev lo | grep -q '<LOOPBACK,UP' && ip addr show dev lo | grep -q ' 127.0.0.1/8 '"
NO_INTERFACE = "ip link show dev lo >/dev/null && ! ip link show dev eth0 2>/dev/null"


def get(host, port):
    return f"timeout 20 wget -q -O /dev/null http://{host}:{port}/"


def said(done, word):
    """What the steps printed after `word`, in order."""
    return re.findall(rf"(?m)^#\d+ [\d.]+ {word} (.*)$", done.err)


def silent(host, port):
    with socket.socket() as s:
        return s.connect_ex((host, port))


class Networks(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        before = pathlib.Path(cni.FORWARD).read_text()
        cls.addClassCleanup(lambda: pathlib.Path(cni.FORWARD).write_text(before))

    @contextlib.contextmanager
    def daemon(self, network, *flags, plugins=cni.PLUGINS, **options):
        """Root's; after its graceful end nothing is left of `network` but a bridge."""
        more = [DIR, plugins] if plugins else []
        with Daemon(flags=[*more, *flags], **options) as daemon:
            yield daemon
            veths = network.veths()
        self.assertEqual(files(daemon), [])
        self.assertEqual(network.reserved(), {})
        self.assertEqual(leaks.settle(lambda: [veth for veth in veths if os.path.exists("/sys/class/net/" + veth)]), [])
        self.assertEqual(network.rules(), [])

    def listed(self, network, *flags):
        return self.daemon(network, "--oci-worker-net=cni", "--oci-cni-config-path", network.conflist(), *flags)

    def label(self, daemon):
        (worker,) = json.loads(daemon.buildctl("debug", "workers", "--format", "{{json .}}").out)
        return worker["labels"][LABEL]

    def build(self, daemon, *lines, base="", extra=(), **options):
        """A build of steps that are not cached."""
        return daemon.build({"Dockerfile": f"FROM {base or self.base}\n" + "".join(f"RUN {line}\n" for line in lines)}, extra=["--no-cache", *extra], **options)

    def address(self, daemon, network, *more, **options):
        """The address that a step has in the subnet; what `more` says has to work in it too."""
        (address,) = said(self.build(daemon, " && ".join([ADDRESS, LOOPBACK, *more]), **options), "address")
        self.assertTrue(network.has(address), address)
        return address.partition("/")[0]

    def all_is_accounted_for(self, daemon, network):
        """Every namespace has an address, every address a namespace."""
        self.assertEqual(leaks.settle(lambda: set(network.reserved().values()) ^ set(pins(daemon))), set())


class Bridge(Networks):
    def test_what_steps_see(self):
        """EXE-044, DMN-032, DMN-075, EXE-039 to EXE-041: an address, a route and a loopback of a step's own; the host by its bridge, not its loopback; none and host beside it."""
        with PrivateNetwork() as network, WebServer("0.0.0.0") as everywhere, WebServer("127.0.0.1") as inside:
            with self.daemon(network, BRIDGE, *HOST_ALLOWED, config=network.toml()) as daemon:
                self.assertEqual(self.label(daemon), "cni")
                route = f"ip route | grep -q '^default via {network.gateway} dev eth0'"
                address = self.address(daemon, network, route, get(network.gateway, everywhere.port), f"! {get('127.0.0.1', inside.port)}")
                self.assertEqual(everywhere.askers, [address])
                self.assertEqual(len(network.veths()), 1)
                self.assertEqual(network.reserved(), {address: pins(daemon)[0]})
                self.build(daemon, f"--network=none {NO_INTERFACE} && ! {get(network.gateway, everywhere.port)}", f"--network=host {get('127.0.0.1', inside.port)}", extra=["--allow", "network.host"])
                self.assertIn("network.host is not allowed", self.build(daemon, "--network=host true", check=False).err)
                self.assertEqual((everywhere.askers, inside.askers), ([address], ["127.0.0.1"]))
            self.assertFalse(network.has_bridge())

    def test_the_way_out(self):
        """EXE-044: a step reaches another machine, which sees this one's address."""
        with Network() as other, PrivateNetwork() as network:
            where = machine.scratch("web")
            with open(os.path.join(where, "log"), "w") as log:
                web = subprocess.Popen(["ip", "netns", "exec", other.space, sys.executable, "-m", "http.server", "--bind", other.there, "--directory", where, "8000"], stdout=log, stderr=log)
            try:
                self.assertEqual(leaks.settle(lambda: silent(other.there, 8000), 20), 0, "the server does not start")
                with self.daemon(network, BRIDGE, config=network.toml()) as daemon:
                    self.address(daemon, network, get(other.there, 8000))
            finally:
                web.kill()
                web.wait()
            self.assertIn(f'{other.address} - - [', pathlib.Path(where, "log").read_text())

    def test_a_bridge_that_was_there_stays(self):
        """EXE-044: only what the daemon made is removed."""
        with PrivateNetwork() as network:
            ip("link", "add", network.bridge, "type", "bridge")
            with self.daemon(network, BRIDGE, config=network.toml()) as daemon:
                self.address(daemon, network)
            self.assertTrue(network.has_bridge())


class Configured(Networks):
    def test_a_list_and_a_single_plugin(self):
        """EXE-043, WRK-008, DMN-033, DMN-074: a .conflist by flags, one plugin's configuration by the settings file."""
        with PrivateNetwork() as network, WebServer("0.0.0.0") as web:
            with self.listed(network) as daemon:
                self.assertEqual(self.label(daemon), "cni")
                first = self.address(daemon, network, get(network.gateway, web.port))
            config = f'[worker.oci]\nnetworkMode = "cni"\ncniConfigPath = "{network.conf()}"\ncniBinaryPath = "{cni.PLUGINS}"\ncniPoolSize = 1\n'
            with self.daemon(network, plugins="", config=config) as daemon:
                self.assertEqual(self.label(daemon), "cni")
                second = self.address(daemon, network, get(network.gateway, web.port))
            self.assertEqual(web.askers, [first, second])

    def test_auto(self):
        """EXE-042, WRK-001: a configuration that is there, the bridge where the environment wants it, else the host's network."""
        with PrivateNetwork() as network:
            with self.daemon(network, "--oci-cni-config-path", network.conflist()) as daemon:
                self.assertEqual(self.label(daemon), "cni")
                self.address(daemon, network)
        with PrivateNetwork() as network:
            nowhere = ["--oci-cni-config-path", os.path.join(network.dir, "nosuch.conflist")]
            with self.daemon(network, *nowhere, config=network.toml(), env={"BUILDKIT_NETWORK_BRIDGE_AUTO": "1"}) as daemon:
                self.assertEqual(self.label(daemon), "cni")
                self.address(daemon, network)
            self.assertFalse(network.has_bridge())
            with self.daemon(network, *nowhere, config=network.toml()) as daemon, WebServer("127.0.0.1") as web:
                self.assertEqual(self.label(daemon), "host")
                self.build(daemon, get("127.0.0.1", web.port))

    def test_both_families(self):
        """WRK-008: an IPv6 address beside the other one."""
        if not os.path.exists("/proc/net/if_inet6"):
            return  # the kernel has no IPv6
        with PrivateNetwork() as network:
            conf = network.conf(network.subnet, network.prefix6 + ":/64")
            with self.daemon(network, "--oci-worker-net=cni", "--oci-cni-config-path", conf) as daemon:
                self.address(daemon, network, f"ip -6 -o addr show dev eth0 scope global | grep -q ' {network.prefix6}.*/64 '", f"ip -6 route | grep -q '^default via {network.prefix6}:1 dev eth0'")

    def test_settings_that_mean_nothing(self):
        """DMN-033, EXE-043, EXE-044: the daemon does not start, and the message names the file, the directory or the mode."""
        with PrivateNetwork() as network:
            nowhere, empty = os.path.join(network.dir, "nosuch"), machine.scratch("empty")
            cases = [(["--oci-worker-net=cni", "--oci-cni-config-path", nowhere], f'failed to read cni config "{nowhere}"'),
                     (["--oci-worker-net=cni", "--oci-cni-config-path", network.conflist(), DIR, nowhere], f'failed to read cni binary dir "{nowhere}"'),
                     ([BRIDGE, DIR, empty], f'failed to find CNI bridge "{empty}/bridge"'),
                     (["--oci-worker-net=nosuch"], 'invalid network mode: "nosuch"')]
            for number, (kind, text) in enumerate((("conf", "{"), ("conf", '{"cniVersion": "1.0.0", "name": "x"}'), ("conf", '["bridge"]'), ("conflist", '{"cniVersion": "1.0.0", "name": "x"'),
                                                   ("conflist", '{"cniVersion": "1.0.0", "name": "x", "plugins": []}'), ("conflist", '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"bridge": "y"}]}'))):
                path = os.path.join(network.dir, f"bad{number}.{kind}")
                pathlib.Path(path).write_text(text)
                cases.append((["--oci-worker-net=cni", "--oci-cni-config-path", path], path))
            for flags, word in cases:
                with self.subTest(flags=flags):
                    daemon = Daemon(flags=flags if DIR in flags else [DIR, cni.PLUGINS, *flags])
                    daemon.start(wait=False)
                    self.addCleanup(daemon.stop)
                    self.assertNotEqual(daemon.process.wait(30), 0)
                    self.assertIn(word, daemon.log())
                    daemon.assert_clean()


class Protocol(Networks):
    def space(self, daemon, hostname=""):
        """The inode of the network namespace that a step is in."""
        (space,) = said(self.build(daemon, SPACE, opts={"hostname": hostname} if hostname else None), "space")
        return int(re.fullmatch(r"net:\[(\d+)\]", space).group(1))

    def of_space(self, plugins, space):
        """(id, calls) of the namespace."""
        (found,) = [(id, told) for id, told in plugins.attachments().items() if told[0]["space"] == space]
        return found

    def told_before(self, call):
        """Interfaces of the result that the plugin was given; None: it was given none."""
        return [interface["name"] for interface in call["input"]["prevResult"]["interfaces"]] if "prevResult" in call["input"] else None

    def test_what_plugins_are_told(self):
        """EXE-043: ADD in the list's order, each with the result so far; DEL backwards with the last one; the hostname of a step that has one."""
        plugins = RecordingPlugins("first", "second", "third")
        with Daemon(flags=plugins.flags()) as daemon:
            plain, named = self.space(daemon), self.space(daemon, "builder")
            self.assertNotEqual(plain, named)
            self.assertEqual(leaks.settle(lambda: 6 - len(self.of_space(plugins, named)[1])), 0, "the named step's network goes with it")
            self.assertEqual(self.space(daemon), plain, "the other's is used again")
            injected = self.build(daemon, "true", opts={"hostname": "a;INJECTED=1"}, check=False)
            self.assertNotEqual(injected.returncode, 0)
            self.assertRegex(injected.err, "error: .*hostname")
        self.assertFalse([call for call in plugins.calls() if "INJECTED" in call["env"].get("CNI_ARGS", "")])
        results = [["eth0", "of-first"], ["eth0", "of-first", "of-second"], ["eth0", "of-first", "of-second", "of-third"]]
        for space, args in ((plain, {""}), (named, {"K8S_POD_NAME=builder", "IgnoreUnknown=1"})):
            id, told = self.of_space(plugins, space)
            self.assertEqual([(call["command"], call["plugin"]) for call in told],
                             [("ADD", "first"), ("ADD", "second"), ("ADD", "third"), ("DEL", "third"), ("DEL", "second"), ("DEL", "first")])
            self.assertEqual([self.told_before(call) for call in told], [None, results[0], results[1], results[2], results[2], results[2]])
            for call in told:
                env, given = dict(call["env"]), call["input"]
                self.assertEqual(set(env.pop("CNI_ARGS", "").split(";")), args)
                self.assertEqual(env, {"CNI_COMMAND": call["command"], "CNI_CONTAINERID": id, "CNI_NETNS": f"{daemon.root}/net/cni/{id}", "CNI_IFNAME": "eth0", "CNI_PATH": plugins.dir})
                self.assertEqual(call["space"], space)
                self.assertEqual((given["name"], given["cniVersion"], given["type"], given["setting"]), (plugins.name, "1.0.0", call["plugin"], "of " + call["plugin"]))
        self.assertEqual(files(daemon), [])

    def test_an_old_version(self):
        """EXE-043, WRK-008: before 0.4.0 DEL has no result."""
        plugins = RecordingPlugins("one", version="0.3.1")
        with Daemon(flags=plugins.flags()) as daemon:
            self.space(daemon)
        self.assertEqual([(call["command"], self.told_before(call), call["input"]["cniVersion"]) for call in plugins.calls()], [("ADD", None, "0.3.1"), ("DEL", None, "0.3.1")])

    def fails(self, daemon, *words):
        """A step whose network cannot be made says why, others run, and nothing is left pinned."""
        failed = self.build(daemon, "true", check=False)
        self.assertNotEqual(failed.returncode, 0, failed.err)
        for word in words:
            self.assertRegex(failed.err, word)
        self.build(daemon, f"--network=none {NO_INTERFACE}")
        self.assertEqual(leaks.settle(lambda: files(daemon)), [])

    def test_a_plugin_that_fails(self):
        """EXE-043: its own words arrive, what the ones before it made is taken away, and once it works again so do steps."""
        plugins = RecordingPlugins("first", "second")
        with Daemon(flags=plugins.flags()) as daemon:
            for script, words in (('print(json.dumps({"cniVersion": "1.0.0", "code": 100, "msg": "no room", "details": "come back later"})); sys.exit(1)', "no room.*come back later"),
                                  ('sys.exit("no such wire")', "no such wire"), ("os.kill(os.getpid(), 9)", ""), ('print("nonsense")', "")):
                plugins.does("second", script)
                self.fails(daemon, rf'CNI setup error: plugin type="second" failed \(add\): .*{words}')
                *_, told = plugins.attachments().values()
                self.assertIn(("DEL", "first"), [(call["command"], call["plugin"]) for call in told])
            plugins.does("second")
            self.space(daemon)
        self.assertEqual(files(daemon), [])

    def test_a_plugin_that_is_missing(self):
        """EXE-043: the daemon starts, the step names the plugin; installed meanwhile, it is found."""
        plugins = RecordingPlugins("first", "late")
        plugins.uninstall("late")
        with Daemon(flags=plugins.flags()) as daemon:
            self.fails(daemon, r'CNI setup error: .*"late"', re.escape(plugins.dir))
            plugins.install("late")
            self.space(daemon)
        self.assertEqual(files(daemon), [])


# Both steps run at the same time, or neither ends.
MEETING = """
FROM {base} AS a
RUN --mount=type=cache,target=/meet touch /made /meet/a; {wait_for_b}; {address}
FROM {base} AS b
RUN --mount=type=cache,target=/meet touch /made /meet/b; {wait_for_a}; {address}
FROM {base}
COPY --from=a /made /a
COPY --from=b /made /b
"""


class Pool(Networks):
    def test_namespaces_are_used_again(self):
        """EXE-045: one is there before the first step, steps after each other share it, steps beside each other do not."""
        with PrivateNetwork() as network, self.listed(network, "--oci-cni-pool-size=1") as daemon:
            filled = lambda: any("CNI-FORWARD" in rule for rule in network.rules())  # the last plugin's
            self.assertFalse(leaks.settle(lambda: not filled(), 20), "the pool is not filled")
            self.build(daemon, f"--network=none {NO_INTERFACE}")
            (ready,) = network.reserved()
            self.assertEqual(said(self.build(daemon, ADDRESS, ADDRESS + " # again"), "address"), [f"{ready}/24"] * 2)
            self.assertEqual(self.address(daemon, network), ready)
            self.assertEqual(network.reserved(), {ready: pins(daemon)[0]})
            self.assertEqual(len(pins(daemon)), 1)
            wait = "i=0; until test -e /meet/%s; do sleep 0.1; i=$((i+1)); test $i -lt 600 || exit 1; done"
            met = daemon.build({"Dockerfile": MEETING.format(base=self.base, address=ADDRESS, wait_for_a=wait % "a", wait_for_b=wait % "b")})
            addresses = said(met, "address")
            self.assertEqual(len(set(addresses)), 2, met.err)
            self.assertTrue(all(map(network.has, addresses)), addresses)
            self.assertIn(f"{ready}/24", addresses)
            self.all_is_accounted_for(daemon, network)

    def test_containers_of_clients(self):
        """DFE-116, EXE-045: the processes of one container share its network; that of another one without is empty."""
        with PrivateNetwork() as network, self.listed(network) as daemon, api.Client(daemon) as client:
            with client.frontend("networks") as build:
                graph = api.Graph()
                ref = build.solve(graph.definition(graph.source(f"docker-image://{self.base}:latest")))
                for name, mode in (("c", api.pb.UNSET), ("none", api.pb.NONE)):
                    build.call("NewContainer", ContainerID=name, Network=mode, Mounts=[api.pb.Mount(dest="/", resultID=ref)])
                with Processes(build) as run:
                    run.start("first", SHOW + "; cat", fds=(0, 1, 2))
                    run.wait_for("first", "\n")
                    run.start("second", SHOW)
                    run.start("none", NO_INTERFACE, container="none")
                    self.assertEqual((run.end("second"), run.end("none")), (0, 0))
                    run.send("first", File=api.gateway.FdMessage(Fd=0, EOF=True))
                    self.assertEqual(run.end("first"), 0)
                self.assertEqual(run.text["first", 1], run.text["second", 1])
                self.assertTrue(network.has(run.text["first", 1].strip()), run.text)
                for name in ("c", "none"):
                    build.call("ReleaseContainer", ContainerID=name)
            self.all_is_accounted_for(daemon, network)
            self.assertEqual(len(pins(daemon)), 1)


class Ends(Networks):
    def steps(self, daemon):
        return [line for line in daemon.pids_of_steps() if "sleep 1000" in line]

    def interrupt(self, client):
        """Ctrl-C."""
        client.process.send_signal(signal.SIGINT)
        self.assertRegex(client.last_line(), "^error: .*cancel")

    def test_a_step_that_is_cancelled(self):
        """EXE-045: its network is kept for the next one or taken away; no part of it stays alone."""
        with PrivateNetwork() as network, self.listed(network) as daemon:
            client = RunningBuild(self, daemon, "FROM {base}\nRUN echo begun; sleep 1000\n").begun()
            self.interrupt(client)
            self.assertEqual(leaks.settle(lambda: self.steps(daemon), PATIENCE), [])
            self.all_is_accounted_for(daemon, network)
            self.address(daemon, network)

    def test_cancelled_while_its_network_is_made(self):
        """EXE-043: the plugin ends, what was made so far is taken away."""
        plugins = RecordingPlugins("first", "slow")
        plugins.does("slow", "time.sleep(1000)")
        with Daemon(flags=plugins.flags()) as daemon:
            client = RunningBuild(self, daemon, "FROM {base}\nRUN true\n")
            self.assertFalse(leaks.settle(lambda: not any(call["plugin"] == "slow" for call in plugins.calls()), PATIENCE), "the plugin is not called")
            self.interrupt(client)
            self.assertEqual(leaks.settle(lambda: files(daemon), PATIENCE), [])
            self.assertIn(("DEL", "first"), [(call["command"], call["plugin"]) for call in plugins.calls()])
            self.assertEqual(leaks.settle(lambda: {pid: line for pid, line in leaks.processes(plugins.dir).items() if line.endswith("/slow")}, PATIENCE), {})
            plugins.does("slow")
            self.build(daemon, "true")
        self.assertEqual(files(daemon), [])

    def killed_and_started(self, network, daemon, change=lambda flags: flags):
        """kill -9 with a step under way, and a start that has to remove what was left."""
        groups = daemon.groups_before
        client = RunningBuild(self, daemon, "FROM {base}\nRUN echo begun; sleep 1000\n").begun()
        old, veths = pins(daemon), network.veths()
        self.assertEqual((len(old), len(veths)), (1, 1))
        daemon.kill()
        client.end(1)
        self.assertEqual(pins(daemon), old)
        self.assertEqual(list(network.reserved().values()), old)
        daemon.flags = change(daemon.flags)
        daemon.start()
        daemon.groups_before = groups  # of before the first start
        self.assertEqual(leaks.settle(lambda: [name for name in files(daemon) if name.partition(".")[0] in old], PATIENCE), [])
        self.assertEqual(leaks.settle(lambda: leaks.mounts(os.path.join(daemon.root, "net/cni", old[0])), PATIENCE), [])
        self.assertEqual(leaks.settle(lambda: [address for address, id in network.reserved().items() if id in old], PATIENCE), [])
        self.assertEqual(leaks.settle(lambda: [veth for veth in veths if os.path.exists("/sys/class/net/" + veth)], PATIENCE), [])

    def test_kill_9(self):
        """WRK-010: the next start removes namespaces, interfaces, addresses and the bridge that a killed daemon left, also one that has no private network itself."""
        with PrivateNetwork() as network, self.listed(network) as daemon:
            self.killed_and_started(network, daemon)
            self.address(daemon, network)
            self.all_is_accounted_for(daemon, network)
        with PrivateNetwork() as network:
            with self.daemon(network, BRIDGE, config=network.toml()) as daemon:
                self.killed_and_started(network, daemon)
                self.address(daemon, network)
                self.all_is_accounted_for(daemon, network)
            self.assertFalse(network.has_bridge())
        with PrivateNetwork() as network:
            nowhere = ["--oci-cni-config-path", os.path.join(network.dir, "nosuch.conflist")]
            with self.daemon(network, *nowhere, BRIDGE, config=network.toml()) as daemon:
                self.killed_and_started(network, daemon, lambda flags: [flag for flag in flags if flag != BRIDGE])
                self.assertEqual(self.label(daemon), "host")
                self.assertEqual(leaks.settle(network.has_bridge, PATIENCE), False)
                self.build(daemon, "true")


class BehindSlirp(Daemon):
    """An ordinary user's, in a network namespace of the launcher's, where it may make bridges; the host's loopback is at 10.0.2.2."""

    def command(self):
        launcher = [os.path.join(machine.bin_dir(), "rootlesskit"), "--net=slirp4netns", "--copy-up=/etc", "--cgroupns", os.path.join(machine.bin_dir(), "buildkitd")]
        return machine.command_as(self.user, launcher + self.flags)


class OrdinaryUser(Networks):
    def test_a_bridge_in_a_network_of_its_own(self):
        """EXE-044, EXE-039 to EXE-041, WRK-010: the same as root's, inside of the launcher's network, whose way out it takes; kill -9 too."""
        registry = "10.0.2.2:" + self.registry.host.rpartition(":")[2]
        with PrivateNetwork() as network, WebServer("127.0.0.1") as web:
            config = network.toml() + f'[registry."{registry}"]\nhttp = true\n'
            with BehindSlirp(user=machine.USER, flags=[BRIDGE, DIR, cni.PLUGINS, *HOST_ALLOWED], config=config) as daemon:
                self.assertEqual(self.label(daemon), "cni")
                base = registry + "/base"
                self.address(daemon, network, get("10.0.2.2", web.port), f"! {get('127.0.0.1', web.port)}", base=base)
                self.assertEqual(web.askers, ["127.0.0.1"])
                self.build(daemon, f"--network=none {NO_INTERFACE} && ! {get('10.0.2.2', web.port)}", "--network=host ip link show dev tap0", base=base, extra=["--allow", "network.host"])
                self.assertFalse(network.has_bridge(), "the host's network has nothing of it")
                old, groups = pins(daemon), daemon.groups_before
                self.assertEqual(len(old), 1)
                daemon.kill()
                self.assertEqual(pins(daemon), old)
                daemon.start()
                daemon.groups_before = groups
                self.assertEqual(leaks.settle(lambda: [name for name in files(daemon) if name.partition(".")[0] in old], PATIENCE), [])
                self.address(daemon, network, get("10.0.2.2", web.port), base=base)
            self.assertEqual(files(daemon), [])

    def test_a_bridge_in_the_hosts_network(self):
        """RLK-004, EXE-044: refused to an ordinary user, with the fix."""
        daemon = Daemon(user=machine.USER, flags=[BRIDGE, DIR, cni.PLUGINS])
        daemon.start(wait=False)
        self.addCleanup(daemon.stop)
        self.assertNotEqual(daemon.process.wait(30), 0)
        self.assertIn("network mode bridge needs a network namespace that is the daemon's own (start it with rootlesskit --net=slirp4netns, or use --oci-worker-net=host)", daemon.log())
        daemon.assert_clean()


if __name__ == "__main__":
    import unittest
    unittest.main()
