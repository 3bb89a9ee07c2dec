"""The fake method with scores: an instance is the surer the brighter it is."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from fakes import FakeMethod


class ScoringMethod(FakeMethod):
    info = replace(FakeMethod.info, id="scoring", title="Scoring")

    def scored(self, maps, options):
        labels, bright = self.segment(maps, options), maps.to_source("foreground")[:, 0]
        means = (ndimage.mean(b, frame, np.arange(frame.max()) + 1) for b, frame in zip(bright, labels, strict=True))
        return labels, tuple(np.asarray(each, np.float32).reshape(-1) for each in means)


METHOD = ScoringMethod()
