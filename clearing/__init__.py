"""Clearing: what each trade does to cash and holdings, in double entry."""
