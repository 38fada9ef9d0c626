"""The steps by which the history's tables came to be."""
