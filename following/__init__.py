"""Following: what it takes to keep the tables of a database in step with the event log."""
