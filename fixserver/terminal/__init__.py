"""The terminal: a venue for people without a browser, as a client like any other; nothing of it runs in the venue's processes."""
