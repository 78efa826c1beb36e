"""Base classes for a tap's streams: whole lists, windows, keysets, children and derived streams."""
