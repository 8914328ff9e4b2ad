"""Prediction: a trained ensemble on recordings and texts of its user's own."""
