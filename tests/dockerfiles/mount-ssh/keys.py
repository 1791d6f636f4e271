"""Asks the agent for its keys, as ssh-add -l does."""
import os
import socket
import struct

with socket.socket(socket.AF_UNIX) as agent:
    agent.connect(os.environ["SSH_AUTH_SOCK"])
    agent.sendall(struct.pack(">IB", 1, 11))
    size, kind, keys = struct.unpack(">IBI", agent.recv(9, socket.MSG_WAITALL))
print(f"agent answers {kind} with {keys} key" + ("s" if keys != 1 else ""))
