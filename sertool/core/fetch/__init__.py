"""Downloads and archives, installed."""
