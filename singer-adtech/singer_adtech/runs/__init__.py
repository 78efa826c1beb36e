"""One run of a tap: command line, inputs and the loop over streams."""
