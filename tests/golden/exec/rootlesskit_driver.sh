#!/bin/bash
# One case of the launcher, inside a mount namespace of its own: a user that the host does not know, a tun device that
# everybody may open, a resolv.conf of one line; then the launcher takes this process's place.
#
# usage: rootlesskit_driver.sh UID ARGV…    environment: TMP (the case's directory), BEFORE (script run as root), SHELL_WRAP
# (script that execs its arguments, run as the user), CASE_VALUE_name (the launcher's variable `name`)
set -e
uid=$1
shift
private=$(dirname "$TMP")/etc.$$
mkdir "$private"
for file in passwd group subuid subgid; do cp /etc/$file "$private/$file"; done
sed -i '/^alice:/d; /^[^:]*:[^:]*:1001:/d' "$private/passwd" "$private/group"
echo "alice:x:1001:1001::/home/alice:/bin/sh" >> "$private/passwd"
echo "alice:x:1001:" >> "$private/group"
echo "alice:100000:65536" | tee "$private/subuid" > "$private/subgid"
echo "nameserver 192.0.2.53" > "$private/resolv.conf"
chmod 644 "$private"/*
for file in passwd group subuid subgid resolv.conf; do mount --bind "$private/$file" /etc/$file; done
# A device node needs a file system without nodev.
device=$(dirname "$TMP")/dev
mkdir -p "$device"
mount -t tmpfs -o mode=755 none "$device"
mknod -m 666 "$device/tun" c 10 200
mkdir -p /dev/net
[ -e /dev/net/tun ] || touch /dev/net/tun
mount --bind "$device/tun" /dev/net/tun
umask 022
cd "$TMP"
[ -z "$BEFORE" ] || bash -e -c "$BEFORE" >&2
readlink /proc/self/ns/* | sort > "$TMP/namespaces"
chmod 644 "$TMP/namespaces"
vars=()
for name in "${!CASE_VALUE_@}"; do vars+=("${name#CASE_VALUE_}=${!name}"); done
become=(setpriv --reuid="$uid" --regid="$uid" --clear-groups env -i "${vars[@]}")
[ -z "$SHELL_WRAP" ] || exec "${become[@]}" /bin/sh -c "$SHELL_WRAP" sh "$@"
exec "${become[@]}" "$@"
