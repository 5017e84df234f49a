"""What models are loaded from: one file a kind of source, and one line for each in `kinds`."""
