"""Simulators of the vendors' HTTP APIs for tests and demonstrations; imports no other package of this repository."""
