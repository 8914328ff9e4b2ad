"""The settings of an experiment: their schema, reading them, and what is wrong with one."""
