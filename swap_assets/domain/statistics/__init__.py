"""Intervals, paired differences and corrections for several comparisons: numbers in, numbers out."""
