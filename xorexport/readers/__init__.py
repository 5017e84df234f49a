"""Reads what a file holds without running it, one file a format."""
