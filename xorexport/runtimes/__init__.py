"""Runs artifacts, one file an engine."""
