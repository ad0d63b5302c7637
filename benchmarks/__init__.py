"""Figures of speed, side by side in one run.  `make bench` prints them all."""
