"""The project's own measurements: they use the product, nothing in the product uses them."""
