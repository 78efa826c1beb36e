"""The live check: what a vendor really does, compared with what a tap assumes. See `__main__`."""
