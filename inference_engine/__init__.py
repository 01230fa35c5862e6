"""What computes: one folder per vendor, one file per engine."""
