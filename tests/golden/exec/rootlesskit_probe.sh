#!/bin/sh
# What the command sees below the launcher: "key<TAB>value" lines in $TT/seen; "key[]" is one element of a list.
put() { printf '%s\t%s\n' "$1" "$2" >> "$TT/seen"; }
put caps "$(awk '/^CapEff/ {c = $2} /^NoNewPrivs/ {n = $2} END {print c " nnp=" n}' /proc/self/status)"
put id "$(id -u):$(id -g) $(id -G)"
put cwd "$(pwd)"
put umask "$(umask)"
put setgroups "$(cat /proc/self/setgroups)"
for map in uid_map gid_map; do
  while read -r inside outside count; do put "${map}[]" "$inside $outside $count"; done < /proc/self/$map
done
env | grep ROOTLESSKIT | sort | while read -r line; do put "env[]" "$line"; done
readlink /proc/self/ns/* | sort | comm -13 "$TT/namespaces" - | sed 's/:.*//' | grep -v _for_children | sort -u | while read -r kind; do put "new_namespaces[]" "$kind"; done
put pid1 "$([ $$ = 1 ] && echo yes || echo no) ppid_comm=$(cat /proc/$PPID/comm)"
put root_propagation "$(awk '$5 == "/" {s = ""; for (i = 7; $i != "-"; i++) s = s (s == "" ? "" : " ") $i; print s; exit}' /proc/self/mountinfo)"
cd "$ROOTLESSKIT_STATE_DIR" || exit 1
for name in $(ls -A | sort); do put "state[]" "$name $(stat -c %A "$name")"; done
put state_mode "$(stat -c %A .)"
size=$(stat -c %s child_pid)
digits=$(tr -cd 0-9 < child_pid | wc -c)
put child_pid_digits "$(wc -l < child_pid) size_ok=$([ "$size" = "$digits" ] && echo exact || echo "$size")"
