"""Where and in which number format work is done: device, threads, cluster."""
