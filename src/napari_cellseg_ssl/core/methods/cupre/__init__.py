"""CUPre: weights to begin with, from unlabelled images and a source of objects that others have annotated.

Liao et al., "CUPre: Cross-domain Unsupervised Pre-training for Few-Shot Cell Segmentation", 2023. Here is its
contrastive step, `pretraining`, and what alternates it with the source step, `alternation`.
"""
