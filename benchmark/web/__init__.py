"""The prediction service: a page and an API that predict anybody's image."""
