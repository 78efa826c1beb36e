"""The interface to singer-sdk: all private names and all overrides of final methods, each with its reason."""
