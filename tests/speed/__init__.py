"""Benchmarks: ratios from one run, never a timed test."""
