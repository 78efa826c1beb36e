"""The one door to singer-sdk: every private name and every override of a final method, each with its reason."""
