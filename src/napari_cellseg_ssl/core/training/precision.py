"""Half precision where it is faster, and only there."""

from __future__ import annotations

import torch


def half_precision(device: str, wanted: bool = True) -> torch.autocast:
    """Context in which convolutions are computed in bfloat16, if the device has instructions for it.

    Half the bits move through memory; on a processor with AVX-512 BF16 a training step takes about half the time.
    Weights, losses and averages stay in single precision.
    """
    kind = device.partition(":")[0]
    enabled = wanted and (
        (kind == "cuda" and torch.cuda.is_bf16_supported()) or (kind == "cpu" and _processor_has_bfloat16())
    )
    return torch.autocast(kind if enabled else "cpu", torch.bfloat16, enabled=enabled)


def _processor_has_bfloat16() -> bool:
    """Ask torch; versions that cannot say count as no."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in names)
