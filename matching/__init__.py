"""The sequenced core of the exchange: commands in, events out, nothing else."""
