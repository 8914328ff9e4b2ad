"""The time line of a long recording: segments with times, speakers and predictions, and the files that show them."""
