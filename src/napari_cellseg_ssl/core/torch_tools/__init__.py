"""What training loops share: crops, augmentation, losses, averages, checkpoints."""
