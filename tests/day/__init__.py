"""A whole trading day of a venue of real processes, by schedule and an accelerated clock, and what must hold of it afterwards."""
