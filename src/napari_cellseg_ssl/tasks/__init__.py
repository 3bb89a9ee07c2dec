"""Use cases as streams of events: no Qt, no napari, no printing. GUI, command line and notebook share them."""

from napari_cellseg_ssl.core.methods.events import MapsReady, Note, Step, TrainFinished, Validated
from napari_cellseg_ssl.tasks.events import FileWritten, LabelsReady, Preview, Trial, TrialDone, TuneFinished
from napari_cellseg_ssl.tasks.export import export
from napari_cellseg_ssl.tasks.interpolation import InterpolationReady, interpolate
from napari_cellseg_ssl.tasks.job_control import Control
from napari_cellseg_ssl.tasks.predict import predict, segment, segment_image
from napari_cellseg_ssl.tasks.pretraining_comparison import PretrainingComparisonRequest, compare_pretraining
from napari_cellseg_ssl.tasks.requests import (
    ExportRequest,
    InterpolationRequest,
    PredictRequest,
    PreviewWindow,
    SegmentFilesRequest,
    SegmentRequest,
    SynthesisRequest,
    TrainRequest,
    TuneRequest,
)
from napari_cellseg_ssl.tasks.segment_files import FilesReady, segment_files
from napari_cellseg_ssl.tasks.synthesis import example_mask, synthesise
from napari_cellseg_ssl.tasks.train import train
from napari_cellseg_ssl.tasks.tune import tune

__all__ = [
    "Control",
    "ExportRequest",
    "FileWritten",
    "FilesReady",
    "InterpolationReady",
    "InterpolationRequest",
    "LabelsReady",
    "MapsReady",
    "Note",
    "PredictRequest",
    "PretrainingComparisonRequest",
    "Preview",
    "PreviewWindow",
    "SegmentFilesRequest",
    "SegmentRequest",
    "Step",
    "SynthesisRequest",
    "TrainFinished",
    "TrainRequest",
    "Trial",
    "TrialDone",
    "TuneFinished",
    "TuneRequest",
    "Validated",
    "compare_pretraining",
    "example_mask",
    "export",
    "interpolate",
    "predict",
    "segment",
    "segment_files",
    "segment_image",
    "synthesise",
    "train",
    "tune",
]
