"""Size, shape, place and brightness of every instance."""

import numpy as np

from napari_cellseg_ssl.core.data.images import Array, ImageStack

UNITLESS = ("eccentricity", "solidity")


def measure(image: ImageStack, labels: Array) -> dict[str, Array]:
    """Measure the instances of an image.

    Parameters
    ----------
    image : ImageStack
        Gives intensities, and spacing; lengths are in µm where the spacing is known, and always in px too.
    labels : (N, *S) integer

    Returns
    -------
    {column: (n,) array}
        One row per instance and frame: frame, label, the middle in px, area (2D) or volume (3D), equivalent
        diameter, in 2D shape factors, whether it touches the border, mean intensity per channel.
    """
    pairs = zip(image.frames, labels, strict=True)
    tables = [_measure_frame(frame, found, image, n) for n, (frame, found) in enumerate(pairs)]
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _measure_frame(frame: Array, labels: Array, image: ImageStack, n: int) -> dict[str, Array]:
    from skimage.measure import regionprops_table

    ndim = labels.ndim
    wanted = ["label", "centroid", "area", "equivalent_diameter_area", "bbox", "intensity_mean"]
    if ndim == 2:
        wanted += ["perimeter", *UNITLESS]
    found = regionprops_table(labels, np.moveaxis(frame, 0, -1), properties=wanted)
    size = "area" if ndim == 2 else "volume"
    table = {"frame": np.full(len(found["label"]), n), "label": found["label"]}
    for i, axis in enumerate("zyx"[-ndim:]):
        table[f"centre_{axis}_px"] = found[f"centroid-{i}"]
    table[f"{size}_px"] = found["area"]
    table["diameter_px"] = found["equivalent_diameter_area"]
    if image.is_calibrated:
        pixel = float(np.prod(image.spacing))
        table[f"{size}_um{ndim}"] = found["area"] * pixel
        table["diameter_um"] = found["equivalent_diameter_area"] * pixel ** (1 / ndim)
    if ndim == 2:
        table["perimeter_px"] = found["perimeter"]
        table |= {name: found[name] for name in UNITLESS}
    stops = [found[f"bbox-{ndim + i}"] >= size_ for i, size_ in enumerate(labels.shape)]
    starts = [found[f"bbox-{i}"] <= 0 for i in range(ndim)]
    table["touches_border"] = np.any([*starts, *stops], axis=0)
    for c in range(image.n_channels):
        column = f"intensity_mean-{c}" if f"intensity_mean-{c}" in found else "intensity_mean"
        table[f"mean_intensity_{c}"] = found[column]
    return table
