"""Networks; the only place, with `core.training`, where torch is imported at the top of a module."""
