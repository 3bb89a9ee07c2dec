"""What is drawn besides the result: plots, boxes, steps, tables, the size circle."""
