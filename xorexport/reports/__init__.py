"""Turns results into text and JSON. Reports never recompute."""
