"""Base classes of a tap's streams: whole lists, windows, keysets, child streams and derived streams."""
