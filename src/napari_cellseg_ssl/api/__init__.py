"""The public calls for notebooks and scripts, one module per family; the event streams are in `tasks`."""
