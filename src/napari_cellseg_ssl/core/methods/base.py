"""What a method is: a description that needs no torch, and four things it can do."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from napari_cellseg_ssl.core.data.detections import Detections
from napari_cellseg_ssl.core.data.images import Array
from napari_cellseg_ssl.core.data.intensity import Intensity
from napari_cellseg_ssl.core.data.maps import MapSpec, PredictionMaps
from napari_cellseg_ssl.core.inference.predictor import Predictor
from napari_cellseg_ssl.core.methods import messages, registry
from napari_cellseg_ssl.core.methods.events import Checkpoint, TrainEvent
from napari_cellseg_ssl.core.methods.registry import method_module
from napari_cellseg_ssl.core.options import Json, options_from_json

if TYPE_CHECKING:
    from napari_cellseg_ssl.core.data.images import ImageStack
    from napari_cellseg_ssl.core.data.synthetic_masks import MaskExample, SyntheticPair
    from napari_cellseg_ssl.core.data.training_set import TrainingSet
    from napari_cellseg_ssl.core.model.bundle import ModelBundle


@dataclass(frozen=True, kw_only=True)
class MethodInfo:
    """All that GUI, command line and documentation need to know; importing it never imports torch.

    Parameters
    ----------
    train_options, segment_options : type
        Frozen dataclasses made of `option`.
    maps : tuple of MapSpec
        What a predictor of this method returns, exactly.
    presets : {name: {option: value}}
        Named sets of training options; the first is the default.
    starts_from : tuple of str
        Architecture tags accepted in `Run.start_from`.
    """

    id: str
    title: str
    summary: str
    citation: str
    labels: Literal["none", "optional", "required"]
    spatial_ndims: tuple[int, ...]
    train_options: type
    segment_options: type
    maps: tuple[MapSpec, ...]
    presets: Mapping[str, Mapping[str, Json]] = field(default_factory=lambda: {"fast": {}})
    presets_3d: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """What presets of the same names have differently for volumes."""
    starts_from: tuple[str, ...] = ()
    learns_from_results: bool = False
    """Whether it can learn from what other methods found, where nothing is painted."""
    usual_seconds: int = 180
    """How long the first preset should learn on a processor; what the dock suggests."""
    uses_torch: bool = True
    """Whether a device has to be found; a method without a network does not load torch for it."""

    def preset(self, name: str | None = None, *, ndim: int = 2) -> Any:
        """Training options of a preset, the default one when `name` is None, for images of so many dimensions.

        Raises
        ------
        WrongOption
            If the method has no such preset.
        """
        name = name or next(iter(self.presets))
        if name not in self.presets:
            raise messages.no_such_preset(self.id, name, ", ".join(self.presets))
        in_space = self.presets_3d.get(name, {}) if ndim == 3 else {}
        return options_from_json(self.train_options, {**self.presets[name], **in_space})

    def accepts(self, start: "ModelBundle") -> bool:
        """Whether a training can start from a model: one of its own, or of an architecture that it knows."""
        return start.method_id == self.id or start.architecture.get("tag") in self.starts_from


@dataclass(frozen=True, kw_only=True)
class Run:
    """The circumstances of one training.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:1", "mps".
    should_stop : () -> bool
        Asked before each step; waits while the job is paused.
    elapsed : () -> float
        Seconds of work so far, pauses not counted, what a resumed run did before included.
    time_budget : float, optional
        Seconds. When given, schedules follow the time and `steps` is ignored.
    keeps_start : bool
        Whether `start_from` may be given back as it was, where nothing better is learned from it. It must not have
        learned from these images, and must suit them.
    resume : Checkpoint, optional
        Where an interrupted run goes on.
    """

    device: str = "cpu"
    seed: int = 0
    should_stop: Callable[[], bool] = lambda: False
    elapsed: Callable[[], float] = lambda: 0.0
    time_budget: float | None = None
    start_from: "ModelBundle | None" = None
    keeps_start: bool = False
    resume: Checkpoint | None = None

    @property
    def intensity(self) -> Intensity:
        """How images are normalised: as for the model that it starts from."""
        return self.start_from.intensity if self.start_from else Intensity()

    def fraction(self, step: int, steps: int, seconds: float | None = None) -> float:
        """Share of the work that is done after `step` steps and some seconds, by default those so far, 0 to 1."""
        if not self.time_budget:
            return min(1.0, step / max(1, steps))
        return min(1.0, (self.elapsed() if seconds is None else seconds) / self.time_budget)


@dataclass(frozen=True, kw_only=True)
class SegmentationSteps:
    """What the steps of a segmentation found on the way to its instances.

    Parameters
    ----------
    seeds, partial : {title: (N, *S) int32}
        Seeds, and what they grew to, on the image's own grid, in the order of the steps.
    remark : str
        What a user should know about it.
    """

    seeds: Mapping[str, Array]
    partial: Mapping[str, Array]
    remark: str = ""


@runtime_checkable
class ShowsSteps(Protocol):
    """A method that makes instances step by step, and lets people see how."""

    def steps(self, maps: PredictionMaps, options: Any) -> SegmentationSteps:
        """Do what `Method.segment` does, and keep what each step found."""
        ...


@runtime_checkable
class ScoresObjects(Protocol):
    """A method that can say how sure it is of each instance."""

    def scored(self, maps: PredictionMaps, options: Any) -> tuple[Array, tuple[Array, ...]]:
        """Do what `Method.segment` does, and return for each frame the scores of its ids from 1, (K,) from 0 to 1."""
        ...


@runtime_checkable
class ShowsBoxes(Protocol):
    """A method that draws its instances from boxes, and lets people see them."""

    def boxes(self, maps: PredictionMaps, options: Any) -> tuple[Detections, ...]:
        """Return for each frame what `Method.segment` draws, in px of the image, in the order of its ids."""
        ...


@runtime_checkable
class RemarksOnMaps(Protocol):
    """A method that can tell from a prediction when a user should be warned."""

    def remarks(self, bundle: "ModelBundle", maps: PredictionMaps) -> Iterable[str]:
        """Say what is unusual about what a model predicted, a sentence each."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingStage:
    """Which of its stages a training will be.

    Parameters
    ----------
    act : str
        A verb, as on a button.
    hint : str
        What it learns from, and what is missing.
    """

    act: str
    hint: str


