"""ssh agents of the client in steps: RUN --mount=type=ssh of both users' daemons, with the machine's own ssh-add inside."""
import os
import re
import shutil
import subprocess

from support.case import Case
from support.daemon import Daemon
from support.git_server import GitServer


class Ssh(Case):
    def context(self, daemon, *lines):
        """A context with ssh-add and ssh-keygen and what they are linked with below tree/."""
        directory = daemon.context({"Dockerfile": f"FROM {self.base}\nCOPY tree /\n" + "".join(line + "\n" for line in lines)})
        programs = [shutil.which("ssh-add"), shutil.which("ssh-keygen")]
        linked = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout)
        for path in {*programs, *linked}:
            target = os.path.join(directory, "tree", path.lstrip("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(path, target)
        subprocess.run(["chmod", "-R", "a+rX", directory], check=True)
        return directory

    def test_mounts(self):
        """EXE and DFE rows of ssh mounts: the agent answers in the step, under the owner and mode asked for, and is gone afterwards."""
        for user in self.both_users():
            with GitServer() as git, Daemon(user=user) as daemon:
                _, agent, _ = git.start_ssh(user)
                context = self.context(
                    daemon, "RUN --mount=type=ssh ssh-add -l | grep -q ED25519",
                    "RUN --mount=type=ssh,id=other,target=/agent,required SSH_AUTH_SOCK=/agent ssh-add -l | grep -q ED25519",
                    "RUN --mount=type=ssh,mode=741,uid=100,gid=102 test \"$(stat -c '%u %g %f' $SSH_AUTH_SOCK)\" = '100 102 c1e1'",
                    "RUN --mount=type=ssh ! ssh-add -D",  # what is held cannot be changed
                    "RUN test -z \"$SSH_AUTH_SOCK\" && test ! -e /run/buildkit")
                daemon.build(context, extra=["--ssh", "default=" + agent, "--ssh", "other=" + agent])

    def test_keys_in_files(self):
        """CTL-025: keys in files make an agent that signs, of every kind and format, and cannot be changed."""
        kinds = [("rsa", "-t", "rsa", "-b", "2048"), ("pem", "-t", "rsa", "-b", "2048", "-m", "PEM"), ("ec", "-t", "ecdsa"), ("ed", "-t", "ed25519")]
        for user in self.both_users():
            with Daemon(user=user) as daemon:
                directory = os.path.dirname(daemon.out("keys"))
                keys = {name: os.path.join(directory, name) for name, *_ in kinds}
                for name, *arguments in kinds:
                    daemon.run(["ssh-keygen", "-q", "-N", "", "-f", keys[name], *arguments])
                context = self.context(
                    daemon, "RUN --mount=type=ssh ssh-add -l > /list; cat /list; test $(wc -l < /list) = 4 && grep -q ED25519 /list && grep -q ECDSA /list",
                    "RUN --mount=type=ssh ! ssh-add -D && ssh-add -l | grep -q ED25519", "COPY *.pub /keys/",
                    # Signs by the agent and checks the signature.
                    *[f"RUN --mount=type=ssh ssh-keygen -Y sign -n test -f /keys/{name}.pub < /list > /sig && ssh-keygen -Y check-novalidate -n test -s /sig < /list" for name in keys])
                for key in keys.values():
                    shutil.copy(key + ".pub", context)
                subprocess.run(["chmod", "-R", "a+rX", context], check=True)
                daemon.build(context, extra=["--ssh", "default=" + ",".join(keys.values())])
                daemon.run(["ssh-keygen", "-q", "-N", "secret", "-t", "ed25519", "-f", os.path.join(directory, "locked")])
                refused = daemon.build(context, check=False, extra=["--ssh", "default=" + os.path.join(directory, "locked")])
                self.assertIn("ssh: this private key is passphrase protected", refused.err)

    def test_agents_that_are_not_forwarded(self):
        for user in self.both_users():
            with GitServer() as git, Daemon(user=user) as daemon:
                _, agent, _ = git.start_ssh(user)
                optional, required = f"FROM {self.base}\nRUN --mount=type=ssh test ! -e $SSH_AUTH_SOCK\n", f"FROM {self.base}\nRUN --mount=type=ssh,required true\n"
                daemon.build({"Dockerfile": optional})
                self.assertIn('no SSH key "" forwarded from the client', daemon.build({"Dockerfile": required}, check=False).err)
                self.assertIn("unset ssh forward key default", daemon.build({"Dockerfile": required}, check=False, extra=["--ssh", "other=" + agent]).err)


if __name__ == "__main__":
    import unittest
    unittest.main()
