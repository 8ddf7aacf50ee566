"""Say what a version would have earned from lists that others drew, before anybody sees it."""
