"""A running training in words: which part it is at, and what its numbers mean."""

from collections.abc import Mapping

from napari_cellseg_ssl.tasks.curve import Curve

PHASES: Mapping[str, str] = {
    "baseline": "from the painted cells",
    "refinement": "teaching itself on the rest",
    "cellulus": "first embeddings, from the images alone",
    "supported": "then cells, from pseudo-labels and what is painted",
    "source": "1 learns what objects are (source)",
    "contrast": "2 learns what your images look like",
    "fine-tune": "3 learns your cells",
}
"""What a part of a training does, where its name does not say it."""
MEASURES: Mapping[str, str] = {"accuracy": "{:.0%} of views found", "drift": "drift {:.1%}"}
"""What stands among the losses of a step without being one."""
NEW_SHARE = 0.1
"""Of a measure, that one step makes up: that of a few tiles is chance."""


def measured(before: Mapping[str, float], losses: Mapping[str, float]) -> dict[str, float]:
    """Follow the measures of a training from step to step."""
    newest = {name: value for name, value in losses.items() if name in MEASURES}
    return {
        name: value if name not in before else (1 - NEW_SHARE) * before[name] + NEW_SHARE * value
        for name, value in newest.items()
    }


def describe(phase: str, curve: Curve, measures: Mapping[str, float], score: str) -> str:
    """Say which part a training is at, how large its loss is, and what else it tells; "" where it tells nothing."""
    loss = f"loss {curve.last:.3g}" if curve.values else ""
    if loss and curve.level is not None:
        loss += f" (chance {curve.level:.3g})"
    told = (MEASURES[name].format(value).replace("%", " %") for name, value in measures.items())
    return " · ".join(part for part in (PHASES.get(phase, phase), loss, *told, score) if part)
