#!/bin/sh
# Removes from this machine's network what a Docker engine leaves there: its bridge, its iptables rules and chains.
set -u

ip link delete docker0
iptables -w -P FORWARD ACCEPT
for table in filter nat; do
    iptables -w -t "$table" -S | grep -e DOCKER -e docker0 | sed -n 's/^-A/-D/p' | xargs -L 1 iptables -w -t "$table"
    iptables -w -t "$table" -S | sed -n 's/^-N DOCKER/-X DOCKER/p' | xargs -L 1 iptables -w -t "$table"
done
