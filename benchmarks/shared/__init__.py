"""What several cases share; no case of its own."""
