"""Work on many images: cut into shards, computed by joblib or Dask, given back as it is ready."""

from benchmark.parallel.backend import Backend
from benchmark.parallel.mapping import ordered_map, unordered_map
from benchmark.parallel.shards import SHARD, shards

__all__ = ["SHARD", "Backend", "ordered_map", "shards", "unordered_map"]
