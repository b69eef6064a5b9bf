"""Classical models: saliency maps from low-level features, one file each."""
