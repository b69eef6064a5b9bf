"""Models of human fixations: everything that turns an image into a log density."""
