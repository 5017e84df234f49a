"""Writes the schema that ships with the package."""

from xorexport import schema

schema.PATH.write_bytes(schema.render())
