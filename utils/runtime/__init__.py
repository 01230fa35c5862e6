"""Where a case runs: a container, or this machine's own Python; and what it needs there."""
