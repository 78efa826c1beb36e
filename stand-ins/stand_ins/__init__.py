"""Databases and stores that run on one machine, for testing loaders against the real thing or the nearest to it."""
