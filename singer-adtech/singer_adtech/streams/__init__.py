"""Kinds of streams, which a tap's streams inherit from: whole lists, windows, keysets, children, derived ones."""
