"""What is computed: one folder per case, and what several cases share."""
