"""What methods share that learn from painted cells: frames at their scale, and cells held out to judge by."""
