"""What changed between two runs, or differs between two models of one, image by image."""
