"""An instance detector, Cascade Mask R-CNN, of plain PyTorch; tensors are named as torchvision names them.

Cai and Vasconcelos, "Cascade R-CNN", CVPR 2018; He et al., "Mask R-CNN", ICCV 2017; Lin et al., "Feature Pyramid
Networks", CVPR 2017; as in Liao et al., "CUPre" (arXiv 2310.03981), with what sparse annotations need.
"""
