"""The FIX exchange server: gateway, processes, command line."""
