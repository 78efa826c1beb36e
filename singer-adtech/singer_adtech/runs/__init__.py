"""One run of a tap: the command line, its inputs, the loop over streams."""
