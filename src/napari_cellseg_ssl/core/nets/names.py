"""Names of encoders, and what is said of them: no torch here."""

RESNETS = ("resnet18", "resnet34", "resnet50", "wide_resnet50_2")
"""See `resnet_encoder.DESIGNS`."""
DETECTOR = "cupre"
"""Tag of models whose network is a detector; others can begin with its backbone."""
NO_WEIGHTS = "none"
"""An encoder begins at random."""
AT_RANDOM = "The encoder begins at random; with pre-trained weights it needs fewer cells and steps."
