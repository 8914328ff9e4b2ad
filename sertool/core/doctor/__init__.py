"""What a corpus lacks, leaks and repeats."""
