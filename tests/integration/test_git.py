"""Repositories as sources: ADD, build contexts and named contexts of both users' daemons, over HTTP and git's own protocol.

Rows: each test names those it shows.
"""
import base64
import os
import subprocess

from support.api import Graph
from support.case import Case, steps
from support.daemon import Daemon
from support.git_server import GitServer

TOKEN = "ghp-hunter2-and-more"
LS_REMOTE = ["GET /info/refs?service=git-upload-pack", "POST /git-upload-pack"]


class Git(Case):
    def each(self, **options):
        """(daemon, git) of root and of the ordinary user."""
        for user in self.both_users():
            with GitServer() as git, Daemon(user=user, **options) as daemon:
                yield daemon, git

    def exported(self, daemon, dockerfile, **options):
        out = daemon.out("files")
        self.last = daemon.build({"Dockerfile": dockerfile}, f"type=local,dest={out}", **options)
        return out

    def read(self, directory, name):
        with open(os.path.join(directory, name)) as file:
            return file.read()

    def remote(self, daemon, context, *args, check=True):
        """A build of a context that the daemon fetches."""
        out = daemon.out("remote")
        self.last = daemon.buildctl("build", "--progress=plain", "--frontend=dockerfile.v0", "--opt", "context=" + context, "--output", f"type=local,dest={out}", *args, check=check)
        return out

    def test_add(self):
        """SRC-050, SRC-056, SRC-058, SRC-066, SRC-067, SRC-070: trees, modes, subdirectories, tags, .git kept, --link, --chown, --checksum."""
        for daemon, git in self.each():
            git.repository("r", "git tag -am t v1\necho two >a\ngit commit -qam two")
            url, commit = git.url("r"), git.shell("r", "git rev-parse v1^{}")
            out = self.exported(daemon, f"FROM scratch\nADD {url} /main\nADD {url}#v1 /v1\nADD --link {url}?subdir=d&tag=v1 /sub\nADD --keep-git-dir --checksum={commit} {url}#v1 /kept\n")
            self.assertEqual([self.read(out, name) for name in ("main/a", "v1/a", "sub/x", "kept/a")], ["two\n", "one\n", "inner\n", "one\n"])
            self.assertEqual([os.stat(os.path.join(out, name)).st_mode & 0o7777 for name in ("main/a", "main/d", "sub/x")], [0o644, 0o755, 0o755])
            self.assertEqual(sorted(os.listdir(out + "/main")), ["a", "d"])
            self.assertEqual(self.read(out, "kept/.git/HEAD"), commit + "\n")
            seen = subprocess.run(["git", "-c", "safe.directory=*", "-C", out + "/kept", "describe"], capture_output=True, text=True).stdout
            self.assertEqual(seen, "v1\n")
            daemon.build({"Dockerfile": f"FROM {self.base}\nADD --chown=7:8 {url} /r\nRUN test \"$(stat -c %u:%g:%a /r/a)\" = 7:8:644\n"})
            failed = daemon.build({"Dockerfile": f"FROM scratch\nADD --checksum={commit} {url}#main /\n"}, check=False)
            self.assertNotEqual(failed.returncode, 0)
            self.assertIn(f"expected checksum to match {commit}, got ", failed.err)

    def test_what_is_asked_of_the_server(self):
        """SRC-067, SRC-068, SRC-071: an unchanged ref costs one question, a commit none; the cache below it holds; after a restart too."""
        for daemon, git in self.each():
            git.repository("r")
            dockerfile = f"FROM {self.base}\nADD {git.url('r')}#main /r\nRUN cat /r/a > /copy\n"
            daemon.build({"Dockerfile": dockerfile})
            git.asked()
            again = daemon.build({"Dockerfile": dockerfile})
            self.assertEqual(git.asked(), LS_REMOTE)
            self.assertEqual([state for name, state in steps(again.err).items() if "RUN" in name], ["CACHED"])
            daemon.stop()
            daemon.start()
            daemon.build({"Dockerfile": dockerfile})
            self.assertEqual(git.asked(), LS_REMOTE)
            daemon.build({"Dockerfile": f"FROM {self.base}\nADD {git.url('r')}#{git.shell('r', 'git rev-parse main')} /r\nRUN cat /r/a > /copy\n"})
            self.assertEqual(git.asked(), [])
            git.shell("r", "echo two >a\ngit commit -qam two")
            self.assertEqual(self.read(self.exported(daemon, dockerfile), "copy"), "two\n")
            descriptions = [record["description"] for record in daemon.du()]
            self.assertEqual(descriptions.count(f"shared git repo for {git.url('r')}"), 1)
            self.assertIn(f"git snapshot for {git.url('r')}#main", descriptions)

    def test_contexts(self):
        """DFE rows of remote contexts, SRC-057, SRC-066: the context and its Dockerfile, subdirectories, .git kept by argument, submodules, named contexts."""
        for daemon, git in self.each():
            git.repository("s", "echo sub >s\ngit add s\ngit commit -qm s")
            git.repository("r", "printf 'FROM scratch AS a\\nCOPY a out\\nFROM scratch AS git\\nCOPY .git/HEAD out\\nFROM scratch AS sub\\nCOPY m/s out\\n' >Dockerfile\n"
                                "printf 'FROM scratch\\nCOPY . /\\n' >d/Dockerfile\nprintf '[submodule \"m\"]\\n\\tpath = m\\n\\turl = ../../s/.git\\n' >.gitmodules\ngit add .\n"
                                "git update-index --add --cacheinfo 160000," + git.shell("s", "git rev-parse HEAD") + ",m\ngit commit -qm two")
            url = git.url("r")
            self.assertEqual(self.read(self.remote(daemon, url, "--opt", "target=a"), "out"), "one\n")
            self.assertIn(f"[internal] load git source {url}", self.last.stderr.decode())
            self.assertEqual(self.read(self.remote(daemon, url + "#main", "--opt", "target=sub"), "out"), "sub\n")
            self.assertEqual(sorted(os.listdir(self.remote(daemon, url + "#main:d"))), ["Dockerfile", "x"])
            head = git.shell("r", "git rev-parse HEAD") + "\n"
            self.assertEqual(self.read(self.remote(daemon, url, "--opt", "target=git", "--opt", "build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"), "out"), head)
            self.remote(daemon, url + "?submodules=false", "--opt", "target=sub", check=False)
            self.assertIn("not found", self.last.err)
            self.remote(daemon, url + "?branch=x&tag=y", check=False)
            self.assertIn("branch conflicts with tag", self.last.err)
            out = self.exported(daemon, "FROM scratch\nCOPY --from=g /d/x /\n", extra=["--opt", "context:g=" + url])
            self.assertEqual(self.read(out, "x"), "inner\n")

    def test_tokens(self):
        """SRC-052, SRC-053, hostile 34: of the client's session, by host too; on no command line, in no log, file or record."""
        for user in self.both_users():
            with GitServer() as git, Daemon(user=user, flags=["--debug"]) as daemon:
                git.repository("r")
                basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
                git.authorization = "basic " + basic
                dockerfile = {"Dockerfile": f"FROM scratch\nADD {git.url('r')} /\n", "token": TOKEN + "\n"}
                refused = daemon.build(dockerfile, check=False)
                self.assertNotEqual(refused.returncode, 0)
                context = daemon.context(dockerfile)
                for secret in ("GIT_AUTH_TOKEN", "GIT_AUTH_TOKEN." + git.host):
                    daemon.buildctl("prune", "--all")
                    daemon.build(context, extra=["--secret", f"id={secret},src={context}/token"])
                with open(daemon.log_path) as log:
                    text = log.read() + refused.err
                self.assertNotIn(TOKEN, text)
                self.assertNotIn(basic, text)
                for secret in (TOKEN, basic):
                    found = subprocess.run(["grep", "-rlF", secret, daemon.root], capture_output=True, text=True).stdout
                    self.assertEqual(found, "")

    def test_broken_connections(self):
        """SRC-068: a cut answer is asked for again."""
        for daemon, git in self.each():
            git.repository("r")
            git.cut = 2
            self.assertEqual(self.read(self.exported(daemon, f"FROM scratch\nADD {git.url('r')} /\n"), "a"), "one\n")
            self.assertIn("git lost the connection, attempt 2 of 4", self.last.err)

    def test_other_protocols_and_formats(self):
        """SRC-066, SRC-069: git's own server; a repository of SHA-256; local files are no remote."""
        for daemon, git in self.each():
            git.repository("r")
            git.repository("s", options="--object-format=sha256")
            own = git.start_daemon()
            out = self.exported(daemon, f"FROM scratch\nADD {own}/r /r\nADD {git.url('s')} /s\n")
            self.assertEqual((self.read(out, "r/a"), self.read(out, "s/a")), ("one\n", "one\n"))
            for remote in (f"file://{git.root}/r", f"ext::sh -c 'touch {daemon.dir}/owned'"):
                graph = Graph()
                source = graph.source("git://host/r#main", **{"git_fullurl": remote})
                failed = daemon.buildctl("build", check=False, stdin=graph.definition(source).SerializeToString())
                self.assertNotEqual(failed.returncode, 0)
            self.assertFalse(os.path.exists(f"{daemon.dir}/owned"))

    def test_tls(self):
        """Servers are believed by SSL_CERT_FILE of the daemon; without it they are refused."""
        with GitServer(tls=True) as git:
            git.repository("r")
            for user in self.both_users():
                with Daemon(user=user) as daemon:
                    failed = daemon.build({"Dockerfile": f"FROM scratch\nADD {git.url('r')} /\n"}, check=False)
                    self.assertIn("certificate", failed.err)
                with Daemon(user=user, env={"SSL_CERT_FILE": git.authority}) as daemon:
                    self.assertEqual(self.read(self.exported(daemon, f"FROM scratch\nADD {git.url('r')} /\n"), "a"), "one\n")

    def refused(self, daemon, fragment="#main", **attrs):
        """What a build of a graph with a git source says that has to fail."""
        graph = Graph()
        source = graph.source("git://host/r" + fragment, **attrs)
        failed = daemon.buildctl("build", "--progress=plain", check=False, stdin=graph.definition(source).SerializeToString())
        self.assertNotEqual(failed.returncode, 0, failed.err)
        return failed.err

    def test_hostile_repositories(self):
        """hostile 36, 37, 38: nothing of a repository is run, and no name in it leads out of it."""
        for daemon, git in self.each():
            owned = daemon.dir + "/owned"
            git.repository("r", f"printf '[submodule \"m\"]\\n\\tpath = m\\n\\turl = ext::sh -c touch%%20{owned}\\n' >.gitmodules\ngit add .gitmodules\n"
                                "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),m\nln -s / root\ngit add root\ngit commit -qm hostile\n"
                                "git branch -- ref-like && git update-ref refs/heads/--upload-pack=touch HEAD")
            url = git.url("r")
            self.assertIn("only http, https, ssh and git are allowed", self.refused(daemon, git_fullurl=url))
            self.assertIn("'ext' not allowed", self.refused(daemon, git_fullurl=url, git_keepgitdir="true"))
            self.assertIn('contains non-directory "root"', self.refused(daemon, "#main:root/etc", git_fullurl=url))
            self.assertIn('failed to lstat ".git"', self.refused(daemon, "#main:.git", git_fullurl=url))
            self.assertIn("invalid git ref", self.refused(daemon, "#--upload-pack=touch", git_fullurl=url))
            self.assertIn("invalid git remote", self.refused(daemon, git_fullurl="ssh://-oProxyCommand=touch%20x/r"))
            # Settings, hooks and filters that the tree or the server's own repository has.
            git.repository("s", f"printf '* filter=evil diff=evil\\n' >.gitattributes\nmkdir .githooks\nprintf '#!/bin/sh\\ntouch {owned}\\n' >.githooks/post-checkout\nchmod 755 .githooks/post-checkout\n"
                                f"git add .\ngit commit -qm attributes\ngit config filter.evil.smudge 'touch {owned}'\ngit config core.hooksPath .githooks\ngit config core.fsmonitor 'touch {owned}'")
            for keep in ("false", "true"):
                out = daemon.out("files")
                graph = Graph()
                source = graph.source("git://host/s#main", git_fullurl=git.url("s"), git_keepgitdir=keep)
                daemon.buildctl("build", "--output", f"type=local,dest={out}", stdin=graph.definition(source).SerializeToString())
                self.assertEqual(self.read(out, "a"), "one\n")
                self.assertFalse(os.path.exists(out + "/.git/hooks"))
            # A link where git looks for its submodules' addresses; an entry that is git's own directory by another case.
            git.repository("t", "(git ls-tree HEAD; printf '120000 blob %s\\t.gitmodules\\n160000 commit %s\\tm\\n' $(printf d/x | git hash-object -w --stdin) $(git rev-parse HEAD)) | git mktree --missing >../t.tree\n"
                                "git update-ref refs/heads/main $(git commit-tree -m x $(cat ../t.tree))")
            self.assertIn(".gitmodules", self.refused(daemon, git_fullurl=git.url("t")))
            git.repository("u", "tree=$(printf '100644 blob %s\\tconfig\\n' $(git hash-object -w a) | git mktree)\n"
                                "git update-ref refs/heads/main $(git commit-tree -m x $(printf '040000 tree %s\\t.GIT\\n' $tree | git mktree))")
            self.assertIn("invalid path", self.refused(daemon, git_fullurl=git.url("u")))
            self.assertFalse(os.path.exists(owned))

    def test_ssh(self):
        """SRC-054, SRC-055: the client's agent opens the door, nothing else does; the host must be the one that is known."""
        for user in self.both_users():
            with GitServer() as git, Daemon(user=user) as daemon:
                git.repository("r")
                address, agent, known = git.start_ssh(user)
                dockerfile = {"Dockerfile": f"FROM scratch\nADD {address}/r /\n"}
                out = daemon.out("files")
                daemon.build(dockerfile, f"type=local,dest={out}", extra=["--ssh", "default=" + agent])
                self.assertEqual(self.read(out, "a"), "one\n")
                refused = daemon.build({"Dockerfile": f"FROM scratch\nADD {address}/r#main /\n"}, check=False)
                self.assertIn('no SSH key "default" forwarded from the client', refused.err)
                refused = daemon.build(dockerfile, check=False, extra=["--ssh", "other=" + agent])
                self.assertIn("unset ssh forward key default", refused.err)
                for line, works in ((known, True), (known.replace("AAAA", "AAAB", 1), False)):
                    daemon.buildctl("prune", "--all")
                    graph = Graph()
                    source = graph.source("git://host/r#main", **{"git_fullurl": address + "/r", "git_mountsshsock": "default", "git_knownsshhosts": line})
                    done = daemon.buildctl("build", "--ssh", "default=" + agent, check=False, stdin=graph.definition(source).SerializeToString())
                    self.assertEqual(done.returncode == 0, works, done.err)

    def test_cancelled(self):
        """SRC-070: git ends with its step."""
        for daemon, git in self.each():
            git.repository("r")
            context = daemon.context({"Dockerfile": f"FROM scratch\nADD http://192.0.2.1/r.git /\n"})
            ended = daemon.run(["timeout", "-s", "INT", "2", os.path.join(os.path.dirname(daemon.command()[-len(daemon.flags) - 1]), "buildctl"), "--addr", daemon.address,
                                *daemon.build_args(context)], check=False)
            self.assertNotEqual(ended.returncode, 0)
            self.assertEqual([line for line in daemon.pids_of_steps() if "git" in line.split("/")[0]], [])
