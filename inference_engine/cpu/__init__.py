"""Engines for any CPU; the vendor that needs no accelerator."""
