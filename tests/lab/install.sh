#!/bin/sh
# Installs with apt what is missing of Docker's engine, its registry, Podman and sshd (or, with the argument venv, Python's venv module), if root.
set -eu

missing=""
want() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }

if [ "${1:-}" = venv ]; then
    python3 -c 'import ensurepip' 2>/dev/null || missing="python3-venv"
else
    want dockerd docker.io
    want docker-registry docker-registry
    want iptables iptables
    want sshd openssh-server
    want ssh-keygen openssh-client
    want ip iproute2
    want podman podman
    want newuidmap uidmap
    want slirp4netns slirp4netns
    want catatonit catatonit
    want g++ g++
    want localedef libc-bin
    [ -d /usr/share/i18n/locales ] || missing="$missing locales"
    python3 -c 'import os, sysconfig; assert os.path.exists(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null || missing="$missing python3-dev"
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed:$missing; install it with your package manager (only root on Debian or Ubuntu has it done here)" >&2
    [ "${1:-}" != venv ] || exit 1
    exit 0
fi
echo "installing$missing"
apt-get update -qq
# shellcheck disable=SC2086 - a list of packages
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
