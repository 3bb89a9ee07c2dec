"""Networks; the only place, with `torch_tools`, where torch is imported at the top of a module."""
