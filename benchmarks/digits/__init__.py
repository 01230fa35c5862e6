"""Handwritten digits: a small real case that needs no download."""
