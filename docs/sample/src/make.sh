#!/bin/sh
# Says who builds: root inside the step, an ordinary user outside.
echo "hello from a step"
echo "inside I am uid $(id -u)"
