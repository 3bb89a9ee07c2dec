"""The panels of the docks: they build, emit and render; they decide nothing."""
