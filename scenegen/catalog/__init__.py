"""Find recordings: one row of features each, SQL over the rows, exact queries."""

from scenegen.catalog.catalog import Catalog, Hit, Step
from scenegen.catalog.features import features

__all__ = ["Catalog", "Hit", "Step", "features"]
