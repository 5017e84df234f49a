"""Holds a bundle against its manifest and its golden data."""