@runtime_checkable
class LearnsInStages(Protocol):
    """A method whose training is one of several, by its options and by what is painted."""

    def stage(self, options: Any, *, is_painted: bool, start: "ModelBundle | None") -> TrainingStage:
        """Say which stage a training will be; `start` is the model that it goes on from."""
        ...

    def next_act(self, bundle: "ModelBundle") -> str:
        """Say what to do after the training that made a model; "" where it was the last stage."""
        ...


@runtime_checkable
class ReadsMeans(Protocol):
    """A method with models that read the mean of all channels, so that grey and colour images are the same to them."""

    def for_channels(self, bundle: "ModelBundle", channels: int) -> "ModelBundle":
        """Return such a model for images of so many channels; any other model as it is."""
        ...


@runtime_checkable
class DrawsMasks(Protocol):
    """A method that learns from masks of its own drawing, which can be looked at before it learns."""

    def example_mask(self, image: "ImageStack", diameter: float, options: Any, *, seed: int = 0) -> "MaskExample":
        """Draw a mask as the training would, on the grid of the first frame of an image; needs no torch."""
        ...


@runtime_checkable
class DrawsImages(Protocol):
    """A method whose models can draw images of objects that they invent."""

    def synthetic_pairs(
        self, bundle: "ModelBundle", shape: Sequence[int], *, count: int, seed: int, device: str
    ) -> Iterator["SyntheticPair"]:
        """Draw images of `shape`, with their objects as wide as at the model's working scale."""
        ...


@runtime_checkable
class SegmentsPixels(Protocol):
    """A method that needs no network: what others are compared with."""

    def segment_pixels(self, pixels: Array, diameter: float) -> Array:
        """Make instances (*S) int32 of one normalised frame (*S), with the default options."""
        ...


@runtime_checkable
class ComparesPretraining(Protocol):
    """A method that can be pre-trained in several ways, and says which of them helps."""

    def arm_options(self, options: Any, arm: str) -> tuple[Any, Any]:
        """Return the options of the pre-training of an arm, None where it has none, and of its fine-tuning.

        Raises
        ------
        WrongOption
            If the options do not allow this arm.
        """
        ...

    def count_held_out(self, data: "TrainingSet", options: Any, seed: int) -> int:
        """Count the cells that a fine-tuning with this seed is validated by; 0 = none can be held out."""
        ...


class Method(Protocol):
    """A way to segment. Stateless: everything that lasts is in the bundle."""

    info: MethodInfo

    def train(self, data: "TrainingSet", options: Any, run: Run) -> Iterator[TrainEvent]:
        """Train; the last event is `TrainFinished`, also after a stop."""
        ...

    def predictor(self, bundle: "ModelBundle", device: str) -> Predictor:
        """Load a trained network."""
        ...

    def segment(self, maps: PredictionMaps, options: Any) -> Array:
        """Make instances, (N, *S) int32 on the image's own grid, from maps alone: no torch, no image, no files."""
        ...


def for_channels(method: Method, bundle: "ModelBundle", channels: int) -> "ModelBundle":
    """Return a model for images of so many channels, where it is one that reads their mean; else as it is."""
    return method.for_channels(bundle, channels) if isinstance(method, ReadsMeans) else bundle


def segmented(method: Method, maps: PredictionMaps, options: Any) -> tuple[Array, tuple[Array, ...]]:
    """Make instances (N, *S), with their scores per frame where the method has them; else the second is empty."""
    if isinstance(method, ScoresObjects):
        return method.scored(maps, options)
    return method.segment(maps, options), ()


def get_method(method_id: str) -> Method:
    """Return a method by its id.

    Raises
    ------
    WrongOption
        If there is no such method.
    """
    return cast(Method, method_module(method_id).METHOD)


def method_infos() -> tuple[MethodInfo, ...]:
    """Describe every method, in the order in which a user should meet them."""
    return tuple(get_method(method_id).info for method_id in registry.METHODS)
