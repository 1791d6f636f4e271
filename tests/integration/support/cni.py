"""Private networks of steps: a bridge, a subnet and a name of a test's own, what is there of them, and plugins that write down what they are told.

Root; needs Debian's containernetworking-plugins and iptables.
"""
import glob
import http.server
import itertools
import json
import os
import pathlib
import re
import shlex
import shutil
import socketserver
import subprocess

from . import leaks, machine
from .served import Served

PLUGINS = "/usr/lib/cni"
VERSION = "1.0.0"
RESERVED = "/var/lib/cni/networks"  # of the plugin host-local: NETWORK/ADDRESS has the container's id
FORWARD = "/proc/sys/net/ipv4/ip_forward"  # which the plugin bridge switches on

_numbers = itertools.count(1)


def files(daemon):
    """All that the daemon keeps of its networks."""
    where = os.path.join(daemon.root, "net/cni")
    return sorted(os.listdir(where)) if os.path.isdir(where) else []


def pins(daemon):
    """Ids of the namespaces that it has."""
    return [name for name in files(daemon) if "." not in name]


class PrivateNetwork:
    """`with PrivateNetwork() as network:` — settings for a daemon; what plugins leave by design (a bridge, rules of it) goes at the end."""

    def __init__(self):
        number = next(_numbers)
        self.name = self.bridge = f"bkp{os.getpid() % 1000000:x}{number}"
        net = f"10.{os.getpid() % 200 + 20}.{number + 150}"
        self.prefix, self.subnet, self.gateway = net + ".", f"{net}.0/24", f"{net}.1"
        self.prefix6 = f"fd00:{os.getpid() & 0xffff:x}:{number:x}:"
        self.dir = machine.scratch("cni")

    def write(self, name, config):
        path = os.path.join(self.dir, name)
        pathlib.Path(path).write_text(json.dumps({"cniVersion": VERSION, "name": self.name, **config}))
        return path

    def plugin(self, *subnets):
        """What the plugin bridge is told."""
        ranges = [[{"subnet": subnet}] for subnet in subnets or (self.subnet,)]
        return {"type": "bridge", "bridge": self.bridge, "isDefaultGateway": True, "ipam": {"type": "host-local", "ranges": ranges}}

    def conflist(self):
        return self.write("net.conflist", {"plugins": [{**self.plugin(), "ipMasq": True}, {"type": "firewall"}]})

    def conf(self, *subnets):
        return self.write("net.conf", self.plugin(*subnets))

    def toml(self):
        """Of the built-in bridge."""
        return f'[worker.oci]\nbridgeName = "{self.bridge}"\nbridgeSubnet = "{self.subnet}"\n'

    def has(self, address):
        """Whether an address as `ip` shows it is of the subnet."""
        return address.startswith(self.prefix) and address.endswith("/24")

    # ---- what is there of it ----

    def has_bridge(self):
        return os.path.exists("/sys/class/net/" + self.bridge)

    def veths(self):
        """The host's ends of the namespaces' interfaces."""
        where = f"/sys/class/net/{self.bridge}/brif"
        return sorted(os.listdir(where)) if os.path.isdir(where) else []

    def reserved(self):
        """{address: id of its namespace}."""
        found = {os.path.basename(path): leaks.read(path).decode().split() for path in glob.glob(f"{RESERVED}/*/{self.prefix}*")}
        return {address: words[0] for address, words in found.items() if words}  # others come or go at this moment

    def rules(self):
        """The packet filter's that name an address of the subnet."""
        said = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
        return [line for line in said.splitlines() if " " + self.prefix in line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.has_bridge():
            subprocess.run(["ip", "link", "del", self.bridge], check=True)
        for line in subprocess.run(["iptables", "-S"], capture_output=True, text=True, check=True).stdout.splitlines():
            if line.startswith("-A ") and re.search(rf" {self.bridge}( |$)", line):
                subprocess.run(["iptables", "-D", *shlex.split(line)[1:]], check=True)
        shutil.rmtree(f"{RESERVED}/{self.name}", ignore_errors=True)


class WebServer(Served):
    """`with WebServer("0.0.0.0") as web:` — answers at `web.port`; `web.askers` are the addresses of those who asked."""

    def __init__(self, address):
        self.askers = askers = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                askers.append(self.client_address[0])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = socketserver.ThreadingTCPServer((address, 0), Handler)  # http.server's asks for names of addresses
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]


# Every plugin's result has one more interface, so that the next one shows what it was told.
_PLUGIN = """#!/usr/bin/env python3
import json, os, sys, time
here, name = os.path.split(os.path.abspath(__file__))
told, command = json.load(sys.stdin), os.environ["CNI_COMMAND"]
netns = os.environ.get("CNI_NETNS", "")
call = {"plugin": name, "command": command, "env": {key: value for key, value in os.environ.items() if key.startswith("CNI_")}, "input": told,
        "space": os.stat(netns).st_ino if netns else 0}
with open(here + "/calls", "a") as calls:
    calls.write(json.dumps(call) + "\\n")
if command == "ADD":
    if os.path.exists(here + "/" + name + ".does"):
        exec(open(here + "/" + name + ".does").read())
        sys.exit()
    result = told.get("prevResult") or {"cniVersion": told["cniVersion"], "interfaces": [{"name": "eth0", "sandbox": netns}],
                                        "ips": [{"version": "4", "address": "10.9.8.7/24", "interface": 0}], "dns": {}}
    result["interfaces"].append({"name": "of-" + name})
    print(json.dumps(result))
"""


class RecordingPlugins:
    """`RecordingPlugins("first", "second")`: `dir` has the programs, `config` is a list of them; they make no interface."""

    def __init__(self, *names, version=VERSION):
        self.dir, self.name, self.version = machine.scratch("plugins"), "recorded", version
        for name in names:
            self.install(name)
        self.config = os.path.join(self.dir, "net.conflist")
        plugins = [{"type": name, "setting": "of " + name} for name in names]
        pathlib.Path(self.config).write_text(json.dumps({"cniVersion": version, "name": self.name, "plugins": plugins}))

    def flags(self):
        return ["--oci-worker-net=cni", "--oci-cni-config-path", self.config, "--oci-cni-binary-dir", self.dir]

    def install(self, name):
        path = os.path.join(self.dir, name)
        pathlib.Path(path).write_text(_PLUGIN)
        os.chmod(path, 0o755)

    def uninstall(self, name):
        os.unlink(os.path.join(self.dir, name))

    def does(self, name, script=""):
        """Python that the plugin runs for ADD from now on, instead of what it should; none: it works again."""
        path = pathlib.Path(self.dir, name + ".does")
        path.write_text(script) if script else path.unlink()

    def calls(self):
        path = pathlib.Path(self.dir, "calls")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def attachments(self):
        """The calls of each namespace, by its id."""
        found = {}
        for call in self.calls():
            found.setdefault(call["env"]["CNI_CONTAINERID"], []).append(call)
        return found
