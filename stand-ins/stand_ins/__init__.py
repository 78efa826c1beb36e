"""Databases and object stores that run locally, for testing loaders."""
