"""Closed books: control totals, completeness, history and the manifest, written in the same act as the rows they tell of."""
