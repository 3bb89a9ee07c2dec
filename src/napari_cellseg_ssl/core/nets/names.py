"""Names of encoders, and what is said of them: no torch here."""

RESNETS = ("resnet18", "resnet34", "resnet50", "wide_resnet50_2")
"""See `resnet_encoder.DESIGNS`."""
NO_WEIGHTS = "none"
"""An encoder begins at random."""
AT_RANDOM = "The encoder begins at random; with pre-trained weights it needs fewer cells and steps."
