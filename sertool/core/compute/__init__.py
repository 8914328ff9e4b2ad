"""Device, number format, threads and cluster: where and how a computation runs."""
