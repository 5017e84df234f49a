"""Reads the inputs that a user gives, one file a format. TensorFlow is not needed."""
