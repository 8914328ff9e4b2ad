"""Published corpora as their owners hand them out: a file for each layout, and what all of them share."""
