"""What integration tests share: the real binaries, an ordinary user, a base image, a registry, daemons with a leak check."""
